namespace NativeConv.Report.Comparing;

/// <summary>The least times of one round, which runs old, new, new, old.</summary>
internal sealed record PairedRound(double Old1, double New1, double New2, double Old2)
{
    /// <summary>How many times as long the new build takes: of geometric means, so that a drift of the machine cancels.</summary>
    public double Ratio => Math.Sqrt(New1 * New2 / (Old1 * Old2));

    public double LeastOld => Math.Min(Old1, Old2);

    public double LeastNew => Math.Min(New1, New2);

    /// <summary>How far two runs of one build are apart.</summary>
    public IEnumerable<double> SameBuild => [Math.Exp(Math.Abs(Math.Log(Old1 / Old2))), Math.Exp(Math.Abs(Math.Log(New1 / New2)))];
}

internal enum Change
{
    None,
    Slower,
    Faster,
}

/// <summary>Whether a shape got slower or faster, beyond what two runs of one build differ by.</summary>
internal sealed record Verdict(string Shape, double LeastRatio, double MedianRatio, double Noise, Change Change)
{
    /// <summary>No clock on a shared machine is better than that.</summary>
    public const double SmallestNoise = 1.02;

    /// <summary>
    /// The noise of a shape is the larger of what its own runs of one build differ by at the median and twice that of
    /// all shapes, as a few rounds may agree by chance. Both the median of the paired ratios and the ratio of the least
    /// times must be beyond it: a disturbed run moves only one of them.
    /// </summary>
    public static IReadOnlyList<Verdict> Of(IReadOnlyDictionary<string, IReadOnlyList<PairedRound>> shapes)
    {
        double common = Statistics.Median([.. shapes.Values.SelectMany(rounds => rounds).SelectMany(round => round.SameBuild)]);
        return
        [
            .. shapes.Select(shape =>
            {
                double own = Statistics.Median([.. shape.Value.SelectMany(round => round.SameBuild)]);
                double noise = Math.Max(SmallestNoise, Math.Max(own, 1 + (2 * (common - 1))));
                double median = Statistics.Median([.. shape.Value.Select(round => round.Ratio)]);
                double least = shape.Value.Min(round => round.LeastNew) / shape.Value.Min(round => round.LeastOld);
                Change change = Math.Min(median, least) > noise ? Change.Slower
                    : Math.Max(median, least) < 1 / noise ? Change.Faster
                    : Change.None;
                return new Verdict(shape.Key, least, median, noise, change);
            }),
        ];
    }
}
