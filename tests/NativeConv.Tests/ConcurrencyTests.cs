using NativeConv.Tests.Support;

namespace NativeConv.Tests;

public class ConcurrencyTests
{
    private const int Threads = 6;

    [Fact]
    public async Task Forward_ConcurrentWithSetWeights_UsesOneSetOrTheOther()
    {
        using Conv2D conv = new(3, 5, new() { Activation = Activation.Linear });
        float[][] weights =
        [
            Fill.Integers(conv.Weights.Length, 1),
            Fill.Integers(conv.Weights.Length, 2),
        ];
        Conv2DShape[] shapes =
        [
            .. Enumerable.Range(4, 3).Select(size => conv.GetShape(1, size, 11 - size)),
        ];
        float[][] inputs = [.. shapes.Select(shape => Fill.Integers(shape.InputLength, 3))];
        float[][][] expected =
        [
            .. weights.Select(set =>
            {
                conv.SetWeights(set);
                return shapes.Select((shape, i) => conv.Forward(shape, inputs[i])).ToArray();
            }),
        ];

        using CancellationTokenSource stop = new();
        Task writer = Task.Run(() =>
        {
            for (int i = 0; !stop.IsCancellationRequested; i++)
            {
                conv.SetWeights(weights[i % 2]);
            }
        });
        int[] seen = new int[2];
        Parallel.For(
            0,
            Threads,
            new ParallelOptions { MaxDegreeOfParallelism = Threads },
            thread =>
            {
                for (int i = 0; i < 300; i++)
                {
                    int s = (i + thread) % shapes.Length;
                    float[] output = conv.Forward(shapes[s], inputs[s]);
                    int set = output.AsSpan().SequenceEqual(expected[0][s]) ? 0 : 1;
                    Assert.Equal(expected[set][s], output);
                    Interlocked.Increment(ref seen[set]);
                }
            });
        await stop.CancelAsync();
        await writer;
        Assert.Equal(Threads * 300, seen.Sum());
    }

    /// <summary>While a pass runs changes wait; while a change waits no pass begins.</summary>
    [Fact]
    public void Change_WaitsForRunningPasses_AndHoldsBackNewOnes()
    {
        using Conv2D conv = new(2, 3);
        Conv2DShape shape = conv.GetShape(1, 4, 4);
        float[] weights = Fill.Integers(conv.Weights.Length, 9);
        Thread change = new(() => conv.SetWeights(weights));
        Thread pass = new(() => conv.Forward(shape, new float[shape.InputLength]));
        Conv2D.Call running = conv.Begin(
            shape,
            forward: true,
            backward: false,
            gradInput: false);
        change.Start();
        Assert.False(change.Join(100));
        pass.Start();
        Assert.False(pass.Join(100));
        Assert.NotEqual(weights, conv.Weights.ToArray());
        running.Dispose();
        change.Join();
        pass.Join();
        Assert.Equal(weights, conv.Weights.ToArray());
    }

    [Fact]
    public void Dispose_WhileAPassRuns_FreesAfterwards()
    {
        Conv2D conv = new(2, 3);
        Conv2DShape shape = conv.GetShape(1, 4, 4);
        Conv2D.Call running = conv.Begin(
            shape,
            forward: true,
            backward: false,
            gradInput: false);
        ConvolutionPlan plan = running.Plan;
        conv.Dispose();
        float[] input = Fill.Integers(shape.InputLength, 10);
        float[] output = new float[shape.OutputLength];
        plan.Forward(input, running.Packed!, conv.Bias, output, running.Workspace);
        Assert.Throws<ObjectDisposedException>(() => conv.Forward(shape, input));
        running.Dispose();
        Assert.Throws<ObjectDisposedException>(() => plan.Describe());
    }

    [Fact]
    public void Backward_Concurrent_AddsEveryGradient()
    {
        using Conv2D conv = new(48, 48, new() { MaxThreads = 1 });
        Conv2DShape shape = conv.GetShape(1, 2, 2);
        conv.SetWeights(Fill.Integers(conv.Weights.Length, 4));
        float[] input = Fill.Integers(shape.InputLength, 5);
        float[] gradOutput = Fill.Integers(shape.OutputLength, 6);
        float[] output = conv.Forward(shape, input);
        float[] gradInput = conv.Backward(shape, input, output, gradOutput);
        float[] once = conv.WeightsGradient.ToArray();
        conv.ZeroGradients();

        Parallel.For(
            0,
            Threads,
            new ParallelOptions { MaxDegreeOfParallelism = Threads },
            _ =>
            {
                for (int i = 0; i < 20; i++)
                {
                    Assert.Equal(gradInput, conv.Backward(shape, input, output, gradOutput));
                }
            });
        Assert.Equal(once.Select(value => value * Threads * 20), conv.WeightsGradient.ToArray());
    }

    /// <summary>Lost updates are too rare to wait for; so one thread is kept in the middle.</summary>
    [Fact]
    public void Backward_WhileAnotherAddsItsGradients_Waits()
    {
        using Conv2D conv = new(2, 3);
        Conv2DShape shape = conv.GetShape(1, 4, 4);
        float[] input = Fill.Integers(shape.InputLength, 11);
        float[] output = conv.Forward(shape, input);
        Thread backward = new(() => conv.Backward(shape, input, output, output, []));
        lock (GradientGate.Of(conv))
        {
            backward.Start();
            Assert.False(backward.Join(100));
            Assert.All(conv.WeightsGradient.ToArray(), value => Assert.Equal(0, value));
        }

        backward.Join();
        Assert.Contains(conv.WeightsGradient.ToArray(), value => value != 0);
    }

    /// <summary>A pass that has begun completes; one that has not is refused. Nothing
    /// crashes.</summary>
    [Fact]
    public async Task Dispose_ConcurrentWithPasses_IsSafe()
    {
        for (int round = 0; round < 30; round++)
        {
            Conv2D conv = new(3, 5, new() { WeightInitializer = Initializer.HeUniform(round) });
            Conv2DShape shape = conv.GetShape(1, 12, 12);
            float[] input = Fill.Real(shape.InputLength, 7);
            float[] output = conv.Forward(shape, input);
            float[] gradInput = conv.Backward(shape, input, output, output);
            using Barrier start = new(Threads + 1);
            Task[] passes =
            [
                .. Enumerable
                    .Range(0, Threads)
                    .Select(_ =>
                        Task.Factory.StartNew(
                            () =>
                            {
                                start.SignalAndWait();
                                Assert.Throws<ObjectDisposedException>(Work);
                            },
                            TaskCreationOptions.LongRunning)),
            ];
            start.SignalAndWait();
            await Task.Delay(round % 5);
            conv.Dispose();
            await Task.WhenAll(passes);

            void Work()
            {
                while (true)
                {
                    Assert.Equal(output, conv.Forward(shape, input));
                    Assert.Equal(gradInput, conv.Backward(shape, input, output, output));
                }
            }
        }
    }

    [Fact]
    public void GetShape_Concurrent_BeyondTheCache_IsSafe()
    {
        using Conv2D conv = new(2, 3, new() { WeightInitializer = Initializer.HeUniform(8) });
        float[][] expected = [.. Enumerable.Range(0, 20).Select(i => Run(i))];
        Parallel.For(
            0,
            Threads,
            new ParallelOptions { MaxDegreeOfParallelism = Threads },
            thread =>
            {
                for (int i = 0; i < 100; i++)
                {
                    int shape = ((i * 7) + thread) % expected.Length;
                    Assert.Equal(expected[shape], Run(shape));
                }
            });

        float[] Run(int i)
        {
            Conv2DShape shape = conv.GetShape(1, 3 + i, 5);
            return conv.Forward(shape, Fill.Real(shape.InputLength, i));
        }
    }

    [Fact]
    public void Update_CallingItsOwnLayer_IsRefused()
    {
        using Conv2D conv = new(2, 3);
        Conv2DShape shape = conv.GetShape(1, 4, 4);
        Action[] calls =
        [
            () => conv.Forward(shape, new float[32]),
            conv.ZeroGradients,
            () => conv.UpdateBias((_, _) => { }),
        ];
        foreach (Action call in calls)
        {
            Assert.Throws<InvalidOperationException>(() => conv.UpdateWeights((_, _) => call()));
        }

        conv.UpdateWeights((_, _) => _ = conv.Weights.Length);
        conv.Forward(shape, new float[32]);
    }
}
