using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace NativeConv.Benchmarks.Reporting;

/// <summary>What the numbers are of: the machine and the versions.</summary>
internal sealed record MachineInfo(
    string Date,
    string Nativeconv,
    string InstructionSet,
    int ManagedVectorBits,
    string Dotnet,
    string Os,
    string Cpu,
    int Threads)
{
    private static readonly JsonSerializerOptions s_json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
    };

    public static MachineInfo Read() =>
        new(
            DateTime.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
            NativeConvRuntime.Version.ToString(),
            NativeConvRuntime.ActiveInstructionSet.ToString(),
            MachinePeak.VectorBits,
            Environment.Version.ToString(),
            $"{RuntimeInformation.OSDescription} {RuntimeInformation.RuntimeIdentifier}",
            CpuName(),
            Environment.ProcessorCount);

    public void Write(string path) => File.WriteAllText(path, JsonSerializer.Serialize(this, s_json) + "\n");

    public override string ToString() =>
        $"NativeConv {Nativeconv} on {InstructionSet}, C# on {ManagedVectorBits}-bit vectors, .NET {Dotnet}, "
        + $"{Cpu}, {Threads} processors, {Os}, {Date}";

    private static string CpuName()
    {
        const string key = "model name";
        string? line = File.Exists("/proc/cpuinfo")
            ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(
                static line => line.StartsWith(key, StringComparison.Ordinal))
            : Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER");
        return line is null ? RuntimeInformation.ProcessArchitecture.ToString() : line[(line.IndexOf(':') + 1)..].Trim();
    }
}
