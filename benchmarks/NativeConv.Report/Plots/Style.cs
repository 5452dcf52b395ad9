using ScottPlot;

namespace NativeConv.Report.Plots;

/// <summary>One look for all plots: colours that the colour-blind can tell apart, a font with known widths.</summary>
internal static class Style
{
    public static readonly Color Blue = Color.FromHex("#0072B2");
    public static readonly Color Orange = Color.FromHex("#D55E00");
    public static readonly Color Green = Color.FromHex("#009E73");
    public static readonly Color Purple = Color.FromHex("#AA4499");
    public static readonly Color Gray = Color.FromHex("#777777");

    private const string Font = "DejaVu Sans";
    private static readonly Color s_gridLine = Color.FromHex("#E4E4E4");

    public static Plot NewPlot(string title, string xLabel)
    {
        Fonts.Default = Font;
        var plot = new Plot();
        plot.Font.Set(Font);
        plot.Title(title, size: 15);
        plot.XLabel(xLabel, size: 12);
        plot.Axes.Bottom.Label.Bold = false;
        plot.Axes.Left.Label.Bold = false;
        plot.Grid.MajorLineColor = s_gridLine;
        plot.Axes.Right.FrameLineStyle.IsVisible = false;
        plot.Axes.Top.FrameLineStyle.IsVisible = false;
        return plot;
    }

    /// <summary>Ticks 1, 2, 5, 10, ... at their logarithms; more of them within a decade.</summary>
    public static void LogTicks(IAxis axis, double least, double most, Func<double, string> label)
    {
        double[] steps = most / least < 10 ? [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8] : [1, 2, 5];
        var positions = new List<double>();
        var labels = new List<string>();
        for (int decade = (int)Math.Floor(Math.Log10(least)); decade <= Math.Ceiling(Math.Log10(most)); decade++)
        {
            foreach (double step in steps)
            {
                double value = step * Math.Pow(10, decade);
                if (value >= least * 0.999 && value <= most * 1.001)
                {
                    positions.Add(Math.Log10(value));
                    labels.Add(label(value));
                }
            }
        }

        axis.SetTicks([.. positions], [.. labels]);
    }

    /// <summary>The file names several fonts, as a reader's browser may have only a relative of the one measured with.</summary>
    public static void Save(Plot plot, string path, int width, int height)
    {
        string svg = plot.GetSvgXml(width, height);
        File.WriteAllText(path, svg.Replace(
            $"font-family=\"{Font}\"", $"font-family=\"{Font}, Verdana, Arial, sans-serif\"", StringComparison.Ordinal).ReplaceLineEndings("\n"));
    }
}
