using NativeConv.Internal;
using NativeConv.Interop;

namespace NativeConv;

/// <content>All gradients in one call.</content>
public sealed unsafe partial class ConvolutionPlan
{
    /// <summary>The size of a workspace with which <see cref="Backward"/> can use that many threads
    /// for both passes; with one of them it needs what that pass needs. It does not grow with the
    /// batch.</summary>
    /// <param name="maxThreads">The most threads that will run it; 0 for
    /// <see cref="NativeConvRuntime.ThreadCount"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxThreads"/> is
    /// negative.</exception>
    /// <exception cref="ObjectDisposedException">The plan is disposed.</exception>
    public long GetBackwardWorkspaceBytes(int maxThreads = 0)
    {
        Guard.AtLeast(maxThreads, 0, nameof(maxThreads));
        return BackwardWorkspaceBytes(maxThreads);
    }

    /// <summary>
    /// <see cref="BackwardInput"/> and <see cref="BackwardWeights"/> in one call, with the same
    /// bits. What is not wanted is skipped, and a non-linear activation's gradOutput * f'(output) is
    /// made once for both.
    /// </summary>
    /// <param name="input">As in the forward pass; only read. May be empty without
    /// <paramref name="gradWeights"/>.</param>
    /// <param name="gradOutput">As the output; only read.</param>
    /// <param name="output">What the forward pass wrote; may be empty if the activation is
    /// linear.</param>
    /// <param name="packedWeights">Weights packed for <see cref="ConvolutionPass.BackwardInput"/>;
    /// may be null without <paramref name="gradInput"/>.</param>
    /// <param name="gradInput">As the input; overwritten. Empty if not wanted, as in a first
    /// layer.</param>
    /// <param name="gradWeights">As the weights. Empty if not wanted, as in a frozen
    /// layer.</param>
    /// <param name="gradBias">[O], or empty if there is no bias or its gradient is not wanted; wanted
    /// only with <paramref name="gradWeights"/>.</param>
    /// <param name="accumulate">True to add to the gradients by weights and bias, false to overwrite
    /// them.</param>
    /// <param name="workspace">At least as large as one thread needs; null if that is 0 bytes. A
    /// small one means fewer threads. See <see cref="GetBackwardWorkspaceBytes"/>.</param>
    /// <param name="maxThreads">The most threads to use; 0 for
    /// <see cref="NativeConvRuntime.ThreadCount"/>.</param>
    /// <exception cref="ArgumentException">An argument is out of range, too short, misaligned or
    /// overlaps another one.</exception>
    /// <exception cref="InvalidOperationException">The workspace is in use by another
    /// call.</exception>
    /// <exception cref="ObjectDisposedException">The plan, packed weights or workspace is
    /// disposed.</exception>
    public void Backward(
        ReadOnlySpan<float> input,
        ReadOnlySpan<float> gradOutput,
        ReadOnlySpan<float> output,
        PackedWeights? packedWeights,
        Span<float> gradInput,
        Span<float> gradWeights,
        Span<float> gradBias,
        bool accumulate,
        ConvolutionWorkspace? workspace = null,
        int maxThreads = 0)
    {
        Guard.AtLeast(maxThreads, 0, nameof(maxThreads));
        bool byInput = !gradInput.IsEmpty;
        bool byWeights = !gradWeights.IsEmpty;
        input = Guard.Tensor(input, byWeights ? InputLength : 0, nameof(input));
        gradOutput = Guard.Tensor(gradOutput, OutputLength, nameof(gradOutput));
        output = Guard.Tensor(output, SavedOutputLength(output), nameof(output));
        if (byInput)
        {
            RequireFormat(packedWeights!, ConvolutionPass.BackwardInput);
            gradInput = Guard.Tensor(gradInput, InputLength, nameof(gradInput));
            NotOver(gradInput, nameof(gradInput), input, gradOutput, output);
            Guard.NoOverlap(gradInput, nameof(gradInput), gradWeights, nameof(gradWeights));
            Guard.NoOverlap(gradInput, nameof(gradInput), gradBias, nameof(gradBias));
        }

        if (byWeights)
        {
            Guard.Parameters(gradWeights, WeightsLength, nameof(gradWeights));
            NotOver(gradWeights, nameof(gradWeights), input, gradOutput, output);
            Guard.NoOverlap(gradWeights, nameof(gradWeights), gradBias, nameof(gradBias));
        }

        if (!gradBias.IsEmpty)
        {
            Guard.Parameters(gradBias, byWeights ? BiasLength : 0, nameof(gradBias));
            NotOver(gradBias, nameof(gradBias), input, gradOutput, output);
        }

        using HandleLease plan = Acquire();
        using HandleLease packed = byInput ? Acquire(packedWeights!) : default;
        using WorkspaceLease scratch = new(workspace, LeastBackwardWorkspace(byInput, byWeights));
        nconv_execution execution = Execution(maxThreads);
        fixed (
            float* x = input,
                gy = gradOutput,
                y = output,
                gx = gradInput,
                gw = gradWeights,
                gb = gradBias)
        {
            nconv_backward_args args = new()
            {
                struct_size = (uint)sizeof(nconv_backward_args),
                accumulate = accumulate ? 1 : 0,
                input = x,
                input_count = input.Length,
                grad_output = gy,
                grad_output_count = gradOutput.Length,
                output = y,
                output_count = output.Length,
                packed_weights = byInput ? (void*)packed.Pointer : null,
                packed_weights_bytes = byInput ? packedWeights!.Bytes : 0,
                grad_input = gx,
                grad_input_count = gradInput.Length,
                grad_weights = gw,
                grad_weights_count = gradWeights.Length,
                grad_bias = gb,
                grad_bias_count = gradBias.Length,
                workspace = scratch.Pointer,
                workspace_bytes = scratch.Bytes,
                execution = &execution,
            };
            NativeMethods.nconv_backward((nconv_plan*)plan.Pointer, &args).ThrowIfFailed();
        }
    }

    /// <summary><see cref="GetBackwardWorkspaceBytes"/> with an argument that was checked.</summary>
    internal long BackwardWorkspaceBytes(int maxThreads)
    {
        using HandleLease plan = Acquire();
        return BackwardWorkspaceBytes((nconv_plan*)plan.Pointer, maxThreads);
    }

    private static long BackwardWorkspaceBytes(nconv_plan* plan, int maxThreads)
    {
        long bytes;
        NativeMethods
            .nconv_plan_backward_workspace_bytes(plan, maxThreads, &bytes)
            .ThrowIfFailed();
        return bytes;
    }

    private static void NotOver(
        ReadOnlySpan<float> written,
        string name,
        ReadOnlySpan<float> input,
        ReadOnlySpan<float> gradOutput,
        ReadOnlySpan<float> output)
    {
        Guard.NoOverlap(written, name, input, nameof(input));
        Guard.NoOverlap(written, name, gradOutput, nameof(gradOutput));
        Guard.NoOverlap(written, name, output, nameof(output));
    }

    private long LeastBackwardWorkspace(bool byInput, bool byWeights) =>
        byInput && byWeights ? _leastBackwardWorkspace
        : byInput ? _leastWorkspace[(int)ConvolutionPass.BackwardInput]
        : byWeights ? _leastWorkspace[(int)ConvolutionPass.BackwardWeights]
        : 0;
}
