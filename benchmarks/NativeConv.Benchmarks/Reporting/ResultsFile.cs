using System.Globalization;
using BenchmarkDotNet.Reports;

namespace NativeConv.Benchmarks.Reporting;

/// <summary>Writes results.csv: a row for each case that was measured.</summary>
internal static class ResultsFile
{
    public static void Write(string path, IEnumerable<BenchmarkReport> reports)
    {
        using StreamWriter writer = new(path);
        writer.WriteLine(
            "engine,layout,threads,name,pass,min_us,median_us,gflops,percent_peak,allocated_bytes,peak_gflops");
        foreach (BenchmarkReport report in reports)
        {
            if (Scenario.Of(report.BenchmarkCase) is { } of && Result.Of(report) is { } result)
            {
                writer.WriteLine(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"{of.Engine},{of.LayoutName},{of.Threads},{Quoted(of.Layer.Name)},{of.Pass},"
                            + $"{result.MinMicroseconds:F5},{result.MedianMicroseconds:F5},{result.Gflops:F2},"
                            + $"{result.PercentOfPeak:F1},{result.AllocatedBytes},{result.Peak:F1}"));
            }
        }
    }

    private static string Quoted(string name) => name.Contains(',', StringComparison.Ordinal) ? $"\"{name}\"" : name;
}
