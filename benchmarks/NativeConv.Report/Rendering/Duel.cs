using NativeConv.Report.Data;

namespace NativeConv.Report.Rendering;

/// <summary>One layer: the fastest other engine beside NativeConv, each in its better layout.</summary>
internal sealed record Duel(string Name, int Threads, Measurement Other, Measurement Ours)
{
    /// <summary>How many times as long the other takes, by the least times.</summary>
    public double Ratio => Other.MinUs / Ours.MinUs;

    public double MedianRatio => Other.MedianUs / Ours.MedianUs;

    public bool IsBehind => Ratio < 0.995;

    public static IReadOnlyList<Duel> Of(ResultSet results, string set, string pass, int threads, Func<Measurement, bool> others)
    {
        List<Measurement> rows = [.. results.Of(set, pass).Where(m => m.Threads == threads)];
        ILookup<string, Measurement> ours = rows.Where(m => m.IsOurs).ToLookup(m => m.Name);
        ILookup<string, Measurement> theirs = rows.Where(m => !m.IsOurs && others(m) && Agrees(m, ours[m.Name])).ToLookup(m => m.Name);
        return
        [
            .. results.Names(set)
                .Where(name => ours[name].Any() && theirs[name].Any())
                .Select(name => new Duel(name, threads, theirs[name].MinBy(m => m.MinUs)!, ours[name].MinBy(m => m.MinUs)!)),
        ];
    }

    /// <summary>
    /// Whether both computed the same. A checksum of n sums of t products each spreads like the root of n t, half
    /// of the operations; roundings stay below a millionth of that, a wrong border or order is of its size.
    /// </summary>
    public static bool Agrees(Measurement other, IEnumerable<Measurement> ours)
    {
        Measurement? reference = ours.FirstOrDefault(m => !double.IsNaN(m.Check));
        return double.IsNaN(other.Check) || reference is null
            || Math.Abs(other.Check - reference.Check) <= 1e-3 * Math.Sqrt(reference.Operations / 2);
    }
}
