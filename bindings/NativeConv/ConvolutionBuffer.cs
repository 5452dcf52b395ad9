using NativeConv.Internal;

namespace NativeConv;

/// <summary>
/// Native memory for a tensor, which may be used wherever the passes take a span; arrays and any
/// other memory may be used instead. Its start is a multiple of 64 bytes, large buffers lie in huge
/// pages where the system has them, buffers made one after the other never hinder each other in the
/// cache, and the collector does not move or clear them.
/// <para>
/// A buffer that is disposed is kept and handed out again, already touched: the first touch of new
/// memory, a new array's as well, costs about 1.3 us per 4096 bytes, 250 to 370 us for an output of
/// 1 MB, often more than the convolution. <see cref="NativeConvRuntime.TrimBuffers"/> gives back
/// what is kept.
/// </para>
/// </summary>
public sealed unsafe class ConvolutionBuffer : IDisposable
{
    private readonly BufferHandle _memory;

    /// <summary>Allocates a buffer. Its content is undefined.</summary>
    /// <param name="length">Its elements.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="length"/> is
    /// negative.</exception>
    /// <exception cref="OutOfMemoryException">There is not so much memory.</exception>
    public ConvolutionBuffer(int length)
    {
        Guard.AtLeast(length, 0, nameof(length));
        _memory = new BufferHandle((long)length * sizeof(float));
        Length = length;
    }

    /// <summary>The elements.</summary>
    public int Length { get; }

    /// <summary>
    /// The memory. Valid until the buffer is disposed: keep the buffer reachable, in a
    /// <c>using</c> for instance, as long as any span of it is used.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The buffer is disposed.</exception>
    public Span<float> Span
    {
        get
        {
            ObjectDisposedException.ThrowIf(_memory.IsClosed, this);
            return new Span<float>((void*)_memory.DangerousGetHandle(), Length);
        }
    }

    /// <summary>Frees the memory. No span of it may be used any more.</summary>
    public void Dispose() => _memory.Dispose();
}
