using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using NativeConv.Benchmarks;
using NativeConv.Benchmarks.Reporting;

const string quickOption = "--quick";
bool quick = args.Contains(quickOption);
List<string> arguments = [.. args.Where(static argument => argument != quickOption)];

// Without a choice the switcher would ask for one.
string[] choices = ["-f", "--filter", "--allCategories", "--anyCategories", "--list", "--help", "--version", "--info"];
if (!arguments.Intersect(choices).Any())
{
    arguments.AddRange(["--filter", "*"]);
}

MachineInfo machine = MachineInfo.Read();
Console.WriteLine(machine);
List<Summary> summaries =
    [.. BenchmarkSwitcher.FromAssembly(typeof(Scenario).Assembly).Run([.. arguments], new BenchmarkConfig(quick))];
if (summaries.Count == 0)
{
    return arguments.Intersect(["--list", "--help", "--version", "--info"]).Any() ? 0 : 1;
}

string folder = Directory.GetParent(summaries[0].ResultsDirectoryPath)!.FullName;
string results = Path.Combine(folder, "results.csv");
ResultsFile.Write(results, summaries.SelectMany(static summary => summary.Reports));
machine.Write(Path.Combine(folder, "environment.json"));
Console.WriteLine(machine);
Console.WriteLine($"Results: {results}");

List<string> violations = Gate.Violations(summaries);
violations.ForEach(static violation => Console.Error.WriteLine($"Error: {violation}"));
return violations.Count == 0 ? 0 : 1;
