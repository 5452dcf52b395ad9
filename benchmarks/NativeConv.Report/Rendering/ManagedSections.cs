using NativeConv.Report.Data;

namespace NativeConv.Report.Rendering;

/// <summary>A layer in C# alone, the fastest way there is, beside NativeConv in the same layout.</summary>
internal sealed record ManagedDuel(string Name, string Pass, int Threads, ManagedResult Managed, ManagedResult Ours)
{
    public double Ratio => Managed.MinUs / Ours.MinUs;

    public static IReadOnlyList<ManagedDuel> Of(ResultSet results) =>
    [
        .. results.Managed.Where(row => !row.IsCallAlone)
            .GroupBy(row => (row.Name, row.Pass, row.Threads, row.Layout))
            .Where(group => group.Any(row => row.IsManaged) && group.Any(row => row.IsOurs))
            .Select(group => new ManagedDuel(
                group.Key.Name, group.Key.Pass, group.Key.Threads,
                group.Where(row => row.IsManaged).MinBy(row => row.MinUs)!, group.Where(row => row.IsOurs).MinBy(row => row.MinUs)!)),
    ];
}

/// <summary>What C# alone reaches, what a call costs, what is allocated.</summary>
internal sealed class ManagedSections(ResultSet results, Markdown text)
{
    public static double CallNanoseconds(ResultSet results) => 1000 * (Call(results, ManagedResult.Plan) - Call(results, "native-call"));

    public static double MostAllocated(ResultSet results) => results.Managed.Where(row => row.IsOurs).Max(row => row.AllocatedBytes);

    public void Write()
    {
        IReadOnlyList<ManagedDuel> duels = ManagedDuel.Of(results);
        if (duels.Count == 0)
        {
            return;
        }

        int[] threads = [.. duels.Select(duel => duel.Threads).Distinct().Order()];
        text.Heading(2, "Over C# alone");
        text.Paragraph(
            "BenchmarkDotNet, each case a process of its own: the fastest of plain loops, im2col with `TensorPrimitives` and a kernel of "
            + "`Vector512` or `Vector256` with threads, beside the fastest of `ConvolutionPlan` and `Conv2D` in the same layout. Microseconds.");
        text.Image("Speed-up over C# alone by layer", "plots/speed-up-over-managed.svg");
        text.Table(
            ["layer, pass", .. threads.SelectMany(count => (string[])[$"C#, {Format.Threads(count)}", "NativeConv", "ratio"])],
            duels.GroupBy(duel => (duel.Name, duel.Pass)).Select(group => (string[])
            [
                $"{group.Key.Name}, {Format.Pass(group.Key.Pass)}",
                .. threads.SelectMany(count => group.FirstOrDefault(duel => duel.Threads == count) is { } duel ? Cells(duel) : ["", "", ""]),
            ]));
        text.Bullets(duels.GroupBy(duel => duel.Pass).Select(pass =>
            $"{Format.Pass(pass.Key)}: geometric mean {string.Join(" and ", threads.Select(count => Format.Ratio(Statistics.GeometricMean([.. pass.Where(duel => duel.Threads == count).Select(duel => duel.Ratio)]))))} "
            + $"times as fast ({string.Join(" and ", threads.Select(Format.Threads))})"));
        Agreement(threads);
        Calls();
    }

    private static string[] Cells(ManagedDuel duel) =>
    [
        $"{Format.Microseconds(duel.Managed.MinUs)} {Format.Engine(duel.Managed.Engine)}", Format.Microseconds(duel.Ours.MinUs), Format.Ratio(duel.Ratio),
    ];

    /// <summary>The same calls by nconv_bench, in C++.</summary>
    private void Agreement(int[] threads)
    {
        List<(int Threads, double Ratio)> cases = [.. results.Managed.Where(row => row.Engine == ManagedResult.Plan && !row.IsCallAlone)
            .Select(row => (row.Threads,
                row.PercentPeak / (results.Ours(Sets.Layers, row.Pass, row.Layout, row.Threads, row.Name)?.PercentPeak ?? double.NaN)))
            .Where(pair => !double.IsNaN(pair.Item2))];
        if (cases.Count > 0)
        {
            text.Paragraph("Percent of peak by `ConvolutionPlan` in parts of `nconv_bench`'s for the same layer:");
            text.Bullets(threads.Select(count => cases.Where(pair => pair.Threads == count).Select(pair => pair.Ratio).Order().ToArray())
                .Zip(threads, (ratios, count) => (ratios, count)).Where(pair => pair.ratios.Length > 0)
                .Select(pair => $"{Format.Threads(pair.count)}: {Format.Ratio(Statistics.Median(pair.ratios))} at the median, "
                    + $"{Format.Ratio(pair.ratios[0])} to {Format.Ratio(pair.ratios[^1])}; "
                    + $"{pair.ratios.Count(ratio => Math.Abs(ratio - 1) <= 0.05)} of {pair.ratios.Length} within 5 %"));
        }
    }

    private void Calls()
    {
        List<ManagedResult> calls = [.. results.Managed.Where(row => row.IsCallAlone)];
        if (calls.Count > 0)
        {
            text.Heading(2, "The cost of a call");
            text.Paragraph(
                "The smallest problem there is, one value by one weight, on one thread: `native-call` is the C function by itself, `pinvoke` with the "
                + "transition to native code, `nativeconv-plan` and `nativeconv-conv2d` the public classes; `pinvoke-empty` is a transition alone.");
            text.Table(
                ["call", "ns", "bytes allocated"],
                calls.Select(row => (string[])[$"`{row.Engine}`", Format.Number(1000 * row.MinUs, "F1"), Format.Number(row.AllocatedBytes, "F0")]));
        }

        double most = MostAllocated(results);
        text.Paragraph(
            $"Managed memory that a call allocates, of the {results.Managed.Count(row => row.IsOurs)} cases of NativeConv: "
            + $"{Format.Number(most, "F0")} bytes{(most > 0 ? " at most" : "")}.");
    }

    private static double Call(ResultSet results, string engine) =>
        results.Managed.Where(row => row.IsCallAlone && row.Engine == engine && row.Pass == "fwd").Select(row => row.MinUs).DefaultIfEmpty(double.NaN).Min();
}
