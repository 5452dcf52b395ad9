namespace NativeConv.Benchmarks.Managed;

/// <summary>
/// A convolution written in C#: activations [N][H][W][C], weights [O][R][S][C/G], bias, no
/// activation function. What can be arranged once for many calls is arranged in the constructor and
/// in <see cref="SetWeights"/>, as with a <see cref="ConvolutionPlan"/>.
/// </summary>
internal interface IManagedConvolution
{
    /// <summary>Takes a copy of weights and bias.</summary>
    void SetWeights(ReadOnlySpan<float> weights, ReadOnlySpan<float> bias);

    /// <summary>output = conv(input, weights) + bias.</summary>
    void Forward(ReadOnlySpan<float> input, Span<float> output);
}

/// <summary>The gradients of an <see cref="IManagedConvolution"/>.</summary>
internal interface IManagedGradients
{
    /// <summary>Arranges what the gradients need; once, after <see
    /// cref="IManagedConvolution.SetWeights"/>.</summary>
    void PrepareGradients();

    /// <summary>Overwrites the gradient by the input.</summary>
    void BackwardInput(ReadOnlySpan<float> gradOutput, Span<float> gradInput);

    /// <summary>Overwrites the gradients by weights and bias.</summary>
    void BackwardWeights(
        ReadOnlySpan<float> input,
        ReadOnlySpan<float> gradOutput,
        Span<float> gradWeights,
        Span<float> gradBias);
}
