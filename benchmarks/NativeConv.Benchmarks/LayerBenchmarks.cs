using BenchmarkDotNet.Attributes;

namespace NativeConv.Benchmarks;

/// <summary>What is simple in C#, on one thread: it takes up to half a second a call.</summary>
[BenchmarkCategory(Categories.Managed, Categories.Forward)]
[WarmupCount(1)]
[IterationCount(5)]
public class ManagedSimple : LayerBenchmark
{
    /// <inheritdoc/>
    public override IEnumerable<Scenario> Scenarios =>
        from layer in Layer.All
        from engine in new[] { Engines.Loops, Engines.Im2Col }
        select new Scenario(engine, TensorLayout.Nhwc, 1, layer, Passes.Forward);
}

/// <summary>The best in C#.</summary>
[BenchmarkCategory(Categories.Managed, Categories.Forward)]
public class ManagedForward : LayerBenchmark
{
    /// <inheritdoc/>
    public override IEnumerable<Scenario> Scenarios =>
        from layer in Layer.All
        from threads in ThreadCounts
        select new Scenario(Engines.Vector, TensorLayout.Nhwc, threads, layer, Passes.Forward);
}

/// <summary>Gradients by the best in C#.</summary>
[BenchmarkCategory(Categories.Managed, Categories.Gradients)]
public class ManagedGradients : LayerBenchmark
{
    /// <inheritdoc/>
    public override IEnumerable<Scenario> Scenarios =>
        from layer in Layer.All
        from threads in ThreadCounts
        from pass in new[] { Passes.BackwardInput, Passes.BackwardWeights }
        select new Scenario(Engines.Vector, TensorLayout.Nhwc, threads, layer, pass);
}

/// <summary>Forward passes of NativeConv.</summary>
[BenchmarkCategory(Categories.Forward, Categories.Allocation)]
public class NativeForward : LayerBenchmark
{
    /// <inheritdoc/>
    public override IEnumerable<Scenario> Scenarios =>
        from layer in Layer.All
        from engine in new[] { Engines.Plan, Engines.Conv2D }
        from layout in new[] { TensorLayout.Nhwc, TensorLayout.Nchw }
        from threads in ThreadCounts
        select new Scenario(engine, layout, threads, layer, Passes.Forward);
}

/// <summary>Gradients by NativeConv: in NHWC each by itself and all in one call, in NCHW the
/// latter.</summary>
[BenchmarkCategory(Categories.Gradients, Categories.Allocation)]
public class NativeGradients : LayerBenchmark
{
    /// <inheritdoc/>
    public override IEnumerable<Scenario> Scenarios =>
        from layer in Layer.All
        from threads in ThreadCounts
        from of in new (string Engine, TensorLayout Layout, string Pass)[]
        {
            (Engines.Plan, TensorLayout.Nhwc, Passes.BackwardInput),
            (Engines.Plan, TensorLayout.Nhwc, Passes.BackwardWeights),
            (Engines.Plan, TensorLayout.Nhwc, Passes.Backward),
            (Engines.Plan, TensorLayout.Nchw, Passes.Backward),
            (Engines.Conv2D, TensorLayout.Nhwc, Passes.Backward),
            (Engines.Conv2D, TensorLayout.Nchw, Passes.Backward),
        }
        select new Scenario(of.Engine, of.Layout, threads, layer, of.Pass);
}
