using NativeConv.Internal;

namespace NativeConv;

/// <summary>
/// A 2-D convolution layer: weights, bias and their gradients, with forward and backward passes
/// over spans.
/// <para>
/// With N batch, C input channels, O filters, G groups, H x W input, P x Q output, R x S kernel, x
/// input, w weights, b bias and f the activation (sh, sw strides, dh, dw dilations):
/// <code>
/// z[n,o,p,q] = b[o] + sum over c,r,s of x[n, c, p*sh + r*dh - top, q*sw + s*dw - left] * w[o,c,r,s]
/// y          = f(z), or f(z + residual): see Forward
/// </code>
/// where c runs over the C/G channels of o's group and x is 0 outside the image: cross-correlation,
/// as in every deep-learning framework. Activations are [N][C][H][W] and weights [O][C/G][R][S], or
/// [N][H][W][C] and [O][R][S][C/G] in <see cref="TensorLayout.Nhwc"/>.
/// </para>
/// <para>
/// Threads. All methods may be called from any thread. Passes run at the same time; what changes
/// weights, bias or gradients (SetWeights, UpdateWeights, ZeroGradients and so on) waits until
/// running passes have returned and holds back new ones. Gradients of concurrent backward passes
/// are all added, in no fixed order. The spans of weights and gradients are the layer's own memory:
/// do not read them while another thread changes them.
/// </para>
/// <para>
/// No pass allocates once its shape has been seen; the layer keeps what belongs to the
/// eight shapes used last, and workspaces and rearranged weights in native memory until
/// <see cref="Dispose"/>.
/// </para>
/// </summary>
public sealed partial class Conv2D : IDisposable
{
    private readonly object _gate = new();
    private readonly object _gradientGate = new();
    private readonly PlanCache _plans = new();
    private readonly WorkspacePool _workspaces = new();
    private readonly float[] _weights;
    private readonly float[] _bias;
    private float[] _weightsGradient = [];
    private float[] _biasGradient = [];
    private bool _trainable;
    private long _weightsVersion;

    /// <summary>Makes a layer with freshly initialised weights.</summary>
    /// <param name="inputChannels">Channels C of the input, at least 1.</param>
    /// <param name="filters">Channels O of the output, at least 1.</param>
    /// <param name="options">Everything else; null for the defaults.</param>
    /// <exception cref="ArgumentException">A number or option is out of range; the exception names
    /// it and its value.</exception>
    /// <exception cref="PlatformNotSupportedException">There is no native library for this
    /// platform.</exception>
    /// <exception cref="NativeConvException">The native library does not fit this
    /// assembly.</exception>
    public Conv2D(int inputChannels, int filters, Conv2DOptions? options = null)
    {
        options ??= new Conv2DOptions();
        Guard.AtLeast(inputChannels, 1, nameof(inputChannels));
        Guard.AtLeast(filters, 1, nameof(filters));
        options.Validate(inputChannels, filters);
        int channels = inputChannels / options.Groups;
        Int128 length = (Int128)filters * channels * options.KernelHeight * options.KernelWidth;
        if (length > Array.MaxLength)
        {
            throw new ArgumentException(
                $"The weights would have {length} elements ({filters} x {channels} x "
                    + $"{options.KernelHeight} x {options.KernelWidth}); "
                    + $"the most is {Array.MaxLength}.",
                nameof(filters));
        }

        NativeLibraryCheck.EnsureLoaded();
        InputChannels = inputChannels;
        Filters = filters;
        Options = options;
        _weights = new float[(int)length];
        _bias = options.UseBias ? new float[filters] : [];
        int taps = options.KernelHeight * options.KernelWidth;
        double fanIn = (double)channels * taps;
        double fanOut = (double)(filters / options.Groups) * taps;
        options.WeightInitializer.Fill(
            _weights,
            channels,
            taps,
            options.Layout == TensorLayout.Nhwc,
            fanIn,
            fanOut);
        options.BiasInitializer.Fill(_bias, 1, 1, channelsLast: false, fanIn, fanOut);
        SetTrainable(options.Trainable);
    }

    /// <summary>Channels C of the input.</summary>
    public int InputChannels { get; }

    /// <summary>Channels O of the output.</summary>
    public int Filters { get; }

    /// <summary>The options the layer was made with.</summary>
    public Conv2DOptions Options { get; }

    /// <summary>
    /// Whether a backward pass computes the gradients by weights and bias. False freezes the layer:
    /// that part of the work is skipped. Setting true again starts with gradients of 0.
    /// </summary>
    /// <exception cref="ObjectDisposedException">Set: the layer is disposed.</exception>
    public bool Trainable
    {
        get => Volatile.Read(ref _trainable);
        set =>
            Change(
                value,
                static (layer, trainable) => layer.SetTrainable(trainable),
                weightsChange: false);
    }

    /// <summary>The weights, to be read. They change only by the methods that say so.</summary>
    public ReadOnlySpan<float> Weights => _weights;

    /// <summary>The bias, one for each filter, to be read; empty without bias.</summary>
    public ReadOnlySpan<float> Bias => _bias;

    /// <summary>
    /// The gradient by the weights, in their order: what the backward passes since
    /// <see cref="ZeroGradients"/> added up. May be changed in place, to clip it for instance.
    /// Empty if frozen.
    /// </summary>
    public Span<float> WeightsGradient => _weightsGradient;

    /// <summary>The gradient by the bias, as <see cref="WeightsGradient"/>. Empty if frozen or
    /// without bias.</summary>
    public Span<float> BiasGradient => _biasGradient;

    /// <summary>All sizes of a call, with padding resolved for this input size.</summary>
    /// <param name="batch">Number of images, at least 0.</param>
    /// <param name="height">Height of the input, at least 1.</param>
    /// <param name="width">Width of the input, at least 1.</param>
    /// <exception cref="ArgumentException">A number is out of range, the kernel does not fit the
    /// padded input, or a tensor would be longer than a span can be.</exception>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    public Conv2DShape GetShape(int batch, int height, int width)
    {
        Guard.AtLeast(batch, 0, nameof(batch));
        Guard.AtLeast(height, 1, nameof(height));
        Guard.AtLeast(width, 1, nameof(width));
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return FindOrAddPlan(batch, height, width).Shape;
        }
    }

    /// <summary>A plain-words account of the algorithms and workspaces of a shape.</summary>
    /// <param name="shape">Of <see cref="GetShape"/>.</param>
    /// <exception cref="ArgumentException"><paramref name="shape"/> is not of this
    /// layer.</exception>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    public string Describe(Conv2DShape shape)
    {
        lock (_gate)
        {
            return FindPlan(shape).Plan.Describe();
        }
    }

    /// <summary>
    /// output = f(z + residual) with z = conv(input, weights) + bias, or f(z) without a residual:
    /// the shortcut of a residual block, at the price of reading it once.
    /// </summary>
    /// <param name="shape">Of <see cref="GetShape"/>.</param>
    /// <param name="input">At least <see cref="Conv2DShape.InputLength"/> elements; only
    /// read.</param>
    /// <param name="output">At least <see cref="Conv2DShape.OutputLength"/> elements; overwritten.
    /// Must not overlap the others.</param>
    /// <param name="residual">As long and laid out as the output; only read. Empty for none. Must
    /// not overlap the output, not even be it.</param>
    /// <exception cref="ArgumentException">The shape is not of this layer, or a span is too short,
    /// misaligned or overlaps the output.</exception>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    public void Forward(
        Conv2DShape shape,
        ReadOnlySpan<float> input,
        Span<float> output,
        ReadOnlySpan<float> residual = default)
    {
        using Call call = Begin(shape, forward: true, backward: false, gradInput: false);
        call.Plan.Forward(
            input,
            call.Packed!,
            _bias,
            output,
            call.Workspace,
            Options.MaxThreads,
            residual);
    }

    /// <summary>output = f(conv(input, weights) + bias), in a new array.</summary>
    /// <param name="shape">Of <see cref="GetShape"/>.</param>
    /// <param name="input">At least <see cref="Conv2DShape.InputLength"/> elements; only
    /// read.</param>
    /// <returns>The output.</returns>
    /// <exception cref="ArgumentException">The shape is not of this layer, or the input is too
    /// short or misaligned.</exception>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    public float[] Forward(Conv2DShape shape, ReadOnlySpan<float> input)
    {
        float[] output = GC.AllocateUninitializedArray<float>(shape.OutputLength);
        Forward(shape, input, output);
        return output;
    }

    /// <summary>
    /// The gradients. With g = gradOutput * f'(output), the gradient of the loss by z:
    /// <code>
    /// gradInput[n,c,h,w]       = sum of g[n,o,p,q] * w[o,c,r,s] over all o,p,q,r,s with h = p*sh + r*dh - top, and w alike
    /// WeightsGradient[o,c,r,s] += sum over n,p,q of g[n,o,p,q] * x[n, c, p*sh + r*dh - top, q*sw + s*dw - left]
    /// BiasGradient[o]          += sum over n,p,q of g[n,o,p,q]
    /// </code>
    /// A frozen layer (<see cref="Trainable"/> false) skips the last two. No span may overlap
    /// <see cref="WeightsGradient"/> or <see cref="BiasGradient"/>.
    /// </summary>
    /// <param name="shape">Of <see cref="GetShape"/>.</param>
    /// <param name="input">As in the forward pass; only read. May be empty if the layer is
    /// frozen.</param>
    /// <param name="output">What the forward pass wrote; only read. May be empty if the activation
    /// is linear.</param>
    /// <param name="gradOutput">The gradient by the output; only read.</param>
    /// <param name="gradInput">Becomes the gradient by the input; empty to skip it, as in the first
    /// layer. Must not overlap the others.</param>
    /// <param name="accumulate">True to add to the gradients by weights and bias, false to
    /// overwrite them.</param>
    /// <exception cref="ArgumentException">The shape is not of this layer, or a span is too short,
    /// misaligned or overlaps another or a gradient of the layer.</exception>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    public void Backward(
        Conv2DShape shape,
        ReadOnlySpan<float> input,
        ReadOnlySpan<float> output,
        ReadOnlySpan<float> gradOutput,
        Span<float> gradInput,
        bool accumulate = true)
    {
        using Call call = Begin(
            shape,
            forward: false,
            backward: true,
            gradInput: !gradInput.IsEmpty);

        // The plan checks the rest, before anything is written. Spans over the gradients by weights
        // and bias are refused here: the plan is not given those until it may add to them.
        ConvolutionPlan plan = call.Plan;
        input = Guard.Tensor(
            input,
            input.IsEmpty && !_trainable ? 0 : plan.InputLength,
            nameof(input));
        gradOutput = Guard.Tensor(gradOutput, plan.OutputLength, nameof(gradOutput));
        output = Guard.Tensor(output, plan.SavedOutputLength(output), nameof(output));
        NotOverGradients(input, nameof(input));
        NotOverGradients(gradOutput, nameof(gradOutput));
        NotOverGradients(output, nameof(output));
        if (!gradInput.IsEmpty)
        {
            gradInput = Guard.Tensor(gradInput, plan.InputLength, nameof(gradInput));
            Guard.NoOverlap(gradInput, nameof(gradInput), input, nameof(input));
            NotOverGradients(gradInput, nameof(gradInput));
        }

        // The layer cannot be frozen or thawed meanwhile: that is a change, and waits for this
        // pass. While another call adds to the gradients, the one by the input needs not wait.
        bool entered = false;
        try
        {
            if (_trainable)
            {
                Monitor.TryEnter(_gradientGate, ref entered);
            }

            if (_trainable && !entered && !gradInput.IsEmpty)
            {
                plan.BackwardInput(
                    gradOutput,
                    output,
                    call.Packed!,
                    gradInput,
                    call.Workspace,
                    Options.MaxThreads);
                gradInput = default;
            }

            if (_trainable && !entered)
            {
                Monitor.Enter(_gradientGate, ref entered);
            }

            plan.Backward(
                _trainable ? input : default,
                gradOutput,
                output,
                call.Packed,
                gradInput,
                _weightsGradient,
                _biasGradient,
                accumulate,
                call.Workspace,
                Options.MaxThreads);
        }
        finally
        {
            if (entered)
            {
                Monitor.Exit(_gradientGate);
            }
        }
    }

    /// <summary>The gradients, with the one by the input in a new array; those by weights and bias
    /// are added up.</summary>
    /// <param name="shape">Of <see cref="GetShape"/>.</param>
    /// <param name="input">As in the forward pass; only read. May be empty if the layer is
    /// frozen.</param>
    /// <param name="output">What the forward pass wrote; only read. May be empty if the activation
    /// is linear.</param>
    /// <param name="gradOutput">The gradient by the output; only read.</param>
    /// <returns>The gradient by the input.</returns>
    /// <exception cref="ArgumentException">The shape is not of this layer, or a span is too short,
    /// misaligned or overlaps a gradient of the layer.</exception>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    public float[] Backward(
        Conv2DShape shape,
        ReadOnlySpan<float> input,
        ReadOnlySpan<float> output,
        ReadOnlySpan<float> gradOutput)
    {
        float[] gradInput = GC.AllocateUninitializedArray<float>(shape.InputLength);
        Backward(shape, input, output, gradOutput, gradInput);
        return gradInput;
    }

    /// <summary>
    /// The gradient by the residual of the forward pass: gradResidual = gradOutput * f'(output).
    /// <see cref="Backward(Conv2DShape, ReadOnlySpan{float}, ReadOnlySpan{float}, ReadOnlySpan{float}, Span{float}, bool)"/>
    /// is the same with and without a residual.
    /// </summary>
    /// <param name="shape">Of <see cref="GetShape"/>.</param>
    /// <param name="output">What the forward pass wrote; only read. May be empty if the activation
    /// is linear.</param>
    /// <param name="gradOutput">The gradient by the output; only read.</param>
    /// <param name="gradResidual">As long as the output; overwritten. May be
    /// <paramref name="gradOutput"/> itself.</param>
    /// <exception cref="ArgumentException">The shape is not of this layer, or a span is too short,
    /// misaligned or overlaps another.</exception>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    public void BackwardResidual(
        Conv2DShape shape,
        ReadOnlySpan<float> output,
        ReadOnlySpan<float> gradOutput,
        Span<float> gradResidual)
    {
        using Call call = Begin(shape, forward: false, backward: false, gradInput: false);
        call.Plan.BackwardResidual(gradOutput, output, gradResidual, Options.MaxThreads);
    }

    /// <summary>Sets the gradients by weights and bias to 0.</summary>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    public void ZeroGradients() =>
        Change(
            0f,
            static (layer, zero) =>
            {
                layer._weightsGradient.AsSpan().Fill(zero);
                layer._biasGradient.AsSpan().Fill(zero);
            },
            weightsChange: false);

    /// <summary>Copies new weights.</summary>
    /// <param name="weights">As many as <see cref="Weights"/>, in the same order.</param>
    /// <exception cref="ArgumentException">The length is another one.</exception>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    public void SetWeights(ReadOnlySpan<float> weights)
    {
        Guard.Parameters(weights, _weights.Length, nameof(weights));
        lock (_gate)
        {
            BeginChange();
            weights.CopyTo(_weights);
            EndChange(weightsChange: true);
        }
    }

    /// <summary>Copies a new bias.</summary>
    /// <param name="bias">As many as <see cref="Bias"/>.</param>
    /// <exception cref="ArgumentException">The length is another one.</exception>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    public void SetBias(ReadOnlySpan<float> bias)
    {
        Guard.Parameters(bias, _bias.Length, nameof(bias));
        lock (_gate)
        {
            BeginChange();
            bias.CopyTo(_bias);
            EndChange(weightsChange: false);
        }
    }

    /// <summary>Lets an optimiser change the weights in place.</summary>
    /// <param name="update">Is given the weights and their gradient. Must not call this
    /// layer.</param>
    /// <exception cref="ArgumentNullException"><paramref name="update"/> is null.</exception>
    /// <exception cref="InvalidOperationException"><paramref name="update"/> calls this
    /// layer.</exception>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    public void UpdateWeights(ParameterUpdate update)
    {
        ArgumentNullException.ThrowIfNull(update);
        Change(
            update,
            static (layer, update) => update(layer._weights, layer._weightsGradient),
            weightsChange: true);
    }

    /// <summary>Lets an optimiser change the bias in place.</summary>
    /// <param name="update">Is given the bias and its gradient. Must not call this layer.</param>
    /// <exception cref="ArgumentNullException"><paramref name="update"/> is null.</exception>
    /// <exception cref="InvalidOperationException"><paramref name="update"/> calls this
    /// layer.</exception>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    public void UpdateBias(ParameterUpdate update)
    {
        ArgumentNullException.ThrowIfNull(update);
        Change(
            update,
            static (layer, update) => update(layer._bias, layer._biasGradient),
            weightsChange: false);
    }

    /// <summary>
    /// Plain gradient descent: subtracts the rate times the gradient from weights and bias. Leaves
    /// the gradients as they are. Does nothing if the layer is frozen.
    /// </summary>
    /// <param name="learningRate">The rate, finite.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="learningRate"/> is infinite or
    /// NaN.</exception>
    /// <exception cref="ObjectDisposedException">The layer is disposed.</exception>
    public void ApplyGradients(float learningRate)
    {
        if (!float.IsFinite(learningRate))
        {
            throw new ArgumentOutOfRangeException(
                nameof(learningRate),
                learningRate,
                "The learning rate must be finite.");
        }

        Change(
            learningRate,
            static (layer, rate) =>
            {
                Descend(layer._weights, layer._weightsGradient, rate);
                Descend(layer._bias, layer._biasGradient, rate);
            },
            weightsChange: true);
    }

    /// <summary>
    /// Frees the native memory, at once or when the last running pass returns. Weights and
    /// gradients can still be read.
    /// </summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            FreeNative();
        }
    }
}
