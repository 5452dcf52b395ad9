using System.Globalization;
using System.Text;

namespace NativeConv.Report.Data;

/// <summary>Comma-separated values with a header line; fields with commas or quotes are in quotes.</summary>
internal static class Csv
{
    public static IReadOnlyList<IReadOnlyDictionary<string, string>> Parse(IEnumerable<string> lines)
    {
        string[]? header = null;
        var rows = new List<IReadOnlyDictionary<string, string>>();
        foreach (string line in lines.Where(line => line.Length > 0))
        {
            string[] fields = Split(line);
            if (header is null)
            {
                header = fields;
                continue;
            }

            if (fields.Length != header.Length)
            {
                throw new ReportException($"A row of {fields.Length} fields below a header of {header.Length}: {line}");
            }

            rows.Add(header.Zip(fields).ToDictionary(pair => pair.First, pair => pair.Second));
        }

        return rows;
    }

    public static string Join(params IEnumerable<string> fields) => string.Join(',', fields.Select(Quoted));

    public static double Number(string text) =>
        text.Length == 0 ? double.NaN : double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);

    public static string Text(double value) => double.IsNaN(value) ? "" : value.ToString("G9", CultureInfo.InvariantCulture);

    private static string Quoted(string field) =>
        field.AsSpan().ContainsAny(',', '"') ? $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : field;

    private static string[] Split(string line)
    {
        var fields = new List<string>();
        var field = new StringBuilder();
        bool quoted = false;
        for (int i = 0; i < line.Length; i++)
        {
            char c = line[i];
            if (quoted && c == '"' && i + 1 < line.Length && line[i + 1] == '"')
            {
                _ = field.Append(c);
                i++;
            }
            else if (c == '"')
            {
                quoted = !quoted;
            }
            else if (c == ',' && !quoted)
            {
                fields.Add(field.ToString());
                _ = field.Clear();
            }
            else
            {
                _ = field.Append(c);
            }
        }

        fields.Add(field.ToString());
        return [.. fields];
    }
}
