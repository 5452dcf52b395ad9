using System.Buffers.Binary;
using System.IO.Compression;

namespace NativeConv.Demo;

/// <summary>
/// Reads a folder in the layout of MNIST and Fashion-MNIST: four IDX files, plain or compressed (.gz). An
/// IDX file is two zero bytes, a type (8: unsigned byte), the number of dimensions, each dimension as a
/// 32-bit big-endian number, and the data.
/// </summary>
internal static class IdxDataset
{
    private const int Classes = 10;
    private const byte UnsignedByte = 8;
    private const int MaxSide = 1024;

    // The pixels become floats and the arrays are indexed by int: 2^28 of them are one GiB.
    private const long MaxBytes = 1L << 28;

    /// <exception cref="DemoException">A file is missing or malformed, or the files do not fit together.</exception>
    public static Dataset Load(string folder)
    {
        if (!Directory.Exists(folder))
        {
            throw new DemoException($"There is no data folder '{folder}'.");
        }

        LabelledImages train = LoadPair(folder, "train");
        LabelledImages test = LoadPair(folder, "t10k");
        if (train.Height != test.Height || train.Width != test.Width)
        {
            throw new DemoException(
                $"The training images in '{folder}' are {train.Height} x {train.Width}, the test images {test.Height} x {test.Width}.");
        }

        return new Dataset(Path.GetFullPath(folder), train, test, [.. Enumerable.Range(0, Classes).Select(i => $"{i}")]);
    }

    private static LabelledImages LoadPair(string folder, string part)
    {
        string imagePath = Find(folder, $"{part}-images", "idx3-ubyte");
        string labelPath = Find(folder, $"{part}-labels", "idx1-ubyte");
        (int[] shape, byte[] bytes) = Read(imagePath, dimensions: 3);
        (int[] labelShape, byte[] labels) = Read(labelPath, dimensions: 1);
        if (shape[0] != labelShape[0])
        {
            throw new DemoException($"'{imagePath}' has {shape[0]} images, '{labelPath}' {labelShape[0]} labels.");
        }

        int wrong = labels.AsSpan().IndexOfAnyExceptInRange((byte)0, (byte)(Classes - 1));
        if (wrong >= 0)
        {
            throw new DemoException($"'{labelPath}': label {wrong} is {labels[wrong]}; labels are 0 to {Classes - 1}.");
        }

        float[] pixels = new float[bytes.Length];
        for (int i = 0; i < pixels.Length; i++)
        {
            pixels[i] = bytes[i] / 255f;
        }

        return new LabelledImages(shape[1], shape[2], pixels, labels);
    }

    /// <summary>The two spellings in use, "train-images-idx3-ubyte" and "train-images.idx3-ubyte".</summary>
    private static string Find(string folder, string stem, string kind)
    {
        foreach (char separator in "-.")
        {
            foreach (string ending in new[] { "", ".gz" })
            {
                string path = Path.Combine(folder, $"{stem}{separator}{kind}{ending}");
                if (File.Exists(path))
                {
                    return path;
                }
            }
        }

        throw new DemoException($"The data folder '{folder}' has no file '{stem}-{kind}' or '{stem}-{kind}.gz'.");
    }

    private static (int[] Shape, byte[] Data) Read(string path, int dimensions)
    {
        try
        {
            using FileStream file = File.OpenRead(path);
            using Stream stream = path.EndsWith(".gz", StringComparison.Ordinal)
                ? new GZipStream(file, CompressionMode.Decompress)
                : new BufferedStream(file);
            int[] shape = ReadHeader(path, stream, dimensions);
            byte[] data = ReadData(path, stream, shape);
            return (shape, data);
        }
        catch (EndOfStreamException)
        {
            throw new DemoException($"'{path}' is not an IDX file: it ends within the header.");
        }
        catch (InvalidDataException e)
        {
            throw new DemoException($"'{path}' is not a gzip file: {e.Message}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DemoException($"Cannot read '{path}': {e.Message}");
        }
    }

    private static int[] ReadHeader(string path, Stream stream, int dimensions)
    {
        Span<byte> word = stackalloc byte[4];
        stream.ReadExactly(word);
        uint magic = BinaryPrimitives.ReadUInt32BigEndian(word);
        uint expected = (UnsignedByte << 8) | (uint)dimensions;
        if (magic != expected)
        {
            throw new DemoException($"'{path}' is not the IDX file expected here: it starts with 0x{magic:x8}, not 0x{expected:x8}.");
        }

        int[] shape = new int[dimensions];
        long bytes = 1;
        for (int i = 0; i < dimensions; i++)
        {
            stream.ReadExactly(word);
            uint length = BinaryPrimitives.ReadUInt32BigEndian(word);

            // Checked before the product, so that the product cannot overflow: 2^28 * 2^10 at most.
            if (length == 0 || length > (i == 0 ? MaxBytes : MaxSide))
            {
                throw new DemoException($"'{path}' is malformed: its dimension {i} is {length}.");
            }

            shape[i] = (int)length;
            bytes *= length;
            if (bytes > MaxBytes)
            {
                throw new DemoException($"'{path}' is too large: it has more than {MaxBytes >> 20} MiB.");
            }
        }

        return shape;
    }

    private static byte[] ReadData(string path, Stream stream, int[] shape)
    {
        int length = shape.Aggregate((product, side) => product * side);
        byte[] data = new byte[length];
        int read = stream.ReadAtLeast(data, length, throwOnEndOfStream: false);
        string sides = string.Join(" x ", shape);
        if (read < length)
        {
            throw new DemoException($"'{path}' ends too early: {sides} is {length} bytes, and only {read} are there.");
        }

        return stream.ReadByte() < 0
            ? data
            : throw new DemoException($"'{path}' is longer than its header says: {sides} is {length} bytes.");
    }
}
