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
        Expect.OutOfRange(
            option,
            value,
            () => new Conv2D(4, 6, With(new Conv2DOptions(), option, value)));

    [Theory]
    [MemberData(nameof(TooSmallDescriptorFields))]
    public void ConvolutionPlan_FieldOutOfRange_IsRejected(string field, int value) =>
        Expect.OutOfRange(field, value, () => new ConvolutionPlan(With(Valid, field, value)));

    [Fact]
    public void Conv2D_Channels_AreChecked()
    {
        Expect.OutOfRange("inputChannels", 0, () => new Conv2D(0, 6));
        Expect.OutOfRange("inputChannels", -4, () => new Conv2D(-4, 6));
        Expect.OutOfRange("filters", 0, () => new Conv2D(4, 0));
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
        Expect.OutOfRange("batch", -1, () => conv.GetShape(-1, 8, 8));
        Expect.OutOfRange("height", 0, () => conv.GetShape(1, 0, 8));
        Expect.OutOfRange("width", -8, () => conv.GetShape(1, 8, -8));
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
        Expect.OutOfRange("top", -1, () => Padding.Explicit(-1, 0, 0, 0));
        Expect.OutOfRange("left", -2, () => Padding.Explicit(0, -2, 0, 0));
        Expect.OutOfRange("bottom", -3, () => Padding.Explicit(0, 0, -3, 0));
        Expect.OutOfRange("right", -4, () => Padding.Explicit(0, 0, 0, -4));
        Expect.OutOfRange("vertical", -5, () => Padding.Symmetric(-5, 0));
        Expect.OutOfRange("horizontal", -6, () => Padding.Symmetric(0, -6));
        Assert.Equal(default, Padding.Same);
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
}
