namespace NativeConv.Benchmarks.Managed;

/// <summary>
/// The work of a kernel: sums of products that stay in registers over three loops, for two groups of
/// inputs that lie a fixed step apart within the group.
/// <code>
/// y[i, v] = z[i, v] + sum over n0, n1, n2 of x[i] * w[v]
/// </code>
/// For a forward pass i counts pixels and the loops run over taps and channels; for the gradient by the
/// weights i counts channels and the loops run over pixels.
/// </summary>
internal unsafe struct Tile
{
    /// <summary>Inputs of the first and of the second group.</summary>
    public float* A, B;

    /// <summary>Weights, a row of vectors.</summary>
    public float* W;

    /// <summary>Sums to write, of the first and second group.</summary>
    public float* YA, YB;

    /// <summary>What to add to them.</summary>
    public float* ZA, ZB;

    /// <summary>From one input, sum or addend of a group to the next.</summary>
    public nint XStep, YStep, ZStep;

    /// <summary>Lengths of the loops, at least 1, outermost first.</summary>
    public nint N0, N1, N2;

    /// <summary>What inputs and weights advance by in the innermost loop, and inputs more after
    /// it.</summary>
    public nint X2, W2, X1, X0;
}

/// <summary>A loop nest over a <see cref="Tile"/> in vector registers.</summary>
internal abstract class TileKernel
{
    /// <summary>Floats in a vector.</summary>
    public abstract int Lanes { get; }

    /// <summary>Vectors of weights.</summary>
    public abstract int Vectors { get; }

    /// <summary>Inputs in one of the two groups.</summary>
    public abstract int Group { get; }

    /// <summary>Floats in a row of weights.</summary>
    public int Width => Lanes * Vectors;

    /// <summary>Runs it.</summary>
    public abstract void Run(in Tile tile);
}
