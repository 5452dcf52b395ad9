using NativeConv.Benchmarks.Managed;

namespace NativeConv.Benchmarks.Workloads;

/// <summary>A case with everything it needs, ready to run again and again.</summary>
internal abstract class Workload : IDisposable
{
    private readonly List<IDisposable> _owned = [];

    /// <summary>Makes what a case asks for.</summary>
    public static Workload Create(Scenario of)
    {
        ArgumentNullException.ThrowIfNull(of);
        return of.Engine switch
        {
            Engines.Plan => new PlanWorkload(of),
            Engines.Conv2D => new Conv2DWorkload(of),
            Engines.Loops => new ManagedWorkload(of, new PlainLoops(of.Layer.Descriptor)),
            Engines.Im2Col => new ManagedWorkload(of, new Im2Col(of.Layer.Descriptor)),
            Engines.Vector => new ManagedWorkload(
                of,
                new VectorConvolution(of.Layer.Descriptor, of.Threads)),
            _ => throw new ArgumentException($"Unknown engine '{of.Engine}'.", nameof(of)),
        };
    }

    /// <summary>Runs the pass once.</summary>
    public abstract void Run();

    /// <summary>Frees all memory.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees what <see cref="Own"/> was told of.</summary>
    protected virtual void Dispose(bool disposing)
    {
        for (int i = _owned.Count - 1; i >= 0; i--)
        {
            _owned[i].Dispose();
        }

        _owned.Clear();
    }

    /// <summary>Frees it with this.</summary>
    protected T Own<T>(T resource)
        where T : IDisposable
    {
        _owned.Add(resource);
        return resource;
    }

    /// <summary>Native memory, the same kind for all engines, with random numbers.</summary>
    protected ConvolutionBuffer Filled(long length, int seed)
    {
        ConvolutionBuffer buffer = Own(new ConvolutionBuffer(checked((int)length)));
        Random random = new(seed);
        foreach (ref float value in buffer.Span)
        {
            value = (2 * random.NextSingle()) - 1;
        }

        return buffer;
    }
}
