using NativeConv.Internal;

namespace NativeConv;

/// <summary>
/// Weights in the order in which one pass reads them, in native memory. Made by
/// <see cref="ConvolutionPlan.PackWeights(ConvolutionPass, ReadOnlySpan{float})"/>; a snapshot, to
/// be packed again when the weights change. Any number of calls may read it at the same time.
/// </summary>
public sealed class PackedWeights : IDisposable
{
    internal PackedWeights(ConvolutionPass pass, ulong format, long bytes)
    {
        Pass = pass;
        Format = format;
        Memory = new BufferHandle(bytes);
    }

    /// <summary>The pass they are for.</summary>
    public ConvolutionPass Pass { get; }

    /// <summary>Plans with the same format for the same pass take the same packed
    /// weights.</summary>
    public ulong Format { get; }

    /// <summary>The native memory they occupy.</summary>
    public long Bytes => Memory.Bytes;

    internal BufferHandle Memory { get; }

    /// <summary>Frees the memory, after the calls that use it have returned.</summary>
    public void Dispose() => Memory.Dispose();
}
