using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using NativeConv.Interop;
using static NativeConv.Interop.nconv_status;

namespace NativeConv.Internal;

/// <summary>Status to exception: the only place.</summary>
internal static class Status
{
    public static void ThrowIfFailed(this nconv_status status)
    {
        if (status != NCONV_STATUS_OK)
        {
            Throw(status);
        }
    }

    public static Exception ToException(nconv_status status)
    {
        string message = $"{Text(status)} ({status})";
        return status switch
        {
            NCONV_STATUS_OUT_OF_MEMORY => new InsufficientMemoryException(message),
            NCONV_STATUS_UNSUPPORTED_ISA => new PlatformNotSupportedException(message),
            NCONV_STATUS_UNSUPPORTED_ALGORITHM => new NotSupportedException(message),
            _ when Parameter(status) is string name => new ArgumentException(message, name),
            _ => new NativeConvException(message, (int)status),
        };
    }

    /// <summary>
    /// The managed argument a status is about. Null for what no caller of this assembly can get
    /// wrong; such a status means that assembly and library do not fit.
    /// </summary>
    public static string? Parameter(nconv_status status) =>
        status switch
        {
            NCONV_STATUS_INVALID_LAYOUT => nameof(ConvolutionDescriptor.Layout),
            NCONV_STATUS_INVALID_ACTIVATION => nameof(ConvolutionDescriptor.Activation),
            NCONV_STATUS_INVALID_MATH_MODE => nameof(ConvolutionDescriptor.MathMode),
            NCONV_STATUS_INVALID_BATCH => nameof(ConvolutionDescriptor.Batch),
            NCONV_STATUS_INVALID_CHANNELS => nameof(ConvolutionDescriptor.InputChannels),
            NCONV_STATUS_INVALID_INPUT_SIZE => nameof(ConvolutionDescriptor.InputHeight),
            NCONV_STATUS_INVALID_KERNEL_SIZE => nameof(ConvolutionDescriptor.KernelHeight),
            NCONV_STATUS_INVALID_STRIDE => nameof(ConvolutionDescriptor.StrideVertical),
            NCONV_STATUS_INVALID_DILATION => nameof(ConvolutionDescriptor.DilationVertical),
            NCONV_STATUS_INVALID_PADDING => nameof(ConvolutionDescriptor.PaddingTop),
            NCONV_STATUS_INVALID_GROUPS => nameof(ConvolutionDescriptor.Groups),
            NCONV_STATUS_INVALID_OUTPUT_SIZE => nameof(ConvolutionDescriptor.KernelHeight),
            NCONV_STATUS_SIZE_OVERFLOW => "descriptor",
            NCONV_STATUS_INVALID_PASS => "pass",
            NCONV_STATUS_INVALID_THREADS => "maxThreads",
            NCONV_STATUS_INVALID_ISA => "instructionSet",
            NCONV_STATUS_INVALID_INPUT => "input",
            NCONV_STATUS_INVALID_WEIGHTS => "weights",
            NCONV_STATUS_INVALID_PACKED_WEIGHTS => "packedWeights",
            NCONV_STATUS_INVALID_BIAS => "bias",
            NCONV_STATUS_INVALID_OUTPUT => "output",
            NCONV_STATUS_INVALID_GRAD_OUTPUT => "gradOutput",
            NCONV_STATUS_INVALID_GRAD_INPUT => "gradInput",
            NCONV_STATUS_INVALID_GRAD_WEIGHTS => "gradWeights",
            NCONV_STATUS_INVALID_GRAD_BIAS => "gradBias",
            NCONV_STATUS_INVALID_WORKSPACE => "workspace",
            NCONV_STATUS_BUFFER_OVERLAP => "output",
            NCONV_STATUS_INVALID_RESIDUAL => "residual",
            NCONV_STATUS_INVALID_GRAD_RESIDUAL => "gradResidual",
            NCONV_STATUS_INVALID_BUFFER_BYTES => "bytes",
            NCONV_STATUS_INVALID_SPIN => "value",
            _ => null,
        };

    [DoesNotReturn]
    private static void Throw(nconv_status status) => throw ToException(status);

    private static unsafe string Text(nconv_status status) =>
        Marshal.PtrToStringUTF8((nint)NativeMethods.nconv_status_text(status))
        ?? "The NativeConv library failed.";
}
