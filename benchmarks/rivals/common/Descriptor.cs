using System.Globalization;

namespace NativeConv.Rivals;

/// <summary>
/// A problem as the text files of tests/shapes have it; tests/native/support/descriptor.h explains the
/// grammar. Dilation counts from 1 here, as engines do.
/// </summary>
internal sealed record Descriptor(string Name, int Groups, int Batch, int InputChannels, int OutputChannels, Axis Height, Axis Width)
{
    public long[] InputShape => [Batch, InputChannels, Height.Input, Width.Input];

    public long[] OutputShape => [Batch, OutputChannels, Height.Output, Width.Output];

    public long[] WeightsShape => [OutputChannels, InputChannels / Groups, Height.Kernel, Width.Kernel];

    public static IReadOnlyList<Descriptor> ReadFile(string path) =>
        [.. File.ReadLines(path).Select(line => line.Split('#')[0].Trim()).Where(line => line.Length > 0).Select(Parse)];

    public static Descriptor Parse(string text)
    {
        var fields = new Dictionary<string, int>();
        string name = "";
        for (int i = 0; i < text.Length;)
        {
            if (text[i] == '_')
            {
                i++;
                continue;
            }

            if (text[i] == 'n')
            {
                name = text[(i + 1)..].Trim().Trim('"');
                break;
            }

            int digits = i;
            while (digits < text.Length && char.IsAsciiLetter(text[digits]))
            {
                digits++;
            }

            int end = digits;
            while (end < text.Length && char.IsAsciiDigit(text[end]))
            {
                end++;
            }

            if (digits == i || end == digits)
            {
                throw new FormatException($"No descriptor: '{text}', at position {i}.");
            }

            fields[text[i..digits]] = int.Parse(text.AsSpan(digits, end - digits), CultureInfo.InvariantCulture);
            i = end;
        }

        var height = Axis.Complete(fields, 'h');
        Axis width = fields.ContainsKey("iw") ? Axis.Complete(fields, 'w') : height;
        return new Descriptor(
            name, fields.GetValueOrDefault("g", 1), fields.GetValueOrDefault("mb", 2), fields["ic"], fields["oc"], height, width);
    }
}

/// <summary>Sizes, kernel and padding along one axis.</summary>
internal sealed record Axis(int Input, int Output, int Kernel, int Stride, int Dilation, int Before, int After)
{
    public bool IsSymmetric => Before == After;

    public static Axis Complete(Dictionary<string, int> fields, char letter)
    {
        int? Field(char kind) => fields.TryGetValue($"{kind}{letter}", out int value) ? value : null;

        int input = Field('i') ?? 1;
        int kernel = Field('k') ?? 1;
        int stride = Field('s') ?? 1;
        int dilation = (Field('d') ?? 0) + 1;
        int extent = ((kernel - 1) * dilation) + 1;
        if (Field('o') is not { } output)
        {
            int pad = Field('p') ?? 0;
            return new Axis(input, ((input + (2 * pad) - extent) / stride) + 1, kernel, stride, dilation, pad, pad);
        }

        int total = ((output - 1) * stride) + extent - input;
        int before = Field('p') ?? Math.Max(0, total / 2);
        // Symmetric where that gives the same output: the form frameworks use.
        int symmetric = input + (2 * before) - extent;
        bool fits = symmetric >= 0 && (symmetric / stride) + 1 == output;
        return new Axis(input, output, kernel, stride, dilation, before, fits ? before : Math.Max(0, total - before));
    }
}
