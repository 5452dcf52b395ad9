using System.Numerics.Tensors;

namespace NativeConv.Demo;

/// <summary>
/// Pictures of one channel and one size, each with a label. The pixels lie one picture after the other,
/// which is NCHW with one channel.
/// </summary>
internal sealed class LabelledImages(int height, int width, float[] pixels, byte[] labels)
{
    public int Count => labels.Length;

    public int Height => height;

    public int Width => width;

    public int PixelsPerImage => height * width;

    public float[] Pixels => pixels;

    public ReadOnlySpan<byte> Labels => labels;

    public ReadOnlySpan<float> Image(int index) => pixels.AsSpan(index * PixelsPerImage, PixelsPerImage);

    /// <summary>Copies the pictures of the given indices one after the other: a batch.</summary>
    public void Gather(ReadOnlySpan<int> indices, Span<float> batch)
    {
        for (int i = 0; i < indices.Length; i++)
        {
            Image(indices[i]).CopyTo(batch[(i * PixelsPerImage)..]);
        }
    }
}

/// <summary>What a classifier learns from, and what it is judged by; no picture is in both.</summary>
internal sealed record Dataset(string Name, LabelledImages Train, LabelledImages Test, IReadOnlyList<string> ClassNames)
{
    /// <summary>
    /// Shifts and scales all pixels to mean 0 and variance 1 over the training set, which lets one learning
    /// rate serve any source of pictures. The test set gets the same shift and scale, not its own: what is
    /// measured on it must not have been learned from it.
    /// </summary>
    public void Standardize()
    {
        float mean = TensorPrimitives.Average<float>(Train.Pixels);
        float scale = 1 / Math.Max(TensorPrimitives.StdDev<float>(Train.Pixels), 1e-6f);
        foreach (float[] pixels in new[] { Train.Pixels, Test.Pixels })
        {
            TensorPrimitives.Subtract(pixels, mean, pixels);
            TensorPrimitives.Multiply(pixels, scale, pixels);
        }
    }
}
