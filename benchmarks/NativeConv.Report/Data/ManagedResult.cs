namespace NativeConv.Report.Data;

/// <summary>A row of benchmarks/NativeConv.Benchmarks, whose README explains the columns.</summary>
internal sealed record ManagedResult(
    string Engine, string Layout, int Threads, string Name, string Pass, double MinUs, double MedianUs, double Gflops,
    double PercentPeak, double AllocatedBytes)
{
    public const string Plan = "nativeconv-plan";

    public bool IsManaged => Engine.StartsWith("managed-", StringComparison.Ordinal);

    public bool IsOurs => Engine.StartsWith("nativeconv-", StringComparison.Ordinal);

    /// <summary>The cost of a call is measured on the smallest problem there is.</summary>
    public bool IsCallAlone => Name.StartsWith("call.", StringComparison.Ordinal);

    public static ManagedResult FromCsv(IReadOnlyDictionary<string, string> row) => new(
        row["engine"], row["layout"], (int)Csv.Number(row["threads"]), row["name"], row["pass"], Csv.Number(row["min_us"]),
        Csv.Number(row["median_us"]), Csv.Number(row["gflops"]), Csv.Number(row["percent_peak"]), Csv.Number(row["allocated_bytes"]));
}
