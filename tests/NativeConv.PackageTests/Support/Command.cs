using System.Diagnostics;

namespace NativeConv.PackageTests.Support;

/// <summary>What a program printed, and how it ended.</summary>
internal sealed record Outcome(int ExitCode, string Output, string Errors);

internal static class Command
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    /// <summary>Runs a program in a folder and asserts that it ends well.</summary>
    public static async Task<string> Run(string folder, string program, params string[] arguments)
    {
        Outcome outcome = await Try(folder, null, program, arguments);
        Assert.True(
            outcome.ExitCode == 0,
            $"{program} {string.Join(' ', arguments)} ended with {outcome.ExitCode}:\n{outcome.Output}\n{outcome.Errors}");
        return outcome.Output;
    }

    public static async Task<Outcome> Try(
        string folder,
        IReadOnlyDictionary<string, string>? environment,
        string program,
        params string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // What the test runner was told is not for the program: it would find the SDK of the repository's tests.
        foreach (string name in start.Environment.Keys.Where(IsOfTheRunner).ToArray())
            start.Environment.Remove(name);
        // A cache of its own: another NativeConv of this version may lie in the user's.
        start.Environment["NUGET_PACKAGES"] = Path.Combine(Repository.Scratch, "packages");
        start.Environment["DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"] = "1";
        start.Environment["WINEDEBUG"] = "-all";
        foreach ((string name, string value) in environment ?? new Dictionary<string, string>())
            start.Environment[name] = value;

        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        using CancellationTokenSource limit = new(Limit);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{program} {string.Join(' ', arguments)}: not done after {Limit}");
        }

        return new Outcome(process.ExitCode, await output, await errors);
    }

    private static bool IsOfTheRunner(string name) =>
        (name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)
            && name != "MSBUILDDISABLENODEREUSE")
        || name.StartsWith("VSTEST", StringComparison.OrdinalIgnoreCase)
        || name is "DOTNET_HOST_PATH" or "NATIVECONV_MAX_ISA";
}
