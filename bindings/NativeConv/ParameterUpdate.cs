namespace NativeConv;

/// <summary>A step of an optimiser, for <see cref="Conv2D.UpdateWeights"/> and
/// <see cref="Conv2D.UpdateBias"/>.</summary>
/// <param name="values">The weights or the bias, to be changed in place.</param>
/// <param name="gradient">Their accumulated gradient; empty if the layer is frozen.</param>
public delegate void ParameterUpdate(Span<float> values, ReadOnlySpan<float> gradient);
