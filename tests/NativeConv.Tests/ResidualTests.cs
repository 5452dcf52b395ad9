using NativeConv.Tests.Support;

namespace NativeConv.Tests;

/// <summary>output = f(conv + bias + residual), and the gradient by the residual.</summary>
public class ResidualTests
{
    [Theory]
    [MemberData(nameof(Cases.ByLayout), MemberType = typeof(Cases))]
    public void Plan_Integers_IsExact(string name, TensorLayout layout)
    {
        ConvolutionDescriptor geometry = Cases.Get(name) with
        {
            Layout = layout,
            Activation = Activation.Relu,
        };
        ReferenceConv2D reference = new(geometry);
        float[] input = Fill.Integers(reference.InputLength, 1);
        float[] weights = Fill.Integers(reference.WeightsLength, 2);
        float[] bias = Fill.Integers(reference.BiasLength, 3);
        float[] residual = Fill.Integers(reference.OutputLength, 4);
        double[] z = reference.Forward(input, weights, bias).Values;
        double[] expected = [.. z.Zip(residual, (sum, r) => Math.Max(sum + r, 0))];

        foreach (ConvolutionPlan plan in Cases.Plans(geometry))
        {
            using (plan)
            {
                float[] output = new float[plan.OutputLength];
                using PackedWeights packed = plan.PackWeights(ConvolutionPass.Forward, weights);
                using ConvolutionWorkspace workspace = new(
                    plan.GetWorkspaceBytes(ConvolutionPass.Forward));
                plan.Forward(input, packed, bias, output, workspace, residual: residual);
                Expect.Exact(
                    expected,
                    output,
                    $"{plan.GetAlgorithm(ConvolutionPass.Forward)}, {plan.InstructionSet}: output");
            }
        }
    }

    [Fact]
    public void Conv2D_ForwardAndGradients_AreThoseOfTheSum()
    {
        using Conv2D conv = new(4, 6);
        using Conv2D linear = new(4, 6, new() { Activation = Activation.Linear });
        linear.SetWeights(conv.Weights);
        Conv2DShape shape = conv.GetShape(2, 5, 7);
        float[] input = Fill.Real(shape.InputLength, 1);
        float[] residual = Fill.Real(shape.OutputLength, 2);
        float[] gradOutput = Fill.Real(shape.OutputLength, 3);
        float[] z = linear.Forward(shape, input);
        float[] output = new float[shape.OutputLength];

        conv.Forward(shape, input, output, residual);
        Assert.Equal(z.Zip(residual, (sum, r) => Math.Max(sum + r, 0)), output);

        float[] g = [.. gradOutput.Zip(output, (gradient, y) => y > 0 ? gradient : 0)];
        float[] gradResidual = new float[shape.OutputLength];
        conv.BackwardResidual(shape, output, gradOutput, gradResidual);
        Assert.Equal(g, gradResidual);

        // The other gradients see the residual through the output.
        Assert.Equal(
            linear.Backward(shape, input, [], g),
            conv.Backward(shape, input, output, gradOutput));

        conv.BackwardResidual(shape, output, gradOutput, gradOutput);
        Assert.Equal(g, gradOutput);
    }

    [Fact]
    public void Arguments_AreChecked_BeforeAnythingIsWritten()
    {
        using Conv2D conv = new(4, 6);
        Conv2DShape shape = conv.GetShape(2, 5, 7);
        float[] input = new float[280];
        float[] output = new float[421];
        float[] grad = new float[421];
        output.AsSpan().Fill(9);
        grad.AsSpan().Fill(9);

        Expect.Rejected<ArgumentException>(
            "residual",
            "at least 420 elements; it has 419",
            () => conv.Forward(shape, input, output, new float[419]));
        Expect.Rejected<ArgumentException>(
            "output",
            "must not overlap residual",
            () => conv.Forward(shape, input, output, output));
        Expect.Rejected<ArgumentException>(
            "output",
            "must not overlap residual",
            () => conv.Forward(shape, input, output.AsSpan(1), output));
        Expect.Rejected<ArgumentException>(
            "gradResidual",
            "at least 420 elements; it has 7",
            () => conv.BackwardResidual(shape, output, grad, new float[7]));
        Expect.Rejected<ArgumentException>(
            "gradResidual",
            "must not overlap gradOutput",
            () => conv.BackwardResidual(shape, output, grad, grad.AsSpan(1)));
        Expect.Rejected<ArgumentException>(
            "gradResidual",
            "must not overlap output",
            () => conv.BackwardResidual(shape, output, grad, output));
        Expect.Rejected<ArgumentException>(
            "output",
            "at least 420 elements; it has 0",
            () => conv.BackwardResidual(shape, [], grad, grad));

        Assert.All(output, value => Assert.Equal(9, value));
        Assert.All(grad, value => Assert.Equal(9, value));
    }

    [Fact]
    public void Linear_GradientIsThatOfTheOutput()
    {
        using Conv2D conv = new(3, 5, new() { Activation = Activation.Linear });
        Conv2DShape shape = conv.GetShape(1, 4, 6);
        float[] gradOutput = Fill.Real(shape.OutputLength, 1);
        float[] gradResidual = new float[shape.OutputLength];
        conv.BackwardResidual(shape, [], gradOutput, gradResidual);
        Assert.Equal(gradOutput, gradResidual);
    }
}
