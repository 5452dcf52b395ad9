using ScottPlot;

namespace NativeConv.Report.Plots;

/// <summary>A value for each row that has one; hollow marks stand for the other layout.</summary>
internal sealed record DotSeries(string Label, Color Color, bool Hollow, IReadOnlyDictionary<string, double> Values);

/// <summary>Rows of named things from top to bottom, with a mark for each series.</summary>
internal sealed record DotPlot(string Title, string XLabel, IReadOnlyList<string> Rows, IReadOnlyList<DotSeries> Series)
{
    private const int Width = 900;
    private const int RowHeight = 17;
    private const int Margins = 150;

    /// <summary>Ratios lie on a logarithmic axis.</summary>
    public bool Logarithmic { get; init; }

    /// <summary>A line to compare with.</summary>
    public double Reference { get; init; } = double.NaN;

    public void Save(string path)
    {
        double[] values = [.. Series.SelectMany(series => series.Values.Values).Where(value => !Logarithmic || value > 0)];
        if (values.Length == 0)
        {
            return;
        }

        Plot plot = Style.NewPlot(Title, XLabel);
        foreach (DotSeries series in Series)
        {
            (double X, double Y)[] points = [.. Rows.Select((row, i) => (Row: row, Y: -(double)i))
                .Where(point => series.Values.ContainsKey(point.Row))
                .Select(point => (Scale(series.Values[point.Row]), point.Y))];
            ScottPlot.Plottables.Markers marks = plot.Add.Markers(
                points.Select(point => point.X).ToArray(), points.Select(point => point.Y).ToArray(),
                series.Hollow ? MarkerShape.OpenCircle : MarkerShape.FilledCircle, 8, series.Color);
            marks.LegendText = series.Label;
            marks.MarkerStyle.LineWidth = 1.5f;
        }

        double least = values.Min(), most = values.Max();
        if (!double.IsNaN(Reference))
        {
            plot.Add.VerticalLine(Scale(Reference), 1.2f, Style.Gray, LinePattern.Dashed);
            least = Math.Min(least, Reference);
            most = Math.Max(most, Reference);
        }

        plot.Axes.Left.SetTicks([.. Rows.Select((_, i) => -(double)i)], [.. Rows]);
        plot.Axes.Left.MajorTickStyle.Length = 0;
        plot.Axes.Left.TickLabelStyle.FontSize = 11;
        if (Logarithmic)
        {
            (least, most) = (least / 1.15, most * 1.15);
            Style.LogTicks(plot.Axes.Bottom, least, most, value => $"{value:G4}");
            plot.Axes.SetLimitsX(Math.Log10(least), Math.Log10(most));
        }
        else
        {
            plot.Axes.SetLimitsX(0, most * 1.05);
        }

        plot.Axes.SetLimitsY(-Rows.Count + 0.4, 0.6);
        plot.ShowLegend(Edge.Bottom).Legend.Orientation = Orientation.Horizontal;
        plot.Legend.OutlineWidth = 0;
        plot.Legend.ShadowColor = Colors.Transparent;
        plot.Legend.FontSize = 12;
        Style.Save(plot, path, Width, Margins + (RowHeight * Rows.Count));
    }

    private double Scale(double value) => Logarithmic ? Math.Log10(value) : value;
}
