namespace NativeConv.Report.Data;

/// <summary>The files of one campaign of measuring: all that a report is rendered from.</summary>
internal sealed class ResultSet
{
    public const string FactsFile = "facts.json";
    public const string MeasurementsFile = "measurements.csv";
    public const string ManagedFile = "results.csv";
    public const string ManagedFolder = "managed";

    private readonly ILookup<(string Set, string Pass), Measurement> _best;

    public ResultSet(Facts facts, IReadOnlyList<Measurement> all, IReadOnlyList<ManagedResult> managed)
    {
        Facts = facts;
        All = all;
        Managed = managed;
        _best = all
            .GroupBy(m => (m.Set, m.Engine, m.Layout, m.Threads, m.Name, m.Pass))
            .Select(Best)
            .ToLookup(m => (m.Set, m.Pass));
    }

    public Facts Facts { get; }

    public IReadOnlyList<Measurement> All { get; }

    public IReadOnlyList<ManagedResult> Managed { get; }

    /// <summary>The thread counts that layers were measured with, in order.</summary>
    public IReadOnlyList<int> Threads => [.. All.Where(m => m.Set == Sets.Layers).Select(m => m.Threads).Distinct().Order()];

    /// <summary>One measurement for each engine, layout, threads and layer: the best of its rounds.</summary>
    public IEnumerable<Measurement> Of(string set, string pass) => _best[(set, pass)];

    public Measurement? Ours(string set, string pass, string layout, int threads, string name) =>
        Of(set, pass).FirstOrDefault(m => m.IsOurs && m.Layout == layout && m.Threads == threads && m.Name == name);

    /// <summary>The layers of a set in the order they were measured in first.</summary>
    public IReadOnlyList<string> Names(string set) => [.. All.Where(m => m.Set == set && m.IsOurs).Select(m => m.Name).Distinct()];

    public static ResultSet Load(string folder)
    {
        string facts = Path.Combine(folder, FactsFile);
        if (!File.Exists(facts))
        {
            throw new ReportException($"There are no results in '{folder}': no {FactsFile}.");
        }

        string managed = Path.Combine(folder, ManagedFolder, ManagedFile);
        return new ResultSet(
            Facts.Load(facts),
            [.. Csv.Parse(File.ReadLines(Path.Combine(folder, MeasurementsFile))).Select(Measurement.FromCsv)],
            File.Exists(managed) ? [.. Csv.Parse(File.ReadLines(managed)).Select(ManagedResult.FromCsv)] : []);
    }

    /// <summary>
    /// Least time of all rounds; the median of their medians. A disturbed row counts only where there is no other.
    /// </summary>
    private static Measurement Best(IEnumerable<Measurement> rounds)
    {
        List<Measurement> all = [.. rounds];
        List<Measurement> clean = [.. all.Where(m => m.Status is "" or "ok")];
        List<Measurement> used = clean.Count > 0 ? clean : all;
        return used.MinBy(m => m.MinUs)! with { MedianUs = Statistics.Median([.. used.Select(m => m.MedianUs)]) };
    }
}

/// <summary>What belongs together in the report.</summary>
internal static class Sets
{
    public const string Layers = "layers";
    public const string Strict = "strict";
    public const string Fast = "fast";
    public const string Networks = "networks";
    public const string Training = "training";
    public const string BothGradients = "gradients";
    public const string Products = "products";
}
