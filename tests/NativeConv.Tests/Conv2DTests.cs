using NativeConv.Tests.Support;

namespace NativeConv.Tests;

/// <summary>What the layer adds to the plan: padding by input size, gradients that add up, weights
/// that are never stale.</summary>
public class Conv2DTests
{
    public static TheoryData<string, TensorLayout> Geometries => Cases.ByLayout();

    [Theory]
    [MemberData(nameof(Geometries))]
    public void ForwardAndBackward_Integers_EqualTheReference(string name, TensorLayout layout)
    {
        ConvolutionDescriptor d = Cases.Get(name) with { Layout = layout };
        using Conv2D conv = Layer(d);
        Conv2DShape shape = conv.GetShape(d.Batch, d.InputHeight, d.InputWidth);
        ReferenceConv2D reference = new(d);
        float[] input = Fill.Integers(shape.InputLength, 1);
        float[] gradOutput = Fill.Integers(shape.OutputLength, 2);
        float[] weights = conv.Weights.ToArray();

        float[] output = conv.Forward(shape, input);
        double[] expected = reference.Forward(input, weights, conv.Bias.ToArray()).Values;
        Expect.Exact([.. expected.Select(z => Math.Max(z, 0))], output, "output");

        double[] g = [.. gradOutput.Zip(output, (gradient, y) => y > 0 ? (double)gradient : 0)];
        float[] gradInput = conv.Backward(shape, input, output, gradOutput);
        Expect.Exact(reference.BackwardInput(g, weights).Values, gradInput, "gradInput");
        Expect.Exact(
            reference.BackwardWeights(input, g).Values,
            conv.WeightsGradient.ToArray(),
            "WeightsGradient");
        Expect.Exact(reference.BackwardBias(g).Values, conv.BiasGradient.ToArray(), "BiasGradient");
    }

    [Fact]
    public void GetShape_HasAllSizes()
    {
        using Conv2D conv = new(
            3,
            64,
            new()
            {
                KernelHeight = 7,
                KernelWidth = 5,
                StrideVertical = 2,
                StrideHorizontal = 3,
                Layout = TensorLayout.Nhwc,
            });
        Conv2DShape shape = conv.GetShape(batch: 8, height: 224, width: 100);
        Assert.Equal(
            (8, 3, 224, 100),
            (shape.Batch, shape.InputChannels, shape.InputHeight, shape.InputWidth));
        Assert.Equal(
            (64, 112, 34, TensorLayout.Nhwc),
            (shape.OutputChannels, shape.OutputHeight, shape.OutputWidth, shape.Layout));
        Assert.Equal(
            (2, 2, 3, 2),
            (shape.PaddingTop, shape.PaddingLeft, shape.PaddingBottom, shape.PaddingRight));
        Assert.Equal(
            (8 * 3 * 224 * 100, 8 * 64 * 112 * 34),
            (shape.InputLength, shape.OutputLength));
        Assert.Equal(shape, conv.GetShape(8, 224, 100));
    }

    /// <summary>Worked by hand from output = ceil(input / stride); TensorFlow and ONNX have the
    /// same.</summary>
    [Theory]
    [InlineData(5, 3, 2, 1, 3, 1, 1, 1, 1)]
    [InlineData(6, 3, 2, 1, 3, 0, 1, 1, 0)]
    [InlineData(7, 4, 1, 1, 7, 1, 2, 2, 1)]
    [InlineData(224, 7, 2, 1, 112, 2, 3, 3, 2)]
    [InlineData(10, 3, 1, 2, 10, 2, 2, 2, 2)]
    [InlineData(10, 2, 1, 3, 10, 1, 2, 2, 1)]
    [InlineData(10, 3, 3, 2, 4, 2, 2, 2, 2)]
    [InlineData(2, 1, 3, 1, 1, 0, 0, 0, 0)]
    public void GetShape_SamePadding_IsThatOfTheFrameworks(
        int input,
        int kernel,
        int stride,
        int dilation,
        int output,
        int before,
        int after,
        int lowerBefore,
        int lowerAfter)
    {
        // The other axis differs, so that an exchange of the axes shows.
        foreach (
            (Padding padding, int start, int end) in new[]
            {
                (Padding.Same, before, after),
                (Padding.SameLower, lowerBefore, lowerAfter),
            })
        {
            using Conv2D vertical = new(
                1,
                1,
                new()
                {
                    KernelHeight = kernel,
                    StrideVertical = stride,
                    DilationVertical = dilation,
                    KernelWidth = 1,
                    Padding = padding,
                });
            Conv2DShape v = vertical.GetShape(1, input, 13);
            Assert.Equal(
                (output, 13, start, end, 0, 0),
                (
                    v.OutputHeight,
                    v.OutputWidth,
                    v.PaddingTop,
                    v.PaddingBottom,
                    v.PaddingLeft,
                    v.PaddingRight));
            using Conv2D horizontal = new(
                1,
                1,
                new()
                {
                    KernelWidth = kernel,
                    StrideHorizontal = stride,
                    DilationHorizontal = dilation,
                    KernelHeight = 1,
                    Padding = padding,
                });
            Conv2DShape h = horizontal.GetShape(1, 13, input);
            Assert.Equal(
                (13, output, 0, 0, start, end),
                (
                    h.OutputHeight,
                    h.OutputWidth,
                    h.PaddingTop,
                    h.PaddingBottom,
                    h.PaddingLeft,
                    h.PaddingRight));
        }
    }

    [Fact]
    public void GetShape_OtherPaddings_AreTaken()
    {
        using Conv2D valid = new(1, 1, new() { Padding = Padding.Valid });
        Assert.Equal(
            (3, 4),
            (valid.GetShape(1, 5, 6).OutputHeight, valid.GetShape(1, 5, 6).OutputWidth));
        using Conv2D given = new(1, 1, new() { Padding = Padding.Explicit(1, 2, 3, 4) });
        Conv2DShape shape = given.GetShape(1, 5, 6);
        Assert.Equal(
            (1, 2, 3, 4, 7, 10),
            (
                shape.PaddingTop,
                shape.PaddingLeft,
                shape.PaddingBottom,
                shape.PaddingRight,
                shape.OutputHeight,
                shape.OutputWidth));
        Assert.Equal(Padding.Explicit(2, 5, 2, 5), Padding.Symmetric(vertical: 2, horizontal: 5));
    }

    [Fact]
    public void Backward_AddsUp_UnlessToldToOverwrite()
    {
        using Conv2D conv = Layer(Cases.Get("groups"));
        Conv2DShape shape = conv.GetShape(2, 5, 7);
        float[] input = Fill.Integers(shape.InputLength, 3);
        float[] gradOutput = Fill.Integers(shape.OutputLength, 4);
        float[] output = conv.Forward(shape, input);
        conv.Backward(shape, input, output, gradOutput, []);
        float[] once = conv.WeightsGradient.ToArray();
        float[] biasOnce = conv.BiasGradient.ToArray();
        Assert.Contains(once, value => value != 0);

        conv.Backward(shape, input, output, gradOutput, []);
        Assert.Equal(once.Select(value => 2 * value), conv.WeightsGradient.ToArray());
        Assert.Equal(biasOnce.Select(value => 2 * value), conv.BiasGradient.ToArray());

        conv.Backward(shape, input, output, gradOutput, [], accumulate: false);
        Assert.Equal(once, conv.WeightsGradient.ToArray());
        Assert.Equal(biasOnce, conv.BiasGradient.ToArray());

        conv.ZeroGradients();
        Assert.All(conv.WeightsGradient.ToArray(), value => Assert.Equal(0, value));
        Assert.All(conv.BiasGradient.ToArray(), value => Assert.Equal(0, value));
    }

    [Fact]
    public void Backward_Frozen_SkipsTheWeightsAndNeedsNoInput()
    {
        ConvolutionDescriptor d = Cases.Get("strides");
        using Conv2D trained = Layer(d);
        using Conv2D frozen = Layer(d, trainable: false);
        Conv2DShape shape = trained.GetShape(d.Batch, d.InputHeight, d.InputWidth);
        float[] input = Fill.Integers(shape.InputLength, 5);
        float[] gradOutput = Fill.Integers(shape.OutputLength, 6);
        float[] output = trained.Forward(shape, input);
        Assert.Equal(
            trained.Backward(shape, input, output, gradOutput),
            frozen.Backward(shape, [], output, gradOutput));
        Assert.True(frozen.WeightsGradient.IsEmpty && frozen.BiasGradient.IsEmpty);
        float[] before = frozen.Weights.ToArray();
        frozen.ApplyGradients(1);
        Assert.Equal(before, frozen.Weights.ToArray());

        frozen.Trainable = true;
        Assert.All(frozen.WeightsGradient.ToArray(), value => Assert.Equal(0, value));
        frozen.Backward(shape, input, output, gradOutput, []);
        Assert.Equal(trained.WeightsGradient.ToArray(), frozen.WeightsGradient.ToArray());
        frozen.Trainable = false;
        Assert.True(frozen.WeightsGradient.IsEmpty);
    }

    [Fact]
    public void Backward_Linear_NeedsNoOutput()
    {
        using Conv2D conv = new(2, 3, new() { Activation = Activation.Linear });
        Conv2DShape shape = conv.GetShape(1, 4, 5);
        float[] input = Fill.Integers(shape.InputLength, 7);
        float[] gradOutput = Fill.Integers(shape.OutputLength, 8);
        Assert.Equal(
            conv.Backward(shape, input, conv.Forward(shape, input), gradOutput),
            conv.Backward(shape, input, [], gradOutput));
    }

    [Fact]
    public void Backward_BatchOf0_OverwritesGradientsWithZero()
    {
        using Conv2D conv = Layer(Cases.Get("same 3x3"));
        conv.WeightsGradient.Fill(5);
        conv.BiasGradient.Fill(5);
        Conv2DShape shape = conv.GetShape(0, 4, 5);
        Assert.Empty(conv.Forward(shape, []));
        Assert.Empty(conv.Backward(shape, [], [], []));
        Assert.All(conv.WeightsGradient.ToArray(), value => Assert.Equal(5, value));
        conv.Backward(shape, [], [], [], [], accumulate: false);
        Assert.All(conv.WeightsGradient.ToArray(), value => Assert.Equal(0, value));
        Assert.All(conv.BiasGradient.ToArray(), value => Assert.Equal(0, value));
    }

    [Fact]
    public void LongerTensors_AreAccepted_AndTheRestIsUntouched()
    {
        ConvolutionDescriptor d = Cases.Get("dilations");
        using Conv2D conv = Layer(d);
        Conv2DShape shape = conv.GetShape(d.Batch, d.InputHeight, d.InputWidth);
        float[] input = Fill.Integers(shape.InputLength + 9, 9);
        float[] output = Enumerable.Repeat(float.NaN, shape.OutputLength + 9).ToArray();
        conv.Forward(shape, input, output);
        Assert.Equal(
            conv.Forward(shape, input.AsSpan(0, shape.InputLength)),
            output[..shape.OutputLength]);
        Assert.All(output[shape.OutputLength..], value => Assert.True(float.IsNaN(value)));
    }

    /// <summary>Every way to change the weights, between two passes of either kind.</summary>
    [Fact]
    public void PackedWeights_AreNeverStale()
    {
        ConvolutionDescriptor d = Cases.Get("same 3x3");
        using Conv2D conv = Layer(d);
        Conv2DShape shape = conv.GetShape(d.Batch, d.InputHeight, d.InputWidth);
        ReferenceConv2D reference = new(d);
        float[] input = Fill.Integers(shape.InputLength, 10);
        float[] gradOutput = Fill.Integers(shape.OutputLength, 11);
        float[] positive = Enumerable.Repeat(1f, shape.OutputLength).ToArray();
        double[] g = [.. gradOutput.Select(value => (double)value)];
        Action[] changes =
        [
            () => { },
            () => conv.SetWeights(Fill.Integers(conv.Weights.Length, 12)),
            () => conv.UpdateWeights(static (weights, _) => weights.Fill(2)),
            () => conv.UpdateWeights(static (weights, gradient) => gradient.CopyTo(weights)),
            () => conv.ApplyGradients(2),
            () => conv.SetBias(Fill.Integers(conv.Bias.Length, 13)),
            () => conv.UpdateBias(static (bias, gradient) => bias[0] = gradient[0]),
            () =>
                Assert.Throws<FormatException>(() =>
                    conv.UpdateWeights(
                        static (weights, _) =>
                        {
                            weights.Fill(-1);
                            throw new FormatException();
                        })),
        ];
        conv.WeightsGradient.Fill(3);
        conv.BiasGradient.Fill(-2);
        foreach (Action change in changes)
        {
            change();
            float[] weights = conv.Weights.ToArray();
            Expect.Exact(
                [
                    .. reference
                        .Forward(input, weights, conv.Bias.ToArray())
                        .Values.Select(z => Math.Max(z, 0)),
                ],
                conv.Forward(shape, input),
                "output");
            conv.Trainable = false;
            Expect.Exact(
                reference.BackwardInput(g, weights).Values,
                conv.Backward(shape, [], positive, gradOutput),
                "gradInput");
            conv.Trainable = true;
            conv.WeightsGradient.Fill(3);
            conv.BiasGradient.Fill(-2);
        }
    }

    [Fact]
    public void ApplyGradients_Descends()
    {
        using Conv2D conv = Layer(Cases.Get("same 3x3"));
        float[] weights = conv.Weights.ToArray();
        float[] bias = conv.Bias.ToArray();
        conv.WeightsGradient.Fill(8);
        conv.BiasGradient.Fill(-4);
        conv.ApplyGradients(0.25f);
        Assert.Equal(weights.Select(value => value - 2), conv.Weights.ToArray());
        Assert.Equal(bias.Select(value => value + 1), conv.Bias.ToArray());
    }

    /// <summary>More shapes than the layer keeps, in an order in which each is dropped before it
    /// comes again.</summary>
    [Fact]
    public void ManyShapes_GiveRightResults()
    {
        ConvolutionDescriptor d = Cases.Get("strides");
        using Conv2D conv = Layer(d);
        for (int round = 0; round < 3; round++)
        {
            conv.SetWeights(Fill.Integers(conv.Weights.Length, 14 + round));
            for (int height = 5; height < 17; height++)
            {
                Conv2DShape shape = conv.GetShape(1, height, 20 - height);
                ReferenceConv2D reference = new(
                    d with
                    {
                        Batch = 1,
                        InputHeight = height,
                        InputWidth = 20 - height,
                    });
                float[] input = Fill.Integers(shape.InputLength, height);
                double[] z = reference
                    .Forward(input, conv.Weights.ToArray(), conv.Bias.ToArray())
                    .Values;
                Expect.Exact(
                    [.. z.Select(value => Math.Max(value, 0))],
                    conv.Forward(shape, input),
                    $"height {height}");
            }
        }
    }

    [Fact]
    public void MaxThreads_DoesNotChangeTheResult()
    {
        using Conv2D all = new(5, 7, new() { WeightInitializer = Initializer.HeNormal(1) });
        using Conv2D one = new(
            5,
            7,
            new() { WeightInitializer = Initializer.HeNormal(1), MaxThreads = 1 });
        Conv2DShape shape = all.GetShape(3, 17, 19);
        float[] input = Fill.Real(shape.InputLength, 15);
        Assert.Equal(all.Forward(shape, input), one.Forward(shape, input));
    }

    [Fact]
    public void Describe_NamesTheAlgorithm()
    {
        using Conv2D conv = new(2, 3);
        string text = conv.Describe(conv.GetShape(1, 8, 8));
        Assert.Contains(
            NativeConvRuntime.Algorithms,
            name => text.Contains(name, StringComparison.Ordinal));
    }

    private static Conv2D Layer(ConvolutionDescriptor d, bool trainable = true)
    {
        Conv2D conv = new(
            d.InputChannels,
            d.OutputChannels,
            new()
            {
                KernelHeight = d.KernelHeight,
                KernelWidth = d.KernelWidth,
                StrideVertical = d.StrideVertical,
                StrideHorizontal = d.StrideHorizontal,
                DilationVertical = d.DilationVertical,
                DilationHorizontal = d.DilationHorizontal,
                Groups = d.Groups,
                Padding = Padding.Explicit(
                    d.PaddingTop,
                    d.PaddingLeft,
                    d.PaddingBottom,
                    d.PaddingRight),
                UseBias = d.HasBias,
                Layout = d.Layout,
                MathMode = d.MathMode,
                Trainable = trainable,
            });
        conv.SetWeights(Fill.Integers(conv.Weights.Length, 16));
        conv.SetBias(Fill.Integers(conv.Bias.Length, 17));
        return conv;
    }
}
