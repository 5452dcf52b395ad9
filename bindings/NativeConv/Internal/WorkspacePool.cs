namespace NativeConv.Internal;

/// <summary>
/// Workspaces that are free. Each grows to the largest size asked for; there are never more free
/// ones than processors. Not thread-safe: the layer's lock guards it.
/// </summary>
internal sealed class WorkspacePool
{
    private readonly int _capacity = Math.Max(2, Environment.ProcessorCount);
    private readonly Stack<ConvolutionWorkspace> _free;
    private long _largest;

    public WorkspacePool() => _free = new(_capacity);

    public int Count => _free.Count;

    public ConvolutionWorkspace? Rent(long bytes)
    {
        if (bytes == 0)
        {
            return null;
        }

        _largest = Math.Max(_largest, bytes);
        if (_free.TryPop(out ConvolutionWorkspace? workspace))
        {
            if (workspace.Bytes >= bytes)
            {
                return workspace;
            }

            workspace.Dispose();
        }

        return new ConvolutionWorkspace(_largest);
    }

    public void Return(ConvolutionWorkspace? workspace)
    {
        if (workspace is null)
        {
            return;
        }

        if (_free.Count < _capacity)
        {
            _free.Push(workspace);
        }
        else
        {
            workspace.Dispose();
        }
    }

    public void Clear()
    {
        while (_free.TryPop(out ConvolutionWorkspace? workspace))
        {
            workspace.Dispose();
        }
    }
}
