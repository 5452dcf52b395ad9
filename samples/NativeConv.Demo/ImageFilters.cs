using System.Diagnostics;
using System.Numerics.Tensors;
using Spectre.Console;

namespace NativeConv.Demo;

/// <summary>
/// Named filters of image processing as convolutions. A picture is interleaved red, green and blue, which
/// the library takes as it lies in memory (NHWC); one group per channel (a depthwise convolution) filters
/// the channels separately. Filters that stay between black and white do so by the layer's own Clip.
/// </summary>
internal static class ImageFilters
{
    private const int Runs = 5;

    private static readonly float[] s_sobelX = [-1, 0, 1, -2, 0, 2, -1, 0, 1];
    private static readonly float[] s_sobelY = [-1, -2, -1, 0, 0, 0, 1, 2, 1];
    private static readonly float[] s_sharpen = [-0.25f, -0.5f, -0.25f, -0.5f, 4, -0.5f, -0.25f, -0.5f, -0.25f];
    private static readonly float[] s_emboss = [-2, -1, 0, -1, 0, 1, 0, 1, 2];

    /// <summary>Filters a picture with all of them and writes the results as PNG files.</summary>
    public static void Run(RgbImage image, string outputFolder, CancellationToken cancel)
    {
        var table = new Table().RoundedBorder().AddColumns("filter", "kernel", "time", "file");
        table.Columns[2].RightAligned();
        Write("original", "", null, image);

        // The taps of emboss add up to 0: flat areas would be black, and half of all edges below black. A bias
        // of 1/2 makes them grey.
        float[] gaussian = Gaussian(sigma: 2.5f, radius: 7);
        Write("sobel", "2 of 3 x 3", Sobel, image);
        Write("gaussian", "15 x 15", picture => Filter(picture, gaussian, bias: 0), image);
        Write("sharpen", "3 x 3", picture => Filter(picture, s_sharpen, bias: 0), image);
        Write("emboss", "3 x 3", picture => Filter(picture, s_emboss, bias: 0.5f), image);
        AnsiConsole.Write(table);

        void Write(string name, string kernel, Func<RgbImage, (RgbImage, TimeSpan)>? filter, RgbImage source)
        {
            cancel.ThrowIfCancellationRequested();
            (RgbImage result, TimeSpan time) = filter?.Invoke(source) ?? (source, default);
            string path = Path.Combine(outputFolder, $"{name}.png");
            result.SavePng(path);
            string milliseconds = filter is null ? "" : $"{time.TotalMilliseconds:F2} ms";
            table.AddRow(new Text(name), new Text(kernel), new Text(milliseconds), new Text(path));
        }
    }

    /// <summary>The same square kernel for every channel.</summary>
    private static (RgbImage Result, TimeSpan Time) Filter(RgbImage image, float[] kernel, float bias)
    {
        int side = (int)Math.Sqrt(kernel.Length);
        using var conv = new Conv2D(RgbImage.Channels, RgbImage.Channels, new Conv2DOptions
        {
            KernelHeight = side,
            KernelWidth = side,
            Groups = RgbImage.Channels,
            Layout = TensorLayout.Nhwc,
            Padding = Padding.Valid,
            Activation = Activation.Clip(0, 1),
            Trainable = false,
        });

        // NHWC weights are [filter][row][column][channel of the group], and a group has one channel here.
        conv.SetWeights([.. kernel, .. kernel, .. kernel]);
        conv.SetBias([bias, bias, bias]);
        (float[] pixels, TimeSpan time) = Run(conv, image, side / 2);
        return (new RgbImage(image.Height, image.Width, pixels), time);
    }

    /// <summary>
    /// The strength of edges whatever their direction: sqrt(x^2 + y^2) of the slopes to the right and
    /// downwards. Two filters for each channel make both slopes in one pass over the picture.
    /// </summary>
    private static (RgbImage Result, TimeSpan Time) Sobel(RgbImage image)
    {
        using var conv = new Conv2D(RgbImage.Channels, 2 * RgbImage.Channels, new Conv2DOptions
        {
            Groups = RgbImage.Channels,
            Layout = TensorLayout.Nhwc,
            Padding = Padding.Valid,
            Activation = Activation.Linear,
            UseBias = false,
            Trainable = false,
        });

        // The filters of a group follow each other: red x, red y, green x, and so on.
        conv.SetWeights([.. s_sobelX, .. s_sobelY, .. s_sobelX, .. s_sobelY, .. s_sobelX, .. s_sobelY]);
        (float[] slopes, TimeSpan time) = Run(conv, image, border: 1);
        var result = new RgbImage(image.Height, image.Width);
        for (int i = 0; i < result.Pixels.Length; i++)
        {
            result.Pixels[i] = float.Hypot(slopes[2 * i], slopes[(2 * i) + 1]);
        }

        return (result, time);
    }

    /// <summary>
    /// Runs the layer over the picture, its edge repeated outwards. The time is the convolution's alone, the
    /// least of some runs.
    /// </summary>
    private static (float[] Output, TimeSpan Time) Run(Conv2D conv, RgbImage image, int border)
    {
        RgbImage framed = RepeatEdge(image, border);
        Conv2DShape shape = conv.GetShape(batch: 1, framed.Height, framed.Width);
        float[] output = conv.Forward(shape, framed.Pixels);
        TimeSpan fastest = TimeSpan.MaxValue;
        for (int i = 0; i < Runs; i++)
        {
            long start = Stopwatch.GetTimestamp();
            conv.Forward(shape, framed.Pixels, output);
            TimeSpan time = Stopwatch.GetElapsedTime(start);
            fastest = time < fastest ? time : fastest;
        }

        return (output, fastest);
    }

    /// <summary>
    /// Surrounds a picture with copies of its outermost pixels. The zeros of Same padding would be a black
    /// frame to the filter: a dark rim in a blur, a bright edge in Sobel.
    /// </summary>
    private static RgbImage RepeatEdge(RgbImage image, int border)
    {
        var framed = new RgbImage(image.Height + (2 * border), image.Width + (2 * border));
        for (int y = 0; y < framed.Height; y++)
        {
            int row = Math.Clamp(y - border, 0, image.Height - 1);
            for (int x = 0; x < framed.Width; x++)
            {
                image[row, Math.Clamp(x - border, 0, image.Width - 1)].CopyTo(framed[y, x]);
            }
        }

        return framed;
    }

    private static float[] Gaussian(float sigma, int radius)
    {
        int side = (2 * radius) + 1;
        float[] kernel = new float[side * side];
        for (int i = 0; i < kernel.Length; i++)
        {
            (int y, int x) = Math.DivRem(i, side);
            float squared = ((y - radius) * (y - radius)) + ((x - radius) * (x - radius));
            kernel[i] = MathF.Exp(-squared / (2 * sigma * sigma));
        }

        // Taps that add up to 1 leave flat areas as they are.
        TensorPrimitives.Divide(kernel, TensorPrimitives.Sum<float>(kernel), kernel);
        return kernel;
    }
}
