using System.Numerics.Tensors;

namespace NativeConv.Demo;

/// <summary>
/// An all-convolutional classifier of one-channel pictures of any size: layers with stride 2 take the place
/// of pooling, a 1 x 1 convolution makes one map for each class, and the mean of a map is the score of its
/// class. All buffers are made once, for the largest batch.
/// </summary>
internal sealed class Classifier : IDisposable
{
    private readonly int _height;
    private readonly int _width;
    private readonly int _classes;
    private readonly Conv2D[] _layers;

    // Of each layer: what it wrote, and the gradient of the loss by that.
    private readonly float[][] _outputs;
    private readonly float[][] _gradients;
    private readonly float[] _probabilities;

    public Classifier(int height, int width, int classes, int maxBatch)
    {
        _height = height;
        _width = width;
        _classes = classes;
        _layers =
        [
            // Starts small (Glorot, std. dev. 0.07), so that its filters, when shown, are learned and not the random start.
            Layer(1, 16, kernel: 5, stride: 1, initializer: Initializer.GlorotNormal(seed: 1)),
            Layer(16, 32, kernel: 3, stride: 2),
            Layer(32, 48, kernel: 3, stride: 2),
            Layer(48, 64, kernel: 3, stride: 1),
            Layer(64, classes, kernel: 1, stride: 1, Activation.Linear),
        ];
        Conv2DShape[] shapes = Shapes(maxBatch);
        _outputs = [.. shapes.Select(shape => new float[shape.OutputLength])];
        _gradients = [.. shapes.Select(shape => new float[shape.OutputLength])];
        _probabilities = new float[maxBatch * classes];
    }

    public IReadOnlyList<Conv2D> Layers => _layers;

    public int ParameterCount => _layers.Sum(layer => layer.Weights.Length + layer.Bias.Length);

    /// <summary>
    /// The mean loss (cross-entropy) of a batch and the number of pictures it gets right. Leaves the
    /// gradient of the loss in the layers for an optimiser.
    /// </summary>
    public (float Loss, int Correct) LearnFrom(ReadOnlySpan<float> images, ReadOnlySpan<byte> labels)
    {
        Conv2DShape[] shapes = Shapes(labels.Length);
        Forward(shapes, images);
        (float loss, int correct) = Score(shapes[^1], labels);
        GradientOfLoss(shapes[^1], labels);
        for (int i = _layers.Length - 1; i >= 0; i--)
        {
            ReadOnlySpan<float> input = i > 0 ? _outputs[i - 1] : images;

            // Nobody needs the gradient by the pictures, so the first layer is spared computing it. One batch
            // is one step here: overwriting the gradients of the last step saves setting them to 0.
            Span<float> gradInput = i > 0 ? _gradients[i - 1] : [];
            _layers[i].Backward(shapes[i], input, _outputs[i], _gradients[i], gradInput, accumulate: false);
        }

        return (loss, correct);
    }

    /// <summary>The share of the pictures whose class it finds.</summary>
    public double Accuracy(LabelledImages images, int batch, CancellationToken cancel)
    {
        int correct = 0;
        for (int start = 0; start < images.Count; start += batch)
        {
            cancel.ThrowIfCancellationRequested();
            int count = Math.Min(batch, images.Count - start);
            Conv2DShape[] shapes = Shapes(count);
            Forward(shapes, images.Pixels.AsSpan(start * images.PixelsPerImage, count * images.PixelsPerImage));
            correct += Score(shapes[^1], images.Labels.Slice(start, count)).Correct;
        }

        return (double)correct / images.Count;
    }

    public void Dispose()
    {
        foreach (Conv2D layer in _layers)
        {
            layer.Dispose();
        }
    }

    private static Conv2D Layer(
        int channels, int filters, int kernel, int stride, Activation? activation = null, Initializer? initializer = null) =>
        new(channels, filters, new Conv2DOptions
        {
            KernelHeight = kernel,
            KernelWidth = kernel,
            StrideVertical = stride,
            StrideHorizontal = stride,
            Activation = activation ?? Activation.Relu,

            // A seed makes a run repeatable to the last bit: the library's sums do not depend on threads.
            WeightInitializer = initializer ?? Initializer.HeNormal(seed: channels),
        });

    /// <summary>The shape of each layer for a batch. A layer remembers the plans of the last few.</summary>
    private Conv2DShape[] Shapes(int batch)
    {
        var shapes = new Conv2DShape[_layers.Length];
        (int height, int width) = (_height, _width);
        for (int i = 0; i < shapes.Length; i++)
        {
            shapes[i] = _layers[i].GetShape(batch, height, width);
            (height, width) = (shapes[i].OutputHeight, shapes[i].OutputWidth);
        }

        return shapes;
    }

    private void Forward(Conv2DShape[] shapes, ReadOnlySpan<float> images)
    {
        for (int i = 0; i < _layers.Length; i++)
        {
            _layers[i].Forward(shapes[i], i > 0 ? _outputs[i - 1] : images, _outputs[i]);
        }
    }

    /// <summary>Averages the maps, turns the scores into probabilities (softmax), and compares with the labels.</summary>
    private (float Loss, int Correct) Score(Conv2DShape last, ReadOnlySpan<byte> labels)
    {
        int mapLength = last.OutputHeight * last.OutputWidth;
        float loss = 0;
        int correct = 0;
        for (int n = 0; n < labels.Length; n++)
        {
            Span<float> scores = _probabilities.AsSpan(n * _classes, _classes);
            for (int c = 0; c < _classes; c++)
            {
                scores[c] = TensorPrimitives.Average(Map(_outputs[^1], n, c, mapLength));
            }

            // The largest score becomes 0, so that exp cannot overflow and the sum is at least 1. The loss is
            // taken from the scores: the logarithm of a probability that has rounded to 0 would be infinite.
            int best = TensorPrimitives.IndexOfMax<float>(scores);
            correct += best == labels[n] ? 1 : 0;
            TensorPrimitives.Subtract(scores, scores[best], scores);
            float ofLabel = scores[labels[n]];
            TensorPrimitives.Exp<float>(scores, scores);
            float sum = TensorPrimitives.Sum<float>(scores);
            loss += MathF.Log(sum) - ofLabel;
            TensorPrimitives.Divide(scores, sum, scores);
        }

        return (loss / labels.Length, correct);
    }

    /// <summary>
    /// The gradient of softmax and cross-entropy together is the probabilities less 1 at the label; the mean
    /// over a map spreads it evenly over the map.
    /// </summary>
    private void GradientOfLoss(Conv2DShape last, ReadOnlySpan<byte> labels)
    {
        int mapLength = last.OutputHeight * last.OutputWidth;
        float share = 1f / (labels.Length * mapLength);
        for (int n = 0; n < labels.Length; n++)
        {
            for (int c = 0; c < _classes; c++)
            {
                float target = c == labels[n] ? 1 : 0;
                Map(_gradients[^1], n, c, mapLength).Fill((_probabilities[(n * _classes) + c] - target) * share);
            }
        }
    }

    private Span<float> Map(float[] maps, int n, int c, int mapLength) =>
        maps.AsSpan(((n * _classes) + c) * mapLength, mapLength);
}
