using CsCheck;
using NativeConv.Internal;
using NativeConv.Interop;
using NativeConv.Tests.Support;

namespace NativeConv.Tests;

/// <summary>Random problems, most of them nonsense, and what managed and native code make of
/// them.</summary>
public class RandomDescriptorTests
{
    private static readonly Gen<int> Extent = Gen.Frequency(
        (20, Gen.Int[1, 9]),
        (2, Gen.Int[-2, 2]),
        (1, Gen.Int),
        (1, Gen.OneOf(Gen.Const(int.MaxValue), Gen.Const(int.MinValue), Gen.Const(65536))));

    private static readonly Gen<ConvolutionDescriptor> Any =
        from n in Extent
        from c in Extent
        from o in Extent
        from g in Gen.Frequency((2, Gen.Const(1)), (1, Extent))
        from size in Gen.Select(Extent, Extent)
        from kernel in Gen.Select(Extent, Extent)
        from stride in Gen.Select(Extent, Extent)
        from dilation in Gen.Select(Extent, Extent)
        from pads in Gen.Select(Extent, Extent, Extent, Extent)
        from layout in Gen.Frequency((20, Gen.Int[0, 1]), (1, Gen.Int))
        from math in Gen.Frequency((20, Gen.Int[0, 2]), (1, Gen.Int))
        from bias in Gen.Bool
        select new ConvolutionDescriptor
        {
            Batch = n,
            InputChannels = c,
            OutputChannels = o,
            Groups = g,
            InputHeight = size.Item1,
            InputWidth = size.Item2,
            KernelHeight = kernel.Item1,
            KernelWidth = kernel.Item2,
            StrideVertical = stride.Item1,
            StrideHorizontal = stride.Item2,
            DilationVertical = dilation.Item1,
            DilationHorizontal = dilation.Item2,
            PaddingTop = pads.Item1,
            PaddingLeft = pads.Item2,
            PaddingBottom = pads.Item3,
            PaddingRight = pads.Item4,
            Layout = (TensorLayout)layout,
            MathMode = (MathMode)math,
            HasBias = bias,
        };

    private static readonly Gen<(ConvolutionDescriptor Descriptor, int Seed)> Sensible =
        from n in Gen.Int[0, 3]
        from g in Gen.Int[1, 3]
        from c in Gen.Int[1, 6]
        from o in Gen.Int[1, 6]
        from size in Gen.Select(Gen.Int[1, 10], Gen.Int[1, 10])
        from kernel in Gen.Select(Gen.Int[1, 4], Gen.Int[1, 4])
        from stride in Gen.Select(Gen.Int[1, 4], Gen.Int[1, 4])
        from dilation in Gen.Select(Gen.Int[1, 3], Gen.Int[1, 3])
        from pads in Gen.Select(Gen.Int[0, 5], Gen.Int[0, 5], Gen.Int[0, 5], Gen.Int[0, 5])
        from nhwc in Gen.Bool
        from bias in Gen.Bool
        from activation in Gen.Int[0, 3]
        from seed in Gen.Int
        let missingRows = Math.Max(
            0,
            ((kernel.Item1 - 1) * dilation.Item1) + 1 - size.Item1 - pads.Item1)
        let missingColumns = Math.Max(
            0,
            ((kernel.Item2 - 1) * dilation.Item2) + 1 - size.Item2 - pads.Item2)
        select (
            new ConvolutionDescriptor
            {
                Batch = n,
                InputChannels = g * c,
                OutputChannels = g * o,
                Groups = g,
                InputHeight = size.Item1,
                InputWidth = size.Item2,
                KernelHeight = kernel.Item1,
                KernelWidth = kernel.Item2,
                StrideVertical = stride.Item1,
                StrideHorizontal = stride.Item2,
                DilationVertical = dilation.Item1,
                DilationHorizontal = dilation.Item2,
                PaddingTop = pads.Item1,
                PaddingLeft = pads.Item2,
                PaddingBottom = Math.Max(pads.Item3, missingRows),
                PaddingRight = Math.Max(pads.Item4, missingColumns),
                Layout = nhwc ? TensorLayout.Nhwc : TensorLayout.Nchw,
                MathMode = MathMode.Strict, // exact on integers
                HasBias = bias,
                Activation = Cases.Activations[activation],
            },
            seed);

    /// <summary>
    /// Both check in the same order and agree about the argument to blame. Sizes that overflow are
    /// the native library's to find.
    /// </summary>
    [Fact]
    public unsafe void ManagedAndNative_RejectAlike()
    {
        int accepted = 0;
        int rejected = 0;
        Any.Sample(
            descriptor =>
            {
                string? blamed = null;
                try
                {
                    descriptor.Validate();
                }
                catch (ArgumentException e)
                {
                    blamed = e.ParamName;
                }

                nconv_conv2d_desc native = descriptor.ToNative();
                nconv_plan* plan = null;
                nconv_status status = NativeMethods.nconv_plan_create(&native, null, &plan);
                NativeMethods.nconv_plan_destroy(plan);
                Interlocked.Increment(
                    ref status == nconv_status.NCONV_STATUS_OK ? ref accepted : ref rejected);
                if (blamed is null)
                {
                    Assert.True(
                        status
                            is nconv_status.NCONV_STATUS_OK
                                or nconv_status.NCONV_STATUS_SIZE_OVERFLOW,
                        $"managed accepts, native says {status}");
                }
                else
                {
                    Assert.Equal(Family(Status.Parameter(status)), Family(blamed));
                }
            },
            iter: 100_000);

        // The generator makes enough of both kinds for the comparison to mean something.
        Assert.True(
            accepted > 5_000 && rejected > 5_000,
            $"{accepted} accepted, {rejected} rejected");
    }

    [Fact]
    public void SensibleProblems_EqualTheReference() =>
        Sensible.Sample(
            problem =>
            {
                (ConvolutionDescriptor d, int seed) = problem;
                ReferenceConv2D reference = new(d);
                float[] input = Fill.Integers(reference.InputLength, seed);
                float[] weights = Fill.Integers(reference.WeightsLength, unchecked(seed + 1));
                float[] bias = Fill.Integers(reference.BiasLength, unchecked(seed + 2));
                float[] gradOutput = Fill.Integers(reference.OutputLength, unchecked(seed + 3));
                double[] expected =
                [
                    .. reference
                        .Forward(input, weights, bias)
                        .Values.Select(z => ReferenceConv2D.Activate(d.Activation, z)),
                ];
                using ConvolutionPlan plan = new(d);
                float[] output = Runner.Forward(plan, input, weights, bias);
                Expect.Exact(expected, output, "output");
                double[] g =
                [
                    .. gradOutput.Zip(
                        output,
                        (gradient, y) => gradient * ReferenceConv2D.Derivative(d.Activation, y)),
                ];
                Expect.Exact(
                    reference.BackwardInput(g, weights).Values,
                    Runner.BackwardInput(plan, gradOutput, output, weights),
                    "gradInput");
                (float[] gradWeights, float[] gradBias) = Runner.BackwardWeights(
                    plan,
                    input,
                    gradOutput,
                    output);
                Expect.Exact(
                    reference.BackwardWeights(input, g).Values,
                    gradWeights,
                    "gradWeights");
                Expect.Exact(reference.BackwardBias(g).Values, gradBias, "gradBias");
            },
            iter: 2_000);

    /// <summary>The native library has one status for both axes and for both channel
    /// counts.</summary>
    private static string? Family(string? parameter) =>
        parameter
            ?.Replace("Width", "Height", StringComparison.Ordinal)
            .Replace("Horizontal", "Vertical", StringComparison.Ordinal)
            .Replace("OutputChannels", "InputChannels", StringComparison.Ordinal)
            .Replace("PaddingLeft", "PaddingTop", StringComparison.Ordinal)
            .Replace("PaddingBottom", "PaddingTop", StringComparison.Ordinal)
            .Replace("PaddingRight", "PaddingTop", StringComparison.Ordinal);
}
