using NativeConv.Internal;

namespace NativeConv;

/// <summary>The kinds of <see cref="Padding"/>.</summary>
public enum PaddingKind
{
    /// <summary>Output size = ceil(input size / stride); an odd zero goes to the bottom and
    /// right.</summary>
    Same = 0,

    /// <summary>As <see cref="Same"/>, but an odd zero goes to the top and left.</summary>
    SameLower = 1,

    /// <summary>No padding.</summary>
    Valid = 2,

    /// <summary>Four given numbers.</summary>
    Explicit = 3,
}

/// <summary>
/// How many rows and columns of zeros surround the input. The default value is <see cref="Same"/>.
/// </summary>
public readonly record struct Padding
{
    private Padding(PaddingKind kind, int top = 0, int left = 0, int bottom = 0, int right = 0)
    {
        Kind = kind;
        Top = top;
        Left = left;
        Bottom = bottom;
        Right = right;
    }

    /// <summary>Which rule.</summary>
    public PaddingKind Kind { get; }

    /// <summary>Rows above the input, for <see cref="PaddingKind.Explicit"/>; else 0.</summary>
    public int Top { get; }

    /// <summary>Columns left of the input, for <see cref="PaddingKind.Explicit"/>; else
    /// 0.</summary>
    public int Left { get; }

    /// <summary>Rows below the input, for <see cref="PaddingKind.Explicit"/>; else 0.</summary>
    public int Bottom { get; }

    /// <summary>Columns right of the input, for <see cref="PaddingKind.Explicit"/>; else
    /// 0.</summary>
    public int Right { get; }

    /// <summary>
    /// Output size = ceil(input size / stride), whatever the kernel. An odd zero goes to the bottom
    /// and right, as in TensorFlow, Keras and ONNX SAME_UPPER. Resolved anew for every input size.
    /// </summary>
    public static Padding Same => default;

    /// <summary>As <see cref="Same"/>, but an odd zero goes to the top and left (ONNX
    /// SAME_LOWER).</summary>
    public static Padding SameLower => new(PaddingKind.SameLower);

    /// <summary>No padding: output size = (input size - dilated kernel size) / stride + 1, rounded
    /// down.</summary>
    public static Padding Valid => new(PaddingKind.Valid);

    /// <summary>Four numbers of zeros, each at least 0, in the order of ONNX.</summary>
    /// <param name="top">Rows above the input.</param>
    /// <param name="left">Columns left of the input.</param>
    /// <param name="bottom">Rows below the input.</param>
    /// <param name="right">Columns right of the input.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is negative.</exception>
    public static Padding Explicit(int top, int left, int bottom, int right)
    {
        Guard.AtLeast(top, 0, nameof(top));
        Guard.AtLeast(left, 0, nameof(left));
        Guard.AtLeast(bottom, 0, nameof(bottom));
        Guard.AtLeast(right, 0, nameof(right));
        return new(PaddingKind.Explicit, top, left, bottom, right);
    }

    /// <summary>The same number of zeros above and below, and left and right, as in
    /// PyTorch.</summary>
    /// <param name="vertical">Rows above and rows below the input.</param>
    /// <param name="horizontal">Columns left and columns right of the input.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is negative.</exception>
    public static Padding Symmetric(int vertical, int horizontal)
    {
        Guard.AtLeast(vertical, 0, nameof(vertical));
        Guard.AtLeast(horizontal, 0, nameof(horizontal));
        return new(PaddingKind.Explicit, vertical, horizontal, vertical, horizontal);
    }
}
