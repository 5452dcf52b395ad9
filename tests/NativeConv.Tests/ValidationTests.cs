using System.Runtime.InteropServices;
using NativeConv.Tests.Support;

namespace NativeConv.Tests;

/// <summary>Every argument that is rejected, by the name the exception gives and the value its
/// message shows.</summary>
public class ValidationTests
{
    private static readonly ConvolutionDescriptor Valid = new()
    {
        InputChannels = 4,
        OutputChannels = 6,
        InputHeight = 8,
        InputWidth = 9,
    };

    public static TheoryData<string, int> TooSmallOptions =>
        new()
        {
            { nameof(Conv2DOptions.KernelHeight), 0 },
            { nameof(Conv2DOptions.KernelHeight), int.MinValue },
            { nameof(Conv2DOptions.KernelWidth), 0 },
            { nameof(Conv2DOptions.KernelWidth), -7 },
            { nameof(Conv2DOptions.StrideVertical), 0 },
            { nameof(Conv2DOptions.StrideVertical), -1 },
            { nameof(Conv2DOptions.StrideHorizontal), 0 },
            { nameof(Conv2DOptions.StrideHorizontal), -1 },
            { nameof(Conv2DOptions.DilationVertical), 0 },
            { nameof(Conv2DOptions.DilationVertical), -2 },
            { nameof(Conv2DOptions.DilationHorizontal), 0 },
            { nameof(Conv2DOptions.DilationHorizontal), -2 },
            { nameof(Conv2DOptions.Groups), 0 },
            { nameof(Conv2DOptions.Groups), int.MinValue },
            { nameof(Conv2DOptions.MaxThreads), -1 },
            { nameof(Conv2DOptions.Layout), 2 },
            { nameof(Conv2DOptions.MathMode), -1 },
        };

    public static TheoryData<string, int> TooSmallDescriptorFields =>
        new()
        {
            { nameof(ConvolutionDescriptor.Batch), -1 },
            { nameof(ConvolutionDescriptor.InputChannels), 0 },
            { nameof(ConvolutionDescriptor.OutputChannels), 0 },
            { nameof(ConvolutionDescriptor.Groups), 0 },
            { nameof(ConvolutionDescriptor.InputHeight), 0 },
            { nameof(ConvolutionDescriptor.InputWidth), -3 },
            { nameof(ConvolutionDescriptor.KernelHeight), 0 },
            { nameof(ConvolutionDescriptor.KernelWidth), -1 },
            { nameof(ConvolutionDescriptor.StrideVertical), 0 },
            { nameof(ConvolutionDescriptor.StrideHorizontal), -1 },
            { nameof(ConvolutionDescriptor.DilationVertical), 0 },
            { nameof(ConvolutionDescriptor.DilationHorizontal), -1 },
            { nameof(ConvolutionDescriptor.PaddingTop), -1 },
            { nameof(ConvolutionDescriptor.PaddingLeft), -2 },
            { nameof(ConvolutionDescriptor.PaddingBottom), -3 },
            { nameof(ConvolutionDescriptor.PaddingRight), int.MinValue },
            { nameof(ConvolutionDescriptor.Layout), -1 },
            { nameof(ConvolutionDescriptor.MathMode), 3 },
        };

    [Theory]
    [MemberData(nameof(TooSmallOptions))]
    public void Conv2D_OptionOutOfRange_IsRejected(string option, int value) =>
        RejectedWithValue(
            option,
            value,
            () => new Conv2D(4, 6, With(new Conv2DOptions(), option, value)));

    [Theory]
    [MemberData(nameof(TooSmallDescriptorFields))]
    public void ConvolutionPlan_FieldOutOfRange_IsRejected(string field, int value) =>
        RejectedWithValue(field, value, () => new ConvolutionPlan(With(Valid, field, value)));

    [Fact]
    public void Conv2D_Channels_AreChecked()
    {
        RejectedWithValue("inputChannels", 0, () => new Conv2D(0, 6));
        RejectedWithValue("inputChannels", -4, () => new Conv2D(-4, 6));
        RejectedWithValue("filters", 0, () => new Conv2D(4, 0));
        Expect.Rejected<ArgumentException>(
            "Groups",
            "it is 4, with 4 input channels and 6 filters",
            () => new Conv2D(4, 6, new() { Groups = 4 }));
        Expect.Rejected<ArgumentException>(
            "Groups",
            "it is 3, with 4 input channels and 6 filters",
            () => new Conv2D(4, 6, new() { Groups = 3 }));
        Expect.Rejected<ArgumentException>(
            "filters",
            "46341",
            () => new Conv2D(46341, 46341, new() { KernelHeight = 1, KernelWidth = 1 }));
        Expect.Rejected<ArgumentException>(
            "filters",
            "2147483647",
            () =>
                new Conv2D(
                    int.MaxValue,
                    int.MaxValue,
                    new() { KernelHeight = int.MaxValue, KernelWidth = int.MaxValue }));
        Expect.Rejected<ArgumentNullException>(
            "WeightInitializer",
            "",
            () => new Conv2D(4, 6, new() { WeightInitializer = null! }));
        Expect.Rejected<ArgumentNullException>(
            "BiasInitializer",
            "",
            () => new Conv2D(4, 6, new() { BiasInitializer = null! }));
    }

    [Fact]
    public void GetShape_IsChecked()
    {
        using Conv2D conv = new(
            4,
            6,
            new()
            {
                KernelHeight = 5,
                KernelWidth = 7,
                DilationHorizontal = 2,
                Padding = Padding.Explicit(1, 2, 0, 3),
            });
        RejectedWithValue("batch", -1, () => conv.GetShape(-1, 8, 8));
        RejectedWithValue("height", 0, () => conv.GetShape(1, 0, 8));
        RejectedWithValue("width", -8, () => conv.GetShape(1, 8, -8));
        Expect.Rejected<ArgumentException>(
            "height",
            "it spans 5, and the padded input only 4 (1 + 3 + 0)",
            () => conv.GetShape(1, 3, 20));
        Expect.Rejected<ArgumentException>(
            "width",
            "it spans 13, and the padded input only 12 (2 + 7 + 3)",
            () => conv.GetShape(1, 4, 7));
        Expect.Rejected<ArgumentException>(
            "batch",
            "Use smaller batches",
            () => conv.GetShape(int.MaxValue, 100, 100));
        using Conv2D dilated = new(
            1,
            1,
            new() { KernelHeight = 9, DilationVertical = int.MaxValue });
        Expect.Rejected<ArgumentException>(
            "height",
            "takes too many zeros",
            () => dilated.GetShape(1, 8, 8));
    }

    [Fact]
    public void ConvolutionPlan_Combinations_AreChecked()
    {
        Expect.Rejected<ArgumentNullException>("descriptor", "", () => new ConvolutionPlan(null!));
        Expect.Rejected<ArgumentException>(
            "Groups",
            "it is 3",
            () => new ConvolutionPlan(Valid with { Groups = 3 }));
        Expect.Rejected<ArgumentException>(
            "KernelHeight",
            "it spans 11, and the padded input only 10",
            () =>
                new ConvolutionPlan(
                    Valid with
                    {
                        KernelHeight = 6,
                        DilationVertical = 2,
                        PaddingBottom = 2,
                    }));
        Expect.Rejected<ArgumentException>(
            "KernelWidth",
            "it spans 10, and the padded input only 9",
            () => new ConvolutionPlan(Valid with { KernelWidth = 10 }));
        Expect.Rejected<ArgumentException>(
            "descriptor",
            "SIZE_OVERFLOW",
            () =>
                new ConvolutionPlan(
                    Valid with
                    {
                        Batch = int.MaxValue,
                        InputHeight = int.MaxValue,
                        InputWidth = int.MaxValue,
                    }));
        Expect.Rejected<ArgumentOutOfRangeException>(
            "MaxInstructionSet",
            "7",
            () => new ConvolutionPlan(Valid, new() { MaxInstructionSet = (InstructionSet)7 }));
    }

    [Fact]
    public void Activation_Parameters_AreChecked()
    {
        foreach (
            float bad in new[] { -0.5f, float.NaN, float.PositiveInfinity, float.NegativeInfinity })
        {
            Expect.Rejected<ArgumentOutOfRangeException>(
                "slope",
                $"{bad}",
                () => Activation.LeakyRelu(bad));
            Expect.Rejected<ArgumentOutOfRangeException>(
                "alpha",
                $"{bad}",
                () => Activation.Elu(bad));
        }

        Expect.Rejected<ArgumentOutOfRangeException>(
            "minimum",
            "NaN",
            () => Activation.Clip(float.NaN, 1));
        Expect.Rejected<ArgumentOutOfRangeException>(
            "maximum",
            "NaN",
            () => Activation.Clip(0, float.NaN));
        Expect.Rejected<ArgumentException>(
            "maximum",
            "The upper limit 1 must be greater than the lower limit 1",
            () => Activation.Clip(1, 1));
        Expect.Rejected<ArgumentException>(
            "maximum",
            "The upper limit -1",
            () => Activation.Clip(1, -1));
        Assert.Equal(default, Activation.Linear);
        Assert.Equal(Activation.Clip(0, 6), Activation.Relu6);
    }

    [Fact]
    public void Padding_Parameters_AreChecked()
    {
        RejectedWithValue("top", -1, () => Padding.Explicit(-1, 0, 0, 0));
        RejectedWithValue("left", -2, () => Padding.Explicit(0, -2, 0, 0));
        RejectedWithValue("bottom", -3, () => Padding.Explicit(0, 0, -3, 0));
        RejectedWithValue("right", -4, () => Padding.Explicit(0, 0, 0, -4));
        RejectedWithValue("vertical", -5, () => Padding.Symmetric(-5, 0));
        RejectedWithValue("horizontal", -6, () => Padding.Symmetric(0, -6));
        Assert.Equal(default, Padding.Same);
    }

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
        RejectedWithValue(
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
        RejectedWithValue("maxThreads", -1, () => plan.Forward(x, forward, b, y, workspace, -1));
        RejectedWithValue(
            "maxThreads",
            -2,
            () => plan.GetWorkspaceBytes(ConvolutionPass.Forward, -2));
        RejectedWithValue("pass", 3, () => plan.GetAlgorithm((ConvolutionPass)3));
        RejectedWithValue("bytes", -1, () => new ConvolutionWorkspace(-1));
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

    private static void RejectedWithValue(string parameter, int value, Action action)
    {
        ArgumentOutOfRangeException e = Assert.Throws<ArgumentOutOfRangeException>(action);
        Assert.Equal(parameter, e.ParamName);
        Assert.Equal(
            value,
            Convert.ToInt32(e.ActualValue, System.Globalization.CultureInfo.InvariantCulture));
    }

    /// <summary>A copy of a record with one property set by name.</summary>
    private static T With<T>(T record, string property, int value)
        where T : class
    {
        T copy = (T)typeof(T).GetMethod("<Clone>$")!.Invoke(record, null)!;
        System.Reflection.PropertyInfo info = typeof(T).GetProperty(property)!;
        info.SetValue(
            copy,
            info.PropertyType.IsEnum ? Enum.ToObject(info.PropertyType, value) : value);
        return copy;
    }

    private static float[] Filled(int length) => [.. Enumerable.Repeat(9f, length)];
}
