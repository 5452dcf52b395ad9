namespace NativeConv.Benchmarks;

/// <summary>Who computes.</summary>
public static class Engines
{
    /// <summary>Loops as anyone writes them.</summary>
    public const string Loops = "managed-loops";

    /// <summary>Patches as rows of a matrix, and TensorPrimitives.</summary>
    public const string Im2Col = "managed-im2col";

    /// <summary>Tiles in vector registers.</summary>
    public const string Vector = "managed-vector";

    /// <summary><see cref="ConvolutionPlan"/>.</summary>
    public const string Plan = "nativeconv-plan";

    /// <summary><see cref="NativeConv.Conv2D"/>.</summary>
    public const string Conv2D = "nativeconv-conv2d";

    /// <summary>The C function, called without leaving the state in which managed code
    /// runs.</summary>
    public const string NativeCall = "native-call";

    /// <summary>The C function by an ordinary P/Invoke.</summary>
    public const string PInvoke = "pinvoke";

    /// <summary>A P/Invoke of a C function that returns a number.</summary>
    public const string EmptyPInvoke = "pinvoke-empty";
}

/// <summary>What is computed, in the words of nconv_bench.</summary>
public static class Passes
{
    /// <summary>The output.</summary>
    public const string Forward = "fwd";

    /// <summary>The gradient by the input.</summary>
    public const string BackwardInput = "bwd_d";

    /// <summary>The gradients by weights and bias.</summary>
    public const string BackwardWeights = "bwd_w";

    /// <summary>All gradients in one call.</summary>
    public const string Backward = "bwd";
}

/// <summary>Categories to choose from by --anyCategories.</summary>
public static class Categories
{
    /// <summary>C# alone.</summary>
    public const string Managed = "Managed";

    /// <summary>Forward passes.</summary>
    public const string Forward = "Forward";

    /// <summary>Gradients.</summary>
    public const string Gradients = "Gradients";

    /// <summary>The cost of a call alone.</summary>
    public const string Interop = "Interop";

    /// <summary>Must not allocate managed memory: else the run fails.</summary>
    public const string Allocation = "Allocation";
}
