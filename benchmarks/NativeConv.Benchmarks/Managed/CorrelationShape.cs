namespace NativeConv.Benchmarks.Managed;

/// <summary>
/// Sums over taps and channels, written to a grid of pixels: a forward pass, or the part of a gradient by
/// the input that falls on every n-th row and column.
/// </summary>
internal sealed record CorrelationShape
{
    public required int Batch { get; init; }

    public required int Groups { get; init; }

    public required int InHeight { get; init; }

    public required int InWidth { get; init; }

    /// <summary>Of all groups.</summary>
    public required int InChannels { get; init; }

    /// <summary>Of all groups.</summary>
    public required int OutChannels { get; init; }

    /// <summary>Rows of pixels that are written.</summary>
    public required int Height { get; init; }

    public required int Width { get; init; }

    public required int KernelHeight { get; init; }

    public required int KernelWidth { get; init; }

    /// <summary>Weights of a filter for a channel.</summary>
    public int Taps => KernelHeight * KernelWidth;

    public required int StrideY { get; init; }

    public required int StrideX { get; init; }

    public required int DilationY { get; init; }

    public required int DilationX { get; init; }

    /// <summary>Zeros above the input; negative if its first rows are not read.</summary>
    public required int Top { get; init; }

    public required int Left { get; init; }

    /// <summary>Elements of an output image, all of its rows and columns.</summary>
    public required int OutImage { get; init; }

    /// <summary>Of the first pixel written, within the image.</summary>
    public int OutOffset { get; init; }

    public required int OutRowStep { get; init; }

    public required int OutPixelStep { get; init; }

    public int Channels => InChannels / Groups;

    public int Filters => OutChannels / Groups;

    public bool IsDepthwise => Channels == 1 && Filters == 1;

    /// <summary>Rows of input that so many rows of output read.</summary>
    public int RowsRead(int rows) => ((rows - 1) * StrideY) + ((KernelHeight - 1) * DilationY) + 1;

    public int ColumnsRead => ((Width - 1) * StrideX) + ((KernelWidth - 1) * DilationX) + 1;

    /// <summary>Whether no tap falls outside the image.</summary>
    public bool StaysInside =>
        Top <= 0 && Left <= 0 && RowsRead(Height) - Top <= InHeight && ColumnsRead - Left <= InWidth;

    public static CorrelationShape Forward(ConvolutionDescriptor d)
    {
        (int height, int width) = d.OutputSize();
        return new CorrelationShape
        {
            Batch = d.Batch,
            Groups = d.Groups,
            InHeight = d.InputHeight,
            InWidth = d.InputWidth,
            InChannels = d.InputChannels,
            OutChannels = d.OutputChannels,
            Height = height,
            Width = width,
            KernelHeight = d.KernelHeight,
            KernelWidth = d.KernelWidth,
            StrideY = d.StrideVertical,
            StrideX = d.StrideHorizontal,
            DilationY = d.DilationVertical,
            DilationX = d.DilationHorizontal,
            Top = d.PaddingTop,
            Left = d.PaddingLeft,
            OutImage = height * width * d.OutputChannels,
            OutRowStep = width * d.OutputChannels,
            OutPixelStep = d.OutputChannels,
        };
    }
}
