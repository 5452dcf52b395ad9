using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace NativeConv.Benchmarks;

/// <summary>
/// The most float32 operations a second that cores do: multiply-adds in the widest vectors, on
/// registers alone.
/// </summary>
internal static class MachinePeak
{
    // Latency 4 times two units needs 8 sums that do not wait for each other.
    private const int Chains = 12;
    private const int Rounds = 100_000;
    private static readonly TimeSpan s_time = TimeSpan.FromMilliseconds(2.5);

    /// <summary>Bits of the widest vectors that the hardware has.</summary>
    public static int VectorBits =>
        Vector512.IsHardwareAccelerated ? 512
        : Vector256.IsHardwareAccelerated ? 256
        : 128;

    /// <summary>GFLOP/s of so many cores at the same time, each at its best in 2.5 ms.</summary>
    public static double Measure(int threads)
    {
        double[] results = new double[threads];
        using Barrier start = new(threads);
        List<Thread> others = [];
        for (int i = 1; i < threads; i++)
        {
            int index = i;
            Thread thread = new(() => Probe(index)) { IsBackground = true };
            thread.Start();
            others.Add(thread);
        }

        Probe(0);
        others.ForEach(static thread => thread.Join());
        return results.Sum();

        void Probe(int index)
        {
            start.SignalAndWait();
            results[index] = MeasureThisCore();
        }
    }

    private static double MeasureThisCore()
    {
        double best = double.MaxValue;
        long begin = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(begin) < s_time)
        {
            long slice = Stopwatch.GetTimestamp();
            Run();
            best = Math.Min(best, Stopwatch.GetElapsedTime(slice).TotalSeconds);
        }

        return 2.0 * Chains * (VectorBits / 32) * Rounds / best * 1e-9;
    }

    private static float Run() =>
        VectorBits switch
        {
            512 => Run512(),
            256 => Run256(),
            _ => Run128(),
        };

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static float Run512()
    {
        Vector512<float> f = Vector512.Create(0.999f);
        Vector512<float> a = f, b = f, c = f, d = f, e = f, g = f, h = f, i = f, j = f, k = f, l = f, m = f;
        for (int n = 0; n < Rounds; n++)
        {
            a = Vector512.FusedMultiplyAdd(a, f, f);
            b = Vector512.FusedMultiplyAdd(b, f, f);
            c = Vector512.FusedMultiplyAdd(c, f, f);
            d = Vector512.FusedMultiplyAdd(d, f, f);
            e = Vector512.FusedMultiplyAdd(e, f, f);
            g = Vector512.FusedMultiplyAdd(g, f, f);
            h = Vector512.FusedMultiplyAdd(h, f, f);
            i = Vector512.FusedMultiplyAdd(i, f, f);
            j = Vector512.FusedMultiplyAdd(j, f, f);
            k = Vector512.FusedMultiplyAdd(k, f, f);
            l = Vector512.FusedMultiplyAdd(l, f, f);
            m = Vector512.FusedMultiplyAdd(m, f, f);
        }

        return Vector512.Sum(a + b + c + d + e + g + h + i + j + k + l + m);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static float Run256()
    {
        Vector256<float> f = Vector256.Create(0.999f);
        Vector256<float> a = f, b = f, c = f, d = f, e = f, g = f, h = f, i = f, j = f, k = f, l = f, m = f;
        for (int n = 0; n < Rounds; n++)
        {
            a = Vector256.FusedMultiplyAdd(a, f, f);
            b = Vector256.FusedMultiplyAdd(b, f, f);
            c = Vector256.FusedMultiplyAdd(c, f, f);
            d = Vector256.FusedMultiplyAdd(d, f, f);
            e = Vector256.FusedMultiplyAdd(e, f, f);
            g = Vector256.FusedMultiplyAdd(g, f, f);
            h = Vector256.FusedMultiplyAdd(h, f, f);
            i = Vector256.FusedMultiplyAdd(i, f, f);
            j = Vector256.FusedMultiplyAdd(j, f, f);
            k = Vector256.FusedMultiplyAdd(k, f, f);
            l = Vector256.FusedMultiplyAdd(l, f, f);
            m = Vector256.FusedMultiplyAdd(m, f, f);
        }

        return Vector256.Sum(a + b + c + d + e + g + h + i + j + k + l + m);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static float Run128()
    {
        Vector128<float> f = Vector128.Create(0.999f);
        Vector128<float> a = f, b = f, c = f, d = f, e = f, g = f, h = f, i = f, j = f, k = f, l = f, m = f;
        for (int n = 0; n < Rounds; n++)
        {
            a = Vector128.FusedMultiplyAdd(a, f, f);
            b = Vector128.FusedMultiplyAdd(b, f, f);
            c = Vector128.FusedMultiplyAdd(c, f, f);
            d = Vector128.FusedMultiplyAdd(d, f, f);
            e = Vector128.FusedMultiplyAdd(e, f, f);
            g = Vector128.FusedMultiplyAdd(g, f, f);
            h = Vector128.FusedMultiplyAdd(h, f, f);
            i = Vector128.FusedMultiplyAdd(i, f, f);
            j = Vector128.FusedMultiplyAdd(j, f, f);
            k = Vector128.FusedMultiplyAdd(k, f, f);
            l = Vector128.FusedMultiplyAdd(l, f, f);
            m = Vector128.FusedMultiplyAdd(m, f, f);
        }

        return Vector128.Sum(a + b + c + d + e + g + h + i + j + k + l + m);
    }
}
