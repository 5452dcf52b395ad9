using NativeConv.Internal;
using NativeConv.Interop;

namespace NativeConv;

/// <content>The passes.</content>
public sealed unsafe partial class ConvolutionPlan
{
    /// <summary>
    /// output = f(z + residual) with z = conv(input, weights) + bias, or f(z) without a residual:
    /// the shortcut of a residual block, at the price of reading it once. z is rounded to float
    /// before the residual is added.
    /// </summary>
    /// <param name="input">[N][C][H][W], or [N][H][W][C]; only read.</param>
    /// <param name="packedWeights">Weights packed for
    /// <see cref="ConvolutionPass.Forward"/>.</param>
    /// <param name="bias">[O], or empty if there is no bias.</param>
    /// <param name="output">[N][O][P][Q], or [N][P][Q][O]; overwritten.</param>
    /// <param name="workspace">At least as large as one thread needs; null if that is 0 bytes. A
    /// small one means fewer threads.</param>
    /// <param name="maxThreads">The most threads to use; 0 for
    /// <see cref="NativeConvRuntime.ThreadCount"/>.</param>
    /// <param name="residual">As the output; only read. Empty for none. Must not overlap the
    /// output, not even be it.</param>
    /// <exception cref="ArgumentException">An argument is out of range, too short, misaligned or
    /// overlaps another one.</exception>
    /// <exception cref="InvalidOperationException">The workspace is in use by another
    /// call.</exception>
    /// <exception cref="ObjectDisposedException">The plan, packed weights or workspace is
    /// disposed.</exception>
    public void Forward(
        ReadOnlySpan<float> input,
        PackedWeights packedWeights,
        ReadOnlySpan<float> bias,
        Span<float> output,
        ConvolutionWorkspace? workspace = null,
        int maxThreads = 0,
        ReadOnlySpan<float> residual = default)
    {
        Guard.AtLeast(maxThreads, 0, nameof(maxThreads));
        input = Guard.Tensor(input, InputLength, nameof(input));
        RequireFormat(packedWeights, ConvolutionPass.Forward);
        Guard.Parameters(bias, BiasLength, nameof(bias));
        output = Guard.Tensor(output, OutputLength, nameof(output));
        Guard.NoOverlap(output, nameof(output), input, nameof(input));
        Guard.NoOverlap(output, nameof(output), bias, nameof(bias));
        if (!residual.IsEmpty)
        {
            residual = Guard.Tensor(residual, OutputLength, nameof(residual));
            Guard.NoOverlap(output, nameof(output), residual, nameof(residual));
        }

        using HandleLease plan = Acquire();
        using HandleLease packed = Acquire(packedWeights);
        using WorkspaceLease scratch = new(
            workspace,
            _leastWorkspace[(int)ConvolutionPass.Forward]);
        nconv_execution execution = Execution(maxThreads);
        fixed (
            float* x = input,
                b = bias,
                y = output,
                r = residual)
        {
            nconv_forward_args args = new()
            {
                struct_size = (uint)sizeof(nconv_forward_args),
                input = x,
                input_count = input.Length,
                packed_weights = (void*)packed.Pointer,
                packed_weights_bytes = packedWeights.Bytes,
                bias = b,
                bias_count = bias.Length,
                output = y,
                output_count = output.Length,
                workspace = scratch.Pointer,
                workspace_bytes = scratch.Bytes,
                execution = &execution,
                residual = r,
                residual_count = residual.Length,
            };
            NativeMethods.nconv_forward((nconv_plan*)plan.Pointer, &args).ThrowIfFailed();
        }
    }

    /// <summary>
    /// The gradient by the input. With g = gradOutput * f'(output): gradInput[n,c,h,w] = sum of
    /// g[n,o,p,q] * w[o,c,r,s] over all o,p,q,r,s with h = p*sh + r*dh - top, and w alike. Pixels
    /// that no output reads become 0.
    /// </summary>
    /// <param name="gradOutput">As the output; only read.</param>
    /// <param name="output">What the forward pass wrote; may be empty if the activation is
    /// linear.</param>
    /// <param name="packedWeights">Weights packed for
    /// <see cref="ConvolutionPass.BackwardInput"/>.</param>
    /// <param name="gradInput">As the input; overwritten.</param>
    /// <param name="workspace">At least as large as one thread needs; null if that is 0 bytes. A
    /// small one means fewer threads.</param>
    /// <param name="maxThreads">The most threads to use; 0 for
    /// <see cref="NativeConvRuntime.ThreadCount"/>.</param>
    /// <exception cref="ArgumentException">An argument is out of range, too short, misaligned or
    /// overlaps another one.</exception>
    /// <exception cref="InvalidOperationException">The workspace is in use by another
    /// call.</exception>
    /// <exception cref="ObjectDisposedException">The plan, packed weights or workspace is
    /// disposed.</exception>
    public void BackwardInput(
        ReadOnlySpan<float> gradOutput,
        ReadOnlySpan<float> output,
        PackedWeights packedWeights,
        Span<float> gradInput,
        ConvolutionWorkspace? workspace = null,
        int maxThreads = 0)
    {
        RequireFormat(packedWeights, ConvolutionPass.BackwardInput);
        gradInput = Guard.Tensor(gradInput, InputLength, nameof(gradInput));
        Backward([], gradOutput, output, packedWeights, gradInput, [], [], false, workspace, maxThreads);
    }

    /// <summary>
    /// The gradients by weights and bias. With g = gradOutput * f'(output): gradWeights[o,c,r,s] =
    /// sum over n,p,q of g[n,o,p,q] * x[n, c, p*sh + r*dh - top, q*sw + s*dw - left], and
    /// gradBias[o] = sum over n,p,q of g[n,o,p,q].
    /// </summary>
    /// <param name="input">As in the forward pass; only read.</param>
    /// <param name="gradOutput">As the output; only read.</param>
    /// <param name="output">What the forward pass wrote; may be empty if the activation is
    /// linear.</param>
    /// <param name="gradWeights">As the weights.</param>
    /// <param name="gradBias">[O], or empty if there is no bias.</param>
    /// <param name="accumulate">True to add to the gradients, false to overwrite them.</param>
    /// <param name="workspace">At least as large as one thread needs; null if that is 0 bytes. A
    /// small one means fewer threads.</param>
    /// <param name="maxThreads">The most threads to use; 0 for
    /// <see cref="NativeConvRuntime.ThreadCount"/>.</param>
    /// <exception cref="ArgumentException">An argument is out of range, too short, misaligned or
    /// overlaps another one.</exception>
    /// <exception cref="InvalidOperationException">The workspace is in use by another
    /// call.</exception>
    /// <exception cref="ObjectDisposedException">The plan or workspace is disposed.</exception>
    public void BackwardWeights(
        ReadOnlySpan<float> input,
        ReadOnlySpan<float> gradOutput,
        ReadOnlySpan<float> output,
        Span<float> gradWeights,
        Span<float> gradBias,
        bool accumulate,
        ConvolutionWorkspace? workspace = null,
        int maxThreads = 0)
    {
        Guard.Parameters(gradWeights, WeightsLength, nameof(gradWeights));
        Guard.Parameters(gradBias, BiasLength, nameof(gradBias));
        Backward(input, gradOutput, output, null, [], gradWeights, gradBias, accumulate, workspace, maxThreads);
    }

    /// <summary>
    /// The gradient by the residual of the forward pass, which is also that by z: gradResidual =
    /// gradOutput * f'(output). The other gradients need no residual; they take the same product
    /// from the output, which has seen it.
    /// </summary>
    /// <param name="gradOutput">As the output; only read.</param>
    /// <param name="output">What the forward pass wrote; may be empty if the activation is
    /// linear.</param>
    /// <param name="gradResidual">As the output; overwritten. May be
    /// <paramref name="gradOutput"/> itself.</param>
    /// <param name="maxThreads">The most threads to use; 0 for
    /// <see cref="NativeConvRuntime.ThreadCount"/>.</param>
    /// <exception cref="ArgumentException">An argument is out of range, too short, misaligned or
    /// overlaps another one.</exception>
    /// <exception cref="ObjectDisposedException">The plan is disposed.</exception>
    public void BackwardResidual(
        ReadOnlySpan<float> gradOutput,
        ReadOnlySpan<float> output,
        Span<float> gradResidual,
        int maxThreads = 0)
    {
        Guard.AtLeast(maxThreads, 0, nameof(maxThreads));
        gradOutput = Guard.Tensor(gradOutput, OutputLength, nameof(gradOutput));
        output = Guard.Tensor(output, SavedOutputLength(output), nameof(output));
        gradResidual = Guard.Tensor(gradResidual, OutputLength, nameof(gradResidual));
        Guard.NoOverlap(gradResidual, nameof(gradResidual), output, nameof(output));
        if (gradResidual != gradOutput)
        {
            Guard.NoOverlap(gradResidual, nameof(gradResidual), gradOutput, nameof(gradOutput));
        }

        using HandleLease plan = Acquire();
        nconv_execution execution = Execution(maxThreads);
        fixed (
            float* gy = gradOutput,
                y = output,
                gr = gradResidual)
        {
            nconv_backward_residual_args args = new()
            {
                struct_size = (uint)sizeof(nconv_backward_residual_args),
                grad_output = gy,
                grad_output_count = gradOutput.Length,
                output = y,
                output_count = output.Length,
                grad_residual = gr,
                grad_residual_count = gradResidual.Length,
                execution = &execution,
            };
            NativeMethods.nconv_backward_residual((nconv_plan*)plan.Pointer, &args).ThrowIfFailed();
        }
    }
}
