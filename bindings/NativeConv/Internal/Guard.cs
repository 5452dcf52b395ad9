using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace NativeConv.Internal;

/// <summary>Argument checks. Each names the argument and gives the actual values.</summary>
internal static class Guard
{
    public static void AtLeast(int value, int minimum, string name)
    {
        if (value < minimum)
        {
            throw new ArgumentOutOfRangeException(
                name,
                value,
                $"{name} must be at least {minimum}.");
        }
    }

    public static void Defined<T>(T value, string name)
        where T : struct, Enum
    {
        if (!Enum.IsDefined(value))
        {
            throw new ArgumentOutOfRangeException(
                name,
                value,
                $"{name} is not a member of {typeof(T).Name}.");
        }
    }

    public static void Groups(int groups, int inputChannels, int outputChannels, string name)
    {
        AtLeast(groups, 1, name);
        if (inputChannels % groups != 0 || outputChannels % groups != 0)
        {
            throw new ArgumentException(
                $"{name} must divide both channel counts; it is {groups}, with {inputChannels} input "
                    + $"channels and {outputChannels} filters.",
                name);
        }
    }

    /// <summary>The kernel, spread by its dilation, fits the padded input of one axis.</summary>
    public static void KernelFits(
        long input,
        long before,
        long after,
        long kernel,
        long dilation,
        string axis,
        string name)
    {
        long padded = input + before + after;
        long spread = ((kernel - 1) * dilation) + 1;
        if (spread > padded)
        {
            throw new ArgumentException(
                $"The kernel does not fit: along the {axis} it spans {spread}, and the padded input "
                    + $"only {padded} ({before} + {input} + {after}).",
                name);
        }
    }

    /// <summary>An activation tensor: aligned, and as long as the shape needs or longer. Returns
    /// what is needed.</summary>
    public static ReadOnlySpan<float> Tensor(ReadOnlySpan<float> span, long needed, string name)
    {
        if (span.Length < needed)
        {
            ThrowLength(span.Length, needed, "at least ", name);
        }

        Aligned(span, name);
        return span[..(int)needed];
    }

    /// <summary>An activation tensor that is written.</summary>
    public static Span<float> Tensor(Span<float> span, long needed, string name) =>
        span[..Tensor((ReadOnlySpan<float>)span, needed, name).Length];

    /// <summary>Weights, bias or their gradients: aligned, and exactly as long as the shape
    /// says.</summary>
    public static void Parameters(ReadOnlySpan<float> span, long needed, string name)
    {
        if (span.Length != needed)
        {
            ThrowLength(span.Length, needed, "", name);
        }

        Aligned(span, name);
    }

    public static void NoOverlap(
        ReadOnlySpan<float> written,
        string writtenName,
        ReadOnlySpan<float> other,
        string otherName)
    {
        if (written.Overlaps(other))
        {
            ThrowOverlap(writtenName, otherName);
        }
    }

    /// <summary>An argument must not overlap what the call writes that is no argument.</summary>
    public static void NotOver(
        ReadOnlySpan<float> span,
        string name,
        ReadOnlySpan<float> written,
        string writtenName)
    {
        if (span.Overlaps(written))
        {
            ThrowOverWritten(name, writtenName);
        }
    }

    private static unsafe void Aligned(ReadOnlySpan<float> span, string name)
    {
        // The collector moves objects by multiples of 4, so the answer holds without pinning.
        nuint address = (nuint)Unsafe.AsPointer(ref MemoryMarshal.GetReference(span));
        if (address % sizeof(float) != 0)
        {
            ThrowMisaligned(name);
        }
    }

    [DoesNotReturn]
    private static void ThrowLength(long length, long needed, string atLeast, string name) =>
        throw new ArgumentException(
            $"{name} must have {atLeast}{needed} elements; it has {length}.",
            name);

    [DoesNotReturn]
    private static void ThrowMisaligned(string name) =>
        throw new ArgumentException($"{name} must start at a multiple of 4 bytes.", name);

    [DoesNotReturn]
    private static void ThrowOverlap(string writtenName, string otherName) =>
        throw new ArgumentException(
            $"{writtenName} is written and must not overlap {otherName}.",
            writtenName);

    [DoesNotReturn]
    private static void ThrowOverWritten(string name, string writtenName) =>
        throw new ArgumentException(
            $"{name} must not overlap {writtenName}, which is written.",
            name);
}
