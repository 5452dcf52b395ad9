using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Reports;

namespace NativeConv.Benchmarks.Reporting;

/// <summary>What was measured of a case.</summary>
/// <param name="MinMicroseconds">The least of the iterations' means.</param>
/// <param name="MedianMicroseconds">Their median.</param>
/// <param name="Gflops">By the least.</param>
/// <param name="Peak">GFLOP/s of so many cores; 0 if not measured.</param>
/// <param name="AllocatedBytes">Of a call; null if not measured.</param>
internal sealed record Result(
    double MinMicroseconds, double MedianMicroseconds, double Gflops, double Peak, long? AllocatedBytes)
{
    /// <summary>Before the peak in the output of a process; lines that begin with // are no measurements
    /// to BenchmarkDotNet.</summary>
    public const string PeakPrefix = "// Peak GFLOP/s: ";

    /// <summary>Of the peak; 0 if that was not measured.</summary>
    public double PercentOfPeak => Peak > 0 ? 100 * Gflops / Peak : 0;

    /// <summary>The result in a report, or null if there is none.</summary>
    public static Result? Of(BenchmarkReport? report)
    {
        if (report?.ResultStatistics is not { } statistics || Scenario.Of(report.BenchmarkCase) is not { } of)
        {
            return null;
        }

        return new Result(
            statistics.Min * 1e-3,
            statistics.Median * 1e-3,
            of.Operations / statistics.Min,
            Printed(report, PeakPrefix) ?? 0,
            (long?)Printed(report, AllocatedPrefix(report.BenchmarkCase.Descriptor.WorkloadMethod.Name)));
    }

    /// <summary>Before the bytes that a call of a method allocates.</summary>
    public static string AllocatedPrefix(string method) => $"// Allocated by {method}: ";

    /// <summary>The greatest number that the processes of a case printed after a prefix.</summary>
    private static double? Printed(BenchmarkReport report, string prefix) =>
        report.ExecuteResults
            .SelectMany(static result => result.StandardOutput)
            .Where(line => line.StartsWith(prefix, StringComparison.Ordinal))
            .Max(line => (double?)double.Parse(line.AsSpan(prefix.Length), CultureInfo.InvariantCulture));
}
