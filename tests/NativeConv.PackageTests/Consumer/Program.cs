// Forward and both gradients of a few layers, one line each with a hash of all bits; the same lines are
// expected of every way to publish, and of every platform.
using NativeConv;

(string Name, int Inputs, int Filters, Conv2DOptions Options)[] layers =
[
    ("3x3", 16, 24, new()),
    ("3x3 NHWC", 16, 16, new() { Layout = TensorLayout.Nhwc, MathMode = MathMode.Strict }),
    ("stem", 3, 16, new() { KernelHeight = 7, KernelWidth = 7, StrideVertical = 2, StrideHorizontal = 2 }),
    ("1x1", 32, 48, new() { KernelHeight = 1, KernelWidth = 1, Activation = Activation.Tanh }),
    ("depthwise", 32, 32, new() { Groups = 32, Layout = TensorLayout.Nhwc, Padding = Padding.Valid }),
    ("image", 1, 1, new() { KernelHeight = 11, KernelWidth = 11, Activation = Activation.Linear }),
];

foreach ((string name, int inputs, int filters, Conv2DOptions options) in layers)
{
    using Conv2D layer = new(inputs, filters, options);
    Conv2DShape shape = layer.GetShape(batch: 2, height: 19, width: 23);
    layer.SetWeights(Values(layer.Weights.Length, seed: 1));
    layer.SetBias(Values(filters, seed: 2));
    float[] input = Values(shape.InputLength, seed: 3);
    float[] output = layer.Forward(shape, input);
    float[] gradInput = new float[shape.InputLength];
    layer.Backward(shape, input, output, Values(shape.OutputLength, seed: 4), gradInput);
    ulong hash = 14695981039346656037;
    Add(output);
    Add(gradInput);
    Add(layer.WeightsGradient);
    Add(layer.BiasGradient);
    Console.WriteLine($"{name}: {hash:x16}");

    void Add(ReadOnlySpan<float> values)
    {
        foreach (float value in values)
            hash = unchecked((hash ^ BitConverter.SingleToUInt32Bits(value)) * 1099511628211);
    }
}

Console.Error.WriteLine($"NativeConv {NativeConvRuntime.Version}, {NativeConvRuntime.ActiveInstructionSet}");

static float[] Values(int count, int seed)
{
    uint state = (uint)seed * 2654435769;
    float[] values = new float[count];
    foreach (ref float value in values.AsSpan())
    {
        state = unchecked((state * 1664525) + 1013904223);
        value = ((state >> 8) / 8388608f) - 1;
    }

    return values;
}
