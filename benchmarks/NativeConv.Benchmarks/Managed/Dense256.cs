using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace NativeConv.Benchmarks.Managed;

/// <summary>
/// Twice 3 inputs by 16 weights: 12 sums, 2 vectors of weights and an input of the 16 registers.
/// </summary>
internal sealed unsafe class Dense256 : TileKernel
{
    /// <inheritdoc/>
    public override int Lanes => 8;

    /// <inheritdoc/>
    public override int Vectors => 2;

    /// <inheritdoc/>
    public override int Group => 3;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Run(in Tile tile)
    {
        Vector256<float> a0u = default, a1u = default, a2u = default;
        Vector256<float> a0v = default, a1v = default, a2v = default;
        Vector256<float> b0u = default, b1u = default, b2u = default;
        Vector256<float> b0v = default, b1v = default, b2v = default;
        float* a = tile.A;
        float* b = tile.B;
        float* w = tile.W;
        nint s1 = tile.XStep;
        for (nint i0 = tile.N0; i0 != 0; i0--)
        {
            for (nint i1 = tile.N1; i1 != 0; i1--)
            {
                nint x2 = tile.X2;
                nint w2 = tile.W2;
                for (nint i2 = tile.N2; i2 != 0; i2--)
                {
                    Vector256<float> u = Vector256.Load(w);
                    Vector256<float> v = Vector256.Load(w + 8);
                    Vector256<float> x = Vector256.Create(*a);
                    a0u = Vector256.FusedMultiplyAdd(x, u, a0u);
                    a0v = Vector256.FusedMultiplyAdd(x, v, a0v);
                    x = Vector256.Create(*(a + s1));
                    a1u = Vector256.FusedMultiplyAdd(x, u, a1u);
                    a1v = Vector256.FusedMultiplyAdd(x, v, a1v);
                    x = Vector256.Create(*(a + (2 * s1)));
                    a2u = Vector256.FusedMultiplyAdd(x, u, a2u);
                    a2v = Vector256.FusedMultiplyAdd(x, v, a2v);
                    x = Vector256.Create(*b);
                    b0u = Vector256.FusedMultiplyAdd(x, u, b0u);
                    b0v = Vector256.FusedMultiplyAdd(x, v, b0v);
                    x = Vector256.Create(*(b + s1));
                    b1u = Vector256.FusedMultiplyAdd(x, u, b1u);
                    b1v = Vector256.FusedMultiplyAdd(x, v, b1v);
                    x = Vector256.Create(*(b + (2 * s1)));
                    b2u = Vector256.FusedMultiplyAdd(x, u, b2u);
                    b2v = Vector256.FusedMultiplyAdd(x, v, b2v);
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
        Store(b0u, b0v, tile.YB, tile.ZB);
        Store(b1u, b1v, tile.YB + y, tile.ZB + z);
        Store(b2u, b2v, tile.YB + (2 * y), tile.ZB + (2 * z));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<float> u, Vector256<float> v, float* y, float* z)
    {
        (u + Vector256.Load(z)).Store(y);
        (v + Vector256.Load(z + 8)).Store(y + 8);
    }
}
