using System.Runtime.CompilerServices;
using NativeConv.Internal;
using NativeConv.Interop;

namespace NativeConv;

/// <summary>
/// All of one convolution: what a <see cref="ConvolutionPlan"/> is made from. The defaults are
/// those of the native library: a dense 3 x 3 kernel, stride 1, one group, no padding, bias, ReLU,
/// batch 1, NCHW.
/// </summary>
public sealed record ConvolutionDescriptor
{
    /// <summary>Number of images, at least 0. With 0 every pass succeeds and reads
    /// nothing.</summary>
    public int Batch { get; init; } = 1;

    /// <summary>Channels C of the input, at least 1.</summary>
    public required int InputChannels { get; init; }

    /// <summary>Channels O of the output, at least 1.</summary>
    public required int OutputChannels { get; init; }

    /// <summary>Groups; divides both channel counts. Equal to <see cref="InputChannels"/> for
    /// depthwise.</summary>
    public int Groups { get; init; } = 1;

    /// <summary>Height H of the input, at least 1.</summary>
    public required int InputHeight { get; init; }

    /// <summary>Width W of the input, at least 1.</summary>
    public required int InputWidth { get; init; }

    /// <summary>Height R of the kernel, at least 1.</summary>
    public int KernelHeight { get; init; } = 3;

    /// <summary>Width S of the kernel, at least 1.</summary>
    public int KernelWidth { get; init; } = 3;

    /// <summary>Rows between two outputs, at least 1.</summary>
    public int StrideVertical { get; init; } = 1;

    /// <summary>Columns between two outputs, at least 1.</summary>
    public int StrideHorizontal { get; init; } = 1;

    /// <summary>Rows between two taps of the kernel, at least 1; 1 is a dense kernel.</summary>
    public int DilationVertical { get; init; } = 1;

    /// <summary>Columns between two taps of the kernel, at least 1; 1 is a dense kernel.</summary>
    public int DilationHorizontal { get; init; } = 1;

    /// <summary>Rows of zeros above the input, at least 0.</summary>
    public int PaddingTop { get; init; }

    /// <summary>Columns of zeros left of the input, at least 0.</summary>
    public int PaddingLeft { get; init; }

    /// <summary>Rows of zeros below the input, at least 0.</summary>
    public int PaddingBottom { get; init; }

    /// <summary>Columns of zeros right of the input, at least 0.</summary>
    public int PaddingRight { get; init; }

    /// <summary>The function applied to every output.</summary>
    public Activation Activation { get; init; } = Activation.Relu;

    /// <summary>Whether a bias is added for each output channel.</summary>
    public bool HasBias { get; init; } = true;

    /// <summary>The order of the dimensions in memory.</summary>
    public TensorLayout Layout { get; init; } = TensorLayout.Nchw;

    /// <summary>How freely the arithmetic may be rearranged.</summary>
    public MathMode MathMode { get; init; } = MathMode.Default;

    /// <summary>Throws what the native library would reject, naming the property and the
    /// values.</summary>
    internal void Validate()
    {
        Guard.Defined(Layout, nameof(Layout));
        Guard.Defined(MathMode, nameof(MathMode));
        Guard.AtLeast(Batch, 0, nameof(Batch));
        Guard.AtLeast(InputChannels, 1, nameof(InputChannels));
        Guard.AtLeast(OutputChannels, 1, nameof(OutputChannels));
        Guard.AtLeast(InputHeight, 1, nameof(InputHeight));
        Guard.AtLeast(InputWidth, 1, nameof(InputWidth));
        Guard.AtLeast(KernelHeight, 1, nameof(KernelHeight));
        Guard.AtLeast(KernelWidth, 1, nameof(KernelWidth));
        Guard.AtLeast(StrideVertical, 1, nameof(StrideVertical));
        Guard.AtLeast(StrideHorizontal, 1, nameof(StrideHorizontal));
        Guard.AtLeast(DilationVertical, 1, nameof(DilationVertical));
        Guard.AtLeast(DilationHorizontal, 1, nameof(DilationHorizontal));
        Guard.AtLeast(PaddingTop, 0, nameof(PaddingTop));
        Guard.AtLeast(PaddingLeft, 0, nameof(PaddingLeft));
        Guard.AtLeast(PaddingBottom, 0, nameof(PaddingBottom));
        Guard.AtLeast(PaddingRight, 0, nameof(PaddingRight));
        Guard.Groups(Groups, InputChannels, OutputChannels, nameof(Groups));
        Guard.KernelFits(
            InputHeight,
            PaddingTop,
            PaddingBottom,
            KernelHeight,
            DilationVertical,
            "height",
            nameof(KernelHeight));
        Guard.KernelFits(
            InputWidth,
            PaddingLeft,
            PaddingRight,
            KernelWidth,
            DilationHorizontal,
            "width",
            nameof(KernelWidth));
    }

    internal nconv_conv2d_desc ToNative() =>
        new()
        {
            struct_size = (uint)Unsafe.SizeOf<nconv_conv2d_desc>(),
            data_type = (int)nconv_data_type.NCONV_DATA_TYPE_FLOAT32,
            layout = (int)Layout,
            activation = (int)Activation.Kind,
            math_mode = (int)MathMode,
            has_bias = HasBias ? 1 : 0,
            activation_alpha = Activation.Alpha,
            activation_beta = Activation.Beta,
            batch = Batch,
            input_channels = InputChannels,
            output_channels = OutputChannels,
            groups = Groups,
            input_height = InputHeight,
            input_width = InputWidth,
            kernel_h = KernelHeight,
            kernel_w = KernelWidth,
            stride_h = StrideVertical,
            stride_w = StrideHorizontal,
            dilation_h = DilationVertical,
            dilation_w = DilationHorizontal,
            pad_top = PaddingTop,
            pad_left = PaddingLeft,
            pad_bottom = PaddingBottom,
            pad_right = PaddingRight,
        };
}
