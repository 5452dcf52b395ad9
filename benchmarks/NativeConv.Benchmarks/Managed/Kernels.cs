using System.Runtime.Intrinsics;

namespace NativeConv.Benchmarks.Managed;

/// <summary>The kernels for vectors of one length.</summary>
/// <param name="Dense">For all filters.</param>
/// <param name="Narrow">For the last filters, if so few are left.</param>
/// <param name="Depthwise">For a filter for each channel.</param>
internal sealed record Kernels(TileKernel Dense, TileKernel Narrow, TileKernel Depthwise)
{
    /// <summary>512 bits.</summary>
    public static Kernels Of512Bits { get; } = new(
        new Dense512(),
        new SevenTwice<Vector512<float>, Vectors512, OneChannel<Vector512<float>, Vectors512>>(),
        new SevenTwice<Vector512<float>, Vectors512, EachChannel<Vector512<float>, Vectors512>>());

    /// <summary>256 bits.</summary>
    public static Kernels Of256Bits { get; } = new(
        new Dense256(),
        new Dense256(),
        new SevenTwice<Vector256<float>, Vectors256, EachChannel<Vector256<float>, Vectors256>>());

    /// <summary>The best of this machine.</summary>
    public static Kernels Best { get; } = Vector512.IsHardwareAccelerated ? Of512Bits : Of256Bits;
}
