using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace NativeConv.Tests;

/// <summary>Buffers of the native library. What they share with other tests, the pool, is only
/// looked at where others cannot disturb.</summary>
public class BufferTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(1000)]
    [InlineData(1 << 20)]
    public void Span_HoldsItsElements_AndIsAligned(int length)
    {
        using ConvolutionBuffer buffer = new(length);
        Assert.Equal(length, buffer.Length);
        Assert.Equal(length, buffer.Span.Length);
        Assert.Equal((nuint)0, Address(buffer) % 64);
        buffer.Span.Fill(7);
        Assert.Equal(-1, buffer.Span.IndexOfAnyExcept(7));
    }

    [Fact]
    public void EqualBuffers_DoNotShareTheirLowAddressBits()
    {
        using ConvolutionBuffer a = new(4096);
        using ConvolutionBuffer b = new(4096);
        Assert.NotEqual(Address(a) % 4096, Address(b) % 4096);
    }

    [Fact]
    public void Dispose_MayBeRepeated_AndEndsTheUse()
    {
        ConvolutionBuffer buffer = new(10);
        buffer.Dispose();
        buffer.Dispose();
        Assert.Equal(10, buffer.Length);
        Assert.Throws<ObjectDisposedException>(() => buffer.Span.Length);
    }

    [Fact]
    public void Length_IsChecked()
    {
        ArgumentOutOfRangeException e = Assert.Throws<ArgumentOutOfRangeException>(
            () => new ConvolutionBuffer(-1));
        Assert.Equal("length", e.ParamName);
        Assert.Throws<InsufficientMemoryException>(() => new ConvolutionWorkspace(long.MaxValue));
    }

    [Fact]
    public void Passes_TakeTheirSpans()
    {
        using Conv2D conv = new(3, 5);
        Conv2DShape shape = conv.GetShape(2, 6, 7);
        using ConvolutionBuffer input = new(shape.InputLength);
        using ConvolutionBuffer output = new(shape.OutputLength);
        Support.Fill.Real(shape.InputLength, 1).CopyTo(input.Span);
        conv.Forward(shape, input.Span, output.Span);
        Assert.Equal(conv.Forward(shape, input.Span), output.Span.ToArray());
    }

    [Fact]
    public void Lost_IsFreedByTheCollector()
    {
        for (int i = 0; i < 20; i++)
        {
            Lose();
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        // Without its finalizer 20 times 64 MB would be in use: more than a small machine has.
        [MethodImpl(MethodImplOptions.NoInlining)]
        static void Lose() => new ConvolutionBuffer(16 << 20).Span[0] = 1;
    }

    [Fact]
    public void Runtime_LimitsAreChecked()
    {
        Assert.True(NativeConvRuntime.PooledBufferBytes >= 0);
        NativeConvRuntime.SetMaxPooledBufferBytes(256 << 20);
        Assert.Throws<ArgumentOutOfRangeException>(
            () => NativeConvRuntime.SetMaxPooledBufferBytes(-1));
        NativeConvRuntime.TrimBuffers();
    }

    private static nuint Address(ConvolutionBuffer buffer)
    {
        unsafe
        {
            return (nuint)Unsafe.AsPointer(ref MemoryMarshal.GetReference(buffer.Span));
        }
    }
}
