using NativeConv.Interop;

namespace NativeConv;

/// <summary>The order of the dimensions in memory, outermost first; dense, without gaps.</summary>
public enum TensorLayout
{
    /// <summary>Channels first: activations [N][C][H][W], weights [O][C/G][R][S]; as in PyTorch and
    /// ONNX.</summary>
    Nchw = nconv_layout.NCONV_LAYOUT_NCHW,

    /// <summary>Channels last: activations [N][H][W][C], weights [O][R][S][C/G]; as images are
    /// stored.</summary>
    Nhwc = nconv_layout.NCONV_LAYOUT_NHWC,
}
