using NativeConv.Interop;

namespace NativeConv;

/// <summary>How freely the arithmetic may be rearranged: whether forward and the gradient by input of 3 x 3
/// kernels with stride 1 and any dilation, and forward of those with stride 2 and dilation 1, may use
/// Winograd's minimal filtering, and with how large tiles, and the weight gradients of those with stride and
/// dilation 1 its transpose. Everything else is summed directly in every mode, but for image filters in the
/// fast one. Each mode gives the same bits on every processor and thread count.</summary>
/// <remarks>Root-mean-square error against double, as a multiple of that of direct summation in float: tiles of
/// 2 x 2 0.6, 4 x 4 1.7, 5 x 5 3.1, 6 x 6 6.9; those of stride 2 0.8; weight gradients 1.4 to 2.9, in fast math
/// more over fewer than 128 pixels. With tiles, Inf and NaN reach every output of the tiles that read them.
/// (A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks", 2016.)</remarks>
public enum MathMode
{
    /// <summary>Direct summation and Winograd tiles of 2 x 2 and 4 x 4.</summary>
    Default = nconv_math_mode.NCONV_MATH_MODE_DEFAULT,

    /// <summary>Direct summation only: Inf and NaN reach exactly the windows that hold them.</summary>
    Strict = nconv_math_mode.NCONV_MATH_MODE_STRICT,

    /// <summary>Also tiles of 5 x 5 and 6 x 6: faster, less exact. And filters of 1 to 4 channels, each its own
    /// group, with stride and dilation 1 and 49 to 4096 taps, whose weights in every channel are, to
    /// within 2^-21 of each, the products of a column and a row (Gaussians, boxes): these are summed down
    /// columns, then along rows, R + S multiply-adds for R x S taps, and are at most (R + S + 10) * 2^-24 of the
    /// sum of magnitudes off.</summary>
    Fast = nconv_math_mode.NCONV_MATH_MODE_FAST,
}
