using System.Runtime.InteropServices;
using NativeConv.Tests.Support;

namespace NativeConv.Tests;

/// <summary>Spans, workspaces and packed weights that do not fit are rejected before anything is
/// written.</summary>
public class BufferValidationTests
{
    private static readonly ConvolutionDescriptor Valid = new()
    {
        InputChannels = 4,
        OutputChannels = 6,
        InputHeight = 8,
        InputWidth = 9,
    };

    [Fact]
    public void Conv2D_SpanLengths_AreChecked_BeforeAnythingIsWritten()
    {
        using Conv2D conv = new(4, 6);
        Conv2DShape shape = conv.GetShape(2, 5, 7);
        float[] input = new float[280];
        float[] output = Filled(420);
        float[] gradOutput = new float[420];
        float[] gradInput = Filled(280);
        conv.WeightsGradient.Fill(9);

        Expect.Rejected<ArgumentException>(
            "input",
            "at least 280 elements; it has 279",
            () => conv.Forward(shape, input[1..], output));
        Expect.Rejected<ArgumentException>(
            "output",
            "at least 420 elements; it has 419",
            () => conv.Forward(shape, input, output.AsSpan(1)));
        Expect.Rejected<ArgumentException>(
            "input",
            "at least 280 elements; it has 0",
            () => conv.Backward(shape, [], output, gradOutput, gradInput));
        Expect.Rejected<ArgumentException>(
            "output",
            "at least 420 elements; it has 0",
            () => conv.Backward(shape, input, [], gradOutput, gradInput));
        Expect.Rejected<ArgumentException>(
            "gradOutput",
            "at least 420 elements; it has 419",
            () => conv.Backward(shape, input, output, gradOutput[1..], gradInput));
        Expect.Rejected<ArgumentException>(
            "gradInput",
            "at least 280 elements; it has 279",
            () => conv.Backward(shape, input, output, gradOutput, gradInput.AsSpan(1)));
        Expect.Rejected<ArgumentException>(
            "weights",
            "must have 216 elements; it has 215",
            () => conv.SetWeights(new float[215]));
        Expect.Rejected<ArgumentException>(
            "weights",
            "must have 216 elements; it has 217",
            () => conv.SetWeights(new float[217]));
        Expect.Rejected<ArgumentException>(
            "bias",
            "must have 6 elements; it has 5",
            () => conv.SetBias(new float[5]));
        Expect.Rejected<ArgumentNullException>("update", "", () => conv.UpdateWeights(null!));
        Expect.Rejected<ArgumentNullException>("update", "", () => conv.UpdateBias(null!));
        Expect.Rejected<ArgumentOutOfRangeException>(
            "learningRate",
            "NaN",
            () => conv.ApplyGradients(float.NaN));

        Assert.All(output, value => Assert.Equal(9, value));
        Assert.All(gradInput, value => Assert.Equal(9, value));
        Assert.All(conv.WeightsGradient.ToArray(), value => Assert.Equal(9, value));
    }

    [Fact]
    public void Conv2D_ForeignShape_IsRejected()
    {
        using Conv2D conv = new(4, 6);
        using Conv2D other = new(4, 6, new() { StrideVertical = 2 });
        using Conv2D wider = new(5, 6);
        foreach (
            Conv2DShape shape in new[] { default, other.GetShape(1, 8, 8), wider.GetShape(1, 8, 8) }
        )
        {
            Expect.Rejected<ArgumentException>(
                "shape",
                "not of this layer",
                () => conv.Forward(shape, new float[1000], new float[1000]));
            Expect.Rejected<ArgumentException>(
                "shape",
                "not of this layer",
                () => conv.Describe(shape));
        }
    }

    [Fact]
    public void Conv2D_OverlappingSpans_AreRejected()
    {
        using Conv2D conv = new(4, 4);
        Conv2DShape shape = conv.GetShape(1, 4, 4);
        float[] memory = Filled(63 + 64);
        float[] other = new float[64];
        Expect.Rejected<ArgumentException>(
            "output",
            "must not overlap input",
            () => conv.Forward(shape, memory, memory.AsSpan(63)));
        Expect.Rejected<ArgumentException>(
            "output",
            "must not overlap input",
            () => conv.Forward(shape, memory, memory));
        Expect.Rejected<ArgumentException>(
            "gradInput",
            "must not overlap input",
            () => conv.Backward(shape, memory, other, other, memory.AsSpan(63)));
        Expect.Rejected<ArgumentException>(
            "gradInput",
            "must not overlap output",
            () => conv.Backward(shape, other, memory, other, memory.AsSpan(63)));
        Expect.Rejected<ArgumentException>(
            "gradInput",
            "must not overlap gradOutput",
            () => conv.Backward(shape, other, other, memory, memory.AsSpan(63)));
        Assert.All(memory, value => Assert.Equal(9, value));
        Assert.All(conv.WeightsGradient.ToArray(), value => Assert.Equal(0, value));

        // Neighbours do not overlap, also if the span of the first goes on beyond what is read.
        float[] neighbours = new float[128];
        conv.Forward(shape, neighbours, neighbours.AsSpan(64));
    }

    /// <summary>An arena: the unused tail of a gradient's span covers what is only read.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Conv2D_Backward_LongGradInput_MayReachOverTheOthers(bool trainable)
    {
        using Conv2D conv = new(4, 4, new() { Trainable = trainable });
        Conv2DShape shape = conv.GetShape(1, 4, 4);
        float[] input = Fill.Integers(64, 1);
        float[] output = Fill.Integers(64, 2);
        float[] gradOutput = Fill.Integers(64, 3);
        float[] expected = conv.Backward(shape, input, output, gradOutput);
        float[] once = conv.WeightsGradient.ToArray();
        conv.ZeroGradients();
        float[] arena = [.. Filled(64), .. input, .. output, .. gradOutput];
        conv.Backward(
            shape,
            arena.AsSpan(64),
            arena.AsSpan(128),
            arena.AsSpan(192),
            arena);
        Assert.Equal([.. expected, .. input, .. output, .. gradOutput], arena);
        Assert.Equal(once, conv.WeightsGradient.ToArray());
    }

    /// <summary>Nothing may be written over gradients that another thread is adding to; so what
    /// is refused does not depend on whether one is.</summary>
    [Theory]
    [InlineData(nameof(Conv2D.WeightsGradient), false)]
    [InlineData(nameof(Conv2D.WeightsGradient), true)]
    [InlineData(nameof(Conv2D.BiasGradient), false)]
    [InlineData(nameof(Conv2D.BiasGradient), true)]
    public void Conv2D_Backward_OverItsGradients_IsRejected(string gradient, bool contended)
    {
        using Conv2D conv = new(4, 4);
        Conv2DShape shape = conv.GetShape(1, 1, 1);
        float[] other = new float[4];
        float[] gradInput = Filled(4);
        conv.WeightsGradient.Fill(9);
        conv.BiasGradient.Fill(9);
        if (contended)
        {
            GradientGate.WhileHeld(conv, Check);
        }
        else
        {
            Check();
        }

        Assert.All(gradInput, value => Assert.Equal(9, value));
        Assert.All(conv.WeightsGradient.ToArray(), value => Assert.Equal(9, value));
        Assert.All(conv.BiasGradient.ToArray(), value => Assert.Equal(9, value));

        void Check()
        {
            Refused("input", () => conv.Backward(shape, Own(), other, other, gradInput));
            Refused("input", () => conv.Backward(shape, Own(), other, other, []));
            Refused("output", () => conv.Backward(shape, other, Own(), other, gradInput));
            Refused("gradOutput", () => conv.Backward(shape, other, other, Own(), gradInput));
            Refused("gradInput", () => conv.Backward(shape, other, other, other, Own()));
        }

        Span<float> Own() =>
            gradient == nameof(conv.BiasGradient) ? conv.BiasGradient : conv.WeightsGradient[^4..];

        void Refused(string name, Action call) =>
            Expect.Rejected<ArgumentException>(name, $"must not overlap {gradient}", call);
    }

    [Fact]
    public void Conv2D_MisalignedSpans_AreRejected()
    {
        using Conv2D conv = new(4, 4);
        Conv2DShape shape = conv.GetShape(1, 4, 4);
        byte[] bytes = new byte[(64 * 4) + 4];
        float[] other = new float[64];
        Span<float> Misaligned() => MemoryMarshal.Cast<byte, float>(bytes.AsSpan(1));
        const string Text = "multiple of 4 bytes";
        Expect.Rejected<ArgumentException>(
            "input",
            Text,
            () => conv.Forward(shape, Misaligned(), other));
        Expect.Rejected<ArgumentException>(
            "output",
            Text,
            () => conv.Forward(shape, other, Misaligned()));
        Expect.Rejected<ArgumentException>(
            "output",
            Text,
            () => conv.Backward(shape, other, Misaligned(), other, []));
        Expect.Rejected<ArgumentException>(
            "gradOutput",
            Text,
            () => conv.Backward(shape, other, other, Misaligned(), []));
        Expect.Rejected<ArgumentException>(
            "gradInput",
            Text,
            () => conv.Backward(shape, other, other, new float[64], Misaligned()));
    }

    [Fact]
    public void ConvolutionPlan_Buffers_AreChecked()
    {
        using ConvolutionPlan plan = new(Valid);
        using ConvolutionPlan otherPlan = new(Valid with { OutputChannels = 8 });
        float[] weights = new float[plan.WeightsLength];
        using PackedWeights forward = plan.PackWeights(ConvolutionPass.Forward, weights);
        using PackedWeights backward = plan.PackWeights(ConvolutionPass.BackwardInput, weights);
        using PackedWeights foreign = otherPlan.PackWeights(
            ConvolutionPass.Forward,
            new float[otherPlan.WeightsLength]);
        using ConvolutionWorkspace workspace = new(
            Enum.GetValues<ConvolutionPass>().Max(pass => plan.GetWorkspaceBytes(pass)));
        float[] x = new float[plan.InputLength];
        float[] y = new float[plan.OutputLength];
        float[] gy = new float[plan.OutputLength];
        float[] b = new float[6];

        Expect.Rejected<ArgumentNullException>(
            "packedWeights",
            "",
            () => plan.Forward(x, null!, b, y, workspace));
        Expect.Rejected<ArgumentException>(
            "packedWeights",
            "needed are pass Forward",
            () => plan.Forward(x, backward, b, y, workspace));
        Expect.Rejected<ArgumentException>(
            "packedWeights",
            "needed are pass Forward",
            () => plan.Forward(x, foreign, b, y, workspace));
        Expect.Rejected<ArgumentException>(
            "packedWeights",
            "needed are pass BackwardInput",
            () => plan.BackwardInput(gy, y, forward, x, workspace));
        Expect.Rejected<ArgumentException>(
            "packedWeights",
            "format",
            () => plan.PackWeights(weights, foreign));
        Expect.Rejected<ArgumentException>(
            "bias",
            "must have 6 elements; it has 0",
            () => plan.Forward(x, forward, [], y, workspace));
        Expect.Rejected<ArgumentException>(
            "output",
            "must not overlap bias",
            () => plan.Forward(x, forward, y.AsSpan(0, 6), y, workspace));
        Expect.Rejected<ArgumentException>(
            "weights",
            "must have 216 elements",
            () => plan.PackWeights(ConvolutionPass.Forward, b));
        Expect.OutOfRange(
            "pass",
            (int)ConvolutionPass.BackwardWeights,
            () => plan.PackWeights(ConvolutionPass.BackwardWeights, weights));
        Expect.Rejected<ArgumentException>(
            "gradWeights",
            "must have 216 elements; it has 215",
            () => plan.BackwardWeights(x, gy, y, weights.AsSpan(1), b, false, workspace));
        Expect.Rejected<ArgumentException>(
            "gradBias",
            "must have 6 elements; it has 5",
            () => plan.BackwardWeights(x, gy, y, weights, b.AsSpan(1), false, workspace));
        Expect.Rejected<ArgumentException>(
            "gradWeights",
            "must not overlap input",
            () => plan.BackwardWeights(x, gy, y, x.AsSpan(0, 216), b, false, workspace));
        Expect.Rejected<ArgumentException>(
            "gradBias",
            "must not overlap gradOutput",
            () => plan.BackwardWeights(x, gy, y, weights, gy.AsSpan(0, 6), false, workspace));
        Expect.OutOfRange("maxThreads", -1, () => plan.Forward(x, forward, b, y, workspace, -1));
        Expect.OutOfRange(
            "maxThreads",
            -2,
            () => plan.GetWorkspaceBytes(ConvolutionPass.Forward, -2));
        Expect.OutOfRange("pass", 3, () => plan.GetAlgorithm((ConvolutionPass)3));
        Expect.OutOfRange("bytes", -1, () => new ConvolutionWorkspace(-1));
        foreach (
            ConvolutionPass pass in Enum.GetValues<ConvolutionPass>()
                .Where(pass => plan.GetWorkspaceBytes(pass, 1) > 0))
        {
            using ConvolutionWorkspace small = new(plan.GetWorkspaceBytes(pass, 1) - 1);
            foreach (ConvolutionWorkspace? given in new[] { null, small })
            {
                Expect.Rejected<ArgumentException>(
                    "workspace",
                    $"at least {plan.GetWorkspaceBytes(pass, 1)} bytes",
                    () => Run(pass, given));
            }
        }

        void Run(ConvolutionPass pass, ConvolutionWorkspace? given)
        {
            switch (pass)
            {
                case ConvolutionPass.Forward:
                    plan.Forward(x, forward, b, y, given);
                    break;
                case ConvolutionPass.BackwardInput:
                    plan.BackwardInput(gy, y, backward, x, given);
                    break;
                default:
                    plan.BackwardWeights(x, gy, y, weights, b, false, given);
                    break;
            }
        }
    }

    [Fact]
    public void Backward_BadArguments_AreNamedAndNothingIsWritten()
    {
        using ConvolutionPlan plan = new(Valid);
        float[] weights = new float[plan.WeightsLength];
        using PackedWeights forward = plan.PackWeights(ConvolutionPass.Forward, weights);
        using PackedWeights backward = plan.PackWeights(ConvolutionPass.BackwardInput, weights);
        using ConvolutionWorkspace workspace = new(plan.GetBackwardWorkspaceBytes(1));
        float[] x = new float[plan.InputLength];
        float[] y = new float[plan.OutputLength];
        float[] gy = new float[plan.OutputLength];
        float[] gx = Filled((int)plan.InputLength);
        float[] gw = Filled((int)plan.WeightsLength);
        float[] gb = Filled((int)plan.BiasLength);
        Refused("input", "it has 0", () => Run([], gy, y, backward, gx, gw, gb));
        Refused("gradOutput", "elements", () => Run(x, gy.AsSpan(1), y, backward, gx, gw, gb));
        Refused("output", "it has 0", () => Run(x, gy, [], backward, gx, gw, gb));
        Refused("packedWeights", "pass BackwardInput", () => Run(x, gy, y, forward, gx, gw, gb));
        Refused("gradInput", "elements", () => Run(x, gy, y, backward, gx.AsSpan(1), gw, gb));
        Refused("gradWeights", "elements", () => Run(x, gy, y, backward, gx, gw.AsSpan(1), gb));
        Refused("gradBias", "elements", () => Run(x, gy, y, backward, gx, gw, gb.AsSpan(1)));
        Refused("gradBias", "must have 0", () => Run(x, gy, y, backward, gx, [], gb));
        Refused("gradInput", "overlap input", () => Run(gx, gy, y, backward, gx, gw, gb));
        Refused("gradInput", "overlap gradOutput", () => Run(x, gx, y, backward, gx, gw, gb));
        Refused("gradInput", "overlap output", () => Run(x, gy, gx, backward, gx, gw, gb));
        Refused(
            "gradInput",
            "overlap gradWeights",
            () => Run(x, gy, y, backward, gx, gx.AsSpan(72), gb));
        Refused(
            "gradInput",
            "overlap gradBias",
            () => Run(x, gy, y, backward, gx, gw, gx.AsSpan(282)));
        Refused(
            "gradWeights",
            "overlap input",
            () => Run(x, gy, y, backward, gx, x.AsSpan(0, 216), gb));
        Refused(
            "gradWeights",
            "overlap gradOutput",
            () => Run(x, gy, y, backward, gx, gy.AsSpan(0, 216), gb));
        Refused(
            "gradWeights",
            "overlap output",
            () => Run(x, gy, y, backward, gx, y.AsSpan(0, 216), gb));
        Refused(
            "gradWeights",
            "overlap gradBias",
            () => Run(x, gy, y, backward, gx, gw, gw.AsSpan(210)));
        Refused("gradBias", "overlap input", () => Run(x, gy, y, backward, gx, gw, x.AsSpan(282)));
        Refused(
            "gradBias",
            "overlap gradOutput",
            () => Run(x, gy, y, backward, gx, gw, gy.AsSpan(0, 6)));
        Refused(
            "gradBias",
            "overlap output",
            () => Run(x, gy, y, backward, gx, gw, y.AsSpan(0, 6)));
        Expect.Rejected<ArgumentNullException>(
            "packedWeights",
            "",
            () => Run(x, gy, y, null, gx, gw, gb));
        Expect.OutOfRange("maxThreads", -1, () => plan.GetBackwardWorkspaceBytes(-1));
        Assert.All([.. gx, .. gw, .. gb], value => Assert.Equal(9f, value));
        Assert.All([.. x, .. gy, .. y], value => Assert.Equal(0f, value));
        if (workspace.Bytes > 0)
        {
            using ConvolutionWorkspace small = new(workspace.Bytes - 1);
            Refused(
                "workspace",
                $"at least {workspace.Bytes} bytes",
                () => plan.Backward(x, gy, y, backward, gx, gw, gb, false, small, 1));
        }

        // What is not wanted needs nothing.
        Run([], gy, y, backward, gx, [], []);
        Run(x, gy, y, null, [], gw, []);
        Run(x, gy, y, null, [], gw, gb);
        Run([], gy, y, null, [], [], []);

        void Run(
            ReadOnlySpan<float> input,
            ReadOnlySpan<float> gradOutput,
            ReadOnlySpan<float> output,
            PackedWeights? packed,
            Span<float> gradInput,
            Span<float> gradWeights,
            Span<float> gradBias)
        {
            long bytes = Enum.GetValues<ConvolutionPass>()
                .Max(pass => plan.GetWorkspaceBytes(pass, 1));
            using ConvolutionWorkspace enough = new(Math.Max(bytes, workspace.Bytes));
            plan.Backward(
                input,
                gradOutput,
                output,
                packed,
                gradInput,
                gradWeights,
                gradBias,
                accumulate: false,
                enough,
                maxThreads: 1);
        }

        static void Refused(string name, string text, Action call) =>
            Expect.Rejected<ArgumentException>(name, text, call);
    }

    private static float[] Filled(int length) => [.. Enumerable.Repeat(9f, length)];
}
