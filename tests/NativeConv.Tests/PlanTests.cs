using NativeConv.Tests.Support;

namespace NativeConv.Tests;

/// <summary>The three passes against the double reference: geometries x layouts x activations x
/// algorithms x instruction sets.</summary>
public class PlanTests
{
    [Theory]
    [MemberData(nameof(Cases.ByLayout), MemberType = typeof(Cases))]
    public void Forward_Integers_IsExact(string name, TensorLayout layout)
    {
        ConvolutionDescriptor geometry = Cases.Get(name) with { Layout = layout };
        ReferenceConv2D reference = new(geometry);
        float[] input = Fill.Integers(reference.InputLength, 1);
        float[] weights = Fill.Integers(reference.WeightsLength, 2);
        float[] bias = Fill.Integers(reference.BiasLength, 3);
        double[] z = reference.Forward(input, weights, bias).Values;

        foreach (
            Activation f in Cases.Activations.Where(f =>
                f.Kind is not (ActivationKind.Sigmoid or ActivationKind.Tanh or ActivationKind.Elu))
        )
        {
            double[] expected = [.. z.Select(value => ReferenceConv2D.Activate(f, value))];
            ForEachPlan(
                geometry with
                {
                    Activation = f,
                },
                (plan, what) =>
                    Expect.Exact(expected, Runner.Forward(plan, input, weights, bias), what));
        }
    }

    /// <summary>
    /// Any order of n products and additions errs by at most (n + 2) units of the sum of absolute
    /// products; no activation here has a slope above 1, and each errs by less than 8 units of its
    /// result or of 1.
    /// </summary>
    [Theory]
    [MemberData(nameof(Cases.ByLayout), MemberType = typeof(Cases))]
    public void Forward_RealNumbers_IsWithinTheBound(string name, TensorLayout layout)
    {
        ConvolutionDescriptor geometry = Cases.Get(name) with { Layout = layout };
        ReferenceConv2D reference = new(geometry);
        float[] input = Fill.Real(reference.InputLength, 4);
        float[] weights = Fill.Real(reference.WeightsLength, 5);
        float[] bias = Fill.Real(reference.BiasLength, 6);
        ReferenceConv2D.Sums z = reference.Forward(input, weights, bias);

        foreach (Activation f in Cases.Activations)
        {
            double[] expected = [.. z.Values.Select(value => ReferenceConv2D.Activate(f, value))];
            ForEachPlan(
                geometry with
                {
                    Activation = f,
                },
                (plan, what) =>
                    Expect.Within(
                        expected,
                        i =>
                            Expect.Unit
                            * (
                                ((z.Terms[i] + 2) * z.Absolute[i])
                                + (8 * Math.Max(1, Math.Abs(expected[i])))),
                        Runner.Forward(plan, input, weights, bias),
                        what));
        }
    }

    [Theory]
    [MemberData(nameof(Cases.ByLayout), MemberType = typeof(Cases))]
    public void Backward_Integers_IsExact(string name, TensorLayout layout)
    {
        ConvolutionDescriptor geometry = Cases.Get(name) with { Layout = layout };
        ReferenceConv2D reference = new(geometry);
        float[] input = Fill.Integers(reference.InputLength, 7);
        float[] weights = Fill.Integers(reference.WeightsLength, 8);
        float[] gradOutput = Fill.Integers(reference.OutputLength, 9);

        foreach (Activation f in Cases.Activations)
        {
            float[] output = Fill.Saved(f, reference.OutputLength, 10);
            double[] g =
            [
                .. gradOutput.Zip(
                    output,
                    (gradient, y) => gradient * ReferenceConv2D.Derivative(f, y)),
            ];
            double[] gradInput = reference.BackwardInput(g, weights).Values;
            double[] gradWeights = reference.BackwardWeights(input, g).Values;
            double[] gradBias = reference.BackwardBias(g).Values;

            ForEachPlan(
                geometry with
                {
                    Activation = f,
                },
                (plan, what) =>
                {
                    Expect.Exact(
                        gradInput,
                        Runner.BackwardInput(plan, gradOutput, output, weights),
                        $"{what} gradInput");
                    (float[] Weights, float[] Bias) written = Runner.BackwardWeights(
                        plan,
                        input,
                        gradOutput,
                        output);
                    Expect.Exact(gradWeights, written.Weights, $"{what} gradWeights");
                    Expect.Exact(gradBias, written.Bias, $"{what} gradBias");
                    (float[] Weights, float[] Bias) added = Runner.BackwardWeights(
                        plan,
                        input,
                        gradOutput,
                        output,
                        accumulateOn: 3);
                    Expect.Exact(
                        [.. gradWeights.Select(value => value + 3)],
                        added.Weights,
                        $"{what} accumulated gradWeights");
                    Expect.Exact(
                        [.. gradBias.Select(value => value + 3)],
                        added.Bias,
                        $"{what} accumulated gradBias");
                    (float[] Input, float[] Weights, float[] Bias) all = Runner.Backward(
                        plan,
                        input,
                        gradOutput,
                        output,
                        weights,
                        accumulateOn: 3);
                    Expect.Exact(gradInput, all.Input, $"{what} gradInput of one call");
                    Assert.Equal(added.Weights, all.Weights);
                    Assert.Equal(added.Bias, all.Bias);
                });
        }
    }

    /// <summary>The derivative is computed in at most 3 roundings of numbers up to 1, and
    /// multiplies once more.</summary>
    [Theory]
    [MemberData(nameof(Cases.ByLayout), MemberType = typeof(Cases))]
    public void Backward_RealNumbers_IsWithinTheBound(string name, TensorLayout layout)
    {
        ConvolutionDescriptor geometry = Cases.Get(name) with { Layout = layout };
        ReferenceConv2D reference = new(geometry);
        float[] input = Fill.Real(reference.InputLength, 11);
        float[] weights = Fill.Real(reference.WeightsLength, 12);
        float[] gradOutput = Fill.Real(reference.OutputLength, 13);

        foreach (Activation f in Cases.Activations)
        {
            float[] output =
            [
                .. Fill.Real(reference.OutputLength, 14)
                    .Select(z => (float)ReferenceConv2D.Activate(f, 2 * z)),
            ];
            double[] g =
            [
                .. gradOutput.Zip(
                    output,
                    (gradient, y) => gradient * ReferenceConv2D.Derivative(f, y)),
            ];
            double[] unscaled = [.. gradOutput.Select(value => (double)value)];
            ReferenceConv2D.Sums gradInput = reference.BackwardInput(g, weights);
            ReferenceConv2D.Sums gradWeights = reference.BackwardWeights(input, g);
            ReferenceConv2D.Sums gradBias = reference.BackwardBias(g);

            // What the error of f' can do is bounded with the gradient before f' scales it down.
            double[] inputScale = reference.BackwardInput(unscaled, weights).Absolute;
            double[] weightsScale = reference.BackwardWeights(input, unscaled).Absolute;
            double[] biasScale = reference.BackwardBias(unscaled).Absolute;

            ForEachPlan(
                geometry with
                {
                    Activation = f,
                },
                (plan, what) =>
                {
                    Expect.Within(
                        gradInput.Values,
                        i =>
                            Expect.Unit
                            * (
                                ((gradInput.Terms[i] + 2) * gradInput.Absolute[i])
                                + (4 * inputScale[i])),
                        Runner.BackwardInput(plan, gradOutput, output, weights),
                        $"{what} gradInput");
                    (float[] Weights, float[] Bias) actual = Runner.BackwardWeights(
                        plan,
                        input,
                        gradOutput,
                        output);
                    Expect.Within(
                        gradWeights.Values,
                        i =>
                            Expect.Unit
                            * (
                                ((gradWeights.Terms[i] + 2) * gradWeights.Absolute[i])
                                + (4 * weightsScale[i])),
                        actual.Weights,
                        $"{what} gradWeights");
                    Expect.Within(
                        gradBias.Values,
                        i =>
                            Expect.Unit
                            * (
                                ((gradBias.Terms[i] + 2) * gradBias.Absolute[i])
                                + (4 * biasScale[i])),
                        actual.Bias,
                        $"{what} gradBias");
                });
        }
    }

    /// <summary>Real data, where every change of order would change bits.</summary>
    [Theory]
    [MemberData(nameof(Cases.ByLayout), MemberType = typeof(Cases))]
    public void AllPasses_AnyInstructionSetAndThreadCount_GiveTheSameBits(
        string name,
        TensorLayout layout)
    {
        ConvolutionDescriptor descriptor = Cases.Get(name) with
        {
            Layout = layout,
            Activation = Activation.Tanh,
        };
        ReferenceConv2D reference = new(descriptor);
        float[] input = Fill.Real(reference.InputLength, 15);
        float[] weights = Fill.Real(reference.WeightsLength, 16);
        float[] bias = Fill.Real(reference.BiasLength, 17);
        float[] gradOutput = Fill.Real(reference.OutputLength, 18);
        float[]? expected = null;

        foreach (InstructionSet set in NativeConvRuntime.SupportedInstructionSets)
        {
            using ConvolutionPlan plan = new(descriptor, new() { MaxInstructionSet = set });
            Assert.Equal(set, plan.InstructionSet);
            foreach (int threads in new[] { 1, 2, 3, 7 })
            {
                float[] output = Runner.Forward(plan, input, weights, bias, threads);
                (float[] Weights, float[] Bias) gradients = Runner.BackwardWeights(
                    plan,
                    input,
                    gradOutput,
                    output,
                    null,
                    threads);
                float[] all =
                [
                    .. output,
                    .. Runner.BackwardInput(plan, gradOutput, output, weights, threads),
                    .. gradients.Weights,
                    .. gradients.Bias,
                ];
                expected ??= all;
                for (int i = 0; i < all.Length; i++)
                {
                    Assert.True(
                        BitConverter.SingleToInt32Bits(expected[i])
                            == BitConverter.SingleToInt32Bits(all[i]),
                        $"{set}, {threads} threads, [{i}]: {all[i]:R} instead of {expected[i]:R}."
                    );
                }
            }
        }
    }

    /// <summary>Every distance of 4 bytes from a cache line, all buffers of a call differently.</summary>
    [Theory]
    [InlineData(TensorLayout.Nchw)]
    [InlineData(TensorLayout.Nhwc)]
    public void Forward_AnyBufferAlignment_GivesTheSameBits(TensorLayout layout)
    {
        ConvolutionDescriptor descriptor = Cases.Get("wide vector tail") with { Layout = layout };
        using ConvolutionPlan plan = new(descriptor);
        float[] input = Fill.Real((int)plan.InputLength, 29);
        float[] weights = Fill.Real((int)plan.WeightsLength, 30);
        float[] bias = Fill.Real((int)plan.BiasLength, 31);
        float[] expected = Runner.Forward(plan, input, weights, bias);
        long bytes = plan.GetWorkspaceBytes(ConvolutionPass.Forward);
        using ConvolutionWorkspace workspace = new(bytes);
        for (int offset = 0; offset < 16; offset++)
        {
            Span<float> x = Shifted(input, offset);
            using PackedWeights packed = plan.PackWeights(
                ConvolutionPass.Forward,
                Shifted(weights, (offset * 3) + 1));
            Span<float> y = Shifted(new float[expected.Length], (offset * 5) + 2);
            plan.Forward(x, packed, Shifted(bias, (offset * 7) + 3), y, workspace);
            Assert.Equal(expected, y.ToArray());
        }

        static Span<float> Shifted(float[] values, int offset)
        {
            float[] memory = new float[values.Length + 128];
            Span<float> span = memory.AsSpan(offset, values.Length);
            values.CopyTo(span);
            return span;
        }
    }

    /// <summary>With y = conv(x, w), y·g = x·gradInput = w·gradWeights; all are integers.</summary>
    [Theory]
    [MemberData(nameof(Cases.ByLayout), MemberType = typeof(Cases))]
    public void Passes_AreAdjoint(string name, TensorLayout layout)
    {
        ConvolutionDescriptor descriptor = Cases.Get(name) with
        {
            Layout = layout,
            Activation = Activation.Linear,
            HasBias = false,
        };
        ReferenceConv2D reference = new(descriptor);
        float[] input = Fill.Integers(reference.InputLength, 19);
        float[] weights = Fill.Integers(reference.WeightsLength, 20);
        float[] gradOutput = Fill.Integers(reference.OutputLength, 21);
        ForEachPlan(
            descriptor,
            (plan, what) =>
            {
                double expected = Dot(Runner.Forward(plan, input, weights, []), gradOutput);
                Assert.Equal(
                    (what, expected),
                    (what, Dot(Runner.BackwardInput(plan, gradOutput, [], weights), input)));
                Assert.Equal(
                    (what, expected),
                    (
                        what,
                        Dot(Runner.BackwardWeights(plan, input, gradOutput, []).Weights, weights)));
            });
    }

    /// <summary>Convolution is linear in each argument, so a difference quotient with step 1 is the
    /// derivative itself.</summary>
    [Theory]
    [MemberData(nameof(Cases.ByLayout), MemberType = typeof(Cases))]
    public void Gradients_EqualFiniteDifferences(string name, TensorLayout layout)
    {
        ConvolutionDescriptor descriptor = Cases.Get(name) with
        {
            Layout = layout,
            Activation = Activation.Linear,
        };
        using ConvolutionPlan plan = new(descriptor);
        float[] input = Fill.Integers((int)plan.InputLength, 22);
        float[] weights = Fill.Integers((int)plan.WeightsLength, 23);
        float[] bias = Fill.Integers((int)plan.BiasLength, 24);
        float[] gradOutput = Fill.Integers((int)plan.OutputLength, 25);
        float[] gradInput = Runner.BackwardInput(plan, gradOutput, [], weights);
        (float[] gradWeights, float[] gradBias) = Runner.BackwardWeights(
            plan,
            input,
            gradOutput,
            []);
        double Loss() => Dot(Runner.Forward(plan, input, weights, bias), gradOutput);

        double loss = Loss();
        Random random = new(26);
        foreach (
            (float[] values, float[] gradient) in new[]
            {
                (input, gradInput),
                (weights, gradWeights),
                (bias, gradBias),
            })
        {
            for (int probe = 0; probe < 20 && values.Length > 0; probe++)
            {
                int i = random.Next(values.Length);
                values[i]++;
                Assert.Equal(gradient[i], Loss() - loss);
                values[i]--;
            }
        }
    }

    [Fact]
    public void Forward_NonFiniteInput_ReachesExactlyItsWindow()
    {
        ConvolutionDescriptor descriptor = new()
        {
            InputChannels = 3,
            OutputChannels = 17,
            InputHeight = 9,
            InputWidth = 21,
            PaddingTop = 1,
            PaddingLeft = 1,
            PaddingBottom = 1,
            PaddingRight = 1,
            MathMode = MathMode.Strict,
        };
        ForEachPlan(
            descriptor,
            (plan, what) =>
            {
                float[] input = Fill.Integers((int)plan.InputLength, 27);
                float[] weights = Fill.Integers((int)plan.WeightsLength, 28);
                input[(1 * 9 * 21) + (4 * 21) + 10] = float.NaN;
                float[] output = Runner.Forward(plan, input, weights, new float[17]);
                for (int i = 0; i < output.Length; i++)
                {
                    bool inWindow = Math.Abs((i / 21 % 9) - 4) <= 1 && Math.Abs((i % 21) - 10) <= 1;
                    Assert.True(float.IsNaN(output[i]) == inWindow, $"{what}[{i}] is {output[i]}.");
                }
            });
    }

    private static void ForEachPlan(
        ConvolutionDescriptor descriptor,
        Action<ConvolutionPlan, string> test)
    {
        foreach (ConvolutionPlan plan in Cases.Plans(descriptor))
        {
            using (plan)
            {
                test(
                    plan,
                    $"{descriptor.Activation.Kind}, {plan.GetAlgorithm(ConvolutionPass.Forward)}, {plan.InstructionSet}:"
                );
            }
        }
    }

    private static double Dot(float[] a, float[] b) => a.Zip(b, (x, y) => (double)x * y).Sum();
}
