using NativeConv.Interop;

namespace NativeConv;

/// <summary>The three computations of a convolution.</summary>
public enum ConvolutionPass
{
    /// <summary>The output from input, weights and bias.</summary>
    Forward = nconv_pass.NCONV_PASS_FORWARD,

    /// <summary>The gradient by the input.</summary>
    BackwardInput = nconv_pass.NCONV_PASS_BACKWARD_INPUT,

    /// <summary>The gradients by the weights and the bias.</summary>
    BackwardWeights = nconv_pass.NCONV_PASS_BACKWARD_WEIGHTS,
}
