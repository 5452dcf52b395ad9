using NativeConv.Report.Data;
using NativeConv.Report.Rendering;
using NativeConv.Report.Running;
using Spectre.Console;

namespace NativeConv.Report.Comparing;

/// <summary>
/// Two builds on the same shapes in turn: folders with nconv_bench and its library side by side, or where CMake puts them.
/// </summary>
internal sealed class BuildComparison(string oldFolder, string newFolder, string shapes, int rounds, IReadOnlyList<string> options)
{
    private const int LayersAtATime = 6;

    // What seems to have changed is measured that often again: threads and pages fall differently in each process, and
    // few of them agree by chance.
    private const int ConfirmingRounds = 4;

    private const string AfterLayer = ", ";

    private readonly Dictionary<string, List<PairedRound>> _measured = [];

    /// <summary>Returns whether no shape got slower.</summary>
    public bool Run(CancellationToken cancel)
    {
        string[] layers = [.. Repository.ReadShapes(shapes)];
        Measure("comparing", layers, rounds, cancel);
        HashSet<string> suspects = [.. Judge().Where(verdict => verdict.Change != Change.None).Select(verdict => LayerOf(verdict.Shape))];
        Measure("making sure", [.. layers.Where(layer => suspects.Contains(Repository.NameOf(layer)))], ConfirmingRounds, cancel);
        return Print(Judge());
    }

    private IReadOnlyList<Verdict> Judge() =>
        Verdict.Of(_measured.ToDictionary(pair => pair.Key, pair => (IReadOnlyList<PairedRound>)pair.Value));

    private void Measure(string title, string[] layers, int times, CancellationToken cancel)
    {
        string[][] chunks = [.. layers.Chunk(LayersAtATime)];
        if (chunks.Length == 0)
        {
            return;
        }

        string folder = Directory.CreateTempSubdirectory("nconv-compare").FullName;
        try
        {
            AnsiConsole.Progress()
                .Columns(new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn(), new TaskDescriptionColumn())
                .Start(progress =>
                {
                    ProgressTask task = progress.AddTask(title, maxValue: times * chunks.Length);
                    foreach (string[] chunk in Enumerable.Range(0, times).SelectMany(_ => chunks))
                    {
                        string file = Path.Combine(folder, "shapes.txt");
                        File.WriteAllLines(file, chunk);
                        AddRound(file, cancel);
                        task.Increment(1);
                    }
                });
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private void AddRound(string file, CancellationToken cancel)
    {
        Dictionary<string, double>[] runs = [.. ((string[])[oldFolder, newFolder, newFolder, oldFolder]).Select(build => Times(build, file, cancel))];
        foreach (string shape in runs[0].Keys.Where(shape => runs.All(run => run.ContainsKey(shape))))
        {
            if (!_measured.TryGetValue(shape, out List<PairedRound>? all))
            {
                _measured.Add(shape, all = []);
            }

            all.Add(new PairedRound(runs[0][shape], runs[1][shape], runs[2][shape], runs[3][shape]));
        }
    }

    private Dictionary<string, double> Times(string build, string file, CancellationToken cancel)
    {
        string name = Path.GetFileName(Repository.BenchProgram);
        string program = FirstExisting(Path.Combine(build, name), Path.Combine(build, "benchmarks", "native", name));
        string libraries = $"{build}:{Path.Combine(build, "native")}";
        var environment = new Dictionary<string, string> { ["LD_LIBRARY_PATH"] = libraries, ["DYLD_LIBRARY_PATH"] = libraries };
        ProgramRun run = ProgramRun.Start(program, [.. options, $"--batch={file}"], environment, cancel: cancel);
        if (!run.Succeeded)
        {
            throw new ReportException($"{program}: {run.Reason}");
        }

        return Csv.Parse(run.Output).Select(row => Measurement.FromBench("", 0, row))
            .Where(m => !double.IsNaN(m.MinUs))
            .GroupBy(m => $"{m.Name}{AfterLayer}{Format.Pass(m.Pass)}, {m.Layout.ToUpperInvariant()}, {Format.Threads(m.Threads)}")
            .ToDictionary(group => group.Key, group => group.Min(m => m.MinUs));
    }

    private static string LayerOf(string shape) => shape.Split(AfterLayer)[0];

    private static string FirstExisting(params string[] paths) =>
        paths.FirstOrDefault(File.Exists) ?? throw new ReportException($"There is no {string.Join(" and no ", paths)}.");

    private static bool Print(IReadOnlyList<Verdict> verdicts)
    {
        Print("slower", [.. verdicts.Where(verdict => verdict.Change == Change.Slower).OrderByDescending(verdict => verdict.MedianRatio)]);
        Print("faster", [.. verdicts.Where(verdict => verdict.Change == Change.Faster).OrderBy(verdict => verdict.MedianRatio)]);
        double mean = Statistics.GeometricMean([.. verdicts.Select(verdict => verdict.MedianRatio)]);
        AnsiConsole.MarkupLineInterpolated(
            $"{verdicts.Count} shapes: {verdicts.Count(verdict => verdict.Change == Change.Slower)} slower, {verdicts.Count(verdict => verdict.Change == Change.Faster)} faster; time new / old, geometric mean {Format.Number(mean, "F3")}; noise {Format.Number(Statistics.Median([.. verdicts.Select(verdict => verdict.Noise)]), "F3")} at the median.");
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
