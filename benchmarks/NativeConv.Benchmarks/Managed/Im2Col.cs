using System.Numerics.Tensors;

namespace NativeConv.Benchmarks.Managed;

/// <summary>
/// Copies the patch under the kernel of each output pixel into a row of a matrix and multiplies that by
/// the weights, by TensorPrimitives: one row of output pixels at a time, so that the matrix stays in the
/// cache, and each filter with all of its patches. Dot reads two numbers for each
/// multiply-add; MultiplyAdd over the filters of a pixel would read two and write one.
/// A depthwise convolution has no long dot products: it adds whole rows, times weights that are repeated
/// along the row, by MultiplyAdd.
/// </summary>
internal sealed class Im2Col : IManagedConvolution
{
    private readonly ConvolutionDescriptor _d;
    private readonly int _height;
    private readonly int _width;
    private readonly int _channels;
    private readonly int _filters;
    private readonly int _patch;
    private readonly bool _depthwise;
    private readonly float[] _weights;
    private readonly float[] _bias;
    private readonly float[] _patches;

    /// <summary>For one convolution.</summary>
    public Im2Col(ConvolutionDescriptor descriptor)
    {
        ArgumentNullException.ThrowIfNull(descriptor);
        _d = descriptor;
        (_height, _width) = descriptor.OutputSize();
        _channels = _d.InputChannels / _d.Groups;
        _filters = _d.OutputChannels / _d.Groups;
        int taps = _d.KernelHeight * _d.KernelWidth;
        _patch = taps * _channels;
        _depthwise = _channels == 1 && _filters == 1;
        _weights = new float[_depthwise ? taps * RepeatedLength : descriptor.WeightsLength()];
        _bias = new float[_depthwise ? _width * _d.OutputChannels : _d.OutputChannels];
        _patches = new float[_depthwise ? 0 : _width * _patch];
    }

    /// <summary>With stride 1 the taps of a row of pixels are one stretch of memory, else those of one
    /// pixel are.</summary>
    private int RepeatedLength =>
        _d.StrideHorizontal == 1 ? _width * _d.InputChannels : _d.InputChannels;

    /// <inheritdoc/>
    public void SetWeights(ReadOnlySpan<float> weights, ReadOnlySpan<float> bias)
    {
        if (!_depthwise)
        {
            weights.CopyTo(_weights);
            bias.CopyTo(_bias);
            return;
        }

        int taps = _d.KernelHeight * _d.KernelWidth;
        int length = RepeatedLength;
        for (int tap = 0; tap < taps; tap++)
        {
            for (int i = 0; i < length; i++)
            {
                _weights[(tap * length) + i] = weights[(i % _d.InputChannels * taps) + tap];
            }
        }

        for (int i = 0; i < _bias.Length; i++)
        {
            _bias[i] = bias[i % _d.OutputChannels];
        }
    }

    /// <inheritdoc/>
    public void Forward(ReadOnlySpan<float> input, Span<float> output)
    {
        int inputLength = _d.InputHeight * _d.InputWidth * _d.InputChannels;
        int rowLength = _width * _d.OutputChannels;
        for (int n = 0; n < _d.Batch; n++)
        {
            ReadOnlySpan<float> image = input.Slice(n * inputLength, inputLength);
            for (int p = 0; p < _height; p++)
            {
                Span<float> row = output.Slice(((n * _height) + p) * rowLength, rowLength);
                if (_depthwise)
                {
                    DepthwiseRow(image, p, row);
                    continue;
                }

                for (int g = 0; g < _d.Groups; g++)
                {
                    FillPatches(image, p, g);
                    Multiply(g, row);
                }
            }
        }
    }

    private void FillPatches(ReadOnlySpan<float> image, int p, int group)
    {
        for (int q = 0; q < _width; q++)
        {
            int x = (q * _d.StrideHorizontal) - _d.PaddingLeft;
            Span<float> patch = _patches.AsSpan(q * _patch, _patch);
            for (int r = 0; r < _d.KernelHeight; r++)
            {
                int y = (p * _d.StrideVertical) - _d.PaddingTop + (r * _d.DilationVertical);
                for (int s = 0; s < _d.KernelWidth; s++)
                {
                    Span<float> tap = patch.Slice(((r * _d.KernelWidth) + s) * _channels, _channels);
                    int column = x + (s * _d.DilationHorizontal);
                    if (y < 0 || y >= _d.InputHeight || column < 0 || column >= _d.InputWidth)
                    {
                        tap.Clear();
                        continue;
                    }

                    int from = (((y * _d.InputWidth) + column) * _d.InputChannels) + (group * _channels);
                    image.Slice(from, _channels).CopyTo(tap);
                }
            }
        }
    }

    private void Multiply(int group, Span<float> row)
    {
        for (int o = group * _filters; o < (group + 1) * _filters; o++)
        {
            ReadOnlySpan<float> filter = _weights.AsSpan(o * _patch, _patch);
            for (int q = 0; q < _width; q++)
            {
                row[(q * _d.OutputChannels) + o] =
                    _bias[o] + TensorPrimitives.Dot(filter, _patches.AsSpan(q * _patch, _patch));
            }
        }
    }

    private void DepthwiseRow(ReadOnlySpan<float> image, int p, Span<float> row)
    {
        _bias.CopyTo(row);
        int length = RepeatedLength;
        for (int r = 0; r < _d.KernelHeight; r++)
        {
            int y = (p * _d.StrideVertical) - _d.PaddingTop + (r * _d.DilationVertical);
            if (y < 0 || y >= _d.InputHeight)
            {
                continue;
            }

            ReadOnlySpan<float> from =
                image.Slice(y * _d.InputWidth * _d.InputChannels, _d.InputWidth * _d.InputChannels);
            for (int s = 0; s < _d.KernelWidth; s++)
            {
                ReadOnlySpan<float> weights =
                    _weights.AsSpan(((r * _d.KernelWidth) + s) * length, length);
                AddTap(from, weights, (s * _d.DilationHorizontal) - _d.PaddingLeft, row);
            }
        }
    }

    private void AddTap(ReadOnlySpan<float> from, ReadOnlySpan<float> weights, int shift, Span<float> row)
    {
        int channels = _d.InputChannels;
        int stride = _d.StrideHorizontal;
        int begin = Math.Max(0, (-shift + stride - 1) / stride);
        int end = Math.Min(_width, (_d.InputWidth - 1 - shift + stride) / stride);
        if (begin >= end)
        {
            return;
        }

        if (stride == 1)
        {
            Span<float> sums = row[(begin * channels)..(end * channels)];
            TensorPrimitives.MultiplyAdd(
                from.Slice((begin + shift) * channels, sums.Length),
                weights[..sums.Length],
                sums,
                sums);
            return;
        }

        for (int q = begin; q < end; q++)
        {
            Span<float> sums = row.Slice(q * channels, channels);
            TensorPrimitives.MultiplyAdd(
                from.Slice(((q * stride) + shift) * channels, channels), weights, sums, sums);
        }
    }
}
