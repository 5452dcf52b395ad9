using NativeConv.Report.Comparing;

namespace NativeConv.Report.Tests;

public class StatisticsTests
{
    [Fact]
    public void GeometricMean_OfReciprocals_IsOne() => Assert.Equal(1, Statistics.GeometricMean([4, 0.25, 3, 1.0 / 3]), 12);

    [Fact]
    public void NothingHasNoMean()
    {
        Assert.True(double.IsNaN(Statistics.GeometricMean([])));
        Assert.True(double.IsNaN(Statistics.Median([])));
    }

    [Theory]
    [InlineData(new double[] { 3, 1, 2 }, 2)]
    [InlineData(new double[] { 4, 1, 2, 3 }, 2.5)]
    public void Median_IsInTheMiddle(double[] values, double expected) => Assert.Equal(expected, Statistics.Median(values));
}

public class VerdictTests
{
    [Fact]
    public void QuietRuns_ShowSmallLosses()
    {
        Verdict verdict = Judge(new PairedRound(100, 104, 104.2, 100.1), new PairedRound(100.2, 104.1, 104, 100));
        Assert.Equal(Change.Slower, verdict.Change);
        Assert.Equal(Verdict.SmallestNoise, verdict.Noise);
        Assert.Equal(1.04, verdict.LeastRatio, 3);
    }

    [Fact]
    public void QuietRuns_ShowGains() =>
        Assert.Equal(Change.Faster, Judge(new PairedRound(100, 90, 90.2, 100.1), new PairedRound(100.2, 90, 91, 100)).Change);

    [Fact]
    public void SameBuild_IsNoChange() =>
        Assert.Equal(Change.None, Judge(new PairedRound(100, 101, 100, 101), new PairedRound(101, 100, 100.5, 100)).Change);

    [Fact]
    public void RunsOfOneBuildThatDiffer_HideLosses() =>
        Assert.Equal(Change.None, Judge(new PairedRound(100, 106, 118, 110), new PairedRound(111, 117, 107, 101)).Change);

    [Fact]
    public void DisturbedRun_IsNoLoss() =>
        Assert.Equal(Change.None, Judge(new PairedRound(100, 180, 100.2, 100), new PairedRound(100, 170, 101, 100.1)).Change);

    [Fact]
    public void DriftOfTheMachine_Cancels() => Assert.Equal(1, new PairedRound(100, 110, 121, 133.1).Ratio, 12);

    [Fact]
    public void NoiseOfAllShapes_GuardsThoseThatAgreeByChance()
    {
        PairedRound[] noisy = [new(100, 100, 105, 105), new(105, 105, 100, 100)];
        IReadOnlyList<Verdict> verdicts = Verdict.Of(new Dictionary<string, IReadOnlyList<PairedRound>>
        {
            ["a"] = noisy,
            ["b"] = noisy,
            ["by chance"] = [new(100, 106, 106, 100)],
        });
        Assert.All(verdicts, verdict => Assert.Equal(Change.None, verdict.Change));
    }

    private static Verdict Judge(params PairedRound[] rounds) =>
        Assert.Single(Verdict.Of(new Dictionary<string, IReadOnlyList<PairedRound>> { ["shape"] = rounds }));
}
