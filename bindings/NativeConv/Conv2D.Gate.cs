using NativeConv.Internal;

namespace NativeConv;

/// <content>
/// Who may run: any number of passes, or one change, which waits for the passes that run and holds
/// back new ones. Native memory is freed once the layer is disposed and no pass runs.
/// </content>
public sealed partial class Conv2D
{
    // Guarded by _gate: passes that run, changes that wait for them, a change under way, and the
    // end.
    private int _running;
    private int _waitingChanges;
    private bool _changing;
    private bool _disposed;

    private static void Descend(Span<float> values, ReadOnlySpan<float> gradient, float rate)
    {
        for (int i = 0; i < gradient.Length; i++)
        {
            values[i] -= rate * gradient[i];
        }
    }

    /// <summary>What a backward pass reads, or writes before it holds the gradients, must not be
    /// them.</summary>
    private void NotOverGradients(ReadOnlySpan<float> span, string name)
    {
        Guard.NotOver(span, name, _weightsGradient, nameof(WeightsGradient));
        Guard.NotOver(span, name, _biasGradient, nameof(BiasGradient));
    }

    private void SetTrainable(bool trainable)
    {
        if (trainable != _trainable)
        {
            _weightsGradient = trainable ? new float[_weights.Length] : [];
            _biasGradient = trainable ? new float[_bias.Length] : [];
            Volatile.Write(ref _trainable, trainable);
        }
    }

    /// <summary>Runs a change while no pass runs.</summary>
    private void Change<T>(T argument, Action<Conv2D, T> change, bool weightsChange)
    {
        lock (_gate)
        {
            BeginChange();
            try
            {
                change(this, argument);
            }
            finally
            {
                EndChange(weightsChange);
            }
        }
    }

    private void BeginChange()
    {
        ThrowIfChanging();
        _waitingChanges++;
        try
        {
            while (_running > 0)
            {
                Monitor.Wait(_gate);
            }
        }
        finally
        {
            _waitingChanges--;
            Monitor.PulseAll(_gate);
        }

        ObjectDisposedException.ThrowIf(_disposed, this);
        _changing = true;
    }

    private void EndChange(bool weightsChange)
    {
        _changing = false;
        _weightsVersion += weightsChange ? 1 : 0;
    }

    /// <summary>A change holds the lock, so only a call out of the change itself can come here
    /// meanwhile.</summary>
    private void ThrowIfChanging()
    {
        if (_changing)
        {
            throw new InvalidOperationException(
                "An update of weights or bias must not call its own layer.");
        }
    }

    private CachedPlan FindPlan(Conv2DShape shape)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (shape.InputChannels == InputChannels && shape.OutputChannels == Filters)
        {
            CachedPlan plan = FindOrAddPlan(shape.Batch, shape.InputHeight, shape.InputWidth);
            if (plan.Shape == shape)
            {
                return plan;
            }
        }

        throw new ArgumentException(
            $"The shape is not of this layer; use its GetShape. It is {shape}.",
            nameof(shape));
    }

    private CachedPlan FindOrAddPlan(int batch, int height, int width) =>
        _plans.Find(batch, height, width)
        ?? _plans.Add(LayerPlan.Create(InputChannels, Filters, Options, batch, height, width));

    // backward: the gradients by weights and bias are wanted too, unless frozen.
    internal Call Begin(Conv2DShape shape, bool forward, bool backward, bool gradInput)
    {
        lock (_gate)
        {
            ThrowIfChanging();
            while (_waitingChanges > 0)
            {
                Monitor.Wait(_gate);
            }

            CachedPlan cached = FindPlan(shape);
            ConvolutionPlan plan = cached.Plan;
            int threads = Options.MaxThreads;
            long bytes = forward ? plan.WorkspaceBytes(ConvolutionPass.Forward, threads) : 0;
            if (gradInput)
            {
                bytes = Math.Max(
                    bytes,
                    plan.WorkspaceBytes(ConvolutionPass.BackwardInput, threads));
            }

            if (backward && _trainable)
            {
                bytes = Math.Max(
                    bytes,
                    plan.WorkspaceBytes(ConvolutionPass.BackwardWeights, threads));
            }

            if (backward && _trainable && gradInput)
            {
                bytes = Math.Max(bytes, plan.BackwardWorkspaceBytes(threads));
            }

            PackedWeights? packed =
                forward || gradInput
                    ? cached
                        .Packed(forward ? ConvolutionPass.Forward : ConvolutionPass.BackwardInput)
                        .Get(plan, _weights, _weightsVersion)
                    : null;
            ConvolutionWorkspace? workspace = _workspaces.Rent(bytes);
            cached.AddReference();
            _running++;
            return new Call(this, cached, packed, workspace);
        }
    }

    private void End(CachedPlan cached, ConvolutionWorkspace? workspace)
    {
        lock (_gate)
        {
            _workspaces.Return(workspace);
            cached.Release();
            _running--;
            if (_running == 0)
            {
                if (_disposed)
                {
                    FreeNative();
                }

                // Only a change waits for passes to end; waking nobody would cost every pass.
                if (_waitingChanges > 0)
                {
                    Monitor.PulseAll(_gate);
                }
            }
        }
    }

    private void FreeNative()
    {
        _plans.Clear();
        _workspaces.Clear();
    }

    /// <summary>One running pass: what it uses stays alive until <see cref="Dispose"/>.</summary>
    internal readonly ref struct Call(
        Conv2D layer,
        CachedPlan cached,
        PackedWeights? packed,
        ConvolutionWorkspace? workspace
    ) : IDisposable
    {
        public ConvolutionPlan Plan => cached.Plan;

        public PackedWeights? Packed => packed;

        public ConvolutionWorkspace? Workspace => workspace;

        public void Dispose() => layer.End(cached, workspace);
    }
}
