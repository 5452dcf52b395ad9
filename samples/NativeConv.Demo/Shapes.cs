using System.Numerics;

namespace NativeConv.Demo;

/// <summary>
/// Plane shapes by signed distance: negative within, positive outside, in the unit of the coordinates.
/// A distance gives exact soft edges at any size and angle without drawing anything: the share of a pixel
/// that a shape covers is about 1/2 minus the distance of its centre in pixels. x grows to the right,
/// y downwards, and the named shapes fill a circle of radius 1 about the origin.
/// </summary>
internal static class Shapes
{
    private static readonly Vector2[] s_triangle = RegularPolygon(3, 1, 1);
    private static readonly Vector2[] s_star = RegularPolygon(10, 1, 0.42f);

    private static readonly Vector2[] s_arrow =
    [
        new(0, -0.95f), new(0.75f, -0.05f), new(0.26f, -0.05f), new(0.26f, 0.95f),
        new(-0.26f, 0.95f), new(-0.26f, -0.05f), new(-0.75f, -0.05f),
    ];

    /// <summary>The share of a pixel covered by a shape whose edge is that many pixels away.</summary>
    public static float Coverage(float distanceInPixels) => Math.Clamp(0.5f - distanceInPixels, 0, 1);

    public static float Disc(Vector2 p) => p.Length() - 0.85f;

    public static float Ring(Vector2 p) => MathF.Abs(p.Length() - 0.72f) - 0.2f;

    public static float Square(Vector2 p) => Box(p, new Vector2(0.7f));

    public static float Triangle(Vector2 p) => Polygon(p, s_triangle);

    public static float Star(Vector2 p) => Polygon(p, s_star);

    public static float Cross(Vector2 p) =>
        MathF.Min(Box(p, new Vector2(0.92f, 0.27f)), Box(p, new Vector2(0.27f, 0.92f)));

    public static float Crescent(Vector2 p) =>
        MathF.Max(p.Length() - 0.92f, 0.72f - (p - new Vector2(0.42f, 0)).Length());

    /// <summary>A square standing on its tip and a disc on each of its upper sides.</summary>
    public static float Heart(Vector2 p)
    {
        const float half = 0.47f;
        float diagonal = half * float.Sqrt(2) / 2;
        var turned = new Vector2(p.X + p.Y, p.Y - p.X) / float.Sqrt(2);
        var lobe = new Vector2(MathF.Abs(p.X) - diagonal, p.Y + diagonal);
        return MathF.Min(Box(turned, new Vector2(half)), lobe.Length() - half);
    }

    public static float Arrow(Vector2 p) => Polygon(p, s_arrow);

    public static float Bars(Vector2 p) => Box(new Vector2(p.X, MathF.Abs(p.Y) - 0.46f), new Vector2(0.8f, 0.22f));

    public static float Box(Vector2 p, Vector2 half)
    {
        Vector2 d = Vector2.Abs(p) - half;
        return Vector2.Max(d, Vector2.Zero).Length() + MathF.Min(MathF.Max(d.X, d.Y), 0);
    }

    public static float Polygon(Vector2 p, ReadOnlySpan<Vector2> corners)
    {
        float nearest = float.PositiveInfinity;
        bool inside = false;
        Vector2 a = corners[^1];
        foreach (Vector2 b in corners)
        {
            Vector2 side = b - a;
            float along = Math.Clamp(Vector2.Dot(p - a, side) / side.LengthSquared(), 0, 1);
            nearest = MathF.Min(nearest, (p - a - (along * side)).LengthSquared());

            // Even-odd rule: every side that the ray to the right crosses changes the side we are on.
            if ((a.Y > p.Y) != (b.Y > p.Y) && p.X < a.X + ((p.Y - a.Y) / side.Y * side.X))
            {
                inside = !inside;
            }

            a = b;
        }

        return inside ? -MathF.Sqrt(nearest) : MathF.Sqrt(nearest);
    }

    /// <summary>Corners on a circle, the first one up; every second one at the inner radius.</summary>
    private static Vector2[] RegularPolygon(int corners, float outer, float inner)
    {
        var result = new Vector2[corners];
        for (int i = 0; i < corners; i++)
        {
            (float sin, float cos) = MathF.SinCos(2 * MathF.PI * i / corners);
            result[i] = new Vector2(sin, -cos) * (i % 2 == 0 ? outer : inner);
        }

        return result;
    }
}
