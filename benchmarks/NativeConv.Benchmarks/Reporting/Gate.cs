using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace NativeConv.Benchmarks.Reporting;

/// <summary>What makes a run fail.</summary>
internal static class Gate
{
    /// <summary>A line for each benchmark that failed, or allocated where nothing may be.</summary>
    public static List<string> Violations(IEnumerable<Summary> summaries)
    {
        List<string> violations = [];
        foreach (Summary summary in summaries)
        {
            violations.AddRange(
                summary.ValidationErrors
                    .Where(static error => error.IsCritical)
                    .Select(static error => error.Message));
            foreach (BenchmarkCase benchmark in summary.BenchmarksCases)
            {
                if (Violation(benchmark, summary[benchmark]) is { } violation)
                {
                    violations.Add(violation);
                }
            }
        }

        return violations;
    }

    private static string? Violation(BenchmarkCase benchmark, BenchmarkReport? report)
    {
        string name = Scenario.Of(benchmark)?.ToString() ?? benchmark.DisplayInfo;
        if (report is not { Success: true } || Result.Of(report) is not { } result)
        {
            return $"{name}: was not measured";
        }

        return benchmark.Descriptor.HasCategory(Categories.Allocation) && result.AllocatedBytes is not 0
            ? $"{name}: a call allocates {result.AllocatedBytes?.ToString() ?? "an unknown number of"} bytes, and must not"
            : null;
    }
}
