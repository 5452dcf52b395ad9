using System.Globalization;
using NativeConv.Benchmarks.Reporting;

namespace NativeConv.Benchmarks;

/// <summary>
/// The managed memory that a call allocates, on whatever thread. MemoryDiagnoser measures one round, and what
/// the runtime allocates for itself meanwhile counts; what a call allocates shows in every round.
/// </summary>
internal static class AllocationMeter
{
    private const int Rounds = 5;
    private const int Calls = 3;

    /// <summary>Bytes of a call, rounded up.</summary>
    public static long Measure(Action call)
    {
        long least = long.MaxValue;
        for (int round = 0; round < Rounds && least > 0; round++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            for (int i = 0; i < Calls; i++)
            {
                call();
            }

            least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
        }

        return (least + Calls - 1) / Calls;
    }

    /// <summary>Measures in the process of a benchmark and prints it for the results.</summary>
    public static void Report(string name, Action call) =>
        Console.WriteLine(
            string.Create(CultureInfo.InvariantCulture, $"{Result.AllocatedPrefix(name)}{Measure(call)}"));
}
