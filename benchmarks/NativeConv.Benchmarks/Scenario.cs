using BenchmarkDotNet.Running;

namespace NativeConv.Benchmarks;

/// <summary>What one process measures.</summary>
/// <param name="Engine">Who computes; of <see cref="Engines"/>.</param>
/// <param name="Layout">The order of the dimensions in memory.</param>
/// <param name="Threads">The most threads to use.</param>
/// <param name="Layer">The convolution.</param>
/// <param name="Pass">What of it; of <see cref="Passes"/>.</param>
public sealed record Scenario(string Engine, TensorLayout Layout, int Threads, Layer Layer, string Pass)
{
    /// <summary>Floating-point operations of a call.</summary>
    public double Operations => Layer.Operations * (Pass == Passes.Backward ? 2 : 1);

    /// <summary>The layout as results name it.</summary>
    public string LayoutName => Layout == TensorLayout.Nhwc ? "nhwc" : "nchw";

    /// <summary>Whether it is of the selection that takes a minute: the cost of a call, NHWC and all threads of the layers
    /// with 3 x 3 and 1 x 1 kernels that most networks consist of, and one thread of one of them.</summary>
    public bool IsQuick =>
        Layer.Name switch
        {
            CallBenchmark.LayerName => true,
            "rn50.3x3.64@56" => Layout == TensorLayout.Nhwc,
            "rn50.1x1.64-256@56" or "mbv2.dw3.32@112" =>
                Layout == TensorLayout.Nhwc && Threads > 1 && Pass is Passes.Forward,
            _ => false,
        };

    /// <summary>The case of a benchmark, or null if it has none.</summary>
    public static Scenario? Of(BenchmarkCase benchmark)
    {
        ArgumentNullException.ThrowIfNull(benchmark);
        return benchmark.Descriptor.Type == typeof(CallBenchmark)
            ? CallBenchmark.ScenarioOf(benchmark.Descriptor.WorkloadMethod.Name)
            : benchmark.Parameters.Items.Select(static item => item.Value).OfType<Scenario>().FirstOrDefault();
    }

    /// <inheritdoc/>
    public override string ToString() =>
        $"{Engine} {LayoutName} {Threads} {Layer.Name} {Pass}";
}
