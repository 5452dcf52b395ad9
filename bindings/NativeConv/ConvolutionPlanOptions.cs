namespace NativeConv;

/// <summary>What a <see cref="ConvolutionPlan"/> may use; for tests and measurements.</summary>
public sealed record ConvolutionPlanOptions
{
    /// <summary>The best instruction set this plan may use; null for the best the machine
    /// has.</summary>
    public InstructionSet? MaxInstructionSet { get; init; }

    /// <summary>
    /// A name of <see cref="NativeConvRuntime.Algorithms"/>, to use that one for the passes that it
    /// serves; null to choose.
    /// </summary>
    public string? Algorithm { get; init; }
}
