using NativeConv.Benchmarks.Managed;
using NativeConv.Tests.Support;

namespace NativeConv.Benchmarks.Tests;

/// <summary>Compares with a <see cref="ConvolutionPlan"/>, bit for bit.</summary>
internal static class Expect
{
    public static void Forward(ConvolutionDescriptor d, IManagedConvolution convolution)
    {
        using ConvolutionPlan plan = new(Strict(d));
        float[] input = Fill.Integers((int)plan.InputLength, 1);
        float[] weights = Fill.Integers((int)plan.WeightsLength, 2);
        float[] bias = Fill.Integers((int)plan.BiasLength, 3);
        float[] expected = new float[plan.OutputLength];
        float[] output = Fill.Real(expected.Length, 4);
        using PackedWeights packed = plan.PackWeights(ConvolutionPass.Forward, weights);
        using ConvolutionWorkspace workspace = new(plan.GetWorkspaceBytes(ConvolutionPass.Forward));
        plan.Forward(input, packed, bias, expected, workspace);

        convolution.SetWeights(weights, bias);
        for (int run = 0; run < 2; run++)
        {
            Array.Fill(output, float.NaN);
            convolution.Forward(input, output);
            Assert.Equal(expected, output);
        }
    }

    public static void Gradients(ConvolutionDescriptor d, VectorConvolution convolution)
    {
        using ConvolutionPlan plan = new(Strict(d));
        float[] input = Fill.Integers((int)plan.InputLength, 1);
        float[] weights = Fill.Integers((int)plan.WeightsLength, 2);
        float[] bias = Fill.Integers((int)plan.BiasLength, 3);
        float[] gradOutput = Fill.Integers((int)plan.OutputLength, 4);
        float[] expectedInput = new float[input.Length];
        float[] expectedWeights = new float[weights.Length];
        float[] expectedBias = new float[bias.Length];
        using PackedWeights packed = plan.PackWeights(ConvolutionPass.BackwardInput, weights);
        using ConvolutionWorkspace workspace = new(plan.GetBackwardWorkspaceBytes());
        plan.Backward(
            input,
            gradOutput,
            [],
            packed,
            expectedInput,
            expectedWeights,
            expectedBias,
            accumulate: false,
            workspace);

        float[] gradInput = new float[input.Length];
        float[] gradWeights = new float[weights.Length];
        float[] gradBias = new float[bias.Length];
        convolution.SetWeights(weights, bias);
        convolution.PrepareGradients();
        for (int run = 0; run < 2; run++)
        {
            Array.Fill(gradInput, float.NaN);
            Array.Fill(gradWeights, float.NaN);
            Array.Fill(gradBias, float.NaN);
            convolution.BackwardInput(gradOutput, gradInput);
            convolution.BackwardWeights(input, gradOutput, gradWeights, gradBias);
            Assert.Equal(expectedInput, gradInput);
            Assert.Equal(expectedWeights, gradWeights);
            Assert.Equal(expectedBias, gradBias);
        }
    }

    /// <summary>Only direct sums are exact.</summary>
    private static ConvolutionDescriptor Strict(ConvolutionDescriptor d) =>
        d with { MathMode = MathMode.Strict };
}
