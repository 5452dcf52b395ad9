using System.Runtime.InteropServices;
using NativeConv.Internal;
using NativeConv.Interop;

namespace NativeConv;

/// <summary>
/// The native library: version, instruction sets, threads, memory. All members may be called from
/// any thread; all throw <see cref="PlatformNotSupportedException"/> if there is no native library for
/// the platform and <see cref="NativeConvException"/> if it does not fit this assembly.
/// </summary>
public static unsafe class NativeConvRuntime
{
    /// <summary>The version of the native library that is loaded.</summary>
    public static Version Version
    {
        get
        {
            NativeLibraryCheck.EnsureLoaded();
            return NativeLibraryCheck.ToVersion(NativeMethods.nconv_version());
        }
    }

    /// <summary>
    /// The instruction set that new plans use: the best one that library, processor and operating
    /// system support and the caps allow (<see cref="SetMaxInstructionSet"/> and the environment
    /// variable NATIVECONV_MAX_ISA: scalar, avx2, avx512 or neon).
    /// </summary>
    public static InstructionSet ActiveInstructionSet
    {
        get
        {
            NativeLibraryCheck.EnsureLoaded();
            return (InstructionSet)NativeMethods.nconv_active_isa();
        }
    }

    /// <summary>The instruction sets that library and machine support, slowest first, whatever the
    /// caps.</summary>
    public static IReadOnlyList<InstructionSet> SupportedInstructionSets
    {
        get
        {
            NativeLibraryCheck.EnsureLoaded();
            uint supported = NativeMethods.nconv_supported_isas();
            return
            [
                .. Enum.GetValues<InstructionSet>()
                    .Where(set => (supported & (1u << (int)set)) != 0)
                    .Order(),
            ];
        }
    }

    /// <summary>The number of threads a call uses that sets no limit of its own.</summary>
    public static int ThreadCount
    {
        get
        {
            NativeLibraryCheck.EnsureLoaded();
            return NativeMethods.nconv_thread_count();
        }
    }

    /// <summary>The names of the algorithms in the order in which a plan considers them.</summary>
    public static IReadOnlyList<string> Algorithms
    {
        get
        {
            NativeLibraryCheck.EnsureLoaded();
            List<string> names = [];
            while (
                Marshal.PtrToStringUTF8((nint)NativeMethods.nconv_algorithm_name(names.Count))
                    is string name)
            {
                names.Add(name);
            }

            return names;
        }
    }

    /// <summary>
    /// Lowers <see cref="ActiveInstructionSet"/> for plans created from now on, in the whole
    /// process. A <see cref="Conv2D"/> keeps the plans it already has.
    /// </summary>
    /// <param name="instructionSet">The best one allowed.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="instructionSet"/> is not an
    /// instruction set.</exception>
    /// <exception cref="PlatformNotSupportedException">Library or machine do not have
    /// it.</exception>
    public static void SetMaxInstructionSet(InstructionSet instructionSet)
    {
        Guard.Defined(instructionSet, nameof(instructionSet));
        NativeLibraryCheck.EnsureLoaded();
        NativeMethods.nconv_set_max_isa((nconv_isa)instructionSet).ThrowIfFailed();
    }

    /// <summary>Caps <see cref="ThreadCount"/> for calls that start from now on, in the whole
    /// process.</summary>
    /// <param name="maxThreads">The cap; 0 lifts it.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxThreads"/> is
    /// negative.</exception>
    public static void SetMaxThreads(int maxThreads)
    {
        Guard.AtLeast(maxThreads, 0, nameof(maxThreads));
        NativeLibraryCheck.EnsureLoaded();
        NativeMethods.nconv_set_max_threads(maxThreads).ThrowIfFailed();
    }

    /// <summary>
    /// How long the library's threads look for the next call's work, at full speed, before they
    /// sleep: 100 microseconds unless set, 0 to sleep at once, at most 1000000; for the whole
    /// process. Between calls that follow each other sooner, a handover costs 0.1 us; waking a
    /// sleeping thread costs 16 to 47. Sleeping threads use no processor time.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">Set: the value is out of range.</exception>
    public static int SpinMicroseconds
    {
        get
        {
            NativeLibraryCheck.EnsureLoaded();
            return NativeMethods.nconv_spin_microseconds();
        }

        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(value, 1000000);
            NativeLibraryCheck.EnsureLoaded();
            NativeMethods.nconv_set_spin_microseconds(value).ThrowIfFailed();
        }
    }

    /// <summary>The native memory of disposed buffers, workspaces and packed weights that is kept
    /// for new ones.</summary>
    public static long PooledBufferBytes
    {
        get
        {
            NativeLibraryCheck.EnsureLoaded();
            return NativeMethods.nconv_buffer_pooled_bytes();
        }
    }

    /// <summary>Limits <see cref="PooledBufferBytes"/>, 256 MiB unless set; what exceeds it is
    /// given back to the system.</summary>
    /// <param name="bytes">The limit; 0 keeps nothing.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="bytes"/> is
    /// negative.</exception>
    public static void SetMaxPooledBufferBytes(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        NativeLibraryCheck.EnsureLoaded();
        NativeMethods.nconv_buffer_set_max_pooled_bytes(bytes).ThrowIfFailed();
    }

    /// <summary>Gives all of <see cref="PooledBufferBytes"/> back to the system.</summary>
    public static void TrimBuffers()
    {
        NativeLibraryCheck.EnsureLoaded();
        NativeMethods.nconv_buffer_trim();
    }
}
