namespace NativeConv.Benchmarks.Workloads;

/// <summary>A <see cref="ConvolutionPlan"/> with packed weights and workspace, as nconv_bench has
/// them.</summary>
internal sealed class PlanWorkload : Workload
{
    private readonly ConvolutionPlan _plan;
    private readonly string _pass;
    private readonly int _threads;
    private readonly ConvolutionBuffer _input;
    private readonly ConvolutionBuffer _output;
    private readonly ConvolutionBuffer _gradInput;
    private readonly ConvolutionBuffer _weights;
    private readonly ConvolutionBuffer _bias;
    private readonly PackedWeights _packed;
    private readonly ConvolutionWorkspace _workspace;

    public PlanWorkload(Scenario of)
    {
        _pass = of.Pass;
        _threads = of.Threads;
        _plan = Own(new ConvolutionPlan(of.Layer.Descriptor with { Layout = of.Layout }));
        _input = Filled(_plan.InputLength, 1);
        _output = Filled(_plan.OutputLength, 2);
        _weights = Filled(_plan.WeightsLength, 3);
        _bias = Filled(_plan.BiasLength, 4);
        _gradInput = Filled(of.Pass == Passes.Forward ? 0 : _plan.InputLength, 5);
        _packed = Own(
            _plan.PackWeights(
                of.Pass == Passes.Forward ? ConvolutionPass.Forward : ConvolutionPass.BackwardInput,
                _weights.Span));
        _workspace = Own(
            new ConvolutionWorkspace(
                of.Pass switch
                {
                    Passes.Forward => _plan.GetWorkspaceBytes(ConvolutionPass.Forward, _threads),
                    Passes.BackwardInput =>
                        _plan.GetWorkspaceBytes(ConvolutionPass.BackwardInput, _threads),
                    Passes.BackwardWeights =>
                        _plan.GetWorkspaceBytes(ConvolutionPass.BackwardWeights, _threads),
                    _ => _plan.GetBackwardWorkspaceBytes(_threads),
                }));
    }

    public override void Run()
    {
        switch (_pass)
        {
            case Passes.Forward:
                _plan.Forward(
                    _input.Span, _packed, _bias.Span, _output.Span, _workspace, _threads);
                break;
            case Passes.BackwardInput:
                _plan.BackwardInput(
                    _output.Span, [], _packed, _gradInput.Span, _workspace, _threads);
                break;
            case Passes.BackwardWeights:
                _plan.BackwardWeights(
                    _input.Span,
                    _output.Span,
                    [],
                    _weights.Span,
                    _bias.Span,
                    accumulate: false,
                    _workspace,
                    _threads);
                break;
            default:
                _plan.Backward(
                    _input.Span,
                    _output.Span,
                    [],
                    _packed,
                    _gradInput.Span,
                    _weights.Span,
                    _bias.Span,
                    accumulate: false,
                    _workspace,
                    _threads);
                break;
        }
    }
}
