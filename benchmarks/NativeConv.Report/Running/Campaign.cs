using System.Diagnostics;
using NativeConv.Report.Data;
using Spectre.Console;

namespace NativeConv.Report.Running;

/// <summary>Measures everything a report tells, and leaves it in a folder.</summary>
internal sealed class Campaign(string folder, int rounds, IReadOnlyList<int> threads, bool quick)
{
    private readonly List<string> _failures = [];

    public void Run(CancellationToken cancel)
    {
        var clock = Stopwatch.StartNew();
        RequireBench();
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }

        _ = Directory.CreateDirectory(folder);
        List<RivalFact> rivals = [.. Engine.Rivals.Select(engine => engine.Describe())];
        foreach (RivalFact rival in rivals)
        {
            AnsiConsole.MarkupLineInterpolated($"{rival.Name}: {rival.Version ?? rival.Absent}");
        }

        List<Engine> present = [.. Engine.Rivals.Where((_, i) => rivals[i].Version is not null)];
        Dictionary<int, double> bandwidth = threads.ToDictionary(count => count, Machine.CopyBandwidth);
        Measure(new Schedule(folder, rounds, threads, present, quick).Steps(), cancel);
        MeasureManaged(cancel);
        new Facts
        {
            Date = DateOnly.FromDateTime(DateTime.UtcNow),
            Quick = quick,
            Rounds = rounds,
            Minutes = clock.Elapsed.TotalMinutes,
            Commit = Machine.Commit,
            Version = Machine.Version,
            Cpu = Machine.Cpu,
            Threads = Environment.ProcessorCount,
            Caches = Machine.Caches,
            System = Machine.OperatingSystem,
            Compiler = Machine.Compiler,
            DotNet = $".NET {Environment.Version}",
            CopyBandwidth = bandwidth,
            Rivals = rivals,
            Packages = PackageSizes.Measure(folder),
            Failures = _failures,
        }.Save(Path.Combine(folder, ResultSet.FactsFile));
    }

    private static void RequireBench()
    {
        if (!File.Exists(Repository.BenchProgram))
        {
            throw new ReportException($"There is no {Repository.BenchProgram}; ./build.sh bench builds it.");
        }
    }

    private void Measure(IReadOnlyList<Step> steps, CancellationToken cancel)
    {
        using var file = new StreamWriter(Path.Combine(folder, ResultSet.MeasurementsFile));
        file.WriteLine(Measurement.Header);
        AnsiConsole.Progress()
            .Columns(new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn(), new TaskDescriptionColumn { Alignment = Justify.Left })
            .Start(progress =>
            {
                ProgressTask task = progress.AddTask("measuring", maxValue: steps.Count);
                foreach (Step step in steps)
                {
                    cancel.ThrowIfCancellationRequested();
                    task.Description = Markup.Escape(step.Title);
                    ProgramRun run = step.Engine.Measure(step.Shapes, step.Threads, step.Options, cancel);
                    if (!run.Succeeded)
                    {
                        _failures.Add($"{step.Title}: {run.Reason}");
                    }

                    foreach (Measurement row in step.Engine.Read(run, step.Set, step.Round).Where(row => !double.IsNaN(row.MinUs)))
                    {
                        file.WriteLine(row.ToCsv());
                    }

                    file.Flush();
                    task.Increment(1);
                }
            });
    }

    /// <summary>Benchmarks in C#, by a program of their own, which has its own way to repeat and to report.</summary>
    private void MeasureManaged(CancellationToken cancel)
    {
        string program = Repository.Program("build/managed/bin/NativeConv.Benchmarks/release/NativeConv.Benchmarks");
        if (!File.Exists(program))
        {
            _failures.Add("The benchmarks in C# are not built.");
            return;
        }

        AnsiConsole.MarkupLine("benchmarks in C#");
        List<string> arguments = ["--artifacts", Path.Combine(folder, ResultSet.ManagedFolder)];
        if (quick)
        {
            arguments.Add("--quick");
        }

        ProgramRun run = ProgramRun.Start(program, arguments, limit: TimeSpan.FromMinutes(30), cancel: cancel);
        if (!run.Succeeded)
        {
            _failures.Add($"benchmarks in C#: {run.Reason}");
        }
    }
}
