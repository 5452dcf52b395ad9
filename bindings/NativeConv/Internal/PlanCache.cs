using System.Diagnostics;

namespace NativeConv.Internal;

/// <summary>
/// The plans of the shapes a layer saw last, with the packed weights they share. Not thread-safe:
/// the layer's lock guards it.
/// </summary>
internal sealed class PlanCache
{
    /// <summary>Enough for training and validation batches and their short last ones at two
    /// sizes.</summary>
    public const int Capacity = 8;

    private readonly List<CachedPlan> _plans = new(Capacity);

    public int Count => _plans.Count;

    public CachedPlan? Find(int batch, int height, int width)
    {
        for (int i = 0; i < _plans.Count; i++)
        {
            CachedPlan plan = _plans[i];
            if (
                plan.Shape.Batch == batch
                && plan.Shape.InputHeight == height
                && plan.Shape.InputWidth == width)
            {
                // The most recently used comes last.
                if (i != _plans.Count - 1)
                {
                    _plans.RemoveAt(i);
                    _plans.Add(plan);
                }

                return plan;
            }
        }

        return null;
    }

    public CachedPlan Add(LayerPlan layerPlan)
    {
        ConvolutionPlan plan = layerPlan.Plan;
        CachedPlan added = new(
            layerPlan,
            SharePacked(plan, ConvolutionPass.Forward),
            SharePacked(plan, ConvolutionPass.BackwardInput));
        if (_plans.Count == Capacity)
        {
            CachedPlan oldest = _plans[0];
            _plans.RemoveAt(0);
            oldest.Release();
        }

        _plans.Add(added);
        return added;
    }

    public void Clear()
    {
        foreach (CachedPlan plan in _plans)
        {
            plan.Release();
        }

        _plans.Clear();
    }

    private SharedPackedWeights SharePacked(ConvolutionPlan plan, ConvolutionPass pass)
    {
        ulong format = plan.GetPackedFormat(pass);
        foreach (CachedPlan other in _plans)
        {
            SharedPackedWeights packed = other.Packed(pass);
            if (packed.Format == format)
            {
                return packed.AddReference();
            }
        }

        return new SharedPackedWeights(pass, format);
    }
}

/// <summary>A plan, freed when the cache has dropped it and the last call that uses it has
/// returned.</summary>
internal sealed class CachedPlan(
    LayerPlan plan,
    SharedPackedWeights forward,
    SharedPackedWeights backwardInput)
{
    private int _references = 1;

    public ConvolutionPlan Plan { get; } = plan.Plan;

    public Conv2DShape Shape { get; } = plan.Shape;

    public SharedPackedWeights Packed(ConvolutionPass pass) =>
        pass == ConvolutionPass.Forward ? forward : backwardInput;

    public void AddReference() => _references++;

    public void Release()
    {
        Debug.Assert(_references > 0, "released too often");
        if (--_references == 0)
        {
            Plan.Dispose();
            forward.Release();
            backwardInput.Release();
        }
    }
}

/// <summary>Packed weights of one format, packed at first use and again after the weights
/// changed.</summary>
internal sealed class SharedPackedWeights(ConvolutionPass pass, ulong format)
{
    private int _references = 1;
    private PackedWeights? _packed;
    private long _version;

    public ulong Format { get; } = format;

    public SharedPackedWeights AddReference()
    {
        _references++;
        return this;
    }

    /// <summary>
    /// The packed form of these weights. Overwriting stale ones is safe: weights change only while
    /// no call runs, so no call reads packed weights of an older version.
    /// </summary>
    public PackedWeights Get(ConvolutionPlan plan, ReadOnlySpan<float> weights, long version)
    {
        if (_packed is null)
        {
            _packed = plan.PackWeights(pass, weights);
        }
        else if (_version != version)
        {
            plan.PackWeights(weights, _packed);
        }

        _version = version;
        return _packed;
    }

    public void Release()
    {
        if (--_references == 0)
        {
            _packed?.Dispose();
        }
    }
}
