using System.Runtime.CompilerServices;

namespace NativeConv.Benchmarks.Managed;

/// <summary>What a tile reads of its inputs beside a vector of weights.</summary>
internal unsafe interface IInput<TVector>
{
    /// <summary>From so on.</summary>
    static abstract TVector Read(float* from);
}

/// <summary>A vector: each channel has a weight of its own.</summary>
internal readonly unsafe struct EachChannel<TVector, TVectors> : IInput<TVector>
    where TVector : unmanaged
    where TVectors : struct, IVectors<TVector>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Read(float* from) => TVectors.Load(from);
}

/// <summary>One value, for the weights of a vector of filters.</summary>
internal readonly unsafe struct OneChannel<TVector, TVectors> : IInput<TVector>
    where TVector : unmanaged
    where TVectors : struct, IVectors<TVector>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Read(float* from) => TVectors.Broadcast(*from);
}

/// <summary>
/// Twice 7 inputs by one vector of weights: depthwise, or for the filters that <see cref="Dense512"/> leaves.
/// </summary>
internal sealed unsafe class SevenTwice<TVector, TVectors, TInput> : TileKernel
    where TVector : unmanaged
    where TVectors : struct, IVectors<TVector>
    where TInput : struct, IInput<TVector>
{
    /// <inheritdoc/>
    public override int Lanes => TVectors.Lanes;

    /// <inheritdoc/>
    public override int Vectors => 1;

    /// <inheritdoc/>
    public override int Group => 7;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Run(in Tile tile)
    {
        TVector a0 = default, a1 = default, a2 = default, a3 = default, a4 = default, a5 = default, a6 = default;
        TVector b0 = default, b1 = default, b2 = default, b3 = default, b4 = default, b5 = default, b6 = default;
        float* a = tile.A;
        float* b = tile.B;
        float* w = tile.W;
        nint s1 = tile.XStep;
        nint s3 = 3 * s1;
        nint s5 = 5 * s1;
        for (nint i0 = tile.N0; i0 != 0; i0--)
        {
            for (nint i1 = tile.N1; i1 != 0; i1--)
            {
                nint x2 = tile.X2;
                nint w2 = tile.W2;
                for (nint i2 = tile.N2; i2 != 0; i2--)
                {
                    TVector u = TVectors.Load(w);
                    a0 = TVectors.MultiplyAdd(TInput.Read(a), u, a0);
                    a1 = TVectors.MultiplyAdd(TInput.Read(a + s1), u, a1);
                    a2 = TVectors.MultiplyAdd(TInput.Read(a + (2 * s1)), u, a2);
                    a3 = TVectors.MultiplyAdd(TInput.Read(a + s3), u, a3);
                    a4 = TVectors.MultiplyAdd(TInput.Read(a + (4 * s1)), u, a4);
                    a5 = TVectors.MultiplyAdd(TInput.Read(a + s5), u, a5);
                    a6 = TVectors.MultiplyAdd(TInput.Read(a + (2 * s3)), u, a6);
                    b0 = TVectors.MultiplyAdd(TInput.Read(b), u, b0);
                    b1 = TVectors.MultiplyAdd(TInput.Read(b + s1), u, b1);
                    b2 = TVectors.MultiplyAdd(TInput.Read(b + (2 * s1)), u, b2);
                    b3 = TVectors.MultiplyAdd(TInput.Read(b + s3), u, b3);
                    b4 = TVectors.MultiplyAdd(TInput.Read(b + (4 * s1)), u, b4);
                    b5 = TVectors.MultiplyAdd(TInput.Read(b + s5), u, b5);
                    b6 = TVectors.MultiplyAdd(TInput.Read(b + (2 * s3)), u, b6);
                    a += x2;
                    b += x2;
                    w += w2;
                }

                a += tile.X1;
                b += tile.X1;
            }

            a += tile.X0;
            b += tile.X0;
        }

        nint y = tile.YStep;
        nint z = tile.ZStep;
        Store(a0, tile.YA, tile.ZA);
        Store(a1, tile.YA + y, tile.ZA + z);
        Store(a2, tile.YA + (2 * y), tile.ZA + (2 * z));
        Store(a3, tile.YA + (3 * y), tile.ZA + (3 * z));
        Store(a4, tile.YA + (4 * y), tile.ZA + (4 * z));
        Store(a5, tile.YA + (5 * y), tile.ZA + (5 * z));
        Store(a6, tile.YA + (6 * y), tile.ZA + (6 * z));
        Store(b0, tile.YB, tile.ZB);
        Store(b1, tile.YB + y, tile.ZB + z);
        Store(b2, tile.YB + (2 * y), tile.ZB + (2 * z));
        Store(b3, tile.YB + (3 * y), tile.ZB + (3 * z));
        Store(b4, tile.YB + (4 * y), tile.ZB + (4 * z));
        Store(b5, tile.YB + (5 * y), tile.ZB + (5 * z));
        Store(b6, tile.YB + (6 * y), tile.ZB + (6 * z));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(TVector sum, float* y, float* z) =>
        TVectors.Store(TVectors.Add(sum, TVectors.Load(z)), y);
}
