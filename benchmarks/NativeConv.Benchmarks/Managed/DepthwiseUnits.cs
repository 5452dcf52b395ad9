namespace NativeConv.Benchmarks.Managed;

/// <summary>
/// What the vectors of a depthwise convolution go by: pixels. If a pixel is no number of whole vectors, a
/// row without stride is one stretch of numbers that goes by the pixels that fill vectors instead, such
/// as 16 pixels with 3 channels.
/// </summary>
internal readonly record struct DepthwiseUnits
{
    public DepthwiseUnits(Kernels kernels, CorrelationShape shape)
    {
        int c = shape.InChannels;
        int lanes = kernels.Depthwise.Lanes;
        bool merged = c % lanes != 0 && shape.StrideX == 1 && shape.OutPixelStep == c;
        int pixels = merged ? Lcm(c, lanes) / c : 1;
        Floats = pixels * c;
        Vectors = (Floats + lanes - 1) / lanes;
        Count = (shape.Width + pixels - 1) / pixels;
        InStep = merged ? Floats : shape.StrideX * c;
        OutStep = merged ? Floats : shape.OutPixelStep;
        RowFloats = merged ? shape.Width * c : int.MaxValue;
    }

    /// <summary>Units in a row; the last one may be incomplete.</summary>
    public int Count { get; }

    /// <summary>Floats of a unit.</summary>
    public int Floats { get; }

    public int Vectors { get; }

    public int InStep { get; }

    public int OutStep { get; }

    /// <summary>Floats of a row, if units may be incomplete.</summary>
    public int RowFloats { get; }

    private static int Lcm(int a, int b)
    {
        int multiple = a;
        while (multiple % b != 0)
        {
            multiple += a;
        }

        return multiple;
    }
}
