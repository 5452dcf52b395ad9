namespace NativeConv.Internal;

/// <summary>Exclusive use of a workspace, or of none, until <see cref="Dispose"/>.</summary>
internal readonly unsafe ref struct WorkspaceLease : IDisposable
{
    private readonly ConvolutionWorkspace? _workspace;
    private readonly HandleLease _memory;

    public WorkspaceLease(ConvolutionWorkspace? workspace, long neededBytes)
    {
        long bytes = workspace?.Bytes ?? 0;
        if (bytes < neededBytes)
        {
            throw new ArgumentException(
                $"workspace must have at least {neededBytes} bytes; it has {bytes}.",
                nameof(workspace));
        }

        if (workspace is null)
        {
            return;
        }

        ObjectDisposedException.ThrowIf(workspace.Memory.IsClosed, workspace);
        workspace.Enter();
        try
        {
            _memory = new HandleLease(workspace.Memory);
        }
        catch
        {
            workspace.Exit();
            throw;
        }

        _workspace = workspace;
    }

    public void* Pointer => (void*)_memory.Pointer;

    public long Bytes => _workspace?.Bytes ?? 0;

    public void Dispose()
    {
        if (_workspace is not null)
        {
            _memory.Dispose();
            _workspace.Exit();
        }
    }
}
