using NativeConv.Report.Data;
using NativeConv.Report.Plots;

namespace NativeConv.Report.Rendering;

/// <summary>Renders results as Markdown with plots beside it.</summary>
internal sealed class ReportWriter(ResultSet results)
{
    private readonly Facts _facts = results.Facts;
    private readonly Markdown _text = new();

    public void Write(string path)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        Charts.Draw(results, Directory.CreateDirectory(Path.Combine(folder, "plots")).FullName);
        Head(path);
        InShort();
        var layers = new LayerSections(results, _text);
        layers.Layers();
        layers.Modes();
        layers.Networks();
        new RivalSections(results, _text).Write();
        layers.BothGradients();
        layers.Products();
        new ManagedSections(results, _text).Write();
        Packages();
        Machine();
        Repeat();
        File.WriteAllText(path, _text.ToString());
    }

    private void Head(string path)
    {
        _text.Heading(1, "Measurements");
        string mode = _facts.Quick ? " --quick" : "";
        string analysis = Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(path))!) == "benchmarks"
            ? " What stands behind the figures: [ANALYSIS.md](ANALYSIS.md)."
            : "";
        _text.Paragraph(
            $"Written by `./build.sh bench{mode}` on {_facts.Date:yyyy-MM-dd} in {_facts.Minutes:F0} minutes, {_facts.Rounds} "
            + $"{(_facts.Rounds == 1 ? "round" : "rounds")}; nothing in it is by hand.{analysis}");
        string[] sets = [.. results.All.Where(m => m.IsOurs).Select(m => m.Isa).Distinct()];
        List<string[]> rows =
        [
            ["NativeConv", $"{_facts.Version}, commit {_facts.Commit}, kernels {string.Join(", ", sets)}"],
            ["processor", $"{_facts.Cpu}, {Format.Threads(_facts.Threads)}; {_facts.Caches}"],
            ["system", $"{_facts.System}; {_facts.Compiler}; {_facts.DotNet}"],
            .. _facts.Rivals.Select(rival => (string[])[Format.Engine(rival.Name), rival.Version ?? rival.Absent!]),
        ];
        _text.Table(["", "measured"], rows, textColumns: 2);
        _text.Paragraph(
            "Percent of peak: of the float32 multiply-adds that as many cores can do, which `nconv_bench` measures around every row, by nominal "
            + "operations 2 N O P Q (C/G) R S. More than 100 is possible: Winograd multiplies less, and taps that read padding are left out. "
            + "Weights are packed, buffers reused; with bias, without activation.");
        if (_facts.Failures.Count > 0)
        {
            _text.Paragraph("Not all went well:");
            _text.Bullets(_facts.Failures);
        }
    }

    private void InShort()
    {
        List<string> items = [];
        string Means(Func<Measurement, bool> others, string pass) => string.Join(" and ", results.Threads
            .Select(count => Duel.Of(results, Sets.Layers, pass, count, others))
            .Where(duels => duels.Count > 0)
            .Select(duels => Format.Ratio(Statistics.GeometricMean([.. duels.Select(duel => duel.Ratio)]))));
        string threads = string.Join(" and ", results.Threads.Select(Format.Threads));
        string forward = Means(_ => true, "fwd");
        if (forward.Length > 0)
        {
            string packages = Means(m => !RivalSections.IsOneDnn(m), "fwd");
            items.Add(
                $"Beside the fastest rival of each layer, geometric means on {threads}: forward **{forward}** times as fast, gradient by the input "
                + $"{Means(_ => true, "bwd_d")}, by the weights {Means(_ => true, "bwd_w")}"
                + (packages.Length > 0 ? $"; forward beside the fastest with a .NET package that loads here, {packages}." : "."));
        }

        IReadOnlyList<ManagedDuel> managed = ManagedDuel.Of(results);
        if (managed.Count > 0)
        {
            string means = string.Join(" and ", managed.GroupBy(duel => duel.Threads).OrderBy(group => group.Key)
                .Select(group => Format.Ratio(Statistics.GeometricMean([.. group.Select(duel => duel.Ratio)]))));
            items.Add($"Beside the fastest C# there is for each layer and pass: geometric mean **{means}** times as fast.");
        }

        if (ManagedSections.CallNanoseconds(results) is var call && !double.IsNaN(call))
        {
            double allocated = ManagedSections.MostAllocated(results);
            items.Add(
                $"A call of `ConvolutionPlan` costs **{call:F0} ns** more than the C function, and allocates "
                + $"{(allocated > 0 ? $"up to {allocated:F0} bytes" : "nothing")}.");
        }

        if (_facts.Packages.FirstOrDefault(package => package.Name == "NativeConv") is { } ours)
        {
            string others = string.Join(", ", _facts.Packages.Where(package => package != ours)
                .Select(package => $"{package.Name}'s {Format.Megabytes(package.NativeBytes)}"));
            items.Add($"Native code in a program for linux-x64: **{Format.Megabytes(ours.NativeBytes)} MB**{(others.Length > 0 ? $"; {others}" : "")}.");
        }

        _text.Heading(2, "In short");
        _text.Bullets(items);
    }

    private void Packages()
    {
        if (_facts.Packages.Count == 0)
        {
            return;
        }

        _text.Heading(2, "Size of packages");
        _text.Paragraph("Megabytes of native code that a program for linux-x64 takes along, and of the packages themselves, which may serve more platforms.");
        _text.Image("Native code by package", "plots/package-size.svg");
        _text.Table(
            ["package", "version", "native code", "packages"],
            _facts.Packages.Select(package => (string[])
            [
                package.Name, package.Version, Format.Megabytes(package.NativeBytes),
                package.PackageBytes is { } bytes ? Format.Megabytes(bytes) : "not packed here",
            ]),
            textColumns: 2);
    }

    private void Machine()
    {
        _text.Heading(2, "Against the machine");
        string bandwidth = string.Join(", ", _facts.CopyBandwidth.Select(pair => $"{Format.Threads(pair.Key)} {pair.Value:F0} GB/s"));
        _text.Paragraph(
            "Forward, NHWC, all threads: operations a second by operations for each byte of the tensors, read and written once. The slope is the speed "
            + $"of a copy through memory ({bandwidth}); what is above it was in a cache, what is above the flat roof is Winograd.");
        _text.Image("Roofline", "plots/roofline.svg");
        if (results.Threads.Count > 1)
        {
            _text.Paragraph($"How many times as fast {results.Threads[^1]} threads are as one, by layer:");
            _text.Image("Scaling over threads", "plots/scaling.svg");
        }
    }

    private void Repeat()
    {
        _text.Heading(2, "To repeat");
        _text.Paragraph(
            "`./build.sh bench` measures all and writes this file; `./build.sh bench --from build/bench/full` writes it from the results of the last run, "
            + "without measuring. `./build.sh bench-native` runs `nconv_bench` on layers of your choice, `./build.sh bench-compare OLD NEW` compares two "
            + "builds. Layers are in `tests/shapes/` and `benchmarks/NativeConv.Report/shapes/`.");
    }
}
