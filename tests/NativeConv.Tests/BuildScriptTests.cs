using System.Management.Automation.Language;
using NativeConv.Tests.Support;

namespace NativeConv.Tests;

/// <summary>The Windows build script is held to the same verbs as the other one, but for those that
/// pack, also where no Windows is at hand.</summary>
public class BuildScriptTests
{
    private static readonly string[] Verbs =
    [
        "native",
        "build",
        "test",
        "demo",
        "bench",
        "bench-native",
        "bench-compare",
        "bindings",
    ];

    [Fact]
    public void PowerShellScript_Parses()
    {
        Parser.ParseFile(
            Path.Combine(Expect.RepoRoot, "build.ps1"),
            out _,
            out ParseError[] errors);
        Assert.Empty(errors.Select(error => $"{error.Extent.StartLineNumber}: {error.Message}"));
    }

    [Theory]
    [InlineData("build.sh")]
    [InlineData("build.ps1")]
    public void Script_HasEveryVerb(string file)
    {
        string text = File.ReadAllText(Path.Combine(Expect.RepoRoot, file));
        Assert.All(Verbs, verb => Assert.Matches($@"(?m)^\s*({verb}\)|'{verb}' \{{)", text));
    }
}
