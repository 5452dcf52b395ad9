using System.Runtime.InteropServices;
using NativeConv.Interop;

namespace NativeConv.Internal;

/// <summary>Owns an <c>nconv_plan</c>.</summary>
internal sealed unsafe class PlanHandle : SafeHandle
{
    private PlanHandle(nconv_plan* plan)
        : base(0, ownsHandle: true) => SetHandle((nint)plan);

    public override bool IsInvalid => handle == 0;

    public static PlanHandle Create(in nconv_conv2d_desc descriptor, nconv_plan_options* options)
    {
        nconv_plan* plan;
        fixed (nconv_conv2d_desc* p = &descriptor)
        {
            NativeMethods.nconv_plan_create(p, options, &plan).ThrowIfFailed();
        }

        return new PlanHandle(plan);
    }

    protected override bool ReleaseHandle()
    {
        NativeMethods.nconv_plan_destroy((nconv_plan*)handle);
        return true;
    }
}

/// <summary>Owns a buffer of the native library: aligned, and reused after it was freed.</summary>
internal sealed unsafe class BufferHandle : SafeHandle
{
    public BufferHandle(long bytes)
        : base(0, ownsHandle: true)
    {
        NativeLibraryCheck.EnsureLoaded();
        void* buffer;
        NativeMethods.nconv_buffer_allocate(bytes, &buffer).ThrowIfFailed();
        SetHandle((nint)buffer);
        Bytes = bytes;
        if (bytes > 0)
        {
            GC.AddMemoryPressure(bytes);
        }
    }

    public long Bytes { get; }

    public override bool IsInvalid => handle == 0;

    protected override bool ReleaseHandle()
    {
        NativeMethods.nconv_buffer_free((void*)handle);
        if (Bytes > 0)
        {
            GC.RemoveMemoryPressure(Bytes);
        }

        return true;
    }
}

/// <summary>
/// A handle's pointer, valid until <see cref="Dispose"/>: a handle that another thread disposes, or
/// the finalizer reaches, is freed only after that.
/// </summary>
internal readonly ref struct HandleLease : IDisposable
{
    private readonly SafeHandle? _handle;

    public HandleLease(SafeHandle? handle)
    {
        if (handle is not null)
        {
            bool added = false;
            handle.DangerousAddRef(ref added);
            _handle = handle;
            Pointer = handle.DangerousGetHandle();
        }
    }

    public nint Pointer { get; }

    public void Dispose() => _handle?.DangerousRelease();
}
