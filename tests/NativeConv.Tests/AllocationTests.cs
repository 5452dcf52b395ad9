using NativeConv.Tests.Support;

namespace NativeConv.Tests;

public class AllocationTests
{
    private static readonly ParameterUpdate Halve = static (values, _) =>
    {
        foreach (ref float value in values)
        {
            value /= 2;
        }
    };

    [Theory]
    [InlineData(TensorLayout.Nchw, 1)]
    [InlineData(TensorLayout.Nhwc, 0)]
    public void Conv2D_WarmCalls_AllocateNothing(TensorLayout layout, int maxThreads)
    {
        using Conv2D conv = new(3, 8, new() { Layout = layout, MaxThreads = maxThreads });
        float[] input = Fill.Real(4 * 3 * 16 * 16, 1);
        float[] output = new float[4 * 8 * 16 * 16];
        float[] gradInput = new float[input.Length];
        float[] gradOutput = Fill.Real(output.Length, 2);
        float[] residual = new float[output.Length];
        float[] weights = conv.Weights.ToArray();
        AssertNone(() =>
        {
            for (int batch = 1; batch <= 4; batch++)
            {
                Conv2DShape shape = conv.GetShape(batch, 16, 16);
                conv.Forward(shape, input, output);
                conv.Forward(shape, input, output, residual);
                conv.BackwardResidual(shape, output, gradOutput, residual);
                conv.Backward(shape, input, output, gradOutput, gradInput);
            }

            conv.ApplyGradients(0.01f);
            conv.UpdateWeights(Halve);
            conv.UpdateBias(Halve);
            conv.SetWeights(weights);
            conv.ZeroGradients();
        });
    }

    [Fact]
    public void ConvolutionPlan_Passes_AllocateNothing()
    {
        using ConvolutionPlan plan = new(Cases.Get("same 3x3"));
        float[] weights = Fill.Real((int)plan.WeightsLength, 3);
        float[] input = Fill.Real((int)plan.InputLength, 4);
        float[] bias = Fill.Real((int)plan.BiasLength, 5);
        float[] output = new float[plan.OutputLength];
        float[] gradOutput = Fill.Real((int)plan.OutputLength, 6);
        float[] gradInput = new float[plan.InputLength];
        float[] gradResidual = new float[plan.OutputLength];
        float[] gradWeights = new float[plan.WeightsLength];
        float[] gradBias = new float[plan.BiasLength];
        using PackedWeights forward = plan.PackWeights(ConvolutionPass.Forward, weights);
        using PackedWeights backward = plan.PackWeights(ConvolutionPass.BackwardInput, weights);
        using ConvolutionWorkspace workspace = new(
            Math.Max(
                plan.GetBackwardWorkspaceBytes(),
                Enum.GetValues<ConvolutionPass>().Max(pass => plan.GetWorkspaceBytes(pass))));
        AssertNone(() =>
        {
            plan.PackWeights(weights, forward);
            plan.PackWeights(weights, backward);
            plan.Forward(input, forward, bias, output, workspace, residual: gradOutput);
            plan.BackwardResidual(gradOutput, output, gradResidual);
            plan.BackwardInput(gradOutput, output, backward, gradInput, workspace);
            plan.BackwardWeights(input, gradOutput, output, gradWeights, gradBias, true, workspace);
            plan.Backward(
                input,
                gradOutput,
                output,
                backward,
                gradInput,
                gradWeights,
                gradBias,
                accumulate: true,
                workspace);
        });
    }

    private static void AssertNone(Action action)
    {
        action();
        action();

        // A collection that another test causes throws away the rest of this thread's 8 KB allocation
        // window and counts it as allocated. What a call allocates itself shows in every round.
        long least = long.MaxValue;
        for (int round = 0; round < 5; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 10; i++)
            {
                action();
            }

            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.Equal(0, least);
    }
}
