using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using NativeConv.Interop;
using NativeConv.Tests.Support;

namespace NativeConv.Tests.Interop;

/// <summary>The text of nativeconv.h against the bindings and against abi_dump.txt.</summary>
public partial class HeaderTests
{
    private static readonly string Header = File.ReadAllText(
        Path.Combine(Expect.RepoRoot, "native", "include", "nativeconv.h")).Replace("\r", "");

    private static readonly string Code = Comment().Replace(Header, "");

    /// <summary>On failure: run ./build.sh bindings and commit what it writes.</summary>
    [Fact]
    public void BindingsAreOfThisHeader() =>
        Assert.Equal(
            HeaderHash.Sha256,
            Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Header))));

    // On failure of those below: tests/native/abi_dump.c lacks a line, or has one too many.

    [Fact]
    public void DumpHasEveryMacro() => AssertDumped("macro", Names(Macro(), Code));

    [Fact]
    public void DumpHasEveryFunction() => AssertDumped("function", Names(Function(), Code));

    [Fact]
    public void DumpHasEveryEnum() => AssertDumped("enum", Names(Enum(), Code));

    [Fact]
    public void DumpHasEveryEnumValue() => AssertDumped("value", Nested(Enum(), Enumerator()));

    [Fact]
    public void DumpHasEveryStruct() => AssertDumped("struct", Names(Struct(), Code));

    [Fact]
    public void DumpHasEveryField() => AssertDumped("field", Nested(Struct(), Field()));

    private static void AssertDumped(string word, IEnumerable<string> declared) =>
        Assert.Equal(
            declared.Order(StringComparer.Ordinal),
            AbiDump.Lines(word).Select(line => line.Split(' ')[0]).Order(StringComparer.Ordinal));

    private static IEnumerable<string> Names(Regex regex, string text) =>
        regex.Matches(text).Select(match => match.Groups[1].Value);

    private static IEnumerable<string> Nested(Regex type, Regex member) =>
        from match in type.Matches(Code)
        from name in Names(member, match.Groups[2].Value)
        select $"{match.Groups[1].Value}.{name}";

    [GeneratedRegex(@"/\*.*?\*/", RegexOptions.Singleline)]
    private static partial Regex Comment();

    [GeneratedRegex(@"^#define (NCONV_\w+) \S*\d", RegexOptions.Multiline)]
    private static partial Regex Macro();

    /// <summary>A name and a bracket; function pointers have the name inside brackets.</summary>
    [GeneratedRegex(@"\b(nconv_\w+)\s*\(")]
    private static partial Regex Function();

    [GeneratedRegex(@"\benum\s+(\w+)\s*\{([^}]*)\}")]
    private static partial Regex Enum();

    [GeneratedRegex(@"\b(NCONV_\w+)\s*(?:=|,|$)")]
    private static partial Regex Enumerator();

    [GeneratedRegex(@"\bstruct\s+(\w+)\s*\{([^}]*)\}")]
    private static partial Regex Struct();

    [GeneratedRegex(@"(\w+)\s*(?:\[[^]]*\]\s*)?[,;]")]
    private static partial Regex Field();
}
