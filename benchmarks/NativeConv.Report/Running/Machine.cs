using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace NativeConv.Report.Running;

/// <summary>What the head of a report tells about the machine, as far as the system says.</summary>
internal static class Machine
{
    public static string Cpu => Field("/proc/cpuinfo", "model name") is { Length: > 0 } name
        ? name
        : $"{RuntimeInformation.ProcessArchitecture} processor";

    public static string Caches
    {
        get
        {
            string[] sizes = [.. Enumerable.Range(0, 4).Where(i => CacheFile(i, "type") != "Instruction")
                .Select(i => (Level: CacheFile(i, "level"), Size: CacheFile(i, "size")))
                .Where(cache => cache.Size.Length > 0)
                .Select(cache => $"{Readable(cache.Size)} L{cache.Level}")];
            return sizes.Length > 0 ? string.Join(", ", sizes) : "unknown";
        }
    }

    public static string OperatingSystem =>
        Field("/etc/os-release", "PRETTY_NAME") is { Length: > 0 } name ? name.Trim('"') : RuntimeInformation.OSDescription;

    public static string Compiler => ProgramRun.FirstLine("c++", "--version") is { Length: > 0 } line ? line : "unknown";

    public static string Commit
    {
        get
        {
            string commit = ProgramRun.FirstLine("git", "-C", Repository.Root, "rev-parse", "--short", "HEAD");
            bool changed = ProgramRun.FirstLine("git", "-C", Repository.Root, "status", "--porcelain", "--", "native").Length > 0;
            return changed ? $"{commit}, changed" : commit;
        }
    }

    /// <summary>The header has the one version of all.</summary>
    public static string Version
    {
        get
        {
            string[] header = File.ReadAllLines(Repository.At("native/include/nativeconv.h"));
            string Part(string name) => header.First(line => line.Contains($"define NCONV_VERSION_{name} ", StringComparison.Ordinal)).Split(' ')[^1];
            return $"{Part("MAJOR")}.{Part("MINOR")}.{Part("PATCH")}";
        }
    }

    /// <summary>GB/s read and written by copying blocks far larger than the caches, each thread its own; the best of some.</summary>
    public static unsafe double CopyBandwidth(int threads)
    {
        const long Bytes = 1L << 28;
        long share = Bytes / threads / 64 * 64;
        void* from = NativeMemory.AlignedAlloc((nuint)Bytes, 64);
        void* to = NativeMemory.AlignedAlloc((nuint)Bytes, 64);
        NativeMemory.Fill(from, (nuint)Bytes, 1);
        NativeMemory.Clear(to, (nuint)Bytes);
        double best = double.MaxValue;
        for (int i = 0; i < 8; i++)
        {
            long start = Stopwatch.GetTimestamp();
            Thread[] workers = [.. Enumerable.Range(0, threads).Select(worker => new Thread(() =>
                NativeMemory.Copy((byte*)from + (worker * share), (byte*)to + (worker * share), (nuint)share)))];
            Array.ForEach(workers, worker => worker.Start());
            Array.ForEach(workers, worker => worker.Join());
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        NativeMemory.AlignedFree(from);
        NativeMemory.AlignedFree(to);
        return 2.0 * share * threads / best * 1e-9;
    }

    private static string CacheFile(int index, string name)
    {
        string path = $"/sys/devices/system/cpu/cpu0/cache/index{index}/{name}";
        return File.Exists(path) ? File.ReadAllText(path).Trim() : "";
    }

    private static string Readable(string size) =>
        size.EndsWith('K') && int.TryParse(size[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out int kib) && kib >= 1024
            ? $"{kib / 1024} MB"
            : size.Replace("K", " KB", StringComparison.Ordinal);

    private static string Field(string file, string name) => !File.Exists(file)
        ? ""
        : File.ReadLines(file).FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal), "").Split(':', '=')[^1].Trim();
}
