using NativeConv.Internal;

namespace NativeConv;

/// <summary>
/// Scratch memory of a pass, in native memory. It holds nothing between calls and fits any plan
/// that needs no more; only one call may use it at a time.
/// </summary>
public sealed class ConvolutionWorkspace : IDisposable
{
    private int _inUse;

    /// <summary>Allocates a workspace.</summary>
    /// <param name="bytes">Its size; see <see cref="ConvolutionPlan.GetWorkspaceBytes"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="bytes"/> is
    /// negative.</exception>
    /// <exception cref="OutOfMemoryException">There is not so much memory.</exception>
    public ConvolutionWorkspace(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        Memory = new BufferHandle(bytes);
    }

    /// <summary>The size.</summary>
    public long Bytes => Memory.Bytes;

    internal BufferHandle Memory { get; }

    /// <summary>Frees the memory, after a call that uses it has returned.</summary>
    public void Dispose() => Memory.Dispose();

    internal void Enter()
    {
        if (Interlocked.Exchange(ref _inUse, 1) != 0)
        {
            throw new InvalidOperationException(
                "The workspace is in use by another call; give each concurrent call its own.");
        }
    }

    internal void Exit() => Volatile.Write(ref _inUse, 0);
}
