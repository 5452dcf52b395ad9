using System.Globalization;
using System.Text.RegularExpressions;

namespace NativeConv.Benchmarks;

/// <summary>A convolution of layers.txt.</summary>
/// <param name="Name">Its name there.</param>
/// <param name="Descriptor">Its sizes; NHWC, with bias, no activation.</param>
public sealed partial record Layer(string Name, ConvolutionDescriptor Descriptor)
{
    /// <summary>The layers that are measured.</summary>
    public static IReadOnlyList<Layer> All { get; } = Read();

    /// <summary>A multiplication and an addition for each product, whether its tap reads padding or
    /// not.</summary>
    public double Operations
    {
        get
        {
            ConvolutionDescriptor d = Descriptor;
            (int height, int width) = d.OutputSize();
            return 2.0 * d.Batch * d.OutputChannels * height * width
                * (d.InputChannels / d.Groups) * d.KernelHeight * d.KernelWidth;
        }
    }

    /// <summary>Reads a descriptor in the grammar of benchdnn, as far as layers.txt uses
    /// it.</summary>
    public static Layer Parse(string text)
    {
        Match whole = Whole().Match(text);
        if (!whole.Success)
        {
            throw new FormatException($"Not a layer: '{text}'.");
        }

        Dictionary<string, int> values = [];
        foreach (Match part in Part().Matches(whole.Groups["sizes"].Value))
        {
            values[part.Groups[1].Value] =
                int.Parse(part.Groups[2].Value, CultureInfo.InvariantCulture);
        }

        // Without a width the problem is square.
        int height = values["ih"];
        int width = values.GetValueOrDefault("iw", height);
        int kernelHeight = values["kh"];
        int kernelWidth = values.GetValueOrDefault("kw", kernelHeight);
        int strideHeight = values.GetValueOrDefault("sh", 1);
        int strideWidth = values.GetValueOrDefault("sw", strideHeight);
        int top = values.GetValueOrDefault("ph", 0);
        int left = values.GetValueOrDefault("pw", top);
        int outputHeight = values["oh"];
        int outputWidth = values.GetValueOrDefault("ow", outputHeight);
        int dilationHeight = values.GetValueOrDefault("dh", 0) + 1;
        int dilationWidth = values.GetValueOrDefault("dw", dilationHeight - 1) + 1;
        return new Layer(
            whole.Groups["name"].Value,
            new ConvolutionDescriptor
            {
                Batch = values.GetValueOrDefault("mb", 2),
                InputChannels = values["ic"],
                OutputChannels = values["oc"],
                Groups = values.GetValueOrDefault("g", 1),
                InputHeight = height,
                InputWidth = width,
                KernelHeight = kernelHeight,
                KernelWidth = kernelWidth,
                StrideVertical = strideHeight,
                StrideHorizontal = strideWidth,
                DilationVertical = dilationHeight,
                DilationHorizontal = dilationWidth,
                PaddingTop = top,
                PaddingLeft = left,
                PaddingBottom = After(
                    height, top, kernelHeight, strideHeight, dilationHeight, outputHeight),
                PaddingRight = After(
                    width, left, kernelWidth, strideWidth, dilationWidth, outputWidth),
                Activation = Activation.Linear,
                Layout = TensorLayout.Nhwc,
            });
    }

    private static int After(
        int input, int before, int kernel, int stride, int dilation, int output) =>
        Math.Max(0, ((output - 1) * stride) + ((kernel - 1) * dilation) + 1 - input - before);

    private static List<Layer> Read()
    {
        using Stream stream =
            typeof(Layer).Assembly.GetManifestResourceStream("layers.txt")!;
        using StreamReader reader = new(stream);
        List<Layer> layers = [];
        while (reader.ReadLine() is string line)
        {
            if (line.Length > 0 && line[0] != '#')
            {
                layers.Add(Parse(line));
            }
        }

        return layers;
    }

    [GeneratedRegex("^(?<sizes>(_?[a-z]+[0-9]+)+)n\"(?<name>[^\"]+)\"$")]
    private static partial Regex Whole();

    [GeneratedRegex("([a-z]+)([0-9]+)")]
    private static partial Regex Part();
}
