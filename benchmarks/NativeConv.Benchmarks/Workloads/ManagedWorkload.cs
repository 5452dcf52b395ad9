using NativeConv.Benchmarks.Managed;

namespace NativeConv.Benchmarks.Workloads;

/// <summary>A convolution in C#.</summary>
internal sealed class ManagedWorkload : Workload
{
    private readonly IManagedConvolution _convolution;
    private readonly IManagedGradients? _gradients;
    private readonly string _pass;
    private readonly ConvolutionBuffer _input;
    private readonly ConvolutionBuffer _output;
    private readonly ConvolutionBuffer _weights;
    private readonly ConvolutionBuffer _bias;

    public ManagedWorkload(Scenario of, IManagedConvolution convolution)
    {
        _pass = of.Pass;
        _convolution = convolution;
        if (convolution is IDisposable resource)
        {
            Own(resource);
        }

        ConvolutionDescriptor d = of.Layer.Descriptor;
        _input = Filled(d.InputLength(), 1);
        _output = Filled(d.OutputLength(), 2);
        _weights = Filled(d.WeightsLength(), 3);
        _bias = Filled(d.OutputChannels, 4);
        convolution.SetWeights(_weights.Span, _bias.Span);
        _gradients = convolution as IManagedGradients;
        if (_pass == Passes.Forward)
        {
            return;
        }

        _gradients!.PrepareGradients();
    }

    public override void Run()
    {
        switch (_pass)
        {
            case Passes.Forward:
                _convolution.Forward(_input.Span, _output.Span);
                break;
            case Passes.BackwardInput:
                _gradients!.BackwardInput(_output.Span, _input.Span);
                break;
            default:
                _gradients!.BackwardWeights(
                    _input.Span, _output.Span, _weights.Span, _bias.Span);
                break;
        }
    }
}
