namespace NativeConv.Tests.Support;

internal static class Expect
{
    /// <summary>Half the distance from 1 to the next float: the relative error of one
    /// rounding.</summary>
    public const double Unit = 1.0 / (1 << 24);

    public static void Exact(double[] expected, float[] actual, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            // Not Assert.Equal, which makes 0 and -0 differ; their order is not part of any
            // promise.
            Assert.True(
                expected[i] == actual[i],
                $"{what}[{i}] should be {expected[i]}; it is {actual[i]}.");
        }
    }

    /// <summary>|actual - expected| is at most the bound of the element; NaN is never.</summary>
    public static void Within(
        double[] expected,
        Func<int, double> bound,
        float[] actual,
        string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            double error = Math.Abs(expected[i] - actual[i]);
            Assert.True(
                error <= bound(i),
                $"{what}[{i}] should be {expected[i]} within {bound(i)}; it is {actual[i]}.");
        }
    }

    /// <summary>An exception about this argument, whose message has this text.</summary>
    public static void Rejected<TException>(string parameter, string text, Action action)
        where TException : ArgumentException
    {
        TException e = Assert.Throws<TException>(action);
        Assert.Equal(parameter, e.ParamName);
        Assert.Contains(text, e.Message, StringComparison.Ordinal);
    }

    /// <summary>An exception about this argument that carries the value it had.</summary>
    public static void OutOfRange(string parameter, int value, Action action)
    {
        ArgumentOutOfRangeException e = Assert.Throws<ArgumentOutOfRangeException>(action);
        Assert.Equal(parameter, e.ParamName);
        Assert.Equal(
            value,
            Convert.ToInt32(e.ActualValue, System.Globalization.CultureInfo.InvariantCulture));
    }

    public static string RepoRoot { get; } =
        typeof(Expect)
            .Assembly.GetCustomAttributes(
                typeof(System.Reflection.AssemblyMetadataAttribute),
                false)
            .Cast<System.Reflection.AssemblyMetadataAttribute>()
            .Single(attribute => attribute.Key == "RepoRoot")
            .Value!;
}
