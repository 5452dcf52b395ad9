using System.Numerics;

namespace NativeConv.Demo;

/// <summary>
/// A picture to filter, for those who name none: smooth gradients, straight, round and slanted edges, fine
/// texture and lettering, so that each filter has something to show.
/// </summary>
internal static class Scene
{
    private const int Width = 768;
    private const int Height = 512;
    private const float Horizon = 300;
    private const float Shore = 420;

    private static readonly Vector2 s_sun = new(585, 92);
    private static readonly Vector2 s_house = new(150, 392);
    private static readonly Vector2 s_balloon = new(330, 120);
    private static readonly Vector2 s_star = new(690, 458);

    /// <summary>Letters of five columns and seven rows; a 1 is ink, the top bit of five is left.</summary>
    private static readonly Dictionary<char, byte[]> s_glyphs = new()
    {
        ['A'] = [0b01110, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001],
        ['C'] = [0b01110, 0b10001, 0b10000, 0b10000, 0b10000, 0b10001, 0b01110],
        ['E'] = [0b11111, 0b10000, 0b10000, 0b11110, 0b10000, 0b10000, 0b11111],
        ['I'] = [0b01110, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
        ['N'] = [0b10001, 0b11001, 0b10101, 0b10101, 0b10011, 0b10001, 0b10001],
        ['O'] = [0b01110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110],
        ['T'] = [0b11111, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100],
        ['V'] = [0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01010, 0b00100],
    };

    public static RgbImage Render()
    {
        var image = new RgbImage(Height, Width);
        var random = new Random(7);

        Paint(image, _ => -1, Sky);
        Paint(image, p => (p - s_sun).Length() - 38, _ => new Vector3(1, 0.96f, 0.78f));
        PaintMountains(image);
        Paint(image, p => Horizon - p.Y, Lake);
        Paint(image, p => Shore - p.Y + (6 * MathF.Sin(p.X * 0.02f)), _ => Grass(random));
        PaintBalloon(image);
        PaintHouse(image);
        PaintSign(image, "NATIVECONV", new Vector2(290, 440), cell: 5);
        PaintSiemensStar(image);
        return image;
    }

    /// <summary>Colours every pixel by the share of it that lies in the shape.</summary>
    private static void Paint(RgbImage image, Func<Vector2, float> distance, Func<Vector2, Vector3> colour)
    {
        for (int y = 0; y < image.Height; y++)
        {
            for (int x = 0; x < image.Width; x++)
            {
                var p = new Vector2(x + 0.5f, y + 0.5f);
                float share = Shapes.Coverage(distance(p));
                if (share > 0)
                {
                    Span<float> pixel = image[y, x];
                    Vector3.Lerp(new Vector3(pixel), colour(p), share).CopyTo(pixel);
                }
            }
        }
    }

    private static Vector3 Sky(Vector2 p)
    {
        var blue = Vector3.Lerp(new(0.16f, 0.34f, 0.66f), new(0.98f, 0.78f, 0.58f), MathF.Pow(p.Y / Horizon, 1.4f));
        float halo = MathF.Exp(-(p - s_sun).Length() / 90);
        return Vector3.Min(Vector3.One, blue + (halo * new Vector3(0.5f, 0.4f, 0.2f)));
    }

    private static void PaintMountains(RgbImage image)
    {
        // Far ridges are high, pale and smooth; near ones low, dark and rough.
        for (int ridge = 0; ridge < 3; ridge++)
        {
            float nearness = ridge / 2f;
            float phase = 1.7f * ridge;
            float Crest(float x) =>
                150 + (50 * ridge)
                - (42 * MathF.Abs(MathF.Sin((x * 0.0085f) + phase)))
                - (14 * MathF.Sin((x * 0.031f) + (2 * phase)))
                - (5 * (1 + nearness) * MathF.Sin((x * 0.11f) + (3 * phase)));
            var colour = Vector3.Lerp(new(0.62f, 0.63f, 0.74f), new(0.16f, 0.24f, 0.26f), nearness);
            Vector3 Slopes(Vector2 p) => colour * (1 - (0.15f * MathF.Max(0, MathF.Sin((p.X + p.Y) * 0.16f))));
            Paint(image, p => Crest(p.X) - p.Y, Slopes);
        }
    }

    /// <summary>Ripples that draw together towards the horizon, and the sun in them.</summary>
    private static Vector3 Lake(Vector2 p)
    {
        float depth = MathF.Max(1, p.Y - Horizon);
        float ripple = MathF.Sin((900 / (depth + 12)) + (p.X * 0.05f)) * MathF.Sin((p.X * 0.013f) + (depth * 0.9f));
        float glitter = MathF.Exp(-MathF.Abs(p.X - s_sun.X) / (20 + (depth * 0.5f))) * (0.6f + (0.4f * ripple));
        return new Vector3(0.20f, 0.38f, 0.50f) + (ripple * new Vector3(0.06f)) + (glitter * new Vector3(0.6f, 0.5f, 0.3f));
    }

    private static Vector3 Grass(Random random) =>
        new Vector3(0.25f, 0.42f, 0.16f) * (0.8f + (0.4f * random.NextSingle()));

    private static void PaintBalloon(RgbImage image)
    {
        Vector3 Stripes(Vector2 p)
        {
            // The angle about the axis of a sphere gives stripes that narrow towards the rim.
            float side = Math.Clamp((p.X - s_balloon.X) / 52, -1, 1);
            bool red = (int)MathF.Floor((MathF.Asin(side) * 4 / MathF.PI * 1.5f) + 10) % 2 == 0;
            float light = 1 - (0.35f * (side + 1) / 2);
            return light * (red ? new Vector3(0.86f, 0.20f, 0.18f) : new Vector3(0.98f, 0.93f, 0.82f));
        }

        Vector2[] skirt = [new(-46, 24), new(46, 24), new(12, 78), new(-12, 78)];
        Paint(image, p => MathF.Min((p - s_balloon).Length() - 52, Shapes.Polygon(p - s_balloon, skirt)), Stripes);
        Paint(image, p => Shapes.Box(p - s_balloon - new Vector2(0, 98), new(12, 9)), _ => new(0.36f, 0.23f, 0.13f));
        foreach (float x in new[] { -9f, 9f })
        {
            Paint(image, p => Shapes.Box(p - s_balloon - new Vector2(x, 84), new(0.7f, 7)), _ => new(0.2f, 0.15f, 0.1f));
        }
    }

    private static void PaintHouse(RgbImage image)
    {
        Vector3 Bricks(Vector2 p)
        {
            (int course, float y) = ((int)MathF.Floor(p.Y / 8), p.Y % 8);
            float x = (p.X + (course % 2 * 8)) % 16;
            return x < 1.5f || y < 1.5f ? new(0.80f, 0.76f, 0.70f) : new(0.66f, 0.31f, 0.22f);
        }

        Vector2[] roof = [new(-98, -50), new(0, -120), new(98, -50)];
        Paint(image, p => Shapes.Box(p - s_house, new(80, 52)), Bricks);
        Paint(image, p => Shapes.Polygon(p - s_house, roof), p => new Vector3(0.30f, 0.20f, 0.22f) * (p.Y % 9 < 2 ? 0.6f : 1));
        Paint(image, p => Shapes.Box(p - s_house - new Vector2(0, 24), new(16, 28)), _ => new(0.24f, 0.34f, 0.30f));
        foreach (float x in new[] { -46f, 46f })
        {
            Vector2 window = s_house + new Vector2(x, -6);
            Paint(image, p => Shapes.Box(p - window, new(18, 20)), _ => new(0.95f));
            Paint(image, p => Shapes.Box(Vector2.Abs(p - window) - new Vector2(8.5f, 9.5f), new(7, 8)), _ => new(0.98f, 0.86f, 0.45f));
        }
    }

    private static void PaintSign(RgbImage image, string text, Vector2 corner, int cell)
    {
        var half = new Vector2(text.Length * 6 * cell / 2f, 7 * cell / 2f);
        Paint(image, p => Shapes.Box(p - corner - half, half + new Vector2(8, 9)), _ => new(0.93f, 0.90f, 0.80f));
        bool Ink(Vector2 p)
        {
            (int column, int row) = ((int)MathF.Floor((p.X - corner.X) / cell), (int)MathF.Floor((p.Y - corner.Y) / cell));
            (int letter, int bit) = Math.DivRem(column, 6);
            return column >= 0 && row is >= 0 and < 7 && letter < text.Length && bit < 5
                && (s_glyphs[text[letter]][row] >> (4 - bit) & 1) != 0;
        }

        Paint(image, p => Ink(p) ? -1 : 1, _ => new(0.10f, 0.12f, 0.20f));
    }

    /// <summary>Spokes that grow ever finer towards the middle: shows what a blur takes away.</summary>
    private static void PaintSiemensStar(RgbImage image)
    {
        const int spokes = 24;
        Paint(image, p => (p - s_star).Length() - 44, p =>
        {
            Vector2 d = p - s_star;
            return new Vector3(MathF.Sin(MathF.Atan2(d.Y, d.X) * spokes) > 0 ? 0.97f : 0.05f);
        });
    }
}
