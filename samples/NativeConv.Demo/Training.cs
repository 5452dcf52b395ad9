using System.Diagnostics;
using Spectre.Console;

namespace NativeConv.Demo;

/// <summary>Trains a classifier, shows how it gets on, and what it has learned.</summary>
internal static class Training
{
    private const int Batch = 64;
    private const float LearningRate = 3e-3f;

    // What two cores get through in half a minute; a large data set is seen fewer times.
    private const int ImagesToSee = 60_000;

    public static void Run(Dataset dataset, int? epochs, string outputFolder, CancellationToken cancel)
    {
        PictureGrid.Examples(dataset).SavePng(Path.Combine(outputFolder, "dataset.png"));
        dataset.Standardize();

        LabelledImages train = dataset.Train;
        int rounds = epochs ?? Math.Max(1, ImagesToSee / train.Count);
        int batch = Math.Min(Batch, train.Count);
        using var classifier = new Classifier(train.Height, train.Width, dataset.ClassNames.Count, batch);
        AnsiConsole.MarkupLineInterpolated(
            $"{train.Count} images to learn from, {dataset.Test.Count} to test, {train.Height} x {train.Width} ({dataset.Name}).");
        AnsiConsole.MarkupLineInterpolated(
            $"{classifier.Layers.Count} convolution layers, {classifier.ParameterCount} parameters, {rounds} epochs, batches of {batch}, Adam.");

        List<Epoch> history = Fit(classifier, dataset, batch, rounds, cancel);
        AnsiConsole.Write(TableOf(history));
        AnsiConsole.MarkupLineInterpolated(
            $"Test accuracy: [bold green]{history[^1].TestAccuracy:P2}[/] (guessing: {1.0 / dataset.ClassNames.Count:P0})");
        PictureGrid.Filters(classifier.Layers[0]).SavePng(Path.Combine(outputFolder, "learned-filters.png"));
    }

    private static List<Epoch> Fit(Classifier classifier, Dataset dataset, int batch, int rounds, CancellationToken cancel)
    {
        var history = new List<Epoch>();
        var adam = new Adam(classifier.Layers);
        LabelledImages train = dataset.Train;

        // Every batch is full: one of five images would push the weights as hard as one of 64.
        int stepsPerRound = train.Count / batch;
        float[] images = new float[batch * train.PixelsPerImage];
        byte[] labels = new byte[batch];
        int[] order = [.. Enumerable.Range(0, train.Count)];
        var random = new Random(Seed: 3);

        AnsiConsole.Progress().Start(progress =>
        {
            ProgressTask bar = progress.AddTask("training", maxValue: rounds * stepsPerRound);
            for (int round = 1; round <= rounds; round++)
            {
                var clock = Stopwatch.StartNew();
                double loss = 0;
                int correct = 0;
                random.Shuffle(order);
                for (int step = 0; step < stepsPerRound; step++)
                {
                    cancel.ThrowIfCancellationRequested();
                    ReadOnlySpan<int> chosen = order.AsSpan(step * batch, batch);
                    train.Gather(chosen, images);
                    for (int i = 0; i < batch; i++)
                    {
                        labels[i] = train.Labels[chosen[i]];
                    }

                    (float batchLoss, int batchCorrect) = classifier.LearnFrom(images, labels);
                    adam.Step(Rate((double)bar.Value / bar.MaxValue));
                    loss += batchLoss;
                    correct += batchCorrect;
                    bar.Increment(1);
                    bar.Description = $"epoch {round}/{rounds}, loss {loss / (step + 1):F3}";
                }

                int seen = stepsPerRound * batch;
                TimeSpan time = clock.Elapsed;
                double accuracy = classifier.Accuracy(dataset.Test, batch, cancel);
                history.Add(new Epoch(round, loss / stepsPerRound, (double)correct / seen, accuracy, seen / time.TotalSeconds));
            }
        });
        return history;
    }

    /// <summary>Large steps at first, ever smaller ones to the end: half a cosine from the rate down to 0.</summary>
    private static float Rate(double progress) => LearningRate * (float)(0.5 + (0.5 * Math.Cos(Math.PI * progress)));

    private static Table TableOf(List<Epoch> history)
    {
        var table = new Table().RoundedBorder();
        table.AddColumns("epoch", "mean loss", "training accuracy", "test accuracy", "images/s");
        foreach (TableColumn column in table.Columns)
        {
            column.RightAligned();
        }

        foreach (Epoch e in history)
        {
            table.AddRow($"{e.Number}", $"{e.Loss:F4}", $"{e.TrainAccuracy:P2}", $"{e.TestAccuracy:P2}", $"{e.ImagesPerSecond:F0}");
        }

        return table;
    }

    private sealed record Epoch(int Number, double Loss, double TrainAccuracy, double TestAccuracy, double ImagesPerSecond);
}
