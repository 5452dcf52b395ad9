using NativeConv.Report.Data;

namespace NativeConv.Report.Running;

/// <summary>One process: an engine on some layers with one number of threads.</summary>
internal sealed record Step(string Set, int Round, Engine Engine, string Shapes, int Threads, string[] Options)
{
    public string Title => $"{Set}, {Engine.Name}, {Threads} {(Threads == 1 ? "thread" : "threads")}, round {Round}";
}

/// <summary>The order of measuring: engines take turns on few layers, so that all see the same machine.</summary>
internal sealed class Schedule(string folder, int rounds, IReadOnlyList<int> threads, IReadOnlyList<Engine> rivals, bool quick)
{
    private const int LayersAtATime = 11;
    private static readonly string[] s_allPasses = ["--dir=all", "--layout=both"];
    private static readonly string[] s_forward = ["--dir=fwd", "--layout=both"];

    public IReadOnlyList<Step> Steps()
    {
        List<string> beside = [.. Repository.ReadShapes(Repository.Shapes("rivals"))];
        List<string> all = [.. Repository.ReadShapes(Repository.Topologies)];
        List<string> alone = [.. all.Except(beside)];
        if (quick)
        {
            beside = [.. beside.Where((_, i) => i % 4 == 2)];
            alone = [.. alone.Where((_, i) => i % 9 == 0)];
        }

        return [.. Enumerable.Range(1, rounds).SelectMany(round => Round(round, beside, alone)), .. Once()];
    }

    private IEnumerable<Step> Round(int round, List<string> beside, List<string> alone)
    {
        List<Engine> engines = [Engine.Ours, .. rivals];
        // The other way round every second time: whoever comes first has the cooler processor.
        if (round % 2 == 0)
        {
            engines.Reverse();
        }

        foreach (string[] layers in beside.Chunk(LayersAtATime))
        {
            string file = Write(layers);
            foreach (int count in threads)
            {
                foreach (Engine engine in engines)
                {
                    yield return new Step(Sets.Layers, round, engine, file, count, s_allPasses);
                }
            }
        }

        string others = Write(alone);
        string training = Repository.Shapes(Sets.Training);
        string gradients = Repository.Shapes(Sets.BothGradients);
        foreach (int count in threads)
        {
            yield return new Step(Sets.Layers, round, Engine.Ours, others, count, s_allPasses);
            foreach (Engine engine in engines.Where(engine => engine.Name != "opencv"))
            {
                yield return new Step(Sets.Training, round, engine, training, count, s_allPasses);
            }

            foreach (string pass in (string[])["bwd", "bwd_2"])
            {
                yield return new Step(
                    Sets.BothGradients, round, Engine.Ours, gradients, count, [$"--dir={pass}", "--layout=both", "--activation=relu"]);
            }
        }
    }

    private IEnumerable<Step> Once()
    {
        string strict = Selection(Repository.Shapes(Sets.Strict), every: quick ? 4 : 1);
        string fast = Selection(Repository.Shapes(Sets.Fast), every: quick ? 4 : 1);
        string networks = Selection(Repository.Networks, every: quick ? 8 : 1);
        foreach (int count in threads)
        {
            yield return new Step(Sets.Strict, 1, Engine.Ours, strict, count, [.. s_forward, "--math=strict"]);
            yield return new Step(Sets.Fast, 1, Engine.Ours, fast, count, [.. s_forward, "--math=fast"]);
            yield return new Step(
                Sets.Products, 1, Engine.Ours, Repository.Shapes(Sets.Products), count, ["--dir=fwd", "--layout=nchw", "--math=fast", "--weights=product"]);
        }

        yield return new Step(Sets.Networks, 1, Engine.Ours, networks, threads[0], s_forward);
    }

    private string Selection(string file, int every) =>
        Write([.. Repository.ReadShapes(file).Where((_, i) => i % every == 0)]);

    private int _files;

    private string Write(IReadOnlyCollection<string> descriptors)
    {
        string path = Path.Combine(folder, $"shapes{_files++}.txt");
        File.WriteAllLines(path, descriptors);
        return path;
    }
}
