using System.IO.Compression;
using System.Text.Json;
using System.Xml.Linq;
using NativeConv.PackageTests.Support;

namespace NativeConv.PackageTests;

/// <summary>What is in the package, and what a project takes of it.</summary>
public sealed class PackageTests(ITestOutputHelper log)
{
    private const long MaxPackageBytes = 6_000_000;
    private const long MaxLibraryBytes = 1_500_000;

    [Fact]
    public void HasWhatItShould()
    {
        using ZipArchive package = ZipFile.OpenRead(Repository.Package);
        string[] names = [.. package.Entries.Select(e => e.FullName)];
        string[] wanted =
        [
            "lib/net10.0/NativeConv.dll", "lib/net10.0/NativeConv.xml", "README.md", "LICENSE", "icon.png",
            "buildTransitive/NativeConv.targets",
        ];
        Assert.Equal([], wanted.Except(names));
        // Only libraries lie under runtimes/: all that is there lands beside a user's program.
        string[] libraries = [.. names.Where(n => n.StartsWith("runtimes/", StringComparison.Ordinal))];
        Assert.NotEmpty(libraries);
        Assert.All(
            libraries,
            name =>
            {
                string platform = name.Split('/')[1];
                Assert.Contains(platform, Repository.Platforms);
                Assert.Equal($"runtimes/{platform}/native/{Repository.Library(platform)}", name);
            });

        // The archives for static linking lie elsewhere; those of Linux serve glibc and musl.
        Assert.Equal(
            [.. libraries.Where(n => n.Split('/')[1] is "linux-x64" or "linux-arm64")
                .Select(n => $"static/{n.Split('/')[1]}/libnconv.a").Order()],
            names.Where(n => n.StartsWith("static/", StringComparison.Ordinal)).Order());

        XDocument specification;
        using (Stream stream = package.Entries.Single(e => e.Name == "NativeConv.nuspec").Open())
            specification = XDocument.Load(stream);
        string Of(string element) =>
            specification.Descendants().FirstOrDefault(e => e.Name.LocalName == element)?.Value ?? "";
        Assert.Equal(Repository.Version, Of("version"));
        Assert.Equal("MIT", Of("license"));
        Assert.Equal("icon.png", Of("icon"));
        Assert.Equal("README.md", Of("readme"));
        Assert.DoesNotContain(specification.Descendants(), e => e.Name.LocalName == "dependency");
    }

    [Fact]
    public void IsSmall()
    {
        using ZipArchive package = ZipFile.OpenRead(Repository.Package);
        long bytes = new FileInfo(Repository.Package).Length;
        log.WriteLine($"{Path.GetFileName(Repository.Package)}: {bytes:N0} bytes");
        foreach (ZipArchiveEntry entry in package.Entries.Where(e => e.Length > 100_000))
            log.WriteLine($"  {entry.FullName}: {entry.Length:N0} bytes, {entry.CompressedLength:N0} packed");
        Assert.InRange(bytes, 1, MaxPackageBytes);
        ZipArchiveEntry? library = package.GetEntry("runtimes/linux-x64/native/libnconv.so");
        Assert.SkipWhen(library is null, "the package has no library for linux-x64");
        Assert.InRange(library!.Length, 1, MaxLibraryBytes);
    }

    [Theory]
    [InlineData("linux-x64")]
    [InlineData("linux-arm64")]
    [InlineData("linux-musl-x64")]
    [InlineData("linux-musl-arm64")]
    [InlineData("osx-x64")]
    [InlineData("osx-arm64")]
    [InlineData("win-x64")]
    [InlineData("win-arm64")]
    public async Task EachPlatformTakesItsOwnFolder(string platform)
    {
        Workshop.Require(platform);
        JsonElement package = await Restored("assets-" + platform, "net10.0/" + platform,
            $"-p:RuntimeIdentifier={platform}", "-p:UseAppHost=false", "-p:SelfContained=false");
        Assert.Equal(
            $"runtimes/{platform}/native/{Repository.Library(platform)}",
            Assert.Single(package.GetProperty("native").EnumerateObject()).Name);
    }

    [Fact]
    public async Task WithoutAPlatformAllFoldersAreTaken()
    {
        JsonElement package = await Restored("assets", "net10.0");
        JsonProperty[] libraries = [.. package.GetProperty("runtimeTargets").EnumerateObject()];
        Assert.All(
            libraries,
            library => Assert.Equal(
                library.Value.GetProperty("rid").GetString(), library.Name.Split('/')[1]));
        Assert.Equal(
            Repository.Platforms.Where(Workshop.HasLibrary).Order(),
            libraries.Select(library => library.Name.Split('/')[1]).Order());
    }

    /// <summary>What a restored project takes of the package; no host and no runtime is needed for that.</summary>
    private static async Task<JsonElement> Restored(string name, string target, params string[] arguments)
    {
        string folder = Workshop.Copy(name);
        await Command.Run(folder, "dotnet", ["restore", Workshop.VersionArgument, .. arguments]);
        using JsonDocument assets = JsonDocument.Parse(
            File.ReadAllText(Path.Combine(folder, "obj", "project.assets.json")));
        return assets.RootElement.GetProperty("targets")
            .GetProperty(target)
            .GetProperty("NativeConv/" + Repository.Version)
            .Clone();
    }
}
