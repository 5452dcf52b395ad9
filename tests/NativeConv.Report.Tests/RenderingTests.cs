using NativeConv.Report.Data;
using NativeConv.Report.Rendering;

namespace NativeConv.Report.Tests;

public class RenderingTests
{
    [Fact]
    public void Markdown_SeparatesBlocksAndAlignsNumbers()
    {
        var text = new Markdown();
        text.Heading(2, "Title");
        text.Table(["layer", "us"], [["a|b", "1"], ["c", "2"]]);
        text.Bullets([]);
        text.Bullets(["one", "two"]);
        Assert.Equal("## Title\n\n| layer | us |\n|---|--:|\n| a\\|b | 1 |\n| c | 2 |\n\n- one\n- two\n", text.ToString());
    }

    [Fact]
    public void Markdown_RowOfAnotherLength_IsRefused() =>
        Assert.Throws<ArgumentException>(() => new Markdown().Table(["a", "b"], [["1"]]));

    [Fact]
    public void Numbers_AreAsPreciseAsTheyAreLarge()
    {
        Assert.Equal("3.7", Format.Microseconds(3.68));
        Assert.Equal("1234", Format.Microseconds(1234.4));
        Assert.Equal("2.98", Format.Ratio(2.984));
        Assert.Equal("31.0", Format.Ratio(31.02));
        Assert.Equal("", Format.Ratio(double.NaN));
    }

    [Fact]
    public void Duel_TakesTheBestOfEach()
    {
        ResultSet results = Results(
            Row(Measurement.Ours, "nchw", 12), Row(Measurement.Ours, "nhwc", 10), Row("onednn", "nchw", 40), Row("ort", "nchw", 30));
        Duel duel = Assert.Single(Duel.Of(results, Sets.Layers, "fwd", 1, _ => true));
        Assert.Equal(("ort", "nhwc", 3.0), (duel.Other.Engine, duel.Ours.Layout, duel.Ratio));
        Assert.Equal("onednn", Assert.Single(Duel.Of(results, Sets.Layers, "fwd", 1, RivalSections.IsOneDnn)).Other.Engine);
    }

    [Fact]
    public void Duel_LeavesOutWrongResults()
    {
        ResultSet results = Results(
            Row(Measurement.Ours, "nhwc", 10), Row("onednn", "nchw", 20) with { Check = 1000 }, Row("ort", "nchw", 30));
        Assert.Equal("ort", Assert.Single(Duel.Of(results, Sets.Layers, "fwd", 1, _ => true)).Other.Engine);
    }

    [Fact]
    public void Rounds_GiveLeastTimeAndMedianOfMedians()
    {
        ResultSet results = Results(
            Row(Measurement.Ours, "nhwc", 10) with { MedianUs = 11 },
            Row(Measurement.Ours, "nhwc", 9) with { MedianUs = 13, Round = 2 },
            Row(Measurement.Ours, "nhwc", 5) with { MedianUs = 99, Round = 3, Status = "disturbed" });
        Measurement best = Assert.Single(results.Of(Sets.Layers, "fwd"));
        Assert.Equal((9.0, 12.0), (best.MinUs, best.MedianUs));
    }

    // One million multiply-adds: checks may be one apart.
    private static Measurement Row(string engine, string layout, double us) => new()
    {
        Set = Sets.Layers,
        Round = 1,
        Engine = engine,
        Layout = layout,
        Threads = 1,
        Name = "layer",
        Pass = "fwd",
        MinUs = us,
        MedianUs = us,
        Check = 7,
        Gflops = engine == Measurement.Ours ? 2000 / us : double.NaN,
        Status = engine == Measurement.Ours ? "ok" : "",
    };

    private static ResultSet Results(params Measurement[] rows) => new(
        new Facts
        {
            Date = new DateOnly(2026, 1, 1),
            Quick = false,
            Rounds = 1,
            Minutes = 1,
            Commit = "",
            Version = "",
            Cpu = "",
            Threads = 1,
            Caches = "",
            System = "",
            Compiler = "",
            DotNet = "",
            CopyBandwidth = [],
            Rivals = [],
            Packages = [],
            Failures = [],
        },
        rows,
        []);
}
