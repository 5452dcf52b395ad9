using System.Text.Json;

namespace NativeConv.Report.Data;

/// <summary>An engine that is not NativeConv: its version, or why it was not measured.</summary>
internal sealed record RivalFact(string Name, string? Version, string? Absent);

/// <summary>What a user of .NET takes along for linux-x64.</summary>
internal sealed record PackageFact(string Name, string Version, long NativeBytes, long? PackageBytes, string Contains);

/// <summary>What the report's head tells, and all that is not a time.</summary>
internal sealed record Facts
{
    public required DateOnly Date { get; init; }

    public required bool Quick { get; init; }

    public required int Rounds { get; init; }

    public required double Minutes { get; init; }

    public required string Commit { get; init; }

    public required string Version { get; init; }

    public required string Cpu { get; init; }

    public required int Threads { get; init; }

    public required string Caches { get; init; }

    public required string System { get; init; }

    public required string Compiler { get; init; }

    public required string DotNet { get; init; }

    /// <summary>GB/s read and written by a copy far larger than any cache, by threads.</summary>
    public required Dictionary<int, double> CopyBandwidth { get; init; }

    public required List<RivalFact> Rivals { get; init; }

    public required List<PackageFact> Packages { get; init; }

    /// <summary>What went wrong while measuring.</summary>
    public required List<string> Failures { get; init; }

    private static readonly JsonSerializerOptions s_format = new() { WriteIndented = true };

    public void Save(string path) => File.WriteAllText(path, JsonSerializer.Serialize(this, s_format));

    public static Facts Load(string path) =>
        JsonSerializer.Deserialize<Facts>(File.ReadAllText(path)) ?? throw new ReportException($"{path} is empty.");
}
