namespace NativeConv.Tests;

public class InitializerTests
{
    // 32 input channels in 2 groups, 64 filters, 3 x 5: 15360 weights.
    private const double FanIn = 16 * 15;
    private const double FanOut = 32 * 15;

    private static readonly Func<int?, Initializer>[] Random =
    [
        Initializer.HeUniform,
        Initializer.HeNormal,
        Initializer.GlorotUniform,
        Initializer.GlorotNormal,
        Initializer.LeCunUniform,
        Initializer.LeCunNormal,
    ];

    /// <summary>
    /// Mean and variance of n samples lie within five standard errors; that of the variance is
    /// sqrt((kurtosis - 1) / n), with kurtosis 3 for normal and 9/5 for uniform values.
    /// </summary>
    [Theory]
    [InlineData(0, 2 / FanIn, 1.8)]
    [InlineData(1, 2 / FanIn, 3.0)]
    [InlineData(2, 2 / (FanIn + FanOut), 1.8)]
    [InlineData(3, 2 / (FanIn + FanOut), 3.0)]
    [InlineData(4, 1 / FanIn, 1.8)]
    [InlineData(5, 1 / FanIn, 3.0)]
    public void Weights_HaveTheMomentsOfTheRule(int rule, double variance, double kurtosis)
    {
        double[] weights = [.. Weights(Random[rule](42)).Select(value => (double)value)];
        int n = weights.Length;
        double mean = weights.Average();
        double second = weights.Select(value => value * value).Average();
        Assert.InRange(mean, -5 * Math.Sqrt(variance / n), 5 * Math.Sqrt(variance / n));
        double error = 5 * Math.Sqrt((kurtosis - 1) / n);
        Assert.InRange(second / variance, 1 - error, 1 + error);
        double largest = weights.Select(Math.Abs).Max() / Math.Sqrt(variance);
        if (kurtosis < 2)
        {
            // The largest of n uniform values misses the limit by a share of 20 / n or less, all
            // but surely.
            Assert.InRange(largest, Math.Sqrt(3) * (1 - (20.0 / n)), Math.Sqrt(3) * (1 + 1e-7));
        }
        else
        {
            Assert.InRange(largest, 3, 7);
        }
    }

    [Fact]
    public void Seed_DecidesTheValues()
    {
        foreach (Func<int?, Initializer> rule in Random)
        {
            Assert.Equal(Weights(rule(7)), Weights(rule(7)));
            Assert.NotEqual(Weights(rule(7)), Weights(rule(8)));
            Assert.NotEqual(Weights(rule(null)), Weights(rule(null)));
            Assert.Equal((7, null), (rule(7).Seed, rule(null).Seed));
        }
    }

    /// <summary>Equal seeds make the same function of both layouts.</summary>
    [Fact]
    public void Layout_OnlyReordersTheValues()
    {
        float[] nchw = Weights(Initializer.HeNormal(3));
        float[] nhwc = Weights(Initializer.HeNormal(3), TensorLayout.Nhwc);
        for (int o = 0; o < 64; o++)
        {
            for (int c = 0; c < 16; c++)
            {
                for (int tap = 0; tap < 15; tap++)
                {
                    Assert.Equal(
                        nchw[(((o * 16) + c) * 15) + tap],
                        nhwc[(((o * 15) + tap) * 16) + c]);
                }
            }
        }
    }

    [Fact]
    public void Constants_AreConstant()
    {
        Assert.All(Weights(Initializer.Zeros), value => Assert.Equal(0, value));
        Assert.All(Weights(Initializer.Constant(0.25f)), value => Assert.Equal(0.25f, value));
    }

    [Fact]
    public void Bias_IsZeroByDefault_AndFollowsItsInitializer()
    {
        using Conv2D zero = new(3, 100);
        Assert.All(zero.Bias.ToArray(), value => Assert.Equal(0, value));
        using Conv2D uniform = new(3, 100, new() { BiasInitializer = Initializer.LeCunUniform(5) });
        double limit = Math.Sqrt(3.0 / 27);
        Assert.All(uniform.Bias.ToArray(), value => Assert.InRange(value, -limit, limit));
        Assert.True(uniform.Bias.ToArray().Distinct().Count() > 90);
        using Conv2D none = new(3, 100, new() { UseBias = false });
        Assert.True(none.Bias.IsEmpty && none.BiasGradient.IsEmpty);
    }

    private static float[] Weights(Initializer initializer, TensorLayout layout = TensorLayout.Nchw)
    {
        using Conv2D conv = new(
            32,
            64,
            new()
            {
                Groups = 2,
                KernelHeight = 3,
                KernelWidth = 5,
                WeightInitializer = initializer,
                Layout = layout,
            });
        return conv.Weights.ToArray();
    }
}
