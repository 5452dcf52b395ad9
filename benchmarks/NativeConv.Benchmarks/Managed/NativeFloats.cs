using System.Runtime.InteropServices;

namespace NativeConv.Benchmarks.Managed;

/// <summary>Zeroed memory at a multiple of 64 bytes.</summary>
internal sealed unsafe class NativeFloats : IDisposable
{
    private float* _pointer;

    public NativeFloats(long length)
    {
        nuint bytes = checked((nuint)(Math.Max(length, 1) * sizeof(float)));
        _pointer = (float*)NativeMemory.AlignedAlloc(bytes, 64);
        Length = length;
        NativeMemory.Clear(_pointer, bytes);
    }

    ~NativeFloats() => Dispose();

    public long Length { get; }

    public float* Pointer => _pointer;

    public void Dispose()
    {
        NativeMemory.AlignedFree(_pointer);
        _pointer = null;
        GC.SuppressFinalize(this);
    }
}
