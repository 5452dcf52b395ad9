using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace NativeConv.Rivals;

/// <summary>Options of a rival: those of nconv_bench that make sense for it.</summary>
internal sealed record RivalOptions(IReadOnlyList<Descriptor> Descriptors, string[] Passes, string[] Layouts, int Threads)
{
    public static RivalOptions Parse(string[] args)
    {
        Dictionary<string, string> values = args.Select(arg => arg.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair.Length > 1 ? pair[1] : "");
        string pass = values.GetValueOrDefault("--dir", "fwd");
        string layout = values.GetValueOrDefault("--layout", "nchw");
        return new RivalOptions(
            Descriptor.ReadFile(values["--batch"]),
            pass == "all" ? ["fwd", "bwd_d", "bwd_w"] : [pass],
            layout == "both" ? ["nchw", "nhwc"] : [layout],
            int.Parse(values.GetValueOrDefault("--threads", "1"), CultureInfo.InvariantCulture));
    }
}

/// <summary>The data of nconv_bench, a function of seed and logical index.</summary>
internal static class Data
{
    public static float[] Input(Descriptor d) => Fill(Count(d.InputShape), seed: 1);

    public static float[] GradOutput(Descriptor d) => Fill(Count(d.OutputShape), seed: 2);

    public static float[] Weights(Descriptor d) => Fill(Count(d.WeightsShape), seed: 3);

    public static float[] Bias(Descriptor d) => Fill(d.OutputChannels, seed: 4);

    public static long Count(long[] shape) => shape.Aggregate(1L, (product, size) => product * size);

    /// <summary>Elements in logical order, each times one plus the remainder of its index by 13.</summary>
    public static double Checksum(ReadOnlySpan<float> values)
    {
        double sum = 0;
        for (int i = 0; i < values.Length; i++)
        {
            sum += (double)values[i] * ((i % 13) + 1);
        }

        return sum;
    }

    private static float[] Fill(long count, ulong seed)
    {
        float[] values = new float[count];
        for (long i = 0; i < count; i++)
        {
            long bits = (long)(RandomBits(seed, (ulong)i) >> 39) - (1 << 24);
            values[i] = bits / 16777216.0f;
        }

        return values;
    }

    // splitmix64, as in tests/native/support/fill.cpp
    private static ulong RandomBits(ulong seed, ulong index)
    {
        ulong z = ((seed * 0x2545F4914F6CDD1DUL) + index + 1) * 0x9E3779B97F4A7C15UL;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return z ^ (z >> 31);
    }
}

/// <summary>Memory at a chosen distance from a multiple of 4096 bytes.</summary>
internal sealed unsafe class SkewedMemory : IDisposable
{
    private readonly void* _block;

    public SkewedMemory(long count, int skew)
    {
        Bytes = count * sizeof(float);
        _block = NativeMemory.AlignedAlloc((nuint)Bytes + 4096, 4096);
        Address = (nint)_block + skew;
        Span.Clear();
    }

    public SkewedMemory(float[] values, int skew)
        : this(values.LongLength, skew) => values.CopyTo(Span);

    public nint Address { get; }

    public long Bytes { get; }

    public Span<float> Span => new((void*)Address, (int)(Bytes / sizeof(float)));

    public void Dispose() => NativeMemory.AlignedFree(_block);
}

/// <summary>Time and rows as nconv_bench has them.</summary>
internal static class Bench
{
    private const double SampleSeconds = 40e-6;
    private const double TotalSeconds = 0.15;
    private const int FewestSamples = 5;

    // A rival that takes half a second for a call need not take it often.
    private const double LongSeconds = 1;
    private const int FewestLongSamples = 2;

    public static (double MinUs, double MedianUs) Measure(Action run)
    {
        run();
        long begin = Stopwatch.GetTimestamp();
        run();
        double once = Math.Max(SecondsSince(begin), 1e-7);
        int calls = Math.Max(1, (int)(SampleSeconds / once));
        var samples = new List<double>();
        long start = Stopwatch.GetTimestamp();
        while (!Enough(SecondsSince(start), samples.Count))
        {
            begin = Stopwatch.GetTimestamp();
            for (int i = 0; i < calls; i++)
            {
                run();
            }

            samples.Add(SecondsSince(begin) / calls);
        }

        samples.Sort();
        return (samples[0] * 1e6, samples[samples.Count / 2] * 1e6);
    }

    public static void PrintHeader() => Console.WriteLine("engine,layout,threads,name,pass,min_us,median_us,check");

    public static void PrintRow(string engine, string layout, int threads, string name, string pass, (double MinUs, double MedianUs) times, double check) =>
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{engine},{layout},{threads},{name},{pass},{times.MinUs:F3},{times.MedianUs:F3},{check:G9}"));

    private static bool Enough(double seconds, int samples) =>
        seconds > LongSeconds ? samples >= FewestLongSamples : seconds > TotalSeconds && samples >= FewestSamples;

    private static double SecondsSince(long timestamp) => Stopwatch.GetElapsedTime(timestamp).TotalSeconds;
}
