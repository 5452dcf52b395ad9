// ONNX Runtime, forward, NCHW: engine `ort` has constant weights, which it packs into its own order while
// the session loads; `ort-dynamic` gets them as an input. Threads that wait sleep; those of `ort-spin`
// spin, which is up to a quarter faster where nothing else runs.
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using NativeConv.Rivals;

if (args is ["--version"])
{
    Console.WriteLine($"ONNX Runtime {OrtEnv.Instance().GetVersionString()}");
    return;
}

RivalOptions options = RivalOptions.Parse(args);
Bench.PrintHeader();
if (!options.Passes.Contains("fwd") || !options.Layouts.Contains("nchw"))
{
    return;
}

foreach (Descriptor descriptor in options.Descriptors)
{
    Run("ort", descriptor, constantWeights: true, spinning: false);
    Run("ort-dynamic", descriptor, constantWeights: false, spinning: false);
    if (options.Threads > 1)
    {
        Run("ort-spin", descriptor, constantWeights: true, spinning: true);
    }
}

void Run(string engine, Descriptor d, bool constantWeights, bool spinning)
{
    float[] weights = Data.Weights(d);
    using var sessionOptions = new SessionOptions
    {
        GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL,
        ExecutionMode = ExecutionMode.ORT_SEQUENTIAL,
        IntraOpNumThreads = options.Threads,
        InterOpNumThreads = 1,
    };
    sessionOptions.AddSessionConfigEntry("session.intra_op.allow_spinning", spinning ? "1" : "0");
    byte[] model = OnnxModel.Conv(d, weights, Data.Bias(d), constantWeights);
    using var session = new InferenceSession(model, sessionOptions);

    using var input = new SkewedMemory(Data.Input(d), skew: 0);
    using var output = new SkewedMemory(Data.Count(d.OutputShape), skew: 1344);
    using var weightsInput = new SkewedMemory(weights, skew: 2624);
    using OrtValue x = Bind(input, d.InputShape);
    using OrtValue y = Bind(output, d.OutputShape);
    using OrtValue w = Bind(weightsInput, d.WeightsShape);
    using OrtIoBinding binding = session.CreateIoBinding();
    binding.BindInput("x", x);
    binding.BindOutput("y", y);
    if (!constantWeights)
    {
        binding.BindInput("w", w);
    }

    using var runOptions = new RunOptions();
    (double, double) times = Bench.Measure(() => session.RunWithBinding(runOptions, binding));
    Bench.PrintRow(engine, "nchw", options.Threads, d.Name, "fwd", times, Data.Checksum(output.Span));
}

static OrtValue Bind(SkewedMemory memory, long[] shape) => OrtValue.CreateTensorValueWithData(
    OrtMemoryInfo.DefaultInstance, TensorElementType.Float, shape, memory.Address, memory.Bytes);
