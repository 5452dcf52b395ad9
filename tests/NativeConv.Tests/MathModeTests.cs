using NativeConv.Tests.Support;

namespace NativeConv.Tests;

/// <summary>What each math mode chooses, and the errors that <see cref="MathMode"/> documents.</summary>
public class MathModeTests
{
    private static readonly ConvolutionDescriptor Layer = new()
    {
        Batch = 2,
        InputChannels = 37,
        OutputChannels = 21,
        InputHeight = 18,
        InputWidth = 13,
        PaddingTop = 1,
        PaddingLeft = 1,
        PaddingBottom = 1,
        PaddingRight = 1,
        Activation = Activation.Linear,
    };

    public static TheoryData<MathMode, TensorLayout, string, double> Modes()
    {
        TheoryData<MathMode, TensorLayout, string, double> data = [];
        foreach (TensorLayout layout in Enum.GetValues<TensorLayout>())
        {
            data.Add(MathMode.Strict, layout, "gemm", 1);
            data.Add(MathMode.Default, layout, "winograd_4x4", 2.5);
            data.Add(MathMode.Fast, layout, "winograd_", 9.5);
        }

        return data;
    }

    /// <summary>The mode's error, root of the mean square, is at most <paramref name="most"/> times
    /// that of direct summation, and its bits are those of every instruction set and thread
    /// count.</summary>
    [Theory]
    [MemberData(nameof(Modes))]
    public void Mode_ChoosesAndIsAsExactAsDocumented(
        MathMode mode,
        TensorLayout layout,
        string algorithm,
        double most)
    {
        ConvolutionDescriptor descriptor = Layer with { MathMode = mode, Layout = layout };
        ConvolutionDescriptor strict = descriptor with { MathMode = MathMode.Strict };
        ReferenceConv2D reference = new(descriptor);
        float[] input = Fill.Real(reference.InputLength, 1);
        float[] weights = Fill.Real(reference.WeightsLength, 2);
        float[] bias = Fill.Real(reference.BiasLength, 3);
        float[] gradOutput = Fill.Real(reference.OutputLength, 4);
        double[] output = reference.Forward(input, weights, bias).Values;
        double[] gradInput = reference
            .BackwardInput([.. gradOutput.Select(g => (double)g)], weights)
            .Values;
        using ConvolutionPlan plan = new(descriptor), direct = new(strict);

        Assert.StartsWith(
            algorithm,
            plan.GetAlgorithm(ConvolutionPass.Forward),
            StringComparison.Ordinal);
        Assert.StartsWith(
            algorithm,
            plan.GetAlgorithm(ConvolutionPass.BackwardInput),
            StringComparison.Ordinal);
        float[] forward = Runner.Forward(plan, input, weights, bias);
        float[] backward = Runner.BackwardInput(plan, gradOutput, [], weights);
        Assert.InRange(
            Error(output, forward),
            1e-9,
            most * Error(output, Runner.Forward(direct, input, weights, bias)));
        Assert.InRange(
            Error(gradInput, backward),
            1e-9,
            most * Error(gradInput, Runner.BackwardInput(direct, gradOutput, [], weights)));
        foreach (InstructionSet set in NativeConvRuntime.SupportedInstructionSets)
        {
            using ConvolutionPlan other = new(descriptor, new() { MaxInstructionSet = set });
            Assert.Equal(forward, Runner.Forward(other, input, weights, bias, maxThreads: 3));
            Assert.Equal(
                backward,
                Runner.BackwardInput(other, gradOutput, [], weights, maxThreads: 2));
        }
    }

    private static double Error(double[] expected, float[] actual) =>
        Math.Sqrt(expected.Zip(actual, (e, a) => (e - a) * (e - a)).Average());
}
