using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using NativeConv.Benchmarks.Managed;

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
            512 => Run<Vector512<float>, Vectors512>(),
            256 => Run<Vector256<float>, Vectors256>(),
            _ => Run<Vector128<float>, Vectors128>(),
        };

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static float Run<TVector, TVectors>()
        where TVector : unmanaged
        where TVectors : struct, IVectors<TVector>
    {
        TVector f = TVectors.Broadcast(0.999f);
        TVector a = f, b = f, c = f, d = f, e = f, g = f, h = f, i = f, j = f, k = f, l = f, m = f;
        for (int n = 0; n < Rounds; n++)
        {
            a = TVectors.MultiplyAdd(a, f, f);
            b = TVectors.MultiplyAdd(b, f, f);
            c = TVectors.MultiplyAdd(c, f, f);
            d = TVectors.MultiplyAdd(d, f, f);
            e = TVectors.MultiplyAdd(e, f, f);
            g = TVectors.MultiplyAdd(g, f, f);
            h = TVectors.MultiplyAdd(h, f, f);
            i = TVectors.MultiplyAdd(i, f, f);
            j = TVectors.MultiplyAdd(j, f, f);
            k = TVectors.MultiplyAdd(k, f, f);
            l = TVectors.MultiplyAdd(l, f, f);
            m = TVectors.MultiplyAdd(m, f, f);
        }

        // So that none of them is left out.
        a = TVectors.Add(TVectors.Add(a, b), TVectors.Add(c, d));
        e = TVectors.Add(TVectors.Add(e, g), TVectors.Add(h, i));
        j = TVectors.Add(TVectors.Add(j, k), TVectors.Add(l, m));
        return TVectors.Sum(TVectors.Add(TVectors.Add(a, e), j));
    }
}
