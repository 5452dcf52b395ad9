using System.Runtime.InteropServices;
using NativeConv.Report.Data;

namespace NativeConv.Report.Running;

/// <summary>The bytes of native code that a program for linux-x64 takes along, from the packages NuGet has restored.</summary>
internal static class PackageSizes
{
    public static List<PackageFact> Measure(string scratch)
    {
        var facts = new List<PackageFact>();
        if (Ours(scratch) is { } ours)
        {
            facts.Add(ours);
        }

        string cache = Environment.GetEnvironmentVariable("NUGET_PACKAGES")
            ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        AddIfRestored(facts, cache, "ONNX Runtime", "Microsoft.ML.OnnxRuntime");
        AddIfRestored(facts, cache, "TorchSharp with libtorch", "TorchSharp", "libtorch-cpu-linux-x64");
        return facts;
    }

    /// <summary>The library as the package has it, without symbols.</summary>
    private static PackageFact? Ours(string scratch)
    {
        string library = Repository.At("build/release/native/libnconv.so");
        string stripped = Path.Combine(scratch, "libnconv.so");
        if (!File.Exists(library) || !OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64
            || !ProgramRun.Start("strip", ["-o", stripped, library]).Succeeded)
        {
            return null;
        }

        long native = new FileInfo(stripped).Length;
        File.Delete(stripped);
        string folder = Repository.At("build/package");
        FileInfo? package = Directory.Exists(folder)
            ? new DirectoryInfo(folder).GetFiles($"NativeConv.{Machine.Version}.nupkg").FirstOrDefault()
            : null;
        return new PackageFact("NativeConv", Machine.Version, native, package?.Length, "all platforms there are");
    }

    private static void AddIfRestored(List<PackageFact> facts, string cache, string name, params string[] packages)
    {
        long native = 0, archives = 0;
        string version = "";
        foreach (string package in packages)
        {
            string folder = Path.Combine(cache, package.ToLowerInvariant(), PinnedVersion(package));
            string files = Path.Combine(folder, "runtimes", "linux-x64", "native");
            if (!Directory.Exists(files))
            {
                return;
            }

            native += new DirectoryInfo(files).EnumerateFiles().Sum(file => file.Length);
            archives += new DirectoryInfo(folder).EnumerateFiles("*.nupkg").Sum(file => file.Length);
            version = version.Length > 0 ? $"{version}, {PinnedVersion(package)}" : PinnedVersion(package);
        }

        facts.Add(new PackageFact(name, version, native, archives, string.Join(" and ", packages)));
    }

    /// <summary>The version that benchmarks/rivals uses.</summary>
    private static string PinnedVersion(string package) =>
        File.ReadLines(Repository.At("benchmarks/rivals/Directory.Packages.props"))
            .First(line => line.Contains($"\"{package}\"", StringComparison.Ordinal)).Split('"')[3];
}
