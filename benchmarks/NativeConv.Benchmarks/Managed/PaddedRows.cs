namespace NativeConv.Benchmarks.Managed;

/// <summary>Copies rows of an image with zeros for what is outside of it.</summary>
internal static unsafe class PaddedRows
{
    /// <summary>Rows y to y + rows, from column x, so many columns.</summary>
    public static void Copy(CorrelationShape shape, float* image, int y, int rows, int x, int columns, float* to)
    {
        int c = shape.InChannels;
        int begin = Math.Clamp(-x, 0, columns);
        int end = Math.Clamp(shape.InWidth - x, begin, columns);
        for (int row = y; row < y + rows; row++, to += columns * c)
        {
            Span<float> line = new(to, columns * c);
            if (row < 0 || row >= shape.InHeight || begin == end)
            {
                line.Clear();
                continue;
            }

            line[..(begin * c)].Clear();
            line[(end * c)..].Clear();
            float* from = image + (((row * shape.InWidth) + x + begin) * c);
            new ReadOnlySpan<float>(from, (end - begin) * c).CopyTo(line[(begin * c)..]);
        }
    }
}
