namespace NativeConv.Tests.Support;

/// <summary>Runs the passes of a plan with buffers of its own, poisoned beforehand.</summary>
internal static class Runner
{
    public static float[] Forward(
        ConvolutionPlan plan,
        float[] input,
        float[] weights,
        float[] bias,
        int maxThreads = 0)
    {
        float[] output = Poisoned(plan.OutputLength);
        using PackedWeights packed = plan.PackWeights(ConvolutionPass.Forward, weights);
        using ConvolutionWorkspace workspace = new(
            plan.GetWorkspaceBytes(ConvolutionPass.Forward, maxThreads));
        plan.Forward(input, packed, bias, output, workspace, maxThreads);
        return output;
    }

    public static float[] BackwardInput(
        ConvolutionPlan plan,
        float[] gradOutput,
        float[] output,
        float[] weights,
        int maxThreads = 0)
    {
        float[] gradInput = Poisoned(plan.InputLength);
        using PackedWeights packed = plan.PackWeights(ConvolutionPass.BackwardInput, weights);
        using ConvolutionWorkspace workspace = new(
            plan.GetWorkspaceBytes(ConvolutionPass.BackwardInput, maxThreads));
        plan.BackwardInput(gradOutput, output, packed, gradInput, workspace, maxThreads);
        return gradInput;
    }

    public static (float[] Weights, float[] Bias) BackwardWeights(
        ConvolutionPlan plan,
        float[] input,
        float[] gradOutput,
        float[] output,
        float? accumulateOn = null,
        int maxThreads = 0)
    {
        float[] gradWeights = Poisoned(plan.WeightsLength);
        float[] gradBias = Poisoned(plan.BiasLength);
        if (accumulateOn is float start)
        {
            Array.Fill(gradWeights, start);
            Array.Fill(gradBias, start);
        }

        using ConvolutionWorkspace workspace = new(
            plan.GetWorkspaceBytes(ConvolutionPass.BackwardWeights, maxThreads));
        plan.BackwardWeights(
            input,
            gradOutput,
            output,
            gradWeights,
            gradBias,
            accumulateOn is not null,
            workspace,
            maxThreads);
        return (gradWeights, gradBias);
    }

    public static (float[] Input, float[] Weights, float[] Bias) Backward(
        ConvolutionPlan plan,
        float[] input,
        float[] gradOutput,
        float[] output,
        float[] weights,
        float? accumulateOn = null,
        int maxThreads = 0)
    {
        float[] gradInput = Poisoned(plan.InputLength);
        float[] gradWeights = Poisoned(plan.WeightsLength);
        float[] gradBias = Poisoned(plan.BiasLength);
        if (accumulateOn is float start)
        {
            Array.Fill(gradWeights, start);
            Array.Fill(gradBias, start);
        }

        using PackedWeights packed = plan.PackWeights(ConvolutionPass.BackwardInput, weights);
        using ConvolutionWorkspace workspace = new(plan.GetBackwardWorkspaceBytes(maxThreads));
        plan.Backward(
            input,
            gradOutput,
            output,
            packed,
            gradInput,
            gradWeights,
            gradBias,
            accumulateOn is not null,
            workspace,
            maxThreads);
        return (gradInput, gradWeights, gradBias);
    }

    private static float[] Poisoned(long length)
    {
        float[] values = new float[length];
        Array.Fill(values, float.NaN);
        return values;
    }
}
