using NativeConv.PackageTests.Support;

namespace NativeConv.PackageTests;

/// <summary>Every way to run a program that uses the package gives the bits of the source tree.</summary>
public sealed class PublishModeTests(Workshop workshop)
{
    private static readonly string Executable = OperatingSystem.IsWindows() ? "Consumer.exe" : "Consumer";

    [Theory]
    [InlineData("framework-dependent", "--no-self-contained")]
    [InlineData("self-contained", "--self-contained")]
    [InlineData("single-file", "--self-contained", "-p:PublishSingleFile=true")]
    [InlineData("single-file-extracting", "--self-contained", "-p:PublishSingleFile=true",
        "-p:IncludeNativeLibrariesForSelfExtract=true")]
    [InlineData("trimmed", "--self-contained", "-p:PublishTrimmed=true")]
    public async Task PublishedForThisPlatform(string name, params string[] arguments)
    {
        Workshop.Require(Repository.Host);
        string folder = await Workshop.Publish(name, ["-r", Repository.Host, .. arguments]);
        Assert.Equal(
            name != "single-file-extracting",
            File.Exists(Path.Combine(folder, Repository.Library(Repository.Host))));
        Assert.Equal(workshop.Expected, await Command.Run(folder, Path.Combine(folder, Executable)));
    }

    [Fact]
    public async Task Portable()
    {
        Workshop.Require(Repository.Host);
        string folder = await Workshop.Publish("portable");
        Assert.Equal(workshop.Expected, await Command.Run(folder, "dotnet", "Consumer.dll"));
    }

    [Fact]
    public async Task DotnetRun()
    {
        Workshop.Require(Repository.Host);
        string folder = Workshop.Copy("run");
        Assert.Equal(
            workshop.Expected,
            await Command.Run(folder, "dotnet", "run", "-c", "Release", Workshop.VersionArgument));
    }

    [Fact]
    public async Task FileBasedProgram()
    {
        Workshop.Require(Repository.Host);
        // A new path each time: the SDK keeps what it built for one, whatever has become of the package.
        string folder = Workshop.Copy($"file-{Environment.TickCount64}");
        File.Delete(Path.Combine(folder, "Consumer.csproj"));
        string program = Path.Combine(folder, "Program.cs");
        string[] head = [$"#:package NativeConv@{Repository.Version}", .. File.ReadAllLines(program)];
        File.WriteAllLines(program, head);
        Assert.Equal(workshop.Expected, await Command.Run(folder, "dotnet", "run", "Program.cs"));
    }

    [Fact]
    public async Task DotnetTest()
    {
        Workshop.Require(Repository.Host);
        string folder = Workshop.Copy("test");
        string project = Path.Combine(folder, "Consumer.csproj");
        string text = File.ReadAllText(project);
        File.WriteAllText(
            project,
            text.Replace(
                "</Project>",
                """
                <ItemGroup>
                  <PackageReference Include="Microsoft.NET.Test.Sdk" Version="18.0.1" />
                  <PackageReference Include="xunit" Version="2.9.3" />
                  <PackageReference Include="xunit.runner.visualstudio" Version="3.1.5" />
                </ItemGroup>
                </Project>
                """,
                StringComparison.Ordinal));
        File.Delete(Path.Combine(folder, "Program.cs"));
        File.WriteAllText(
            Path.Combine(folder, "LayerTests.cs"),
            """
            using NativeConv;
            using Xunit;

            public sealed class LayerTests
            {
                [Fact]
                public void SumsOnes()
                {
                    using Conv2D layer = new(1, 1, new() { Activation = Activation.Linear });
                    layer.SetWeights([1, 1, 1, 1, 1, 1, 1, 1, 1]);
                    Conv2DShape shape = layer.GetShape(batch: 1, height: 2, width: 2);
                    Assert.Equal([4, 4, 4, 4], layer.Forward(shape, [1, 1, 1, 1]));
                }
            }
            """);
        string output = await Command.Run(folder, "dotnet", "test", "-c", "Release", Workshop.VersionArgument);
        Assert.Contains("Passed!", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("aot", false)]
    [InlineData("aot-static", true)]
    public async Task NativeAot(string name, bool staticLink)
    {
        Workshop.Require(Repository.Host);
        List<string> arguments = ["-r", Repository.Host, "-p:PublishAot=true"];
        if (staticLink)
        {
            Assert.SkipUnless(
                Workshop.Has($"static/{Repository.Host}/libnconv.a"),
                $"the package has no static library for {Repository.Host}");
            arguments.Add("-p:NativeConvStaticLink=true");
        }

        if (OperatingSystem.IsLinux() && !HasClang())
        {
            Repository.Tool("gcc", "gcc");
            arguments.Add("-p:CppCompilerAndLinker=gcc");
        }

        string folder = await Workshop.Publish(name, [.. arguments]);
        Assert.Equal(
            !staticLink, File.Exists(Path.Combine(folder, Repository.Library(Repository.Host))));
        Assert.Equal(workshop.Expected, await Command.Run(folder, Path.Combine(folder, Executable)));
        if (staticLink && OperatingSystem.IsLinux())
        {
            string needed = await Command.Run(
                folder, Repository.Tool("readelf", "binutils"), "-d", Executable);
            Assert.DoesNotContain("libstdc++", needed, StringComparison.Ordinal);
            Assert.DoesNotContain("libnconv", needed, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task LinuxArm64UnderQemu()
    {
        Workshop.Require("linux-arm64");
        string qemu = Repository.Tool("qemu-aarch64-static", "qemu-user-static");
        const string System = "/usr/aarch64-linux-gnu";
        Assert.SkipUnless(Directory.Exists(System), "no arm64 C library (Debian: libc6-arm64-cross)");
        string folder = await Workshop.Publish("linux-arm64", "-r", "linux-arm64", "--self-contained");
        Assert.Equal(
            workshop.Expected,
            await Command.Run(folder, qemu, "-L", System, Path.Combine(folder, "Consumer")));
    }

    [Fact]
    public async Task WindowsX64UnderWine()
    {
        Workshop.Require("win-x64");
        Assert.SkipWhen(OperatingSystem.IsWindows(), "runs as this platform's own");
        string wine = Repository.Tool("wine", "wine64");
        string folder = await Workshop.Publish("win-x64", "-r", "win-x64", "--self-contained");
        string output = await Command.Run(folder, wine, Path.Combine(folder, "Consumer.exe"));
        Assert.Equal(workshop.Expected, output.ReplaceLineEndings("\n"));
    }

    [Fact]
    public async Task WithoutTheLibrarySaysWhatIsMissing()
    {
        Workshop.Require(Repository.Host);
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the search variable is of Unix");
        string folder = await Workshop.Publish("planted", "-r", Repository.Host, "--no-self-contained");
        // The library in the working folder, and in one that the system would search, must not be taken.
        string library = Repository.Library(Repository.Host);
        string elsewhere = Path.Combine(Path.GetDirectoryName(folder)!, "elsewhere");
        Directory.CreateDirectory(elsewhere);
        File.Move(Path.Combine(folder, library), Path.Combine(elsewhere, library));
        Outcome outcome = await Command.Try(
            elsewhere,
            new Dictionary<string, string>
            {
                ["LD_LIBRARY_PATH"] = elsewhere,
                ["DYLD_LIBRARY_PATH"] = elsewhere,
            },
            Path.Combine(folder, Executable));
        Assert.NotEqual(0, outcome.ExitCode);
        Assert.Contains("PlatformNotSupportedException", outcome.Errors, StringComparison.Ordinal);
        Assert.Contains(Repository.Host, outcome.Errors, StringComparison.Ordinal);
    }

    private static bool HasClang() =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .Any(folder => File.Exists(Path.Combine(folder, "clang")));
}
