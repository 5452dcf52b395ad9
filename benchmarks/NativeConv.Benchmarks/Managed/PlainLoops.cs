namespace NativeConv.Benchmarks.Managed;

/// <summary>
/// The loops of the definition over spans, with the taps that fall outside the image cut off before
/// the inner loops, which run along memory.
/// </summary>
internal sealed class PlainLoops : IManagedConvolution
{
    private readonly ConvolutionDescriptor _d;
    private readonly int _height;
    private readonly int _width;
    private readonly float[] _weights;
    private readonly float[] _bias;

    /// <summary>For one convolution.</summary>
    public PlainLoops(ConvolutionDescriptor descriptor)
    {
        _d = descriptor;
        (_height, _width) = descriptor.OutputSize();
        _weights = new float[descriptor.WeightsLength()];
        _bias = new float[descriptor.OutputChannels];
    }

    /// <inheritdoc/>
    public void SetWeights(ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
    {
        weights.CopyTo(_weights);
        bias.CopyTo(_bias);
    }

    /// <inheritdoc/>
    public void Forward(ReadOnlySpan<float> input, Span<float> output)
    {
        for (int n = 0; n < _d.Batch; n++)
        {
            for (int p = 0; p < _height; p++)
            {
                for (int q = 0; q < _width; q++)
                {
                    int start = ((((n * _height) + p) * _width) + q) * _d.OutputChannels;
                    Pixel(input, n, p, q, output.Slice(start, _d.OutputChannels));
                }
            }
        }
    }

    private void Pixel(ReadOnlySpan<float> input, int n, int p, int q, Span<float> pixel)
    {
        int channels = _d.InputChannels / _d.Groups;
        int filters = _d.OutputChannels / _d.Groups;
        int top = (p * _d.StrideVertical) - _d.PaddingTop;
        int left = (q * _d.StrideHorizontal) - _d.PaddingLeft;
        for (int o = 0; o < pixel.Length; o++)
        {
            float sum = _bias[o];
            for (int r = 0; r < _d.KernelHeight; r++)
            {
                int y = top + (r * _d.DilationVertical);
                if (y < 0 || y >= _d.InputHeight)
                {
                    continue;
                }

                for (int s = 0; s < _d.KernelWidth; s++)
                {
                    int x = left + (s * _d.DilationHorizontal);
                    if (x < 0 || x >= _d.InputWidth)
                    {
                        continue;
                    }

                    int from = ((((n * _d.InputHeight) + y) * _d.InputWidth) + x) * _d.InputChannels;
                    int tap = ((((o * _d.KernelHeight) + r) * _d.KernelWidth) + s) * channels;
                    ReadOnlySpan<float> values = input.Slice(from + (o / filters * channels), channels);
                    ReadOnlySpan<float> weights = _weights.AsSpan(tap, channels);
                    for (int c = 0; c < values.Length && c < weights.Length; c++)
                    {
                        sum += values[c] * weights[c];
                    }
                }
            }

            pixel[o] = sum;
        }
    }
}
