using NativeConv.Report.Data;

namespace NativeConv.Report.Rendering;

/// <summary>Beside other libraries: tables by pass, geometric means, the rows behind.</summary>
internal sealed class RivalSections(ResultSet results, Markdown text)
{
    private static readonly (string Pass, string Title)[] s_passes =
        [("fwd", "Forward"), ("bwd_d", "Gradient by the input"), ("bwd_w", "Gradient by the weights")];

    private static readonly string[] s_families = ["oneDNN", "ONNX Runtime", "libtorch", "OpenCV"];

    public static bool IsOneDnn(Measurement m) => Format.Engine(m.Engine) == "oneDNN";

    public void Write()
    {
        if (results.All.All(m => m.IsOurs))
        {
            return;
        }

        text.Heading(2, "Beside rivals");
        text.Paragraph(
            "Microseconds of the best layout of each, the least of all rounds; engines take turns, one process each, on eleven layers at a "
            + "time. *ratio*: how many times as long the rival takes, by the least times and by the medians. The rivals sum directly; three times "
            + "as fast is Winograd in default math. `onednn-reorder` chooses the order of tensors itself, `ort-dynamic` has weights as an input, `ort-spin` "
            + "threads that spin while they wait; `benchmarks/rivals/README.md` has the rest. Results are checked by a sum of each, which has to agree with NativeConv's.");
        text.Image("Beside the fastest rival by layer", "plots/rivals.svg");
        Summary();
        Disagreements();
        foreach ((string pass, string title) in s_passes)
        {
            Table(pass, title);
        }

        Training();
    }

    /// <summary>Geometric means of the ratios, by engine and against the best of them.</summary>
    private void Summary()
    {
        List<string[]> rows = [.. s_families.Select(family => Means(family, m => Format.Engine(m.Engine) == family))];
        rows.Add(Means("the fastest of them", _ => true));
        rows.Add(Means("the fastest but oneDNN, whose interface no .NET package has", m => !IsOneDnn(m)));
        text.Paragraph("Geometric means of the ratios, and of how many layers:");
        text.Table(
            ["time of", .. s_passes.SelectMany(p => results.Threads.Select(count => $"{Format.Pass(p.Pass)}, {count}"))],
            rows.Where(row => row.Skip(1).Any(cell => cell.Length > 0)));
        text.Paragraph($"The number after the pass: threads. In the same layout: {string.Join("; ", s_passes.Select(SameLayout))}.");
    }

    private string[] Means(string name, Func<Measurement, bool> others) =>
    [
        name,
        .. s_passes.SelectMany(p => results.Threads.Select(count =>
        {
            IReadOnlyList<Duel> duels = Duel.Of(results, Sets.Layers, p.Pass, count, others);
            return duels.Count == 0 ? "" : $"{Format.Ratio(Statistics.GeometricMean([.. duels.Select(d => d.Ratio)]))} ({duels.Count})";
        })),
    ];

    private string SameLayout((string Pass, string Title) pass)
    {
        string[] layouts = [.. ((string[])["nhwc", "nchw"]).Select(layout =>
        {
            // Ours of one layout only: drop what the duel must not see.
            var one = new ResultSet(results.Facts, [.. results.All.Where(m => m.Layout == layout)], []);
            double[] means = [.. results.Threads.Select(count => Statistics.GeometricMean(
                [.. Duel.Of(one, Sets.Layers, pass.Pass, count, _ => true).Select(d => d.Ratio)]))];
            return $"{layout.ToUpperInvariant()} {string.Join(" and ", means.Select(Format.Ratio))}";
        })];
        return $"{Format.Pass(pass.Pass)} {string.Join(", ", layouts)}";
    }

    private void Disagreements()
    {
        ILookup<(string, string), Measurement> ours = results.All.Where(m => m.IsOurs && m.Set == Sets.Layers).ToLookup(m => (m.Name, m.Pass));
        List<string> bad = [.. results.All.Where(m => !m.IsOurs && m.Set == Sets.Layers && !Duel.Agrees(m, ours[(m.Name, m.Pass)]))
            .Select(m => $"`{m.Engine}` {m.Layout.ToUpperInvariant()} on {m.Name}, {Format.Pass(m.Pass)}").Distinct()];
        if (bad.Count > 0)
        {
            text.Paragraph("Left out, because their results differ from NativeConv's:");
            text.Bullets(bad);
        }
    }

    private void Table(string pass, string title)
    {
        Dictionary<int, Dictionary<string, Duel>> duels = results.Threads.ToDictionary(
            count => count, count => Duel.Of(results, Sets.Layers, pass, count, _ => true).ToDictionary(duel => duel.Name));
        if (duels.Values.All(byName => byName.Count == 0))
        {
            return;
        }

        text.Heading(3, title);
        text.Table(
            ["layer", .. results.Threads.SelectMany(count => (string[])[$"rival, {Format.Threads(count)}", "NativeConv", "ratio", "of medians"])],
            LayerSections.Order(results).Where(name => duels.Values.Any(byName => byName.ContainsKey(name))).Select(name => (string[])
            [
                name, .. results.Threads.SelectMany(count => duels[count].TryGetValue(name, out Duel? duel) ? Cells(duel) : ["", "", "", ""]),
            ]));
        foreach (int count in results.Threads)
        {
            List<Duel> all = [.. duels[count].Values];
            List<Duel> behind = [.. all.Where(duel => duel.IsBehind).OrderBy(duel => duel.Ratio)];
            string list = behind.Count == 0 ? "none" : string.Join(", ", behind.Select(duel => $"{duel.Name} {Format.Ratio(duel.Ratio)}"));
            text.Paragraph(
                $"{Format.Threads(count)}: geometric mean {Mean(all, duel => duel.Ratio)}, of medians {Mean(all, duel => duel.MedianRatio)}; behind: {list}.");
        }
    }

    private static string Mean(IEnumerable<Duel> duels, Func<Duel, double> ratio) => Format.Ratio(Statistics.GeometricMean([.. duels.Select(ratio)]));

    private static string[] Cells(Duel duel) =>
    [
        $"{Format.Microseconds(duel.Other.MinUs)} {duel.Other.Engine} {duel.Other.Layout}", $"{Format.Microseconds(duel.Ours.MinUs)} {duel.Ours.Layout}",
        Format.Ratio(duel.Ratio), Format.Ratio(duel.MedianRatio),
    ];

    /// <summary>The demo's layers: forward and all gradients but that by the pictures, each engine in its better layout.</summary>
    private void Training()
    {
        string[] engines = [.. results.All.Where(m => m.Set == Sets.Training).Select(m => m.Engine).Distinct()];
        var steps = engines.Select(engine => (Engine: engine, Us: results.Threads.Select(count => TrainingStep(engine, count)).ToArray()))
            .Where(step => step.Us.All(us => !double.IsNaN(us))).ToList();
        if (!steps.Any(step => step.Engine == Measurement.Ours))
        {
            return;
        }

        double[] ours = steps.Single(step => step.Engine == Measurement.Ours).Us;
        text.Heading(3, "A training step");
        text.Paragraph(
            "The five convolutions of the demo's network, batch of 64, forward and all gradients but that by the pictures: the sum of the "
            + "layers' times in milliseconds, each engine in its better layout.");
        text.Table(
            ["engine", .. results.Threads.SelectMany(count => (string[])[Format.Threads(count), "ratio"])],
            steps.OrderBy(step => step.Us[0]).Select(step => (string[])
            [
                step.Engine == Measurement.Ours ? "NativeConv" : Format.Engine(step.Engine),
                .. step.Us.SelectMany((us, i) => (string[])[Format.Milliseconds(us), Format.Ratio(us / ours[i])]),
            ]));
    }

    private double TrainingStep(string engine, int threads)
    {
        IReadOnlyList<string> names = results.Names(Sets.Training);
        return ((string[])["nhwc", "nchw"]).Select(layout => s_passes.Sum(p => names
                .Where((_, i) => i > 0 || p.Pass != "bwd_d")
                .Sum(name => results.Of(Sets.Training, p.Pass)
                    .FirstOrDefault(m => m.Engine == engine && m.Layout == layout && m.Threads == threads && m.Name == name)?.MinUs ?? double.NaN)))
            .Where(us => !double.IsNaN(us)).DefaultIfEmpty(double.NaN).Min();
    }
}
