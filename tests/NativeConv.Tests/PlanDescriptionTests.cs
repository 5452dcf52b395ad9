using NativeConv.Tests.Support;

namespace NativeConv.Tests;

/// <summary>What a plan says of itself: its sizes, its defaults, its algorithms.</summary>
public class PlanDescriptionTests
{
    [Fact]
    public void Plan_ReportsTheSizesOfTheReference()
    {
        foreach (string name in Cases.Names)
        {
            ReferenceConv2D reference = new(Cases.Get(name));
            using ConvolutionPlan plan = new(Cases.Get(name));
            Assert.Equal(
                (
                    name,
                    reference.OutputHeight,
                    reference.OutputWidth,
                    reference.InputLength,
                    reference.WeightsLength,
                    reference.BiasLength,
                    reference.OutputLength),
                (
                    name,
                    plan.OutputHeight,
                    plan.OutputWidth,
                    plan.InputLength,
                    plan.WeightsLength,
                    plan.BiasLength,
                    plan.OutputLength));
        }
    }

    [Fact]
    public void Plan_DefaultsAreThoseOfTheLibrary()
    {
        NativeConv.Interop.nconv_conv2d_desc expected;
        unsafe
        {
            NativeConv.Interop.NativeMethods.nconv_conv2d_desc_init(&expected);
        }

        expected.input_channels =
            expected.output_channels =
            expected.input_height =
            expected.input_width =
                5;
        ConvolutionDescriptor descriptor = new()
        {
            InputChannels = 5,
            OutputChannels = 5,
            InputHeight = 5,
            InputWidth = 5,
        };
        Assert.Equal(expected, descriptor.ToNative());
    }

    [Fact]
    public void Plan_SaysWhatItChose()
    {
        using ConvolutionPlan plan = new(Cases.Get("same 3x3"));
        foreach (ConvolutionPass pass in Enum.GetValues<ConvolutionPass>())
        {
            Assert.Contains(plan.GetAlgorithm(pass), NativeConvRuntime.Algorithms);
            Assert.Contains(plan.GetAlgorithm(pass), plan.Describe(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Plan_ForcedAlgorithm_IsUsed()
    {
        foreach (string algorithm in NativeConvRuntime.Algorithms)
        {
            try
            {
                using ConvolutionPlan plan = new(
                    Cases.Get("same 3x3"),
                    new() { Algorithm = algorithm });
                Assert.Contains(
                    algorithm, Enum.GetValues<ConvolutionPass>().Select(plan.GetAlgorithm));
            }
            catch (NotSupportedException e)
            {
                Assert.Contains("UNSUPPORTED_ALGORITHM", e.Message, StringComparison.Ordinal);
            }
        }

        Assert.Throws<NotSupportedException>(() =>
            new ConvolutionPlan(Cases.Get("same 3x3"), new() { Algorithm = "no such" }));
    }
}
