using System.CommandLine;
using NativeConv.Report;
using NativeConv.Report.Comparing;
using NativeConv.Report.Data;
using NativeConv.Report.Rendering;
using NativeConv.Report.Running;
using Spectre.Console;

var quick = new Option<bool>("--quick")
{
    Description = "A selection of layers, one round; the report is written to build/bench/quick.",
};
var from = new Option<string?>("--from")
{
    Description = "Write the report from the results in this folder, without measuring.",
    HelpName = "folder",
};
var output = new Option<string?>("--output")
{
    Description = "The report to write; plots go to the folder plots beside it. Without it benchmarks/REPORT.md, or REPORT.md beside the results of --quick.",
    HelpName = "file",
};
var rounds = new Option<int>("--rounds")
{
    Description = "How often each engine has its turn. To compare builds, each round measures both twice.",
    HelpName = "number",
    DefaultValueFactory = _ => 2,
};
var threads = new Option<int[]>("--threads")
{
    Description = "Numbers of threads; the first and the last stand in all tables.",
    HelpName = "number",
    AllowMultipleArgumentsPerToken = true,
    DefaultValueFactory = _ => Environment.ProcessorCount == 1 ? [1] : [1, Environment.ProcessorCount],
};

var oldBuild = new Argument<string>("old") { Description = "The build to compare with: a folder with nconv_bench and its library, or a build folder of CMake as build/release." };
var newBuild = new Argument<string>("new") { Description = "The same of the other build." };
var shapes = new Option<string>("--shapes")
{
    Description = "A file of layers.",
    HelpName = "file",
    DefaultValueFactory = _ => Repository.Topologies,
};
var options = new Option<string[]>("--bench")
{
    Description = "An option for nconv_bench. Without any: --dir=all --layout=both.",
    HelpName = "option",
    DefaultValueFactory = _ => ["--dir=all", "--layout=both"],
};
var compare = new Command("compare", "Compare two builds, in turn, and say which shapes got slower beyond noise; if any, the exit code is 1.")
{
    oldBuild, newBuild, shapes, rounds, options,
};
OnRun(compare, (result, cancel) => new BuildComparison(
    Path.GetFullPath(result.GetValue(oldBuild)!), Path.GetFullPath(result.GetValue(newBuild)!), result.GetValue(shapes)!,
    result.GetValue(rounds), result.GetValue(options)!).Run(cancel));

var all = new RootCommand("Measures NativeConv, C# alone and rivals, and writes a report with plots.")
{
    quick, from, output, rounds, threads, compare,
};
OnRun(all, (result, cancel) =>
{
    bool fast = result.GetValue(quick);
    string folder = result.GetValue(from) ?? Repository.At(fast ? "build/bench/quick" : "build/bench/full");
    if (result.GetValue(from) is null)
    {
        new Campaign(folder, fast ? 1 : result.GetValue(rounds), [.. result.GetValue(threads)!.Distinct().Order()], fast).Run(cancel);
    }

    ResultSet results = ResultSet.Load(folder);
    string report = result.GetValue(output) ?? (results.Facts.Quick ? Path.Combine(folder, "REPORT.md") : Repository.At("benchmarks/REPORT.md"));
    new ReportWriter(results).Write(report);
    AnsiConsole.MarkupLineInterpolated($"written: {report}");
    foreach (string failure in results.Facts.Failures)
    {
        AnsiConsole.MarkupLineInterpolated($"[red]{failure}[/]");
    }

    return results.Facts.Failures.Count == 0;
});

return await all.Parse(args).InvokeAsync();

static void OnRun(Command command, Func<ParseResult, CancellationToken, bool> run) =>
    command.SetAction(async (result, cancel) =>
    {
        try
        {
            // Off this thread: System.CommandLine listens for Ctrl-C only once the action has returned its task.
            return await Task.Run(() => run(result, cancel), CancellationToken.None) ? 0 : 1;
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine("Stopped.");
            return 130; // 128 + SIGINT, as shells have it
        }
        catch (ReportException e)
        {
            Console.Error.WriteLine($"Error: {e.Message}");
            return 2;
        }
    });
