namespace NativeConv.Tests.Support;

internal static class Fill
{
    /// <summary>
    /// Integers of at most 8. A product of two, times a derivative that is a multiple of 1/4, is at
    /// most 256 quarters, so sums of up to 2^16 products have at most 24 bits: exact in any order.
    /// </summary>
    public static float[] Integers(int length, int seed) =>
        Make(length, seed, random => random.Next(-8, 9));

    public static float[] Real(int length, int seed) =>
        Make(length, seed, random => (float)((2 * random.NextDouble()) - 1));

    /// <summary>Values that the activation can have, on which its derivative is a multiple of 1/4
    /// and exact.</summary>
    public static float[] Saved(Activation f, int length, int seed)
    {
        float[] values = f.Kind switch
        {
            ActivationKind.Sigmoid => [0, 0.5f, 1],
            ActivationKind.Tanh => [-1, -0.5f, 0, 0.5f, 1],
            ActivationKind.Elu => [-0.5f, -0.25f, 0, 1, 7],
            ActivationKind.Relu => [0, 0, 3],
            ActivationKind.Clip => [f.Alpha, f.Beta, 0, 5],
            _ => [-3, -1, 0, 2],
        };
        return Make(length, seed, random => values[random.Next(values.Length)]);
    }

    private static float[] Make(int length, int seed, Func<Random, float> next)
    {
        Random random = new(seed);
        float[] values = new float[length];
        for (int i = 0; i < length; i++)
        {
            values[i] = next(random);
        }

        return values;
    }
}
