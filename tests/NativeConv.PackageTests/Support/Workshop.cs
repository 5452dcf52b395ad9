using System.IO.Compression;

namespace NativeConv.PackageTests.Support;

/// <summary>
/// Copies of the consumer, each in a folder of its own outside of the repository's settings, restored from a
/// feed that has this package only, beside the sources of the user's own settings.
/// </summary>
public sealed class Workshop : IAsyncLifetime
{
    private static readonly string Project = "Consumer.csproj";

    /// <summary>The hashes that the library of the source tree gives.</summary>
    public string Expected { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        Assert.True(File.Exists(Repository.Package), $"{Repository.Package} is missing: ./build.sh pack");
        if (Directory.Exists(Repository.Scratch)) Directory.Delete(Repository.Scratch, recursive: true);
        Directory.CreateDirectory(Repository.Scratch);
        // The repository's settings end here.
        Write("Directory.Build.props", "<Project />");
        Write("Directory.Build.targets", "<Project />");
        Write("Directory.Packages.props", "<Project />");
        Write("nuget.config",
            $"""
            <configuration>
              <packageSources><add key="local" value="{Repository.Feed}" /></packageSources>
              <packageSourceMapping><clear /></packageSourceMapping>
            </configuration>
            """);
        string source = Path.Combine(Repository.Root, "bindings", "NativeConv", "NativeConv.csproj");
        Expected = await Command.Run(
            Copy("in-tree"), "dotnet", "run", "-c", "Release", $"-p:NativeConvProject={source}");
        Assert.Equal(6, Expected.Count(c => c == '\n'));
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    internal static bool Has(string entry)
    {
        using ZipArchive package = ZipFile.OpenRead(Repository.Package);
        return package.GetEntry(entry) is not null;
    }

    internal static bool HasLibrary(string platform) =>
        Has($"runtimes/{platform}/native/{Repository.Library(platform)}");

    internal static void Require(string platform) =>
        Assert.SkipUnless(HasLibrary(platform), $"the package has no library for {platform}");

    /// <summary>A fresh copy of the consumer.</summary>
    internal static string Copy(string name)
    {
        string folder = Path.Combine(Repository.Scratch, name);
        Directory.CreateDirectory(folder);
        foreach (string file in Directory.GetFiles(
            Path.Combine(Repository.Root, "tests", "NativeConv.PackageTests", "Consumer")))
        {
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        }

        return folder;
    }

    /// <summary>Publishes a fresh copy and gives the folder of what came of it.</summary>
    internal static async Task<string> Publish(string name, params string[] arguments)
    {
        string folder = Copy(name);
        await Command.Run(
            folder,
            "dotnet",
            ["publish", Project, "-c", "Release", "-o", "out", VersionArgument, .. arguments]);
        return Path.Combine(folder, "out");
    }

    internal static string VersionArgument => $"-p:NativeConvVersion={Repository.Version}";

    private static void Write(string name, string text) =>
        File.WriteAllText(Path.Combine(Repository.Scratch, name), text);
}
