using NativeConv.Report.Data;
using NativeConv.Report.Rendering;
using ScottPlot;

namespace NativeConv.Report.Plots;

/// <summary>The plots of a report.</summary>
internal static class Charts
{
    private static readonly (string Pass, string Label, Color Color)[] s_passes =
        [("fwd", "forward", Style.Blue), ("bwd_d", "gradient by input", Style.Orange), ("bwd_w", "gradient by weights", Style.Green)];

    public static void Draw(ResultSet results, string folder)
    {
        PercentOfPeak(results, Path.Combine(folder, "percent-of-peak.svg"));
        Rivals(results, Path.Combine(folder, "rivals.svg"));
        OverManaged(results, Path.Combine(folder, "speed-up-over-managed.svg"));
        Scaling(results, Path.Combine(folder, "scaling.svg"));
        Roofline(results, Path.Combine(folder, "roofline.svg"));
        PackageSize(results, Path.Combine(folder, "package-size.svg"));
    }

    private static void PercentOfPeak(ResultSet results, string path)
    {
        int threads = results.Threads[0];
        DotSeries Series((string Pass, string Label, Color Color) pass, string layout) => new(
            $"{layout.ToUpperInvariant()} {pass.Label}", pass.Color, layout == "nchw",
            results.Of(Sets.Layers, pass.Pass).Where(m => m.IsOurs && m.Layout == layout && m.Threads == threads)
                .ToDictionary(m => m.Name, m => m.PercentPeak));
        new DotPlot(
            $"Percent of peak by layer, {Format.Threads(threads)}", "percent of the multiply-add peak, by nominal operations", LayerSections.Order(results),
            [.. s_passes.Select(pass => Series(pass, "nhwc")), .. s_passes.Select(pass => Series(pass, "nchw"))])
        { Reference = 100 }.Save(path);
    }

    private static void Rivals(ResultSet results, string path)
    {
        int threads = results.Threads[^1];
        DotSeries[] series = [.. s_passes.Select(pass => new DotSeries(
            pass.Label, pass.Color, Hollow: false,
            Duel.Of(results, Sets.Layers, pass.Pass, threads, _ => true).ToDictionary(duel => duel.Name, duel => duel.Ratio)))];
        new DotPlot(
            $"Beside the fastest rival of each layer, {Format.Threads(threads)}", "how many times as long it takes",
            [.. LayerSections.Order(results).Where(name => series.Any(one => one.Values.ContainsKey(name)))], series)
        { Logarithmic = true, Reference = 1 }.Save(path);
    }

    private static void OverManaged(ResultSet results, string path)
    {
        IReadOnlyList<ManagedDuel> duels = ManagedDuel.Of(results);
        if (duels.Count == 0)
        {
            return;
        }

        int threads = duels.Max(duel => duel.Threads);
        new DotPlot(
            $"Beside the fastest C# for each layer, {Format.Threads(threads)}", "how many times as long it takes",
            [.. duels.Select(duel => duel.Name).Distinct()],
            [
                .. s_passes.Append(("bwd", "both gradients", Style.Purple)).Select(pass => new DotSeries(
                    pass.Item2, pass.Item3, Hollow: false,
                    duels.Where(duel => duel.Threads == threads && duel.Pass == pass.Item1).ToDictionary(duel => duel.Name, duel => duel.Ratio)))
                    .Where(series => series.Values.Count > 0),
            ])
        { Logarithmic = true, Reference = 1 }.Save(path);
    }

    private static void Scaling(ResultSet results, string path)
    {
        if (results.Threads.Count < 2)
        {
            return;
        }

        int most = results.Threads[^1];
        double Time(string pass, string name, int threads) => results.Ours(Sets.Layers, pass, "nhwc", threads, name)?.MinUs ?? double.NaN;
        IReadOnlyList<string> rows = LayerSections.Order(results);
        new DotPlot(
            $"{most} threads beside one, NHWC", $"times as fast on {most} threads", rows,
            [
                .. s_passes.Select(pass => new DotSeries(
                    pass.Label, pass.Color, Hollow: false,
                    rows.Select(name => (Name: name, Ratio: Time(pass.Pass, name, results.Threads[0]) / Time(pass.Pass, name, most)))
                        .Where(point => !double.IsNaN(point.Ratio)).ToDictionary(point => point.Name, point => point.Ratio))),
            ])
        { Reference = most }.Save(path);
    }

    private static void Roofline(ResultSet results, string path)
    {
        int threads = results.Threads[^1];
        List<Measurement> points = [.. results.Of(Sets.Layers, "fwd").Where(m => m.IsOurs && m.Layout == "nhwc" && m.Threads == threads)];
        double peak = points.Max(m => m.PeakGflops);
        double bandwidth = results.Facts.CopyBandwidth[threads];
        double least = points.Min(m => m.Intensity) / 1.5, most = points.Max(m => m.Intensity) * 1.5;

        Plot plot = Style.NewPlot($"Forward, NHWC, {Format.Threads(threads)}", "operations for each byte of the tensors");
        plot.YLabel("GFLOP/s, by nominal operations", size: 12);
        plot.Axes.Left.Label.Bold = false;
        (string Label, Color Color, Func<Measurement, bool> Has)[] kinds =
        [
            ("Winograd", Style.Blue, m => m.Algorithm.StartsWith("winograd", StringComparison.Ordinal)),
            ("depthwise and image filters", Style.Green, m => m.Name.Contains(".dw", StringComparison.Ordinal) || m.Name.StartsWith("img.", StringComparison.Ordinal)),
            ("other direct summation", Style.Orange, _ => true),
        ];
        foreach (IGrouping<int, Measurement> kind in points.GroupBy(m => Array.FindIndex(kinds, kind => kind.Has(m))).OrderBy(group => group.Key))
        {
            ScottPlot.Plottables.Markers marks = plot.Add.Markers(
                kind.Select(m => Math.Log10(m.Intensity)).ToArray(), kind.Select(m => Math.Log10(m.Gflops)).ToArray(), MarkerShape.FilledCircle, 8, kinds[kind.Key].Color);
            marks.LegendText = kinds[kind.Key].Label;
        }

        double ridge = Math.Clamp(peak / bandwidth, least, most);
        ScottPlot.Plottables.Scatter roof = plot.Add.ScatterLine(
            (double[])[Math.Log10(least), Math.Log10(ridge), Math.Log10(most)],
            (double[])[Math.Log10(least * bandwidth), Math.Log10(ridge * bandwidth), Math.Log10(peak)], Style.Gray);
        roof.LineWidth = 2;
        roof.LegendText = $"copy {bandwidth:F0} GB/s, peak {peak:F0} GFLOP/s";

        double lowest = Math.Min(points.Min(m => m.Gflops), least * bandwidth) / 1.5, highest = Math.Max(points.Max(m => m.Gflops), peak) * 1.5;
        Style.LogTicks(plot.Axes.Bottom, least, most, value => $"{value:G4}");
        Style.LogTicks(plot.Axes.Left, lowest, highest, value => $"{value:G5}");
        plot.Axes.SetLimits(Math.Log10(least), Math.Log10(most), Math.Log10(lowest), Math.Log10(highest));
        plot.ShowLegend(Alignment.LowerRight);
        plot.Legend.FontSize = 12;
        plot.Legend.ShadowColor = Colors.Transparent;
        Style.Save(plot, path, 900, 520);
    }

    private static void PackageSize(ResultSet results, string path)
    {
        PackageFact[] packages = [.. results.Facts.Packages.OrderByDescending(package => package.NativeBytes)];
        if (packages.Length == 0)
        {
            return;
        }

        const double Base = 5; // 100 KB, where bars begin
        Plot plot = Style.NewPlot("Native code in a program for linux-x64", "MB, logarithmic");
        foreach ((int i, PackageFact package) in packages.Index())
        {
            double end = Math.Log10(package.NativeBytes);
            ScottPlot.Plottables.BarPlot bar = plot.Add.Bar(new Bar
            {
                Position = i,
                Value = end,
                ValueBase = Base,
                Size = 0.6,
                FillColor = package.Name == "NativeConv" ? Style.Blue : Style.Gray,
                LineWidth = 0,
            });
            bar.Horizontal = true;
            ScottPlot.Plottables.Text label = plot.Add.Text($"{Format.Megabytes(package.NativeBytes)} MB", end + 0.03, i);
            label.LabelAlignment = Alignment.MiddleLeft;
            label.LabelFontSize = 12;
        }

        double most = packages[0].NativeBytes * 4.0;
        Style.LogTicks(plot.Axes.Bottom, Math.Pow(10, Base), most, bytes => $"{bytes / 1e6:G4}");
        plot.Axes.Left.SetTicks([.. packages.Select((_, i) => (double)i)], [.. packages.Select(package => package.Name)]);
        plot.Axes.Left.MajorTickStyle.Length = 0;
        plot.Axes.SetLimits(Base, Math.Log10(most), -0.6, packages.Length - 0.4);
        Style.Save(plot, path, 900, 130 + (50 * packages.Length));
    }
}
