using NativeConv.Interop;

namespace NativeConv;

/// <summary>The instruction sets of the native library. Results have the same bits on all of
/// them.</summary>
public enum InstructionSet
{
    /// <summary>Any processor of the architecture.</summary>
    Scalar = nconv_isa.NCONV_ISA_SCALAR,

    /// <summary>x86-64 with AVX2 and FMA.</summary>
    Avx2 = nconv_isa.NCONV_ISA_AVX2,

    /// <summary>x86-64 with AVX-512 F, BW, DQ and VL.</summary>
    Avx512 = nconv_isa.NCONV_ISA_AVX512,

    /// <summary>arm64.</summary>
    Neon = nconv_isa.NCONV_ISA_NEON,
}
