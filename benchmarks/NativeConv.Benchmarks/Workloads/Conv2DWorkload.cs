namespace NativeConv.Benchmarks.Workloads;

/// <summary>A <see cref="Conv2D"/>, as applications call it.</summary>
internal sealed class Conv2DWorkload : Workload
{
    private readonly Conv2D _layer;
    private readonly Conv2DShape _shape;
    private readonly bool _forward;
    private readonly ConvolutionBuffer _input;
    private readonly ConvolutionBuffer _output;
    private readonly ConvolutionBuffer _gradInput;

    public Conv2DWorkload(Scenario of)
    {
        _forward = of.Pass == Passes.Forward;
        _layer = Own(Create(of.Layer.Descriptor, of.Layout, of.Threads));
        ConvolutionDescriptor d = of.Layer.Descriptor;
        _shape = _layer.GetShape(d.Batch, d.InputHeight, d.InputWidth);
        _input = Filled(_shape.InputLength, 1);
        _output = Filled(_shape.OutputLength, 2);
        _gradInput = Filled(_forward ? 0 : _shape.InputLength, 5);
    }

    public static Conv2D Create(ConvolutionDescriptor d, TensorLayout layout, int threads) =>
        new(
            d.InputChannels,
            d.OutputChannels,
            new Conv2DOptions
            {
                KernelHeight = d.KernelHeight,
                KernelWidth = d.KernelWidth,
                StrideVertical = d.StrideVertical,
                StrideHorizontal = d.StrideHorizontal,
                DilationVertical = d.DilationVertical,
                DilationHorizontal = d.DilationHorizontal,
                Groups = d.Groups,
                Padding = Padding.Explicit(
                    d.PaddingTop, d.PaddingLeft, d.PaddingBottom, d.PaddingRight),
                Activation = d.Activation,
                UseBias = d.HasBias,
                Layout = layout,
                MaxThreads = threads,
            });

    public override void Run()
    {
        if (_forward)
        {
            _layer.Forward(_shape, _input.Span, _output.Span);
        }
        else
        {
            _layer.Backward(
                _shape, _input.Span, [], _output.Span, _gradInput.Span, accumulate: false);
        }
    }
}
