using NativeConv.Tests.Support;

namespace NativeConv.Tests;

/// <summary>The example of the README, compiled and run; the README has exactly the text between
/// the marks.</summary>
public class ReadmeExampleTests
{
    private const string Start = "// <example>";
    private const string End = "// </example>";

    [Fact]
    public void Example_Runs_AndLearns()
    {
        StringWriter console = new();
        RunExample(console);
        float[] losses =
        [
            .. console
                .ToString()
                .Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Select(line =>
                    float.Parse(
                        line.Split(' ')[^1],
                        System.Globalization.CultureInfo.InvariantCulture)),
        ];
        Assert.True(
            losses[^1] < losses[0] / 100,
            $"The loss went from {losses[0]} to {losses[^1]}.");
    }

    [Fact]
    public void Readme_HasTheExample()
    {
        string readme = File.ReadAllText(Path.Combine(Expect.RepoRoot, "README.md"))
            .ReplaceLineEndings("\n");
        Assert.Contains(
            "```csharp\nusing NativeConv;\n\n" + Example() + "```",
            readme,
            StringComparison.Ordinal);
    }

    private static void RunExample(TextWriter Console)
    {
        // <example>
        // A 3 x 3 edge filter, learned from examples of what it does.
        using var conv = new Conv2D(inputChannels: 1, filters: 1, new Conv2DOptions
        {
            Activation = Activation.Linear,
            WeightInitializer = Initializer.GlorotUniform(seed: 1),
        });
        Conv2DShape shape = conv.GetShape(batch: 4, height: 32, width: 32);

        using var teacher = new Conv2D(1, 1, conv.Options);
        teacher.SetWeights([-1, -1, -1, -1, 8, -1, -1, -1, -1]);
        float[] input = [.. Enumerable.Range(0, shape.InputLength).Select(i => MathF.Sin(i * i))];
        float[] wanted = teacher.Forward(shape, input);

        for (int step = 0; step <= 60; step++)
        {
            float[] output = conv.Forward(shape, input);
            float[] gradOutput = [.. output.Zip(wanted, (y, t) => (y - t) / shape.OutputLength)];
            conv.ZeroGradients();
            conv.Backward(shape, input, output, gradOutput, gradInput: []);
            conv.ApplyGradients(learningRate: 1);
            float error = output.Zip(wanted, (y, t) => (y - t) * (y - t)).Average();
            Console.WriteLine($"step {step}: error {error:G3}");
        }
        // </example>
    }

    /// <summary>The lines between the marks, without their common indentation.</summary>
    private static string Example()
    {
        string path = Path.Combine(
            Expect.RepoRoot,
            "tests",
            "NativeConv.Tests",
            "ReadmeExampleTests.cs");
        IEnumerable<string> lines = File.ReadLines(path)
            .SkipWhile(line => line.Trim() != Start)
            .Skip(1)
            .TakeWhile(line => line.Trim() != End)
            .Select(line => line.Length == 0 ? line : line[8..]);
        return string.Concat(lines.Select(line => line + "\n"));
    }
}
