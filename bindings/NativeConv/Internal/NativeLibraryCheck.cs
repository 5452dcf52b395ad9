using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using NativeConv.Interop;

namespace NativeConv.Internal;

/// <summary>
/// The handshake at first use: the native library is there, can be loaded, and has the binary
/// interface that this assembly was compiled for.
/// </summary>
internal static class NativeLibraryCheck
{
    private const int HeaderVersion =
        (NativeMethods.NCONV_VERSION_MAJOR * 10000)
        + (NativeMethods.NCONV_VERSION_MINOR * 100)
        + NativeMethods.NCONV_VERSION_PATCH;

    private static volatile bool Loaded;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void EnsureLoaded()
    {
        if (!Loaded)
        {
            Check(NativeMethods.nconv_abi_version, NativeMethods.nconv_version);
            Loaded = true;
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    internal static void Check(Func<int> abiVersion, Func<int> version)
    {
        int abi;
        int loaded;
        try
        {
            abi = abiVersion();
            loaded = version();
        }
        catch (DllNotFoundException e)
        {
            throw new PlatformNotSupportedException(
                $"The native library {FileName} was not found for {Platform}. The NativeConv package "
                    + "brings it for the platforms in its runtimes folder: publish for one of "
                    + "those, and keep the file beside NativeConv.dll. "
                    + "When working on NativeConv itself, build it with ./build.sh native.",
                e);
        }
        catch (BadImageFormatException e)
        {
            throw new PlatformNotSupportedException(
                $"The native library {FileName} was built for another processor or is damaged; "
                    + $"this process is {Platform}. Publish for this runtime identifier.",
                e);
        }
        catch (EntryPointNotFoundException e)
        {
            throw new NativeConvException(
                $"The file {FileName} that was loaded is not the NativeConv library. Remove it, and "
                    + "restore the NativeConv package.",
                e);
        }

        if (abi != NativeMethods.NCONV_ABI_VERSION || loaded < HeaderVersion)
        {
            throw new NativeConvException(
                $"The native library {FileName} does not fit NativeConv.dll: it is version "
                    + $"{ToVersion(loaded)} with binary interface {abi}; needed is version "
                    + $"{ToVersion(HeaderVersion)} or later with binary interface "
                    + $"{NativeMethods.NCONV_ABI_VERSION}. "
                    + "Use both from one package, or rebuild with ./build.sh native.");
        }
    }

    public static Version ToVersion(int version) =>
        new(version / 10000, version / 100 % 100, version % 100);

    private static string Platform => RuntimeInformation.RuntimeIdentifier;

    private static string FileName =>
        OperatingSystem.IsWindows() ? "nconv.dll"
        : OperatingSystem.IsMacOS() ? "libnconv.dylib"
        : "libnconv.so";
}
