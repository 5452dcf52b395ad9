namespace NativeConv.Benchmarks.Managed;

/// <summary>
/// Every n-th row (or column) of an input, n the stride: the outputs that read such a row h through tap r
/// are p = (h + padding - r * dilation) / stride. These taps are evenly spaced, and so are their outputs.
/// </summary>
/// <param name="First">The first row.</param>
/// <param name="Count">Rows.</param>
/// <param name="Taps">Taps that meet them.</param>
/// <param name="LastTap">The last of those, which the first output in order takes.</param>
/// <param name="TapStep">From one of those taps to the next.</param>
/// <param name="Dilation">Outputs from one of those taps to the next.</param>
/// <param name="Before">Outputs above the first that the first row would need.</param>
internal readonly record struct Phase(
    int First, int Count, int Taps, int LastTap, int TapStep, int Dilation, int Before)
{
    public static Phase Find(int first, int size, int kernel, int stride, int dilation, int padding)
    {
        int count = (size - first + stride - 1) / stride;
        List<int> taps = [];
        for (int r = 0; r < kernel; r++)
        {
            if ((first + padding - (r * dilation)) % stride == 0)
            {
                taps.Add(r);
            }
        }

        if (taps.Count == 0)
        {
            return new Phase(first, Math.Max(0, count), 0, 0, 1, 1, 0);
        }

        int step = taps.Count > 1 ? taps[1] - taps[0] : 1;
        int outputs = taps.Count > 1 ? step * dilation / stride : 1;
        int output = (first + padding - (taps[^1] * dilation)) / stride;
        return new Phase(first, Math.Max(0, count), taps.Count, taps[^1], step, outputs, -output);
    }

    /// <summary>The tap that the i-th output in order takes.</summary>
    public int Tap(int i) => LastTap - (i * TapStep);
}
