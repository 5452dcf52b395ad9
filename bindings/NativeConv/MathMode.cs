using NativeConv.Interop;

namespace NativeConv;

/// <summary>How freely the arithmetic may be rearranged. Today all three choose direct
/// summation.</summary>
public enum MathMode
{
    /// <summary>Also rearrangements about as accurate as direct summation.</summary>
    Default = nconv_math_mode.NCONV_MATH_MODE_DEFAULT,

    /// <summary>Direct summation only, also in later versions.</summary>
    Strict = nconv_math_mode.NCONV_MATH_MODE_STRICT,

    /// <summary>Also rearrangements that trade some accuracy for speed.</summary>
    Fast = nconv_math_mode.NCONV_MATH_MODE_FAST,
}
