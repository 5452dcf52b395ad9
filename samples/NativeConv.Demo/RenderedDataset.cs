using System.Numerics;

namespace NativeConv.Demo;

/// <summary>
/// Ten classes of shapes in pictures of 28 x 28 pixels, for those who have no data set at hand. Place,
/// size, angle, brightness, contrast, shading of the background and noise are random, so that no single
/// pixel tells anything about the class.
/// </summary>
internal static class RenderedDataset
{
    public const int Size = 28;

    // Different streams of random numbers: the test set shows shapes the training set does not contain.
    private const int TrainSeed = 1;
    private const int TestSeed = 2;

    private static readonly (string Name, Func<Vector2, float> Distance)[] s_classes =
    [
        ("disc", Shapes.Disc), ("ring", Shapes.Ring), ("square", Shapes.Square), ("triangle", Shapes.Triangle),
        ("star", Shapes.Star), ("cross", Shapes.Cross), ("crescent", Shapes.Crescent), ("heart", Shapes.Heart),
        ("arrow", Shapes.Arrow), ("bars", Shapes.Bars),
    ];

    public static Dataset Create(int trainCount, int testCount) => new(
        "shapes rendered here",
        Render(trainCount, TrainSeed),
        Render(testCount, TestSeed),
        [.. s_classes.Select(c => c.Name)]);

    private static LabelledImages Render(int count, int seed)
    {
        var random = new Random(seed);
        float[] pixels = new float[count * Size * Size];
        byte[] labels = new byte[count];
        for (int i = 0; i < count; i++)
        {
            // Equally many of each class: chance is one in ten, exactly.
            labels[i] = (byte)(i % s_classes.Length);
            RenderOne(s_classes[labels[i]].Distance, random, pixels.AsSpan(i * Size * Size, Size * Size));
        }

        return new LabelledImages(Size, Size, pixels, labels);
    }

    private static void RenderOne(Func<Vector2, float> distance, Random random, Span<float> pixels)
    {
        float Between(float low, float high) => low + ((high - low) * random.NextSingle());

        float radius = Between(6.5f, 11);
        var centre = new Vector2(Between(-3, 3) + (Size / 2f), Between(-3, 3) + (Size / 2f));
        (float sin, float cos) = MathF.SinCos(Between(0, 2 * MathF.PI));

        float contrast = Between(0.3f, 0.7f);
        float background = Between(0, 1 - contrast);
        var shading = new Vector2(Between(-0.2f, 0.2f), Between(-0.2f, 0.2f)) / Size;
        float noise = Between(0.02f, 0.12f);

        for (int y = 0; y < Size; y++)
        {
            for (int x = 0; x < Size; x++)
            {
                Vector2 p = new Vector2(x + 0.5f, y + 0.5f) - centre;
                var turned = new Vector2((cos * p.X) + (sin * p.Y), (cos * p.Y) - (sin * p.X));
                float covered = Shapes.Coverage(distance(turned / radius) * radius);
                float value = background + (contrast * covered) + Vector2.Dot(shading, p) + (noise * Gaussian(random));
                pixels[(y * Size) + x] = Math.Clamp(value, 0, 1);
            }
        }
    }

    /// <summary>A normally distributed number (Box and Muller).</summary>
    private static float Gaussian(Random random) =>
        MathF.Sqrt(-2 * MathF.Log(1 - random.NextSingle())) * MathF.Cos(2 * MathF.PI * random.NextSingle());
}
