using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace NativeConv.Benchmarks.Managed;

/// <summary>
/// Twice 7 inputs by 32 weights: 28 sums, 2 vectors of weights and an input of the 32 registers.
/// </summary>
internal sealed unsafe class Dense512 : TileKernel
{
    /// <inheritdoc/>
    public override int Lanes => 16;

    /// <inheritdoc/>
    public override int Vectors => 2;

    /// <inheritdoc/>
    public override int Group => 7;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Run(in Tile tile)
    {
        Vector512<float> a0u = default, a1u = default, a2u = default, a3u = default, a4u = default, a5u = default, a6u = default;
        Vector512<float> a0v = default, a1v = default, a2v = default, a3v = default, a4v = default, a5v = default, a6v = default;
        Vector512<float> b0u = default, b1u = default, b2u = default, b3u = default, b4u = default, b5u = default, b6u = default;
        Vector512<float> b0v = default, b1v = default, b2v = default, b3v = default, b4v = default, b5v = default, b6v = default;
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
                    Vector512<float> u = Vector512.Load(w);
                    Vector512<float> v = Vector512.Load(w + 16);
                    Vector512<float> x = Vector512.Create(*a);
                    a0u = Vector512.FusedMultiplyAdd(x, u, a0u);
                    a0v = Vector512.FusedMultiplyAdd(x, v, a0v);
                    x = Vector512.Create(*(a + s1));
                    a1u = Vector512.FusedMultiplyAdd(x, u, a1u);
                    a1v = Vector512.FusedMultiplyAdd(x, v, a1v);
                    x = Vector512.Create(*(a + (2 * s1)));
                    a2u = Vector512.FusedMultiplyAdd(x, u, a2u);
                    a2v = Vector512.FusedMultiplyAdd(x, v, a2v);
                    x = Vector512.Create(*(a + s3));
                    a3u = Vector512.FusedMultiplyAdd(x, u, a3u);
                    a3v = Vector512.FusedMultiplyAdd(x, v, a3v);
                    x = Vector512.Create(*(a + (4 * s1)));
                    a4u = Vector512.FusedMultiplyAdd(x, u, a4u);
                    a4v = Vector512.FusedMultiplyAdd(x, v, a4v);
                    x = Vector512.Create(*(a + s5));
                    a5u = Vector512.FusedMultiplyAdd(x, u, a5u);
                    a5v = Vector512.FusedMultiplyAdd(x, v, a5v);
                    x = Vector512.Create(*(a + (2 * s3)));
                    a6u = Vector512.FusedMultiplyAdd(x, u, a6u);
                    a6v = Vector512.FusedMultiplyAdd(x, v, a6v);
                    x = Vector512.Create(*b);
                    b0u = Vector512.FusedMultiplyAdd(x, u, b0u);
                    b0v = Vector512.FusedMultiplyAdd(x, v, b0v);
                    x = Vector512.Create(*(b + s1));
                    b1u = Vector512.FusedMultiplyAdd(x, u, b1u);
                    b1v = Vector512.FusedMultiplyAdd(x, v, b1v);
                    x = Vector512.Create(*(b + (2 * s1)));
                    b2u = Vector512.FusedMultiplyAdd(x, u, b2u);
                    b2v = Vector512.FusedMultiplyAdd(x, v, b2v);
                    x = Vector512.Create(*(b + s3));
                    b3u = Vector512.FusedMultiplyAdd(x, u, b3u);
                    b3v = Vector512.FusedMultiplyAdd(x, v, b3v);
                    x = Vector512.Create(*(b + (4 * s1)));
                    b4u = Vector512.FusedMultiplyAdd(x, u, b4u);
                    b4v = Vector512.FusedMultiplyAdd(x, v, b4v);
                    x = Vector512.Create(*(b + s5));
                    b5u = Vector512.FusedMultiplyAdd(x, u, b5u);
                    b5v = Vector512.FusedMultiplyAdd(x, v, b5v);
                    x = Vector512.Create(*(b + (2 * s3)));
                    b6u = Vector512.FusedMultiplyAdd(x, u, b6u);
                    b6v = Vector512.FusedMultiplyAdd(x, v, b6v);
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
        Store(a0u, a0v, tile.YA, tile.ZA);
        Store(a1u, a1v, tile.YA + y, tile.ZA + z);
        Store(a2u, a2v, tile.YA + (2 * y), tile.ZA + (2 * z));
        Store(a3u, a3v, tile.YA + (3 * y), tile.ZA + (3 * z));
        Store(a4u, a4v, tile.YA + (4 * y), tile.ZA + (4 * z));
        Store(a5u, a5v, tile.YA + (5 * y), tile.ZA + (5 * z));
        Store(a6u, a6v, tile.YA + (6 * y), tile.ZA + (6 * z));
        Store(b0u, b0v, tile.YB, tile.ZB);
        Store(b1u, b1v, tile.YB + y, tile.ZB + z);
        Store(b2u, b2v, tile.YB + (2 * y), tile.ZB + (2 * z));
        Store(b3u, b3v, tile.YB + (3 * y), tile.ZB + (3 * z));
        Store(b4u, b4v, tile.YB + (4 * y), tile.ZB + (4 * z));
        Store(b5u, b5v, tile.YB + (5 * y), tile.ZB + (5 * z));
        Store(b6u, b6v, tile.YB + (6 * y), tile.ZB + (6 * z));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector512<float> u, Vector512<float> v, float* y, float* z)
    {
        (u + Vector512.Load(z)).Store(y);
        (v + Vector512.Load(z + 16)).Store(y + 16);
    }
}
