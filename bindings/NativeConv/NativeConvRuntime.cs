using System.Runtime.InteropServices;
using NativeConv.Internal;
using NativeConv.Interop;

namespace NativeConv;

/// <summary>
/// The native library: version, instruction sets, threads. All members may be called from any
/// thread; all throw <see cref="PlatformNotSupportedException"/> if there is no native library for
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
}
