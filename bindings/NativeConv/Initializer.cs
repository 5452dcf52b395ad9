namespace NativeConv;

/// <summary>
/// Start values of weights and biases. fan_in = C/G * R * S is the number of products in one
/// output, fan_out = O/G * R * S the number of outputs one input feeds (stride 1).
/// <para>
/// With a seed the values are the same run after run, and the same for both layouts: weight
/// [o,c,r,s] does not depend on the order in memory. Without a seed every layer gets other values.
/// </para>
/// </summary>
public sealed record Initializer
{
    private enum Fan
    {
        None,
        In,
        Average,
    }

    private readonly Fan _fan;
    private readonly double _scale;
    private readonly bool _normal;
    private readonly float _constant;

    private Initializer(
        string name,
        Fan fan,
        double scale,
        bool normal,
        int? seed,
        float constant = 0)
    {
        Name = name;
        Seed = seed;
        _fan = fan;
        _scale = scale;
        _normal = normal;
        _constant = constant;
    }

    /// <summary>The name of the rule.</summary>
    public string Name { get; }

    /// <summary>The seed; null for other values each time.</summary>
    public int? Seed { get; }

    /// <summary>All 0.</summary>
    public static Initializer Zeros { get; } = new(nameof(Zeros), Fan.None, 0, false, null);

    /// <summary>Uniform in ±sqrt(6 / fan_in); for ReLU and its kin.</summary>
    /// <param name="seed">The seed; null for other values each time.</param>
    public static Initializer HeUniform(int? seed = null) =>
        new(nameof(HeUniform), Fan.In, 2, false, seed);

    /// <summary>Normal with standard deviation sqrt(2 / fan_in); for ReLU and its kin.</summary>
    /// <param name="seed">The seed; null for other values each time.</param>
    public static Initializer HeNormal(int? seed = null) =>
        new(nameof(HeNormal), Fan.In, 2, true, seed);

    /// <summary>Uniform in ±sqrt(6 / (fan_in + fan_out)); for linear, tanh and sigmoid; the default
    /// of Keras.</summary>
    /// <param name="seed">The seed; null for other values each time.</param>
    public static Initializer GlorotUniform(int? seed = null) =>
        new(nameof(GlorotUniform), Fan.Average, 1, false, seed);

    /// <summary>Normal with standard deviation sqrt(2 / (fan_in + fan_out)); for linear, tanh and
    /// sigmoid.</summary>
    /// <param name="seed">The seed; null for other values each time.</param>
    public static Initializer GlorotNormal(int? seed = null) =>
        new(nameof(GlorotNormal), Fan.Average, 1, true, seed);

    /// <summary>Uniform in ±sqrt(3 / fan_in); keeps the variance of a linear layer.</summary>
    /// <param name="seed">The seed; null for other values each time.</param>
    public static Initializer LeCunUniform(int? seed = null) =>
        new(nameof(LeCunUniform), Fan.In, 1, false, seed);

    /// <summary>Normal with standard deviation sqrt(1 / fan_in); keeps the variance of a linear
    /// layer.</summary>
    /// <param name="seed">The seed; null for other values each time.</param>
    public static Initializer LeCunNormal(int? seed = null) =>
        new(nameof(LeCunNormal), Fan.In, 1, true, seed);

    /// <summary>All the same value.</summary>
    /// <param name="value">The value.</param>
    public static Initializer Constant(float value) =>
        new(nameof(Constant), Fan.None, 0, false, null, value);

    /// <summary>Writes the values of [outer][channels][taps], in that logical order, to
    /// <paramref name="values"/>.</summary>
    /// <param name="values">outer * channels * taps elements.</param>
    /// <param name="channels">Channels of one filter.</param>
    /// <param name="taps">Kernel height times width.</param>
    /// <param name="channelsLast">Whether the order in memory is [outer][taps][channels].</param>
    /// <param name="fanIn">Products in one output.</param>
    /// <param name="fanOut">Outputs one input feeds.</param>
    internal void Fill(
        Span<float> values,
        int channels,
        int taps,
        bool channelsLast,
        double fanIn,
        double fanOut)
    {
        if (_fan == Fan.None)
        {
            values.Fill(_constant);
            return;
        }

        double variance = _scale / (_fan == Fan.In ? fanIn : (fanIn + fanOut) / 2);
        double width = Math.Sqrt(_normal ? variance : 3 * variance);
        Random random = Seed is int seed ? new Random(seed) : new Random();
        int filter = channels * taps;
        for (int start = 0; start < values.Length; start += filter)
        {
            for (int c = 0; c < channels; c++)
            {
                for (int t = 0; t < taps; t++)
                {
                    double unit = _normal ? NextNormal(random) : (2 * random.NextDouble()) - 1;
                    values[start + (channelsLast ? (t * channels) + c : (c * taps) + t)] = (float)(
                        width * unit);
                }
            }
        }
    }

    // Marsaglia's polar method.
    private static double NextNormal(Random random)
    {
        while (true)
        {
            double u = (2 * random.NextDouble()) - 1;
            double v = (2 * random.NextDouble()) - 1;
            double s = (u * u) + (v * v);
            if (s is > 0 and < 1)
            {
                return u * Math.Sqrt(-2 * Math.Log(s) / s);
            }
        }
    }
}
