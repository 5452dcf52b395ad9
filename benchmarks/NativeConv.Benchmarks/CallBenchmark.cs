using System.Diagnostics.CodeAnalysis;
using BenchmarkDotNet.Attributes;
using NativeConv.Benchmarks.Interop;
using NativeConv.Benchmarks.Workloads;
using NativeConv.Interop;

namespace NativeConv.Benchmarks;

/// <summary>
/// What a call costs beyond the arithmetic: the forward pass of one number, at each level. The C function
/// called without a change of state is what a C program would pay; each level less that is the level's own.
/// </summary>
[BenchmarkCategory(Categories.Interop, Categories.Allocation)]
[EvaluateOverhead(true)]
public unsafe class CallBenchmark
{
    internal const string LayerName = "call.1x1";

    private static readonly Layer s_layer =
        Layer.Parse($"g1mb1_ic1ih1_oc1oh1_kh1sh1ph0dh0n\"{LayerName}\"");

    private readonly float[] _input = [1];
    private readonly float[] _bias = [2];
    private readonly float[] _output = [0];
    private SmallestCall? _call;
    private ConvolutionPlan? _plan;
    private PackedWeights? _packed;
    private Conv2D? _layer;
    private Conv2DShape _shape;
    private nconv_plan* _handle;
    private nconv_forward_args* _args;
    private delegate* unmanaged[Cdecl, SuppressGCTransition]<nconv_plan*, nconv_forward_args*, nconv_status> _function;

    /// <summary>Makes all levels.</summary>
    [GlobalSetup]
    public void Setup()
    {
        _call = SmallestCall.Create();
        _handle = _call.Plan;
        _args = _call.Arguments;
        _function = SmallestCall.ForwardWithoutTransition;
        _plan = CreatePlan();
        _packed = _plan.PackWeights(ConvolutionPass.Forward, [3]);
        _layer = Conv2DWorkload.Create(s_layer.Descriptor, TensorLayout.Nhwc, threads: 1);
        _shape = _layer.GetShape(1, 1, 1);
    }

    /// <summary>Frees them.</summary>
    [GlobalCleanup]
    public void Cleanup()
    {
        AllocationMeter.Report(nameof(EmptyPInvoke), () => EmptyPInvoke());
        AllocationMeter.Report(nameof(NativeCall), () => NativeCall());
        AllocationMeter.Report(nameof(PInvoke), () => PInvoke());
        AllocationMeter.Report(nameof(Plan), Plan);
        AllocationMeter.Report(nameof(Layered), Layered);
        _call!.Dispose();
        _packed!.Dispose();
        _plan!.Dispose();
        _layer!.Dispose();
    }

    /// <summary>The transition to native code and back.</summary>
    [Benchmark]
    [SuppressMessage("Performance", "CA1822", Justification = "Benchmarks are instance methods.")]
    public int EmptyPInvoke() => NativeMethods.nconv_abi_version();

    /// <summary>The C function.</summary>
    [Benchmark]
    public int NativeCall() => (int)_function(_handle, _args);

    /// <summary>With the transition.</summary>
    [Benchmark]
    public int PInvoke() => (int)NativeMethods.nconv_forward(_handle, _args);

    /// <summary>With the checks of a plan.</summary>
    [Benchmark]
    public void Plan() => _plan!.Forward(_input, _packed!, _bias, _output, maxThreads: 1);

    /// <summary>With the plans and workspaces of a layer, safe for many threads.</summary>
    [Benchmark]
    public void Layered() => _layer!.Forward(_shape, _input, _output);

    internal static Scenario ScenarioOf(string method) =>
        new(
            method switch
            {
                nameof(EmptyPInvoke) => Engines.EmptyPInvoke,
                nameof(NativeCall) => Engines.NativeCall,
                nameof(PInvoke) => Engines.PInvoke,
                nameof(Plan) => Engines.Plan,
                _ => Engines.Conv2D,
            },
            TensorLayout.Nhwc,
            1,
            s_layer,
            Passes.Forward);

    private static ConvolutionPlan CreatePlan() => new(s_layer.Descriptor);
}
