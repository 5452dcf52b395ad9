namespace NativeConv.Benchmarks.Tests;

/// <summary>Small convolutions that reach every path of the baselines.</summary>
internal static class Descriptors
{
    /// <summary>Those that all baselines serve, gradients included.</summary>
    public static IReadOnlyDictionary<string, ConvolutionDescriptor> All { get; } =
        new Dictionary<string, ConvolutionDescriptor>
        {
            ["1x1"] = Make(5, 7, 4, 9, kernel: 1),
            ["1x1 stride 2"] = Make(19, 40, 9, 8, kernel: 1) with { StrideVertical = 2, StrideHorizontal = 2 },
            ["3x3 same"] = Make(16, 32, 14, 14, kernel: 3, padding: 1),
            ["3x3 valid"] = Make(3, 16, 11, 17, kernel: 3),
            ["3x3 narrow image"] = Make(6, 50, 5, 4, kernel: 3, padding: 1),
            ["3x3 batch"] = Make(4, 48, 7, 7, kernel: 3, padding: 1) with { Batch = 5 },
            ["5x5, 1 channel"] = Make(1, 16, 28, 28, kernel: 5, padding: 2) with { Batch = 3 },
            ["7x7 stride 2"] = Make(3, 64, 22, 30, kernel: 7, padding: 3) with
            {
                StrideVertical = 2,
                StrideHorizontal = 2,
            },
            ["same, stride 2"] = Make(16, 33, 28, 28, kernel: 3) with
            {
                StrideVertical = 2,
                StrideHorizontal = 2,
                PaddingBottom = 1,
                PaddingRight = 1,
            },
            ["stride 3, kernel 2"] = Make(4, 5, 13, 17, kernel: 2) with { StrideVertical = 3, StrideHorizontal = 3 },
            ["strides and dilations"] = Make(8, 17, 19, 23, kernel: 3, padding: 2) with
            {
                StrideVertical = 2,
                StrideHorizontal = 1,
                DilationVertical = 1,
                DilationHorizontal = 3,
            },
            ["dilation 2, stride 2"] = Make(8, 9, 15, 16, kernel: 3, padding: 2) with
            {
                StrideVertical = 2,
                StrideHorizontal = 2,
                DilationVertical = 2,
                DilationHorizontal = 2,
            },
            ["dilation 3, stride 2"] = Make(3, 4, 15, 18, kernel: 4, padding: 3) with
            {
                StrideVertical = 2,
                StrideHorizontal = 2,
                DilationVertical = 3,
                DilationHorizontal = 3,
            },
            ["1 row"] = Make(4, 6, 1, 25, kernel: 1) with { KernelWidth = 5, PaddingLeft = 4 },
            ["pads beyond the kernel"] = Make(2, 3, 4, 5, kernel: 2, padding: 4),
            ["groups"] = Make(12, 30, 9, 16, kernel: 3, padding: 1) with { Groups = 3 },
            ["groups of 1 channel"] = Make(3, 6, 12, 15, kernel: 3, padding: 1) with { Groups = 3 },
            ["depthwise"] = Depthwise(32, 14, 15, kernel: 3, padding: 1),
            ["depthwise 5x5"] = Depthwise(48, 14, 14, kernel: 5, padding: 2) with { Batch = 2 },
            ["depthwise stride 2"] = Depthwise(16, 15, 20, kernel: 3, padding: 1) with
            {
                StrideVertical = 2,
                StrideHorizontal = 2,
            },
            ["depthwise stride 2, tail"] = Depthwise(19, 15, 20, kernel: 3, padding: 1) with
            {
                StrideVertical = 2,
                StrideHorizontal = 2,
            },
            ["depthwise valid"] = Depthwise(16, 12, 20, kernel: 3, padding: 0),
            ["depthwise tail"] = Depthwise(19, 7, 7, kernel: 3, padding: 1),
            ["depthwise dilation"] = Depthwise(8, 13, 17, kernel: 3, padding: 2) with
            {
                DilationVertical = 2,
                DilationHorizontal = 2,
            },
            ["picture 7x7"] = Depthwise(3, 20, 61, kernel: 7, padding: 3),
            ["picture 9x9"] = Depthwise(3, 20, 160, kernel: 9, padding: 4),
            ["one channel"] = Depthwise(1, 9, 33, kernel: 3, padding: 1),
        };

    private static ConvolutionDescriptor Make(
        int channels, int filters, int height, int width, int kernel, int padding = 0) =>
        new()
        {
            InputChannels = channels,
            OutputChannels = filters,
            InputHeight = height,
            InputWidth = width,
            KernelHeight = kernel,
            KernelWidth = kernel,
            PaddingTop = padding,
            PaddingLeft = padding,
            PaddingBottom = padding,
            PaddingRight = padding,
            Activation = Activation.Linear,
            Layout = TensorLayout.Nhwc,
        };

    private static ConvolutionDescriptor Depthwise(
        int channels, int height, int width, int kernel, int padding) =>
        Make(channels, channels, height, width, kernel, padding) with { Groups = channels };
}
