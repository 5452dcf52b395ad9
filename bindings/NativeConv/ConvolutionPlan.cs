using System.Runtime.InteropServices;
using System.Text;
using NativeConv.Internal;
using NativeConv.Interop;

namespace NativeConv;

/// <summary>
/// One convolution of fixed sizes, checked and planned once: the level below <see cref="Conv2D"/>,
/// for callers who keep weights, packed weights and workspaces themselves.
/// <para>
/// With N batch, C input and O output channels, G groups, H x W input, P x Q output, R x S kernel,
/// x input, w weights, b bias and f the activation (sh, sw strides, dh, dw dilations):
/// <code>
/// z[n,o,p,q] = b[o] + sum over c,r,s of x[n, c, p*sh + r*dh - top, q*sw + s*dw - left] * w[o,c,r,s]
/// y          = f(z)
/// </code>
/// where c runs over the C/G channels of o's group and x is 0 outside the image.
/// P = (H + top + bottom - ((R-1)*dh + 1)) / sh + 1 rounded down, Q alike.
/// </para>
/// <para>
/// A plan is immutable: any number of threads may use it at the same time. Its results have the
/// same bits whatever the thread count, instruction set, operating system and buffer alignment. No
/// call allocates. Tensors may be longer than needed; weights, bias and their gradients must have
/// exactly the needed length. A span that is written must not overlap another one of the call.
/// </para>
/// </summary>
public sealed unsafe partial class ConvolutionPlan : IDisposable
{
    private readonly PlanHandle _handle;
    private readonly nconv_plan_info _info;
    private readonly long[] _leastWorkspace = new long[3];
    private readonly long _leastBackwardWorkspace;

    /// <summary>Checks the descriptor and chooses an algorithm for each pass.</summary>
    /// <param name="descriptor">The convolution.</param>
    /// <param name="options">What to use; null to choose.</param>
    /// <exception cref="ArgumentNullException"><paramref name="descriptor"/> is null.</exception>
    /// <exception cref="ArgumentException">A property of the descriptor is out of range; the
    /// exception names it.</exception>
    /// <exception cref="NotSupportedException">The algorithm or instruction set of the options
    /// cannot be had.</exception>
    /// <exception cref="PlatformNotSupportedException">There is no native library for this
    /// platform.</exception>
    /// <exception cref="NativeConvException">The native library does not fit this
    /// assembly.</exception>
    /// <exception cref="OutOfMemoryException">There is not enough memory.</exception>
    public ConvolutionPlan(ConvolutionDescriptor descriptor, ConvolutionPlanOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(descriptor);
        descriptor.Validate();
        if (options?.MaxInstructionSet is InstructionSet set)
        {
            Guard.Defined(set, nameof(options.MaxInstructionSet));
        }

        NativeLibraryCheck.EnsureLoaded();
        Descriptor = descriptor;
        byte[]? algorithm = options?.Algorithm is string name
            ? Encoding.UTF8.GetBytes(name + '\0')
            : null;
        fixed (byte* algorithmName = algorithm)
        {
            nconv_plan_options native = new()
            {
                struct_size = (uint)sizeof(nconv_plan_options),
                max_isa = (int?)options?.MaxInstructionSet ?? -1,
                algorithm = (sbyte*)algorithmName,
            };
            _handle = PlanHandle.Create(descriptor.ToNative(), &native);
        }

        nconv_plan_info info = new() { struct_size = (uint)sizeof(nconv_plan_info) };
        using HandleLease plan = new(_handle);
        NativeMethods.nconv_plan_get_info((nconv_plan*)plan.Pointer, &info).ThrowIfFailed();
        _info = info;
        for (int pass = 0; pass < _leastWorkspace.Length; pass++)
        {
            _leastWorkspace[pass] = WorkspaceBytes((nconv_plan*)plan.Pointer, (nconv_pass)pass, 1);
        }

        _leastBackwardWorkspace = BackwardWorkspaceBytes((nconv_plan*)plan.Pointer, 1);
    }

    /// <summary>What the plan was made from.</summary>
    public ConvolutionDescriptor Descriptor { get; }

    /// <summary>The instruction set the plan runs on.</summary>
    public InstructionSet InstructionSet => (InstructionSet)_info.isa;

    /// <summary>Height P of the output.</summary>
    public long OutputHeight => _info.output_height;

    /// <summary>Width Q of the output.</summary>
    public long OutputWidth => _info.output_width;

    /// <summary>Elements of the input and of its gradient.</summary>
    public long InputLength => _info.input_count;

    /// <summary>Elements of the weights and of their gradient.</summary>
    public long WeightsLength => _info.weights_count;

    /// <summary>Elements of the bias and of its gradient; 0 without bias.</summary>
    public long BiasLength => _info.bias_count;

    /// <summary>Elements of the output and of its gradient.</summary>
    public long OutputLength => _info.output_count;

    /// <summary>The name of the algorithm that serves a pass.</summary>
    /// <param name="pass">The pass.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="pass"/> is not a
    /// pass.</exception>
    /// <exception cref="ObjectDisposedException">The plan is disposed.</exception>
    public string GetAlgorithm(ConvolutionPass pass)
    {
        Guard.Defined(pass, nameof(pass));
        using HandleLease plan = Acquire();
        return Marshal.PtrToStringUTF8(
            (nint)NativeMethods.nconv_plan_algorithm((nconv_plan*)plan.Pointer, (nconv_pass)pass)
        )!;
    }

    /// <summary>
    /// A plain-words account: the problem and, per pass, the algorithm, why those before it
    /// declined, workspace bytes and instruction set.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The plan is disposed.</exception>
    public string Describe()
    {
        using HandleLease plan = Acquire();
        long bytes;
        NativeMethods
            .nconv_plan_describe((nconv_plan*)plan.Pointer, null, 0, &bytes)
            .ThrowIfFailed();
        byte[] text = new byte[bytes];
        fixed (byte* p = text)
        {
            NativeMethods
                .nconv_plan_describe((nconv_plan*)plan.Pointer, (sbyte*)p, bytes, &bytes)
                .ThrowIfFailed();
        }

        return Encoding.UTF8.GetString(text, 0, text.Length - 1);
    }

    /// <summary>The size of a workspace with which a pass can use that many threads. It does not
    /// grow with the batch.</summary>
    /// <param name="pass">The pass.</param>
    /// <param name="maxThreads">The most threads that will run it; 0 for
    /// <see cref="NativeConvRuntime.ThreadCount"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of range.</exception>
    /// <exception cref="ObjectDisposedException">The plan is disposed.</exception>
    public long GetWorkspaceBytes(ConvolutionPass pass, int maxThreads = 0)
    {
        Guard.Defined(pass, nameof(pass));
        Guard.AtLeast(maxThreads, 0, nameof(maxThreads));
        return WorkspaceBytes(pass, maxThreads);
    }

    /// <summary>Plans with equal formats for a pass take the same packed weights.</summary>
    /// <param name="pass"><see cref="ConvolutionPass.Forward"/> or
    /// <see cref="ConvolutionPass.BackwardInput"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="pass"/> takes no packed
    /// weights.</exception>
    public ulong GetPackedFormat(ConvolutionPass pass) =>
        pass switch
        {
            ConvolutionPass.Forward => _info.forward_packed_format,
            ConvolutionPass.BackwardInput => _info.backward_input_packed_format,
            _ => throw new ArgumentOutOfRangeException(
                nameof(pass),
                pass,
                "Packed weights are for Forward or BackwardInput."),
        };

    /// <summary>Rearranges weights for a pass into new memory.</summary>
    /// <param name="pass"><see cref="ConvolutionPass.Forward"/> or
    /// <see cref="ConvolutionPass.BackwardInput"/>.</param>
    /// <param name="weights">[O][C/G][R][S], or [O][R][S][C/G] in
    /// <see cref="TensorLayout.Nhwc"/>.</param>
    /// <returns>The packed weights, for the caller to dispose.</returns>
    /// <exception cref="ArgumentException">An argument is out of range or has the wrong
    /// length.</exception>
    /// <exception cref="ObjectDisposedException">The plan is disposed.</exception>
    /// <exception cref="OutOfMemoryException">There is not enough memory.</exception>
    public PackedWeights PackWeights(ConvolutionPass pass, ReadOnlySpan<float> weights)
    {
        ulong format = GetPackedFormat(pass);
        Guard.Parameters(weights, WeightsLength, nameof(weights));
        ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
        PackedWeights packed = new(pass, format, PackedBytes(pass));
        try
        {
            PackWeights(weights, packed);
            return packed;
        }
        catch
        {
            packed.Dispose();
            throw;
        }
    }

    /// <summary>Rearranges weights into memory that already exists. No call may be reading
    /// it.</summary>
    /// <param name="weights">[O][C/G][R][S], or [O][R][S][C/G] in
    /// <see cref="TensorLayout.Nhwc"/>.</param>
    /// <param name="packedWeights">Packed weights of this plan, or of one with the same format, to
    /// be overwritten.</param>
    /// <exception cref="ArgumentException">The weights have the wrong length, or the format is
    /// another one.</exception>
    /// <exception cref="ObjectDisposedException">The plan or <paramref name="packedWeights"/> is
    /// disposed.</exception>
    public void PackWeights(ReadOnlySpan<float> weights, PackedWeights packedWeights)
    {
        ArgumentNullException.ThrowIfNull(packedWeights);
        RequireFormat(packedWeights, packedWeights.Pass);
        Guard.Parameters(weights, WeightsLength, nameof(weights));
        using HandleLease plan = Acquire();
        using HandleLease packed = Acquire(packedWeights);
        fixed (float* w = weights)
        {
            NativeMethods
                .nconv_pack_weights(
                    (nconv_plan*)plan.Pointer,
                    (nconv_pass)packedWeights.Pass,
                    w,
                    weights.Length,
                    (void*)packed.Pointer,
                    packedWeights.Bytes)
                .ThrowIfFailed();
        }
    }

    /// <summary>Frees the plan, after the calls that use it have returned.</summary>
    public void Dispose() => _handle.Dispose();

    /// <summary>The elements of the saved output that the gradients read: none if the activation is
    /// linear and none are given.</summary>
    internal long SavedOutputLength(ReadOnlySpan<float> output) =>
        output.IsEmpty && Descriptor.Activation.Kind == ActivationKind.Linear ? 0 : OutputLength;

    /// <summary><see cref="GetWorkspaceBytes"/> with arguments that were checked.</summary>
    internal long WorkspaceBytes(ConvolutionPass pass, int maxThreads)
    {
        using HandleLease plan = Acquire();
        return WorkspaceBytes((nconv_plan*)plan.Pointer, (nconv_pass)pass, maxThreads);
    }

    private static long WorkspaceBytes(nconv_plan* plan, nconv_pass pass, int maxThreads)
    {
        long bytes;
        NativeMethods.nconv_plan_workspace_bytes(plan, pass, maxThreads, &bytes).ThrowIfFailed();
        return bytes;
    }

    private static nconv_execution Execution(int maxThreads) =>
        new() { struct_size = (uint)sizeof(nconv_execution), max_threads = maxThreads };

    private static HandleLease Acquire(PackedWeights packedWeights)
    {
        ObjectDisposedException.ThrowIf(packedWeights.Memory.IsClosed, packedWeights);
        return new HandleLease(packedWeights.Memory);
    }

    private HandleLease Acquire()
    {
        ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
        return new HandleLease(_handle);
    }

    private long PackedBytes(ConvolutionPass pass) =>
        pass == ConvolutionPass.Forward
            ? _info.forward_packed_bytes
            : _info.backward_input_packed_bytes;

    private void RequireFormat(PackedWeights packedWeights, ConvolutionPass pass)
    {
        ArgumentNullException.ThrowIfNull(packedWeights);
        if (
            packedWeights.Pass != pass
            || packedWeights.Format != GetPackedFormat(pass)
            || packedWeights.Bytes != PackedBytes(pass))
        {
            throw new ArgumentException(
                $"The packed weights are for pass {packedWeights.Pass} in format "
                    + $"{packedWeights.Format:x16}; needed are pass {pass} and format "
                    + $"{GetPackedFormat(pass):x16}.",
                nameof(packedWeights));
        }
    }
}
