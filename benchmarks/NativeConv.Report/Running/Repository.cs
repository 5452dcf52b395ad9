using System.Reflection;
using NativeConv.Rivals;

namespace NativeConv.Report.Running;

/// <summary>Where things lie in this repository.</summary>
internal static class Repository
{
    public static string Root { get; } = typeof(Repository).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .Single(attribute => attribute.Key == "RepoRoot").Value!;

    public static string BenchProgram { get; } = Program("build/release/benchmarks/native/nconv_bench");

    public static string Topologies { get; } = At("tests/shapes/topologies.txt");

    public static string Networks { get; } = At("tests/shapes/networks.txt");

    public static string At(string path) => Path.Combine(Root, path);

    public static string Program(string path) => At(path) + (OperatingSystem.IsWindows() ? ".exe" : "");

    public static string Shapes(string set) => At($"benchmarks/NativeConv.Report/shapes/{set}.txt");

    /// <summary>The lines of a file of descriptors that have one.</summary>
    public static IReadOnlyList<string> ReadShapes(string path) =>
        [.. File.ReadLines(path).Select(line => line.Split('#')[0].Trim()).Where(line => line.Length > 0)];

    public static string NameOf(string descriptor) => Descriptor.Parse(descriptor).Name;
}
