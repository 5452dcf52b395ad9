namespace NativeConv.Tests.Support;

/// <summary>
/// The three passes as the formulas say them, in double. Every result comes with the sum of the
/// absolute products behind it and their number: what an error bound needs.
/// </summary>
internal sealed class ReferenceConv2D(ConvolutionDescriptor d)
{
    private readonly int _groupInputs = d.InputChannels / d.Groups;
    private readonly int _groupOutputs = d.OutputChannels / d.Groups;

    public int OutputHeight { get; } =
        OutputSize(
            d.InputHeight,
            d.PaddingTop + d.PaddingBottom,
            d.KernelHeight,
            d.StrideVertical,
            d.DilationVertical);

    public int OutputWidth { get; } =
        OutputSize(
            d.InputWidth,
            d.PaddingLeft + d.PaddingRight,
            d.KernelWidth,
            d.StrideHorizontal,
            d.DilationHorizontal);

    public int InputLength => d.Batch * d.InputChannels * d.InputHeight * d.InputWidth;

    public int OutputLength => d.Batch * d.OutputChannels * OutputHeight * OutputWidth;

    public int WeightsLength => d.OutputChannels * _groupInputs * d.KernelHeight * d.KernelWidth;

    public int BiasLength => d.HasBias ? d.OutputChannels : 0;

    /// <summary>z, before the activation.</summary>
    public Sums Forward(float[] input, float[] weights, float[] bias)
    {
        Sums z = new(OutputLength);
        for (int n = 0; n < d.Batch; n++)
        {
            for (int o = 0; o < (d.HasBias ? d.OutputChannels : 0); o++)
            {
                for (int p = 0; p < OutputHeight; p++)
                {
                    for (int q = 0; q < OutputWidth; q++)
                    {
                        z.Add(Output(n, o, p, q), bias[o], 1);
                    }
                }
            }
        }

        Visit((x, w, y, _) => z.Add(y, input[x], weights[w]));
        return z;
    }

    /// <summary>The gradient by the input; <paramref name="g"/> is the gradient by z.</summary>
    public Sums BackwardInput(double[] g, float[] weights)
    {
        Sums gradInput = new(InputLength);
        Visit((x, w, y, _) => gradInput.Add(x, g[y], weights[w]));
        return gradInput;
    }

    public Sums BackwardWeights(float[] input, double[] g)
    {
        Sums gradWeights = new(WeightsLength);
        Visit((x, w, y, _) => gradWeights.Add(w, g[y], input[x]));
        return gradWeights;
    }

    public Sums BackwardBias(double[] g)
    {
        Sums gradBias = new(BiasLength);
        for (int i = 0; i < OutputLength && d.HasBias; i++)
        {
            int o =
                d.Layout == TensorLayout.Nhwc
                    ? i % d.OutputChannels
                    : i / (OutputHeight * OutputWidth) % d.OutputChannels;
            gradBias.Add(o, g[i], 1);
        }

        return gradBias;
    }

    public static double Activate(Activation f, double z) =>
        f.Kind switch
        {
            ActivationKind.Linear => z,
            ActivationKind.Relu => Math.Max(z, 0),
            ActivationKind.LeakyRelu => z > 0 ? z : f.Alpha * z,
            ActivationKind.Clip => Math.Min(Math.Max(z, f.Alpha), f.Beta),
            ActivationKind.Sigmoid => 1 / (1 + Math.Exp(-z)),
            ActivationKind.Tanh => Math.Tanh(z),
            ActivationKind.Elu => z > 0 ? z : f.Alpha * (Math.Exp(z) - 1),
            _ => throw new ArgumentOutOfRangeException(nameof(f)),
        };

    /// <summary>f'(z) from y = f(z).</summary>
    public static double Derivative(Activation f, double y) =>
        f.Kind switch
        {
            ActivationKind.Linear => 1,
            ActivationKind.Relu => y > 0 ? 1 : 0,
            ActivationKind.LeakyRelu => y > 0 ? 1 : f.Alpha,
            ActivationKind.Clip => y > f.Alpha && y < f.Beta ? 1 : 0,
            ActivationKind.Sigmoid => y * (1 - y),
            ActivationKind.Tanh => 1 - (y * y),
            ActivationKind.Elu => y > 0 ? 1 : y + f.Alpha,
            _ => throw new ArgumentOutOfRangeException(nameof(f)),
        };

    private static int OutputSize(int input, int padding, int kernel, int stride, int dilation) =>
        ((input + padding - (((kernel - 1) * dilation) + 1)) / stride) + 1;

    /// <summary>Calls with the indices of input, weight and output of every product whose input is
    /// inside the image.</summary>
    private void Visit(Action<int, int, int, int> product)
    {
        for (int n = 0; n < d.Batch; n++)
        {
            for (int o = 0; o < d.OutputChannels; o++)
            {
                for (int p = 0; p < OutputHeight; p++)
                {
                    for (int q = 0; q < OutputWidth; q++)
                    {
                        for (int c = 0; c < _groupInputs; c++)
                        {
                            for (int r = 0; r < d.KernelHeight; r++)
                            {
                                for (int s = 0; s < d.KernelWidth; s++)
                                {
                                    int h =
                                        (p * d.StrideVertical)
                                        + (r * d.DilationVertical)
                                        - d.PaddingTop;
                                    int w =
                                        (q * d.StrideHorizontal)
                                        + (s * d.DilationHorizontal)
                                        - d.PaddingLeft;
                                    if (h >= 0 && h < d.InputHeight && w >= 0 && w < d.InputWidth)
                                    {
                                        int channel = (o / _groupOutputs * _groupInputs) + c;
                                        product(
                                            Input(n, channel, h, w),
                                            Weight(o, c, r, s),
                                            Output(n, o, p, q),
                                            n);
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    private int Input(int n, int c, int h, int w) =>
        Index(n, c, h, w, d.InputChannels, d.InputHeight, d.InputWidth);

    private int Weight(int o, int c, int r, int s) =>
        Index(o, c, r, s, _groupInputs, d.KernelHeight, d.KernelWidth);

    private int Output(int n, int o, int p, int q) =>
        Index(n, o, p, q, d.OutputChannels, OutputHeight, OutputWidth);

    private int Index(
        int outer,
        int channel,
        int row,
        int column,
        int channels,
        int rows,
        int columns) =>
        d.Layout == TensorLayout.Nchw
            ? (((((outer * channels) + channel) * rows) + row) * columns) + column
            : (((((outer * rows) + row) * columns) + column) * channels) + channel;

    /// <summary>Sums of products, of their absolute values, and their numbers.</summary>
    public sealed class Sums(int length)
    {
        public double[] Values { get; } = new double[length];

        public double[] Absolute { get; } = new double[length];

        public int[] Terms { get; } = new int[length];

        public void Add(int index, double a, double b)
        {
            Values[index] += a * b;
            Absolute[index] += Math.Abs(a * b);
            Terms[index]++;
        }
    }
}
