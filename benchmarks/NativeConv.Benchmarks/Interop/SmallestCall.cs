using System.Runtime.InteropServices;
using NativeConv.Interop;

namespace NativeConv.Benchmarks.Interop;

/// <summary>A forward pass of one number by the C interface.</summary>
internal sealed unsafe class SmallestCall : IDisposable
{
    private readonly nconv_plan* _plan;
    private readonly void* _packed;
    private readonly Block* _block;

    private SmallestCall()
    {
        nconv_conv2d_desc desc;
        NativeMethods.nconv_conv2d_desc_init(&desc);
        desc.input_channels = 1;
        desc.output_channels = 1;
        desc.input_height = 1;
        desc.input_width = 1;
        desc.kernel_h = 1;
        desc.kernel_w = 1;
        desc.layout = (int)nconv_layout.NCONV_LAYOUT_NHWC;
        desc.activation = (int)nconv_activation.NCONV_ACTIVATION_LINEAR;
        fixed (nconv_plan** plan = &_plan)
        {
            Check(NativeMethods.nconv_plan_create(&desc, null, plan));
        }

        nconv_plan_info info = new() { struct_size = (uint)sizeof(nconv_plan_info) };
        Check(NativeMethods.nconv_plan_get_info(_plan, &info));
        fixed (void** packed = &_packed)
        {
            Check(NativeMethods.nconv_buffer_allocate(info.forward_packed_bytes, packed));
        }

        float weight = 3;
        Check(
            NativeMethods.nconv_pack_weights(
                _plan, nconv_pass.NCONV_PASS_FORWARD, &weight, 1, _packed, info.forward_packed_bytes));
        _block = (Block*)NativeMemory.AllocZeroed((nuint)sizeof(Block));
        _block->Input = 1;
        _block->Bias = 2;
        _block->Execution.struct_size = (uint)sizeof(nconv_execution);
        _block->Execution.max_threads = 1;
        _block->Arguments = new nconv_forward_args
        {
            struct_size = (uint)sizeof(nconv_forward_args),
            input = &_block->Input,
            input_count = 1,
            packed_weights = _packed,
            packed_weights_bytes = info.forward_packed_bytes,
            bias = &_block->Bias,
            bias_count = 1,
            output = &_block->Output,
            output_count = 1,
            execution = &_block->Execution,
        };
        Check(NativeMethods.nconv_forward(_plan, Arguments));
        if (_block->Output != 5)
        {
            throw new InvalidOperationException($"1 * 3 + 2 is not {_block->Output}.");
        }
    }

    /// <summary>The C function as C calls it: the collector waits for it, which a call of some nanoseconds
    /// may ask.</summary>
    public static delegate* unmanaged[Cdecl, SuppressGCTransition]<nconv_plan*, nconv_forward_args*, nconv_status>
        ForwardWithoutTransition =>
        (delegate* unmanaged[Cdecl, SuppressGCTransition]<nconv_plan*, nconv_forward_args*, nconv_status>)
        NativeLibrary.GetExport(
            NativeLibrary.Load("nconv", typeof(ConvolutionPlan).Assembly, DllImportSearchPath.AssemblyDirectory),
            "nconv_forward");

    public nconv_plan* Plan => _plan;

    public nconv_forward_args* Arguments => &_block->Arguments;

    public static SmallestCall Create() => new();

    public void Dispose()
    {
        NativeMethods.nconv_plan_destroy(_plan);
        NativeMethods.nconv_buffer_free(_packed);
        NativeMemory.Free(_block);
    }

    private static void Check(nconv_status status)
    {
        if (status != nconv_status.NCONV_STATUS_OK)
        {
            throw new InvalidOperationException($"{status}");
        }
    }

    private struct Block
    {
        public float Input;
        public float Bias;
        public float Output;
        public nconv_execution Execution;
        public nconv_forward_args Arguments;
    }
}
