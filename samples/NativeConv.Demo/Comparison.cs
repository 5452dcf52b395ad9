using System.Diagnostics;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using Spectre.Console;

namespace NativeConv.Demo;

/// <summary>
/// Runs a few layers with NativeConv and with loops anyone would write in C#, checks that both give the
/// same, and tells the times.
/// </summary>
internal static class Comparison
{
    private const int MinRuns = 5;
    private static readonly TimeSpan s_minTime = TimeSpan.FromSeconds(0.4);

    private static readonly Layer[] s_layers =
    [
        new("3 x 3, 64 to 64", 64, 64, Size: 56, new Conv2DOptions()),
        new("3 x 3 / 2, 64 to 128", 64, 128, Size: 56, new Conv2DOptions { StrideVertical = 2, StrideHorizontal = 2 }),
        new("1 x 1, 256 to 64", 256, 64, Size: 56, new Conv2DOptions { KernelHeight = 1, KernelWidth = 1 }),
        new("3 x 3 depthwise, 64", 64, 64, Size: 112, new Conv2DOptions { Groups = 64 }),
    ];

    public static void Run(CancellationToken cancel)
    {
        int threads = NativeConvRuntime.ThreadCount;
        AnsiConsole.MarkupLineInterpolated(
            $"NativeConv {NativeConvRuntime.Version}, {NativeConvRuntime.ActiveInstructionSet}, {threads} threads. Forward pass of one image, float32;");
        AnsiConsole.MarkupLineInterpolated(
            $"layers by kernel / stride and channels; ms, the least of {MinRuns} or more runs after a warm-up.");
        var table = new Table().RoundedBorder();
        table.AddColumns("layer", "C# loops", "1 thread", "faster", $"{threads} threads", "GFLOP/s");
        foreach (TableColumn column in table.Columns.Skip(1))
        {
            column.RightAligned();
        }

        string? plan = null;
        double difference = 0;
        foreach (Layer layer in s_layers)
        {
            using Contest contest = new(layer);
            difference = Math.Max(difference, contest.Compare());
            TimeSpan loops = Fastest(contest.RunLoops, cancel);
            TimeSpan one = Fastest(contest.RunOneThread, cancel);
            TimeSpan all = Fastest(contest.RunAllThreads, cancel);
            table.AddRow(
                layer.Name, Text(loops), Text(one), $"{loops / one:F1} x", Text(all),
                $"{contest.Operations / all.TotalSeconds / 1e9:F1}");
            plan ??= contest.Describe();
        }

        AnsiConsole.Write(table);
        AnsiConsole.MarkupLineInterpolated(
            $"Every output agrees with the loops within the bound of rounding; the largest difference is {difference:E1}.");
        AnsiConsole.Write(
            new Panel(new Text(plan!.TrimEnd())).Header($"The plan of \"{s_layers[0].Name}\"").RoundedBorder());
    }

    private static string Text(TimeSpan time) => $"{time.TotalMilliseconds:F3}";

    /// <summary>The least time is the one least disturbed by whatever else the machine does.</summary>
    private static TimeSpan Fastest(Action run, CancellationToken cancel)
    {
        run();
        var total = Stopwatch.StartNew();
        TimeSpan fastest = TimeSpan.MaxValue;
        for (int i = 0; i < MinRuns || total.Elapsed < s_minTime; i++)
        {
            cancel.ThrowIfCancellationRequested();
            long start = Stopwatch.GetTimestamp();
            run();
            TimeSpan time = Stopwatch.GetElapsedTime(start);
            fastest = time < fastest ? time : fastest;
        }

        return fastest;
    }

    private sealed record Layer(string Name, int InputChannels, int Filters, int Size, Conv2DOptions Options);

    /// <summary>One layer with its data, in both ways.</summary>
    private sealed class Contest : IDisposable
    {
        private readonly Layer _layer;
        private readonly Conv2D _oneThread;
        private readonly Conv2D _allThreads;
        private readonly Conv2DShape _shape;
        private readonly float[] _input;
        private readonly float[] _expected;
        private readonly float[] _output;

        public Contest(Layer layer)
        {
            _layer = layer;
            Conv2DOptions options = layer.Options with { Trainable = false, WeightInitializer = Initializer.HeUniform(seed: 5) };
            _allThreads = new Conv2D(layer.InputChannels, layer.Filters, options);
            _oneThread = new Conv2D(layer.InputChannels, layer.Filters, options with { MaxThreads = 1 });
            _shape = _allThreads.GetShape(batch: 1, layer.Size, layer.Size);
            _oneThread.GetShape(batch: 1, layer.Size, layer.Size);

            var random = new Random(4);
            _input = [.. Enumerable.Range(0, _shape.InputLength).Select(_ => (2 * random.NextSingle()) - 1)];
            _expected = new float[_shape.OutputLength];
            _output = new float[_shape.OutputLength];
        }

        /// <summary>Products summed for one output.</summary>
        private int Terms => _layer.InputChannels / _layer.Options.Groups * _layer.Options.KernelHeight * _layer.Options.KernelWidth;

        /// <summary>Floating-point operations of a run: a multiplication and an addition for each term.</summary>
        public double Operations => 2.0 * _shape.OutputLength * Terms;

        public void RunLoops() => PlainLoops(_shape, _layer.Options, _input, _allThreads.Weights, _allThreads.Bias, _expected);

        public void RunOneThread() => _oneThread.Forward(_shape, _input, _output);

        public void RunAllThreads() => _allThreads.Forward(_shape, _input, _output);

        public string Describe() => _allThreads.Describe(_shape);

        /// <summary>
        /// The largest difference between both results. A sum of n products in float, in whatever order, is
        /// off by at most g * (sum of their magnitudes), with u = 2^-24 and g = n*u / (1 - n*u), n counting
        /// the bias; two sums part by at most twice that, and ReLU does not widen a difference.
        /// </summary>
        public double Compare()
        {
            RunLoops();
            RunAllThreads();
            float[] magnitudes = new float[_output.Length];
            PlainLoops(
                _shape, _layer.Options, Magnitudes(_input), Magnitudes(_allThreads.Weights),
                Magnitudes(_allThreads.Bias), magnitudes);

            double roundings = (Terms + 1) * Math.ScaleB(1, -24);
            double g = roundings / (1 - roundings);
            double largest = 0;
            for (int i = 0; i < _output.Length; i++)
            {
                // The magnitudes are themselves such a sum, too small by the factor 1 - g at worst.
                double difference = Math.Abs((double)_output[i] - _expected[i]);
                double bound = 2 * g * magnitudes[i] / (1 - g);
                if (!(difference <= bound))
                {
                    throw new DemoException(
                        $"Wrong result, please report it: {_layer.Name}: output {i} is {_output[i]:R}, expected {_expected[i]:R} within {bound:R}.");
                }

                largest = Math.Max(largest, difference);
            }

            return largest;
        }

        public void Dispose()
        {
            _oneThread.Dispose();
            _allThreads.Dispose();
        }

        private static float[] Magnitudes(ReadOnlySpan<float> values)
        {
            float[] result = new float[values.Length];
            TensorPrimitives.Abs(values, result);
            return result;
        }
    }

    /// <summary>
    /// Convolution, bias and ReLU of one NCHW image, written from the formula, with the taps that fall
    /// outside the image cut off before the inner loops. Optimised from the first call, so that
    /// it is not at a disadvantage for having run only a few times.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PlainLoops(
        Conv2DShape shape,
        Conv2DOptions options,
        ReadOnlySpan<float> input,
        ReadOnlySpan<float> weights,
        ReadOnlySpan<float> bias,
        Span<float> output)
    {
        int channels = shape.InputChannels / options.Groups;
        int filtersPerGroup = shape.OutputChannels / options.Groups;
        for (int o = 0; o < shape.OutputChannels; o++)
        {
            int firstChannel = o / filtersPerGroup * channels;
            for (int p = 0; p < shape.OutputHeight; p++)
            {
                int top = (p * options.StrideVertical) - shape.PaddingTop;
                int rBegin = Math.Max(0, -top);
                int rEnd = Math.Min(options.KernelHeight, shape.InputHeight - top);
                for (int q = 0; q < shape.OutputWidth; q++)
                {
                    int left = (q * options.StrideHorizontal) - shape.PaddingLeft;
                    int sBegin = Math.Max(0, -left);
                    int sEnd = Math.Min(options.KernelWidth, shape.InputWidth - left);
                    float sum = bias[o];
                    for (int c = 0; c < channels; c++)
                    {
                        for (int r = rBegin; r < rEnd; r++)
                        {
                            int row = ((((firstChannel + c) * shape.InputHeight) + top + r) * shape.InputWidth) + left;
                            int taps = ((((o * channels) + c) * options.KernelHeight) + r) * options.KernelWidth;
                            for (int s = sBegin; s < sEnd; s++)
                            {
                                sum += input[row + s] * weights[taps + s];
                            }
                        }
                    }

                    output[(((o * shape.OutputHeight) + p) * shape.OutputWidth) + q] = Math.Max(sum, 0);
                }
            }
        }
    }
}
