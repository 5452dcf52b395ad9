namespace NativeConv.Tests.Support;

/// <summary>
/// Geometries that every pass is tested with, by name. In most of them no two sizes are equal, so
/// that an exchange of any two shows. In strict math: integers are exact in any order of direct
/// summation; <see cref="MathModeTests"/> has the other modes.
/// </summary>
internal static class Cases
{
    private static readonly Dictionary<string, ConvolutionDescriptor> Geometries = new()
    {
        ["pointwise"] = Make(2, 5, 7, 4, 6, kernel: (1, 1)),
        ["same 3x3"] = Make(2, 3, 5, 7, 9, pads: (1, 1, 1, 1)),
        ["valid 3x3"] = Make(1, 4, 6, 8, 5),
        ["one row, one column"] = Make(2, 3, 4, 1, 1, pads: (1, 1, 1, 1)),
        ["wide vector tail"] = Make(1, 19, 33, 5, 7, pads: (1, 1, 1, 1)),
        ["kernel larger than image"] = Make(1, 2, 3, 2, 3, kernel: (5, 7), pads: (2, 3, 2, 3)),
        ["padding larger than kernel"] = Make(1, 2, 3, 4, 3, kernel: (2, 3), pads: (5, 6, 7, 4)),
        ["strides"] = Make(2, 3, 4, 11, 13, stride: (2, 3), pads: (1, 0, 2, 1)),
        ["stride larger than kernel"] = Make(1, 2, 3, 9, 11, kernel: (2, 1), stride: (3, 4)),
        ["leftover rows never read"] = Make(1, 2, 3, 10, 9, kernel: (3, 2), stride: (4, 3)),
        ["dilations"] = Make(1, 3, 4, 9, 12, kernel: (3, 2), dilation: (2, 3), pads: (2, 1, 0, 3)),
        ["stride and dilation"] = Make(
            2,
            2,
            3,
            13,
            10,
            kernel: (2, 3),
            stride: (3, 2),
            dilation: (3, 2),
            pads: (0, 4, 1, 2)),
        ["groups"] = Make(2, 6, 9, 5, 7, groups: 3, pads: (1, 1, 1, 1)),
        ["depthwise"] = Make(2, 21, 21, 6, 9, groups: 21, pads: (1, 1, 1, 1)),
        ["depthwise with multiplier"] = Make(
            1,
            5,
            15,
            7,
            6,
            groups: 5,
            stride: (2, 1),
            pads: (1, 2, 0, 1)),
        ["no bias"] = Make(1, 3, 5, 6, 4, pads: (1, 1, 1, 1)) with { HasBias = false },
        ["one channel, one filter"] = Make(3, 1, 1, 6, 5, kernel: (2, 3)),
        ["batch of 0"] = Make(0, 3, 4, 5, 6),
    };

    public static IEnumerable<string> Names => Geometries.Keys;

    public static Activation[] Activations { get; } =
    [
        Activation.Linear,
        Activation.Relu,
        Activation.LeakyRelu(0.5f),
        Activation.Clip(-3, 40),
        Activation.Sigmoid,
        Activation.Tanh,
        Activation.Elu(0.5f),
    ];

    public static ConvolutionDescriptor Get(string name) => Geometries[name];

    public static TheoryData<string, TensorLayout> ByLayout()
    {
        TheoryData<string, TensorLayout> data = [];
        foreach (string name in Names)
        {
            data.Add(name, TensorLayout.Nchw);
            data.Add(name, TensorLayout.Nhwc);
        }

        return data;
    }

    /// <summary>Every algorithm that serves the problem on every instruction set of this machine,
    /// and the plan's own choice.</summary>
    public static IEnumerable<ConvolutionPlan> Plans(ConvolutionDescriptor descriptor)
    {
        yield return new ConvolutionPlan(descriptor);
        foreach (InstructionSet set in NativeConvRuntime.SupportedInstructionSets)
        {
            foreach (string algorithm in NativeConvRuntime.Algorithms)
            {
                ConvolutionPlan plan;
                try
                {
                    plan = new(
                        descriptor,
                        new() { MaxInstructionSet = set, Algorithm = algorithm });
                }
                catch (NotSupportedException)
                {
                    continue;
                }

                yield return plan;
            }
        }
    }

    private static ConvolutionDescriptor Make(
        int batch,
        int inputChannels,
        int outputChannels,
        int height,
        int width,
        int groups = 1,
        (int H, int W)? kernel = null,
        (int H, int W)? stride = null,
        (int H, int W)? dilation = null,
        (int Top, int Left, int Bottom, int Right) pads = default) =>
        new()
        {
            MathMode = MathMode.Strict,
            Batch = batch,
            InputChannels = inputChannels,
            OutputChannels = outputChannels,
            Groups = groups,
            InputHeight = height,
            InputWidth = width,
            KernelHeight = kernel?.H ?? 3,
            KernelWidth = kernel?.W ?? 3,
            StrideVertical = stride?.H ?? 1,
            StrideHorizontal = stride?.W ?? 1,
            DilationVertical = dilation?.H ?? 1,
            DilationHorizontal = dilation?.W ?? 1,
            PaddingTop = pads.Top,
            PaddingLeft = pads.Left,
            PaddingBottom = pads.Bottom,
            PaddingRight = pads.Right,
        };
}
