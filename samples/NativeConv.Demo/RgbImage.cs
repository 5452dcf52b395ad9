using StbImageSharp;
using StbImageWriteSharp;

namespace NativeConv.Demo;

/// <summary>
/// A picture as the convolution wants it: floats from 0 to 1, rows of interleaved red, green and blue,
/// which is NHWC with a batch of 1.
/// </summary>
internal sealed class RgbImage
{
    public const int Channels = 3;

    // A float picture is 12 bytes a pixel and the filters hold several: 64 megapixels need about 5 GB.
    private const long MaxPixels = 64L << 20;

    public RgbImage(int height, int width)
        : this(height, width, new float[checked(height * width * Channels)])
    {
    }

    public RgbImage(int height, int width, float[] pixels)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(pixels.Length, checked(height * width * Channels));
        Height = height;
        Width = width;
        Pixels = pixels;
    }

    public int Height { get; }

    public int Width { get; }

    public float[] Pixels { get; }

    /// <summary>The red, green and blue of one pixel.</summary>
    public Span<float> this[int y, int x] => Pixels.AsSpan(((y * Width) + x) * Channels, Channels);

    /// <summary>Reads a PNG, JPEG, BMP, TGA, GIF or PSD file; transparency is dropped.</summary>
    /// <exception cref="DemoException">There is no such file, or it is not a picture.</exception>
    public static RgbImage Load(string path)
    {
        byte[] file;
        try
        {
            file = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            string reason = Directory.Exists(path) ? "it is a folder" : e.Message;
            throw new DemoException($"Cannot read the image '{path}': {reason}");
        }

        ImageResult decoded = Decode(path, file);
        float[] pixels = new float[decoded.Data.Length];
        for (int i = 0; i < pixels.Length; i++)
        {
            pixels[i] = decoded.Data[i] / 255f;
        }

        return new RgbImage(decoded.Height, decoded.Width, pixels);
    }

    /// <summary>Writes a PNG file; values outside 0 to 1 are clipped.</summary>
    /// <exception cref="DemoException">The file cannot be written.</exception>
    public void SavePng(string path)
    {
        byte[] bytes = new byte[Pixels.Length];
        for (int i = 0; i < bytes.Length; i++)
        {
            bytes[i] = (byte)MathF.Round(Math.Clamp(Pixels[i], 0, 1) * 255);
        }

        try
        {
            using FileStream stream = File.Create(path);
            new ImageWriter().WritePng(bytes, Width, Height, StbImageWriteSharp.ColorComponents.RedGreenBlue, stream);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DemoException($"Cannot write '{path}': {e.Message}");
        }
    }

    private static ImageResult Decode(string path, byte[] file)
    {
        try
        {
            // The size first: a few bytes of header can ask for gigabytes.
            using var header = new WholeStream(file);
            if (ImageInfo.FromStream(header) is { } info && (long)info.Width * info.Height > MaxPixels)
            {
                throw new DemoException(
                    $"The image '{path}' is too large: {info.Width} x {info.Height}; the most is {MaxPixels >> 20} megapixels.");
            }

            using var stream = new WholeStream(file);
            return ImageResult.FromStream(stream, StbImageSharp.ColorComponents.RedGreenBlue);
        }
        catch (EndOfStreamException)
        {
            throw new DemoException($"'{path}' is not a picture this program can read: the file ends too early.");
        }
        catch (Exception e) when (e is not DemoException and not OutOfMemoryException)
        {
            // The decoder has no exception of its own: a damaged file surfaces as whatever it tripped over.
            throw new DemoException($"'{path}' is not a picture this program can read: {e.Message.Trim()}.");
        }
    }

    /// <summary>
    /// Throws at its end. StbImageSharp takes the end of a stream for zeros, and searches a JPEG that was
    /// cut off within its header for ever.
    /// </summary>
    private sealed class WholeStream(byte[] bytes) : MemoryStream(bytes, writable: false)
    {
        public override int ReadByte() => Position < Length ? base.ReadByte() : throw new EndOfStreamException();

        public override int Read(byte[] buffer, int offset, int count)
        {
            int read = base.Read(buffer, offset, count);
            return read > 0 || count == 0 ? read : throw new EndOfStreamException();
        }
    }
}
