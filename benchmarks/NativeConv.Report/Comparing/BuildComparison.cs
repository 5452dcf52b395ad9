using NativeConv.Report.Data;
using NativeConv.Report.Rendering;
using NativeConv.Report.Running;
using Spectre.Console;

namespace NativeConv.Report.Comparing;

/// <summary>Two builds, folders with nconv_bench and its library, on the same shapes in turn.</summary>
internal sealed class BuildComparison(string oldFolder, string newFolder, string shapes, int rounds, IReadOnlyList<string> options)
{
    private const int LayersAtATime = 6;

    /// <summary>Returns whether no shape got slower.</summary>
    public bool Run(CancellationToken cancel)
    {
        var measured = new Dictionary<string, List<PairedRound>>();
        string folder = Directory.CreateTempSubdirectory("nconv-compare").FullName;
        try
        {
            string[][] chunks = [.. Repository.ReadShapes(shapes).Chunk(LayersAtATime)];
            AnsiConsole.Progress()
                .Columns(new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn(), new TaskDescriptionColumn())
                .Start(progress =>
                {
                    ProgressTask task = progress.AddTask("comparing", maxValue: rounds * chunks.Length);
                    foreach (string[] chunk in Enumerable.Range(0, rounds).SelectMany(_ => chunks))
                    {
                        string file = Path.Combine(folder, "shapes.txt");
                        File.WriteAllLines(file, chunk);
                        AddRound(measured, file, cancel);
                        task.Increment(1);
                    }
                });
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        return Print(Verdict.Of(measured.ToDictionary(pair => pair.Key, pair => (IReadOnlyList<PairedRound>)pair.Value)));
    }

    private void AddRound(Dictionary<string, List<PairedRound>> measured, string file, CancellationToken cancel)
    {
        Dictionary<string, double>[] runs = [.. ((string[])[oldFolder, newFolder, newFolder, oldFolder]).Select(build => Times(build, file, cancel))];
        foreach (string shape in runs[0].Keys.Where(shape => runs.All(run => run.ContainsKey(shape))))
        {
            if (!measured.TryGetValue(shape, out List<PairedRound>? all))
            {
                measured.Add(shape, all = []);
            }

            all.Add(new PairedRound(runs[0][shape], runs[1][shape], runs[2][shape], runs[3][shape]));
        }
    }

    private Dictionary<string, double> Times(string build, string file, CancellationToken cancel)
    {
        string program = Path.Combine(build, Path.GetFileName(Repository.BenchProgram));
        var environment = new Dictionary<string, string> { ["LD_LIBRARY_PATH"] = build, ["DYLD_LIBRARY_PATH"] = build };
        ProgramRun run = ProgramRun.Start(program, [.. options, $"--batch={file}"], environment, cancel: cancel);
        if (!run.Succeeded)
        {
            throw new ReportException($"{program}: {run.Reason}");
        }

        return Csv.Parse(run.Output).Select(row => Measurement.FromBench("", 0, row))
            .Where(m => !double.IsNaN(m.MinUs))
            .GroupBy(m => $"{m.Name}, {Format.Pass(m.Pass)}, {m.Layout.ToUpperInvariant()}, {Format.Threads(m.Threads)}")
            .ToDictionary(group => group.Key, group => group.Min(m => m.MinUs));
    }

    private static bool Print(IReadOnlyList<Verdict> verdicts)
    {
        Print("slower", [.. verdicts.Where(verdict => verdict.Change == Change.Slower).OrderByDescending(verdict => verdict.MedianRatio)]);
        Print("faster", [.. verdicts.Where(verdict => verdict.Change == Change.Faster).OrderBy(verdict => verdict.MedianRatio)]);
        double mean = Statistics.GeometricMean([.. verdicts.Select(verdict => verdict.MedianRatio)]);
        AnsiConsole.MarkupLineInterpolated(
            $"{verdicts.Count} shapes: {verdicts.Count(verdict => verdict.Change == Change.Slower)} slower, {verdicts.Count(verdict => verdict.Change == Change.Faster)} faster; time new / old, geometric mean {Format.Number(mean, "F3")}.");
        return verdicts.All(verdict => verdict.Change != Change.Slower);
    }

    private static void Print(string change, IReadOnlyList<Verdict> verdicts)
    {
        if (verdicts.Count == 0)
        {
            return;
        }

        var table = new Table().RoundedBorder();
        table.AddColumns(change, "new / old, least", "median", "noise");
        foreach (Verdict verdict in verdicts)
        {
            table.AddRow(
                Markup.Escape(verdict.Shape), Format.Number(verdict.LeastRatio, "F3"), Format.Number(verdict.MedianRatio, "F3"),
                Format.Number(verdict.Noise, "F3"));
        }

        AnsiConsole.Write(table);
    }
}
