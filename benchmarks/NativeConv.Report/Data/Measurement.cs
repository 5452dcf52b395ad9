namespace NativeConv.Report.Data;

/// <summary>One row: an engine on a layer, in one of the report's sets and one round of measuring.</summary>
internal sealed record Measurement
{
    public const string Ours = "nativeconv";

    public required string Set { get; init; }

    public required int Round { get; init; }

    public required string Engine { get; init; }

    public required string Layout { get; init; }

    public required int Threads { get; init; }

    public required string Name { get; init; }

    /// <summary>fwd, bwd_d, bwd_w; bwd for both gradients in one call, bwd_2 for one after the other.</summary>
    public required string Pass { get; init; }

    public required double MinUs { get; init; }

    public required double MedianUs { get; init; }

    public double Check { get; init; } = double.NaN;

    // What nconv_bench tells in addition.
    public string Isa { get; init; } = "";

    public string Algorithm { get; init; } = "";

    public double Gflops { get; init; } = double.NaN;

    public double PeakGflops { get; init; } = double.NaN;

    public double GbPerS { get; init; } = double.NaN;

    public string Status { get; init; } = "";

    public bool IsOurs => Engine == Ours;

    public double PercentPeak => 100 * Gflops / PeakGflops;

    /// <summary>Operations for each byte of the tensors read and written once.</summary>
    public double Intensity => Gflops / GbPerS;

    /// <summary>Nominal operations: 2 N O P Q (C/G) R S.</summary>
    public double Operations => Gflops * MinUs * 1e3;

    private static readonly string[] s_header =
    [
        "set", "round", "engine", "layout", "threads", "name", "pass", "min_us", "median_us", "check", "isa",
        "algorithm", "gflops", "peak_gflops", "gb_per_s", "status",
    ];

    public static string Header => Csv.Join(s_header);

    public string ToCsv() => Csv.Join(
        Set, $"{Round}", Engine, Layout, $"{Threads}", Name, Pass, Csv.Text(MinUs), Csv.Text(MedianUs), Csv.Text(Check), Isa,
        Algorithm, Csv.Text(Gflops), Csv.Text(PeakGflops), Csv.Text(GbPerS), Status);

    public static Measurement FromCsv(IReadOnlyDictionary<string, string> row) => FromRival("", 0, row).WithKernel(row) with
    {
        Set = row["set"],
        Round = (int)Csv.Number(row["round"]),
    };

    /// <summary>A row as the programs of benchmarks/rivals print it.</summary>
    public static Measurement FromRival(string set, int round, IReadOnlyDictionary<string, string> row) => new()
    {
        Set = set,
        Round = round,
        Engine = row["engine"],
        Layout = row["layout"],
        Threads = (int)Csv.Number(row["threads"]),
        Name = row["name"],
        Pass = row["pass"],
        MinUs = Csv.Number(row["min_us"]),
        MedianUs = Csv.Number(row["median_us"]),
        Check = Csv.Number(row["check"]),
    };

    /// <summary>A row of nconv_bench.</summary>
    public static Measurement FromBench(string set, int round, IReadOnlyDictionary<string, string> row) => new Measurement
    {
        Set = set,
        Round = round,
        Engine = Ours,
        Layout = row["layout"],
        Threads = (int)Csv.Number(row["threads"]),
        Name = Rivals.Descriptor.Parse(row["descriptor"]).Name,
        Pass = row["dir"],
        MinUs = Csv.Number(row["min_us"]),
        MedianUs = Csv.Number(row["median_us"]),
        Check = row.TryGetValue("check", out string? check) ? Csv.Number(check) : double.NaN,
    }.WithKernel(row);

    /// <summary>With what nconv_bench alone says: what ran, how fast, and how well.</summary>
    private Measurement WithKernel(IReadOnlyDictionary<string, string> row) => this with
    {
        Isa = row["isa"],
        Algorithm = row["algorithm"],
        Gflops = Csv.Number(row["gflops"]),
        PeakGflops = Csv.Number(row["peak_gflops"]),
        GbPerS = Csv.Number(row["gb_per_s"]),
        Status = row["status"],
    };
}
