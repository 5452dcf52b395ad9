using System.Reflection;
using System.Runtime.InteropServices;

namespace NativeConv.PackageTests.Support;

/// <summary>Where things are, and the platforms that the package is for.</summary>
internal static class Repository
{
    public static readonly string[] Platforms =
    [
        "linux-x64", "linux-arm64", "linux-musl-x64", "linux-musl-arm64",
        "osx-x64", "osx-arm64", "win-x64", "win-arm64",
    ];

    public static string Root { get; } = Metadata("RepoRoot");

    public static string Version { get; } = Metadata("PackageVersion");

    public static string Feed { get; } = Path.Combine(Root, "build", "package");

    public static string Package { get; } = Path.Combine(Feed, $"NativeConv.{Version}.nupkg");

    public static string Scratch { get; } = Path.Combine(Root, "build", "package-test");

    /// <summary>The runtime identifier of this machine: no distribution's own.</summary>
    public static string Host { get; } =
        (OperatingSystem.IsWindows() ? "win"
            : OperatingSystem.IsMacOS() ? "osx"
            : RuntimeInformation.RuntimeIdentifier.Contains("musl", StringComparison.Ordinal) ? "linux-musl"
            : "linux")
        + "-"
        + RuntimeInformation.OSArchitecture.ToString().ToLowerInvariant();

    public static string Library(string platform) =>
        platform.StartsWith("win", StringComparison.Ordinal) ? "nativeconv.dll"
        : platform.StartsWith("osx", StringComparison.Ordinal) ? "libnativeconv.dylib"
        : "libnativeconv.so";

    /// <summary>The program on the PATH; the test is skipped, with the reason, where there is none.</summary>
    public static string Tool(string name, string package)
    {
        string? found = (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator)
            .SelectMany(folder => new[] { Path.Combine(folder, name), Path.Combine(folder, name + ".exe") })
            .FirstOrDefault(File.Exists);
        Assert.SkipWhen(found is null, $"{name} is missing here (Debian: {package})");
        return found!;
    }

    private static string Metadata(string key) =>
        typeof(Repository).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
            .Single(a => a.Key == key).Value!;
}
