namespace NativeConv.Tests.Interop;

/// <summary>
/// abi_dump.txt: nativeconv.h as the C compiler reads it, written in the native build by
/// tests/native/abi_dump.c and copied beside the tests by their project.
/// </summary>
internal static class AbiDump
{
    /// <summary>The lines that begin with a word, without the word, in ordinal order.</summary>
    public static string[] Lines(string word)
    {
        string path = Path.Combine(AppContext.BaseDirectory, "abi_dump.txt");
        Assert.True(File.Exists(path), $"{path} is missing: build the native tests first.");
        string[] lines = [.. File.ReadLines(path)
            .Where(line => line.StartsWith(word + " ", StringComparison.Ordinal))
            .Select(line => line[(word.Length + 1)..])
            .Order(StringComparer.Ordinal)];
        Assert.NotEmpty(lines);
        return lines;
    }
}
