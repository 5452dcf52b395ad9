namespace NativeConv.Benchmarks.Managed;

/// <summary>Filters that one kernel computes together.</summary>
/// <param name="Kernel">The kernel.</param>
/// <param name="InChannel">First input channel.</param>
/// <param name="OutChannel">First filter.</param>
/// <param name="Valid">Filters; fewer than the kernel has room for in the last block.</param>
/// <param name="Weights">Where its weights begin.</param>
/// <param name="Bias">Where its bias begins.</param>
internal sealed record Block(TileKernel Kernel, int InChannel, int OutChannel, int Valid, int Weights, int Bias)
{
    public bool IsFull => Valid == Kernel.Width;

    /// <summary>All of a convolution.</summary>
    public static List<Block> All(Kernels kernels, CorrelationShape shape, DepthwiseUnits units) =>
        shape.IsDepthwise
            ? Depthwise(kernels, units, shape.Taps)
            : Dense(kernels, shape.Groups, shape.Channels, shape.Filters, shape.Taps);

    /// <summary>The blocks of a dense convolution or one in groups.</summary>
    private static List<Block> Dense(Kernels kernels, int groups, int channels, int filters, int taps)
    {
        List<Block> blocks = [];
        int weights = 0;
        int bias = 0;
        for (int g = 0; g < groups; g++)
        {
            for (int o = 0; o < filters; )
            {
                int left = filters - o;
                TileKernel kernel = left <= kernels.Narrow.Width ? kernels.Narrow : kernels.Dense;
                int valid = Math.Min(left, kernel.Width);
                blocks.Add(new Block(kernel, g * channels, (g * filters) + o, valid, weights, bias));
                weights += taps * channels * kernel.Width;
                bias += kernel.Width;
                o += valid;
            }
        }

        return blocks;
    }

    /// <summary>The blocks of a depthwise convolution: one for each vector of a <see
    /// cref="DepthwiseUnits"/>.</summary>
    private static List<Block> Depthwise(Kernels kernels, DepthwiseUnits units, int taps)
    {
        TileKernel kernel = kernels.Depthwise;
        int lanes = kernel.Lanes;
        return
        [
            .. Enumerable.Range(0, units.Vectors).Select(v =>
                new Block(
                    kernel,
                    v * lanes,
                    v * lanes,
                    Math.Min(lanes, units.Floats - (v * lanes)),
                    v * taps * lanes,
                    v * lanes)),
        ];
    }
}
