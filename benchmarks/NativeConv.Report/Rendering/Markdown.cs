using System.Globalization;
using System.Text;

namespace NativeConv.Report.Rendering;

/// <summary>Text of a report, put together piece by piece.</summary>
internal sealed class Markdown
{
    private readonly StringBuilder _text = new();

    public void Heading(int level, string text) => Block($"{new string('#', level)} {text}");

    public void Paragraph(string text) => Block(text);

    public void Bullets(IEnumerable<string> items)
    {
        string list = string.Join('\n', items.Select(item => $"- {item}"));
        if (list.Length > 0)
        {
            Block(list);
        }
    }

    public void Image(string description, string path) => Block($"![{description}]({path})");

    /// <summary>The first columns are text, the others are numbers.</summary>
    public void Table(IReadOnlyList<string> header, IEnumerable<IReadOnlyList<string>> rows, int textColumns = 1)
    {
        List<string> lines = [Row(header), $"|{string.Concat(header.Select((_, i) => i < textColumns ? "---|" : "--:|"))}"];
        foreach (IReadOnlyList<string> row in rows)
        {
            if (row.Count != header.Count)
            {
                throw new ArgumentException($"A row of {row.Count} cells below a header of {header.Count}.", nameof(rows));
            }

            lines.Add(Row(row));
        }

        Block(string.Join('\n', lines));
    }

    public override string ToString() => _text.ToString();

    private static string Row(IReadOnlyList<string> cells) =>
        $"| {string.Join(" | ", cells.Select(cell => cell.Replace("|", "\\|", StringComparison.Ordinal)))} |";

    private void Block(string text) => _text.Append(_text.Length > 0 ? "\n" : "").Append(text).Append('\n');
}

/// <summary>Numbers as the report writes them.</summary>
internal static class Format
{
    public static string Microseconds(double us) => Number(us, us < 100 ? "F1" : "F0");

    public static string Milliseconds(double us) => Number(us / 1000, "F2");

    public static string Ratio(double ratio) => Number(ratio, ratio < 10 ? "F2" : "F1");

    public static string Percent(double percent) => Number(percent, "F0");

    public static string Megabytes(double bytes) => Number(bytes / 1e6, bytes < 1e7 ? "F2" : "F0");

    public static string Number(double value, string format) =>
        double.IsNaN(value) ? "" : value.ToString(format, CultureInfo.InvariantCulture);

    public static string Threads(int count) => count == 1 ? "1 thread" : $"{count} threads";

    public static string Pass(string pass) => pass switch
    {
        "fwd" => "forward",
        "bwd_d" => "gradient by the input",
        "bwd_w" => "gradient by the weights",
        "bwd" => "both gradients",
        _ => pass,
    };

    public static string Engine(string engine) => engine switch
    {
        "onednn" or "onednn-reorder" => "oneDNN",
        "ort" or "ort-dynamic" or "ort-spin" => "ONNX Runtime",
        "torch" => "libtorch",
        "opencv" => "OpenCV",
        "managed-loops" => "loops",
        "managed-im2col" => "im2col",
        "managed-vector" => "vectors",
        _ => engine,
    };
}
