using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace NativeConv.Benchmarks.Reporting;

/// <summary>A column of the table that follows from case and result.</summary>
internal sealed class ScenarioColumn(string name, string legend, bool isNumeric, Func<Scenario, Result?, string> text)
    : IColumn
{
    public string Id => nameof(ScenarioColumn) + name;

    public string ColumnName => name;

    public bool AlwaysShow => true;

    public ColumnCategory Category => ColumnCategory.Custom;

    public int PriorityInCategory => 0;

    public bool IsNumeric => isNumeric;

    public UnitType UnitType => UnitType.Dimensionless;

    public string Legend => legend;

    public static IColumn[] All { get; } =
    [
        new ScenarioColumn("Engine", "Who computes", false, static (of, _) => of.Engine),
        new ScenarioColumn("Layer", "Of layers.txt", false, static (of, _) => of.Layer.Name),
        new ScenarioColumn("Pass", "fwd, or the gradient by the input (bwd_d), by weights (bwd_w), all (bwd)", false, static (of, _) => of.Pass),
        new ScenarioColumn("Layout", "Order in memory", false, static (of, _) => of.LayoutName),
        new ScenarioColumn("Threads", "At most", true, static (of, _) => of.Threads.ToString(CultureInfo.InvariantCulture)),
        new ScenarioColumn("Min us", "Least time of a call", true, static (_, result) => Number(result?.MinMicroseconds, "F2")),
        new ScenarioColumn("GFLOP/s", "Nominal operations by the least time", true, static (_, result) => Number(result?.Gflops, "F1")),
        new ScenarioColumn("% peak", "Of the multiply-add peak, measured in the process of the case", true, static (_, result) => Number(result?.PercentOfPeak, "F1")),
    ];

    public bool IsAvailable(Summary summary) => true;

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase) =>
        Scenario.Of(benchmarkCase) is { } of ? text(of, Result.Of(summary[benchmarkCase])) : "-";

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) =>
        GetValue(summary, benchmarkCase);

    private static string Number(double? value, string format) =>
        value?.ToString(format, CultureInfo.InvariantCulture) ?? "-";
}
