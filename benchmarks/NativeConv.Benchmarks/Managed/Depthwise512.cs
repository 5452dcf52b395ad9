using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace NativeConv.Benchmarks.Managed;

/// <summary>
/// Twice 7 vectors of inputs, each channel with a weight of its own.
/// </summary>
internal sealed unsafe class Depthwise512 : TileKernel
{
    /// <inheritdoc/>
    public override int Lanes => 16;

    /// <inheritdoc/>
    public override int Vectors => 1;

    /// <inheritdoc/>
    public override int Group => 7;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Run(in Tile tile)
    {
        Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default, a4 = default, a5 = default, a6 = default;
        Vector512<float> b0 = default, b1 = default, b2 = default, b3 = default, b4 = default, b5 = default, b6 = default;
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
                    a0 = Vector512.FusedMultiplyAdd(Vector512.Load(a), u, a0);
                    a1 = Vector512.FusedMultiplyAdd(Vector512.Load(a + s1), u, a1);
                    a2 = Vector512.FusedMultiplyAdd(Vector512.Load(a + (2 * s1)), u, a2);
                    a3 = Vector512.FusedMultiplyAdd(Vector512.Load(a + s3), u, a3);
                    a4 = Vector512.FusedMultiplyAdd(Vector512.Load(a + (4 * s1)), u, a4);
                    a5 = Vector512.FusedMultiplyAdd(Vector512.Load(a + s5), u, a5);
                    a6 = Vector512.FusedMultiplyAdd(Vector512.Load(a + (2 * s3)), u, a6);
                    b0 = Vector512.FusedMultiplyAdd(Vector512.Load(b), u, b0);
                    b1 = Vector512.FusedMultiplyAdd(Vector512.Load(b + s1), u, b1);
                    b2 = Vector512.FusedMultiplyAdd(Vector512.Load(b + (2 * s1)), u, b2);
                    b3 = Vector512.FusedMultiplyAdd(Vector512.Load(b + s3), u, b3);
                    b4 = Vector512.FusedMultiplyAdd(Vector512.Load(b + (4 * s1)), u, b4);
                    b5 = Vector512.FusedMultiplyAdd(Vector512.Load(b + s5), u, b5);
                    b6 = Vector512.FusedMultiplyAdd(Vector512.Load(b + (2 * s3)), u, b6);
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
    private static void Store(Vector512<float> sum, float* y, float* z) => (sum + Vector512.Load(z)).Store(y);
}
