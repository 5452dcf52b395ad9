using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Exporters.Json;
using BenchmarkDotNet.Filters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Running;
using NativeConv.Benchmarks.Reporting;
using Perfolizer.Horology;
using Perfolizer.Mathematics.OutlierDetection;

namespace NativeConv.Benchmarks;

/// <summary>
/// Many short iterations rather than few long ones: the least of them is then undisturbed even on a machine
/// that does other work, as in nconv_bench.
/// </summary>
internal sealed class BenchmarkConfig : ManualConfig
{
    public BenchmarkConfig(bool quick)
    {
        AddJob(
            Job.Default
                .WithId("Short")
                .WithWarmupCount(3)
                .WithIterationCount(quick ? 40 : 100)
                .WithIterationTime(TimeInterval.FromMilliseconds(3))
                .WithEvaluateOverhead(false)
                .WithGcForce(false)
                .WithOutlierMode(OutlierMode.RemoveUpper)
                // All code is compiled once and optimised; else the first tiers would take longer than
                // the measurement.
                .WithEnvironmentVariable("DOTNET_TieredCompilation", "0")
                .AsDefault());
        AddDiagnoser(MemoryDiagnoser.Default);
        AddColumn(ScenarioColumn.All);
        AddColumn(StatisticColumn.Median, StatisticColumn.StdDev);
        AddColumnProvider(DefaultColumnProviders.Metrics);
        AddExporter(JsonExporter.Full, MarkdownExporter.GitHub);
        AddLogger(ConsoleLogger.Default);
        WithOptions(ConfigOptions.JoinSummary);
        if (quick)
        {
            AddFilter(new SimpleFilter(static benchmark => Scenario.Of(benchmark)!.IsQuick));
        }
    }
}
