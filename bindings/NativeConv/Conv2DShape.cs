namespace NativeConv;

/// <summary>
/// All sizes of one call of a <see cref="Conv2D"/>; made by <see cref="Conv2D.GetShape"/>. Lengths
/// are in elements.
/// </summary>
public readonly record struct Conv2DShape
{
    /// <summary>Number of images N.</summary>
    public int Batch { get; internal init; }

    /// <summary>Channels C of the input.</summary>
    public int InputChannels { get; internal init; }

    /// <summary>Height H of the input.</summary>
    public int InputHeight { get; internal init; }

    /// <summary>Width W of the input.</summary>
    public int InputWidth { get; internal init; }

    /// <summary>Channels O of the output: the filters of the layer.</summary>
    public int OutputChannels { get; internal init; }

    /// <summary>Height P of the output.</summary>
    public int OutputHeight { get; internal init; }

    /// <summary>Width Q of the output.</summary>
    public int OutputWidth { get; internal init; }

    /// <summary>Rows of zeros above the input.</summary>
    public int PaddingTop { get; internal init; }

    /// <summary>Columns of zeros left of the input.</summary>
    public int PaddingLeft { get; internal init; }

    /// <summary>Rows of zeros below the input.</summary>
    public int PaddingBottom { get; internal init; }

    /// <summary>Columns of zeros right of the input.</summary>
    public int PaddingRight { get; internal init; }

    /// <summary>The order of the dimensions in memory.</summary>
    public TensorLayout Layout { get; internal init; }

    /// <summary>Elements of the input and of its gradient: N * C * H * W.</summary>
    public int InputLength { get; internal init; }

    /// <summary>Elements of the output and of its gradient: N * O * P * Q.</summary>
    public int OutputLength { get; internal init; }
}
