using System.ComponentModel;
using System.Diagnostics;

namespace NativeConv.Report.Running;

/// <summary>A program run to its end.</summary>
internal sealed record ProgramRun(int ExitCode, IReadOnlyList<string> Output, string Error)
{
    public const int NotStarted = -1;

    public bool Succeeded => ExitCode == 0;

    /// <summary>The first line that says what went wrong.</summary>
    public string Reason => Error.Split('\n').Select(line => line.Trim()).FirstOrDefault(line => line.Length > 0, $"exit code {ExitCode}");

    public static ProgramRun Start(
        string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null, TimeSpan? limit = null,
        CancellationToken cancel = default)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach ((string name, string value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        try
        {
            using Process process = Process.Start(start)!;
            Task<string> output = process.StandardOutput.ReadToEndAsync(cancel);
            Task<string> error = process.StandardError.ReadToEndAsync(cancel);
            using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            stop.CancelAfter(limit ?? TimeSpan.FromMinutes(15));
            try
            {
                process.WaitForExitAsync(stop.Token).GetAwaiter().GetResult();
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
                cancel.ThrowIfCancellationRequested();
                return new ProgramRun(NotStarted, [], $"{Path.GetFileName(program)} took too long and was stopped");
            }

            return new ProgramRun(process.ExitCode, output.Result.ReplaceLineEndings("\n").Split('\n'), error.Result);
        }
        catch (Win32Exception e)
        {
            return new ProgramRun(NotStarted, [], e.Message);
        }
    }

    /// <summary>The first line a program prints, or nothing where it fails.</summary>
    public static string FirstLine(string program, params string[] arguments)
    {
        ProgramRun run = Start(program, arguments);
        return run.Succeeded ? run.Output[0].Trim() : "";
    }
}
