using NativeConv.Internal;

namespace NativeConv;

/// <summary>
/// The options of a <see cref="Conv2D"/>, checked when the layer is made. The defaults are a 3 x 3
/// kernel, stride 1, Same padding, bias and ReLU, trainable.
/// </summary>
public sealed record Conv2DOptions
{
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

    /// <summary>Groups; divides both channel counts. Equal to the input channels for a depthwise
    /// convolution.</summary>
    public int Groups { get; init; } = 1;

    /// <summary>The zeros around the input.</summary>
    public Padding Padding { get; init; } = Padding.Same;

    /// <summary>The function applied to every output.</summary>
    public Activation Activation { get; init; } = Activation.Relu;

    /// <summary>Whether a bias is added for each filter.</summary>
    public bool UseBias { get; init; } = true;

    /// <summary>
    /// Whether a backward pass computes the gradients by weights and bias; false is a frozen layer.
    /// </summary>
    public bool Trainable { get; init; } = true;

    /// <summary>The order of the dimensions in memory.</summary>
    public TensorLayout Layout { get; init; } = TensorLayout.Nchw;

    /// <summary>How freely the arithmetic may be rearranged.</summary>
    public MathMode MathMode { get; init; } = MathMode.Default;

    /// <summary>The start values of the weights.</summary>
    public Initializer WeightInitializer { get; init; } = Initializer.HeUniform();

    /// <summary>The start values of the bias.</summary>
    public Initializer BiasInitializer { get; init; } = Initializer.Zeros;

    /// <summary>The most threads one call uses; 0 for
    /// <see cref="NativeConvRuntime.ThreadCount"/>.</summary>
    public int MaxThreads { get; init; }

    /// <summary>Throws for the first option that is out of range, naming it and its
    /// value.</summary>
    internal void Validate(int inputChannels, int filters)
    {
        Guard.AtLeast(KernelHeight, 1, nameof(KernelHeight));
        Guard.AtLeast(KernelWidth, 1, nameof(KernelWidth));
        Guard.AtLeast(StrideVertical, 1, nameof(StrideVertical));
        Guard.AtLeast(StrideHorizontal, 1, nameof(StrideHorizontal));
        Guard.AtLeast(DilationVertical, 1, nameof(DilationVertical));
        Guard.AtLeast(DilationHorizontal, 1, nameof(DilationHorizontal));
        Guard.Groups(Groups, inputChannels, filters, nameof(Groups));
        Guard.Defined(Layout, nameof(Layout));
        Guard.Defined(MathMode, nameof(MathMode));
        Guard.AtLeast(MaxThreads, 0, nameof(MaxThreads));
        ArgumentNullException.ThrowIfNull(WeightInitializer, nameof(WeightInitializer));
        ArgumentNullException.ThrowIfNull(BiasInitializer, nameof(BiasInitializer));
    }
}
