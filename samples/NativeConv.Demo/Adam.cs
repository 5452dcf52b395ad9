using System.Numerics.Tensors;

namespace NativeConv.Demo;

/// <summary>
/// The Adam optimiser (Kingma and Ba, 2015) over spans. A <see cref="Conv2D"/> knows no optimiser; it hands
/// its weights and their gradient to any function. With g the gradient and t the number of the step:
/// <code>
/// m = b1*m + (1-b1)*g          v = b2*v + (1-b2)*g*g
/// w = w - rate * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)
/// </code>
/// </summary>
internal sealed class Adam(IReadOnlyList<Conv2D> layers)
{
    private const float Beta1 = 0.9f;
    private const float Beta2 = 0.999f;
    private const float Epsilon = 1e-8f;

    private readonly Moments[] _weights = [.. layers.Select(layer => new Moments(layer.Weights.Length))];
    private readonly Moments[] _bias = [.. layers.Select(layer => new Moments(layer.Bias.Length))];
    private int _step;

    /// <summary>Changes weights and bias of all layers by their gradients.</summary>
    public void Step(float learningRate)
    {
        _step++;

        // m and v start at 0 and are too small at first; dividing by 1 - b^t takes that out. Both divisions
        // are moved out of the loop over the elements: they scale the rate and epsilon alike.
        float correction = MathF.Sqrt(1 - MathF.Pow(Beta2, _step));
        float rate = learningRate * correction / (1 - MathF.Pow(Beta1, _step));
        float epsilon = Epsilon * correction;
        for (int i = 0; i < layers.Count; i++)
        {
            Moments weights = _weights[i];
            Moments bias = _bias[i];
            layers[i].UpdateWeights((values, gradient) => weights.Update(values, gradient, rate, epsilon));
            layers[i].UpdateBias((values, gradient) => bias.Update(values, gradient, rate, epsilon));
        }
    }

    /// <summary>The running means of gradient and squared gradient of one span of parameters.</summary>
    private sealed class Moments(int length)
    {
        private readonly float[] _mean = new float[length];
        private readonly float[] _square = new float[length];
        private readonly float[] _scratch = new float[length];

        public void Update(Span<float> values, ReadOnlySpan<float> gradient, float rate, float epsilon)
        {
            // One vectorised sweep per operation.
            TensorPrimitives.Multiply(gradient, 1 - Beta1, _scratch);
            TensorPrimitives.MultiplyAdd(_mean, Beta1, _scratch, _mean);

            TensorPrimitives.Multiply(gradient, gradient, _scratch);
            TensorPrimitives.Multiply(_scratch, 1 - Beta2, _scratch);
            TensorPrimitives.MultiplyAdd(_square, Beta2, _scratch, _square);

            TensorPrimitives.Sqrt(_square, _scratch);
            TensorPrimitives.Add(_scratch, epsilon, _scratch);
            TensorPrimitives.Divide(_mean, _scratch, _scratch);
            TensorPrimitives.MultiplyAdd(_scratch, -rate, values, values);
        }
    }
}
