using NativeConv.Report.Data;
using NativeConv.Report.Running;
using NativeConv.Rivals;

namespace NativeConv.Report.Rendering;

/// <summary>NativeConv alone: percent of peak by layer, layout, pass and math mode.</summary>
internal sealed class LayerSections(ResultSet results, Markdown text)
{
    private static readonly string[] s_layouts = ["nhwc", "nchw"];
    private static readonly string[] s_passes = ["fwd", "bwd_d", "bwd_w"];
    private readonly IReadOnlyList<int> _threads = results.Threads;

    public static IReadOnlyList<string> Order(ResultSet results)
    {
        List<string> known = [.. Repository.ReadShapes(Repository.Topologies).Select(Repository.NameOf)];
        return [.. results.Names(Sets.Layers).OrderBy(name => known.IndexOf(name) is var i && i < 0 ? int.MaxValue : i)];
    }

    public void Layers()
    {
        text.Heading(2, "Layers of networks, default math");
        text.Paragraph($"Percent of peak, {ThreadsOfCell}.");
        text.Image("Percent of peak by layer", "plots/percent-of-peak.svg");
        text.Table(
            ["layer", "NHWC fwd", "NHWC bwd input", "NHWC bwd weights", "NCHW fwd", "NCHW bwd input", "NCHW bwd weights"],
            Order(results).Select(name => (string[])
            [
                name,
                .. s_layouts.SelectMany(layout => s_passes.Select(pass => Percents(Sets.Layers, pass, layout, name))),
            ]));
    }

    public void Modes()
    {
        text.Heading(2, "Strict math: direct summation, forward");
        ForwardTable(Sets.Strict);
        text.Heading(2, "Fast math, forward");
        text.Paragraph("3 x 3, stride 1; `512@7b8` has a batch of 8.");
        ForwardTable(Sets.Fast);
    }

    public void Products()
    {
        text.Heading(2, "Image filters that are a column times a row, fast math");
        text.Paragraph($"1080p, milliseconds, NCHW (`nconv_bench --math=fast --weights=product`), {ThreadsOfCell}.");
        text.Table(
            ["filter", "ms"],
            results.Names(Sets.Products).Select(name => (string[])
            [
                name, Cell(count => Format.Milliseconds(results.Ours(Sets.Products, "fwd", "nchw", count, name)?.MinUs ?? double.NaN)),
            ]));
    }

    /// <summary>The many layers of networks.txt: how they spread, and those that fall short.</summary>
    public void Networks()
    {
        const double Short = 80;
        const int FewChannels = 16;
        Dictionary<string, Descriptor> layers = Repository.ReadShapes(Repository.Networks).Select(Descriptor.Parse)
            .GroupBy(layer => layer.Name).ToDictionary(group => group.Key, group => group.First());
        List<Measurement> rows = [.. results.Of(Sets.Networks, "fwd").Where(m => layers.ContainsKey(m.Name))];
        if (rows.Count == 0)
        {
            return;
        }

        List<Measurement> wide = [.. rows.Where(m => layers[m.Name] is var d && d.Groups == 1 && d.InputChannels >= FewChannels && d.OutputChannels >= FewChannels)];
        List<Measurement> below = [.. wide.Where(m => m.PercentPeak < Short).OrderBy(m => m.PercentPeak)];
        text.Heading(2, "More networks");
        text.Paragraph(
            $"{rows.Select(m => m.Name).Distinct().Count()} layers of `tests/shapes/networks.txt`, forward, default math, {Format.Threads(_threads[0])}, "
            + $"both layouts. Half of all rows reach {Format.Percent(Statistics.Median([.. rows.Select(m => m.PercentPeak)]))} % of the peak or more. "
            + $"Of the {wide.Count} rows of dense layers with {FewChannels} channels and more in and out, {below.Count} are below {Short} %:");
        if (below.Count > 0)
        {
            text.Table(
                ["layer", "layout", "percent", "us", "algorithm"],
                below.Select(m => (string[])[m.Name, m.Layout.ToUpperInvariant(), Format.Percent(m.PercentPeak), Format.Microseconds(m.MinUs), m.Algorithm]),
                textColumns: 2);
        }
    }

    public void BothGradients()
    {
        text.Heading(2, "Both gradients in one call");
        text.Paragraph(
            "Time of `nconv_backward` as a part of that of `nconv_backward_input` and `nconv_backward_weights` in turn, with ReLU, "
            + $"{ThreadsOfCell}. `_b8` is a batch of 8.");
        text.Table(
            ["layer", "NHWC", "NCHW"],
            results.Names(Sets.BothGradients).Select(name => (string[])
            [
                name, .. s_layouts.Select(layout => Cell(count => Format.Ratio(
                    Time("bwd", layout, count, name) / Time("bwd_2", layout, count, name)))),
            ]));
    }

    private double Time(string pass, string layout, int threads, string name) =>
        results.Ours(Sets.BothGradients, pass, layout, threads, name)?.MinUs ?? double.NaN;

    private void ForwardTable(string set)
    {
        text.Paragraph($"Percent of peak, {ThreadsOfCell}.");
        text.Table(
            ["layer", "NHWC", "NCHW"],
            results.Names(set).Select(name => (string[])[name, .. s_layouts.Select(layout => Percents(set, "fwd", layout, name))]));
    }

    private string ThreadsOfCell => $"{string.Join(" / ", _threads)} {(_threads.Count == 1 && _threads[0] == 1 ? "thread" : "threads")}";

    private string Percents(string set, string pass, string layout, string name) =>
        Cell(count => Format.Percent(results.Ours(set, pass, layout, count, name)?.PercentPeak ?? double.NaN));

    private string Cell(Func<int, string> text) => string.Join(" / ", _threads.Select(text).Where(part => part.Length > 0));
}
