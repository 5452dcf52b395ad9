using NativeConv.Report.Data;

namespace NativeConv.Report.Running;

/// <summary>A program that measures layers; each run is a process of its own.</summary>
internal sealed record Engine(string Name, string Program, string Package)
{
    // What libtorch allocates for results stays in the process, so that it pays no page faults for them.
    private static readonly Dictionary<string, string> s_keepMemory = new()
    {
        ["MALLOC_MMAP_THRESHOLD_"] = "33554432",
        ["MALLOC_TRIM_THRESHOLD_"] = "2000000000",
        ["MALLOC_TOP_PAD_"] = "67108864",
        ["MALLOC_ARENA_MAX"] = "1",
    };

    public static Engine Ours { get; } = new(Measurement.Ours, Repository.BenchProgram, "./build.sh bench-native");

    /// <summary>The programs of benchmarks/rivals, built or not.</summary>
    public static IReadOnlyList<Engine> Rivals { get; } =
    [
        new("onednn", Repository.Program("build/rivals/rival_onednn"), "Debian's libdnnl-dev"),
        new("ort", Managed("OnnxRuntime/release/rival_onnxruntime"), "its NuGet package"),
        new("torch", Managed("TorchSharp/release_linux-x64/rival_torchsharp"), "its NuGet packages"),
        new("opencv", Repository.Program("build/rivals/rival_opencv"), "Debian's libopencv-imgproc-dev"),
    ];

    public bool IsOurs => Name == Measurement.Ours;

    /// <summary>The version, or why there is none to measure.</summary>
    public RivalFact Describe()
    {
        if (!File.Exists(Program))
        {
            return new RivalFact(Name, null, $"not built, it needs {Package}");
        }

        ProgramRun run = ProgramRun.Start(Program, ["--version"]);
        return run.Succeeded
            ? new RivalFact(Name, run.Output[0].Trim(), null)
            : new RivalFact(Name, null, $"not loadable here: {run.Reason}");
    }

    public ProgramRun Measure(string shapes, int threads, IEnumerable<string> options, CancellationToken cancel)
    {
        var environment = new Dictionary<string, string>(Name == "torch" ? s_keepMemory : [])
        {
            ["OMP_NUM_THREADS"] = $"{threads}",
        };
        return ProgramRun.Start(Program, [.. options, $"--threads={threads}", $"--batch={shapes}"], environment, cancel: cancel);
    }

    public IEnumerable<Measurement> Read(ProgramRun run, string set, int round) => Csv.Parse(run.Output)
        .Select(row => IsOurs ? Measurement.FromBench(set, round, row) : Measurement.FromRival(set, round, row));

    private static string Managed(string path) => Repository.Program($"build/managed/bin/NativeConv.Rivals.{path}");
}
