namespace NativeConv.Benchmarks.Managed;

/// <summary>
/// Direct convolution with sums in vector registers, the weights packed in the order in which the
/// kernels read them, on one or several threads.
/// </summary>
internal sealed unsafe class VectorConvolution : IManagedConvolution, IManagedGradients, IDisposable
{
    private readonly ConvolutionDescriptor _d;
    private readonly Kernels _kernels;
    private readonly Team _team;
    private readonly Correlation _forward;
    private readonly List<Correlation> _byInput = [];
    private readonly float[] _weights;
    private WeightsGradient? _byWeights;
    private bool _unread;

    /// <summary>For one convolution.</summary>
    public VectorConvolution(ConvolutionDescriptor descriptor, int threads, Kernels? kernels = null)
    {
        ArgumentNullException.ThrowIfNull(descriptor);
        _d = descriptor;
        _kernels = kernels ?? Kernels.Best;
        _team = new Team(threads);
        _forward = new Correlation(_kernels, CorrelationShape.Forward(descriptor), _team);
        _weights = new float[descriptor.WeightsLength()];
    }

    /// <inheritdoc/>
    public void SetWeights(ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
    {
        weights.CopyTo(_weights);
        float[] biases = bias.ToArray();
        _forward.Pack(Weight, o => biases[o]);
    }

    /// <inheritdoc/>
    public void PrepareGradients()
    {
        _byWeights = new WeightsGradient(_kernels, CorrelationShape.Forward(_d), _team);
        for (int y = 0; y < _d.StrideVertical; y++)
        {
            for (int x = 0; x < _d.StrideHorizontal; x++)
            {
                AddPhase(
                    Phase.Find(
                        y, _d.InputHeight, _d.KernelHeight, _d.StrideVertical, _d.DilationVertical, _d.PaddingTop),
                    Phase.Find(
                        x, _d.InputWidth, _d.KernelWidth, _d.StrideHorizontal, _d.DilationHorizontal, _d.PaddingLeft));
            }
        }
    }

    /// <inheritdoc/>
    public void Forward(ReadOnlySpan<float> input, Span<float> output)
    {
        fixed (float* x = input, y = output)
        {
            _forward.Run(x, y);
        }
    }

    /// <inheritdoc/>
    public void BackwardInput(ReadOnlySpan<float> gradOutput, Span<float> gradInput)
    {
        if (_unread)
        {
            gradInput.Clear();
        }

        fixed (float* g = gradOutput, x = gradInput)
        {
            foreach (Correlation phase in _byInput)
            {
                phase.Run(g, x);
            }
        }
    }

    /// <inheritdoc/>
    public void BackwardWeights(
        ReadOnlySpan<float> input, ReadOnlySpan<float> gradOutput, Span<float> gradWeights, Span<float> gradBias)
    {
        fixed (float* x = input, g = gradOutput, w = gradWeights, b = gradBias)
        {
            _byWeights!.Run(x, g, w, b);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _team.Dispose();
        _forward.Dispose();
        _byInput.ForEach(static phase => phase.Dispose());
        _byWeights?.Dispose();
    }

    private float Weight(int o, int r, int s, int c) =>
        _weights[(((((o * _d.KernelHeight) + r) * _d.KernelWidth) + s) * (_d.InputChannels / _d.Groups)) + c];

    /// <summary>Adds the pixels of the input with the same remainder of row and column by the strides:
    /// they take the same taps, in the other direction.</summary>
    private void AddPhase(Phase y, Phase x)
    {
        if (y.Count == 0 || x.Count == 0)
        {
            return;
        }

        if (y.Taps == 0 || x.Taps == 0)
        {
            _unread = true;
            return;
        }

        (int height, int width) = _d.OutputSize();
        int channels = _d.InputChannels;
        Correlation phase = new(
            _kernels,
            new CorrelationShape
            {
                Batch = _d.Batch,
                Groups = _d.Groups,
                InHeight = height,
                InWidth = width,
                InChannels = _d.OutputChannels,
                OutChannels = channels,
                Height = y.Count,
                Width = x.Count,
                KernelHeight = y.Taps,
                KernelWidth = x.Taps,
                StrideY = 1,
                StrideX = 1,
                DilationY = y.Dilation,
                DilationX = x.Dilation,
                Top = y.Before,
                Left = x.Before,
                OutImage = _d.InputHeight * _d.InputWidth * channels,
                OutOffset = ((y.First * _d.InputWidth) + x.First) * channels,
                OutRowStep = _d.StrideVertical * _d.InputWidth * channels,
                OutPixelStep = _d.StrideHorizontal * channels,
            },
            _team);
        int inGroup = channels / _d.Groups;
        int outGroup = _d.OutputChannels / _d.Groups;
        phase.Pack(
            (c, r, s, o) => Weight((c / inGroup * outGroup) + o, y.Tap(r), x.Tap(s), c % inGroup),
            static _ => 0);
        _byInput.Add(phase);
    }
}
