using NativeConv.Interop;

namespace NativeConv;

/// <summary>The kinds of <see cref="Activation"/>.</summary>
public enum ActivationKind
{
    /// <summary>f(z) = z.</summary>
    Linear = nconv_activation.NCONV_ACTIVATION_LINEAR,

    /// <summary>f(z) = max(z, 0).</summary>
    Relu = nconv_activation.NCONV_ACTIVATION_RELU,

    /// <summary>f(z) = z if z &gt; 0, else alpha * z.</summary>
    LeakyRelu = nconv_activation.NCONV_ACTIVATION_LEAKY_RELU,

    /// <summary>f(z) = min(max(z, alpha), beta).</summary>
    Clip = nconv_activation.NCONV_ACTIVATION_CLIP,

    /// <summary>f(z) = 1 / (1 + exp(-z)).</summary>
    Sigmoid = nconv_activation.NCONV_ACTIVATION_SIGMOID,

    /// <summary>f(z) = tanh(z).</summary>
    Tanh = nconv_activation.NCONV_ACTIVATION_TANH,

    /// <summary>f(z) = z if z &gt; 0, else alpha * (exp(z) - 1).</summary>
    Elu = nconv_activation.NCONV_ACTIVATION_ELU,
}

/// <summary>
/// The function f applied to every output of a convolution, y = f(z). The gradients compute f'(z)
/// from the saved output y alone, so z need not be kept. The default value is <see cref="Linear"/>.
/// </summary>
public readonly record struct Activation
{
    private Activation(ActivationKind kind, float alpha = 0, float beta = 0)
    {
        Kind = kind;
        Alpha = alpha;
        Beta = beta;
    }

    /// <summary>Which function.</summary>
    public ActivationKind Kind { get; }

    /// <summary>The slope of leaky ReLU, the lower limit of clip, the scale of ELU; else
    /// 0.</summary>
    public float Alpha { get; }

    /// <summary>The upper limit of clip; else 0.</summary>
    public float Beta { get; }

    /// <summary>f(z) = z; f' = 1.</summary>
    public static Activation Linear => default;

    /// <summary>f(z) = max(z, 0); f' = 1 if y &gt; 0, else 0.</summary>
    public static Activation Relu => new(ActivationKind.Relu);

    /// <summary>f(z) = min(max(z, 0), 6); f' = 1 if 0 &lt; y &lt; 6, else 0.</summary>
    public static Activation Relu6 => new(ActivationKind.Clip, 0, 6);

    /// <summary>f(z) = 1 / (1 + exp(-z)); f' = y * (1 - y).</summary>
    public static Activation Sigmoid => new(ActivationKind.Sigmoid);

    /// <summary>f(z) = tanh(z); f' = 1 - y * y.</summary>
    public static Activation Tanh => new(ActivationKind.Tanh);

    /// <summary>f(z) = z if z &gt; 0, else slope * z; f' = 1 if y &gt; 0, else slope.</summary>
    /// <param name="slope">Finite, at least 0.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="slope"/> is out of
    /// range.</exception>
    public static Activation LeakyRelu(float slope = 0.01f)
    {
        RequireFiniteNonNegative(slope, nameof(slope));
        return new(ActivationKind.LeakyRelu, slope);
    }

    /// <summary>f(z) = z if z &gt; 0, else alpha * (exp(z) - 1); f' = 1 if y &gt; 0, else y +
    /// alpha.</summary>
    /// <param name="alpha">Finite, at least 0.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="alpha"/> is out of
    /// range.</exception>
    public static Activation Elu(float alpha = 1)
    {
        RequireFiniteNonNegative(alpha, nameof(alpha));
        return new(ActivationKind.Elu, alpha);
    }

    /// <summary>f(z) = min(max(z, minimum), maximum); f' = 1 if minimum &lt; y &lt; maximum, else
    /// 0.</summary>
    /// <param name="minimum">The lower limit, finite.</param>
    /// <param name="maximum">The upper limit, finite and greater than
    /// <paramref name="minimum"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A limit is infinite or NaN.</exception>
    /// <exception cref="ArgumentException">The limits are not in order.</exception>
    public static Activation Clip(float minimum, float maximum)
    {
        RequireFinite(minimum, nameof(minimum));
        RequireFinite(maximum, nameof(maximum));
        if (!(minimum < maximum))
        {
            throw new ArgumentException(
                $"The upper limit {maximum} must be greater than the lower limit {minimum}.",
                nameof(maximum));
        }

        return new(ActivationKind.Clip, minimum, maximum);
    }

    private static void RequireFiniteNonNegative(float value, string name)
    {
        RequireFinite(value, name);
        if (value < 0)
        {
            throw new ArgumentOutOfRangeException(name, value, $"{name} must be at least 0.");
        }
    }

    private static void RequireFinite(float value, string name)
    {
        if (!float.IsFinite(value))
        {
            throw new ArgumentOutOfRangeException(name, value, $"{name} must be finite.");
        }
    }
}
