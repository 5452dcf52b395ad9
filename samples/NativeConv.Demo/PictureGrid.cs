using System.Numerics.Tensors;

namespace NativeConv.Demo;

/// <summary>Small grey pictures, enlarged and side by side.</summary>
internal static class PictureGrid
{
    private const int Gap = 4;

    private static readonly float[] s_gapColour = [0.12f, 0.14f, 0.2f];

    /// <summary>Some training images, a row for each class.</summary>
    public static RgbImage Examples(Dataset dataset, int perClass = 12)
    {
        LabelledImages train = dataset.Train;
        var tiles = new List<float[]?>();
        for (int label = 0; label < dataset.ClassNames.Count; label++)
        {
            int[] chosen = [.. Enumerable.Range(0, train.Count).Where(i => train.Labels[i] == label).Take(perClass)];
            tiles.AddRange(chosen.Select(i => train.Image(i).ToArray()));
            tiles.AddRange(Enumerable.Repeat<float[]?>(null, perClass - chosen.Length));
        }

        return Compose(tiles, train.Height, train.Width, columns: perClass, zoom: 2);
    }

    /// <summary>
    /// The filters of a layer with one input channel. Grey is a weight of 0; black and white are minus and
    /// plus the largest of each filter, since it is their form that tells what they look for.
    /// </summary>
    public static RgbImage Filters(Conv2D layer)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(layer.InputChannels, 1);
        int height = layer.Options.KernelHeight;
        int width = layer.Options.KernelWidth;
        var tiles = new List<float[]?>();
        for (int filter = 0; filter < layer.Filters; filter++)
        {
            float[] tile = layer.Weights.Slice(filter * height * width, height * width).ToArray();
            float largest = Math.Max(MathF.Abs(TensorPrimitives.MaxMagnitude<float>(tile)), float.Epsilon);
            TensorPrimitives.Divide(tile, 2 * largest, tile);
            TensorPrimitives.Add(tile, 0.5f, tile);
            tiles.Add(tile);
        }

        return Compose(tiles, height, width, columns: 8, zoom: 20);
    }

    private static RgbImage Compose(List<float[]?> tiles, int height, int width, int columns, int zoom)
    {
        int rows = (tiles.Count + columns - 1) / columns;
        int pitchY = (height * zoom) + Gap;
        int pitchX = (width * zoom) + Gap;
        var grid = new RgbImage((rows * pitchY) + Gap, (columns * pitchX) + Gap);
        for (int y = 0; y < grid.Height; y++)
        {
            for (int x = 0; x < grid.Width; x++)
            {
                (int row, int tileY) = Math.DivRem(y - Gap, pitchY);
                (int column, int tileX) = Math.DivRem(x - Gap, pitchX);
                int index = (row * columns) + column;
                bool inTile = y >= Gap && x >= Gap && tileY < height * zoom && tileX < width * zoom;
                if (inTile && index < tiles.Count && tiles[index] is { } tile)
                {
                    grid[y, x].Fill(tile[(tileY / zoom * width) + (tileX / zoom)]);
                }
                else
                {
                    s_gapColour.CopyTo(grid[y, x]);
                }
            }
        }

        return grid;
    }
}
