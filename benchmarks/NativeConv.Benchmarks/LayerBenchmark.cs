using System.Globalization;
using BenchmarkDotNet.Attributes;
using NativeConv.Benchmarks.Workloads;

namespace NativeConv.Benchmarks;

/// <summary>
/// Scenarios that are measured alike. Each process also measures the peak of its cores before and after, and
/// prints it for the results.
/// </summary>
public abstract class LayerBenchmark
{
    private Workload? _workload;
    private double _peak;

    /// <summary>All of them.</summary>
    public abstract IEnumerable<Scenario> Scenarios { get; }

    /// <summary>The one of this process.</summary>
    [ParamsSource(nameof(Scenarios))]
    public Scenario? Scenario { get; set; }

    /// <summary>One, and as many as there are.</summary>
    protected static IEnumerable<int> ThreadCounts =>
        new[] { 1, Environment.ProcessorCount }.Distinct();

    /// <summary>Makes the case.</summary>
    [GlobalSetup]
    public void Setup()
    {
        _workload = Workload.Create(Scenario!);
        _peak = MachinePeak.Measure(Scenario!.Threads);
    }

    /// <summary>Frees it.</summary>
    [GlobalCleanup]
    public void Cleanup()
    {
        _peak = Math.Max(_peak, MachinePeak.Measure(Scenario!.Threads));
        Console.WriteLine(
            string.Create(CultureInfo.InvariantCulture, $"{Reporting.Result.PeakPrefix}{_peak:F1}"));
        AllocationMeter.Report(nameof(Run), Run);
        _workload!.Dispose();
    }

    /// <summary>A call.</summary>
    [Benchmark]
    public void Run() => _workload!.Run();
}
