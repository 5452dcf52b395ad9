using NativeConv.Internal;
using NativeConv.Interop;
using NativeConv.Tests.Support;

namespace NativeConv.Tests;

/// <summary>What these change holds for the process, so nothing else runs beside them.</summary>
[CollectionDefinition(nameof(ProcessWide), DisableParallelization = true)]
public class ProcessWide;

[Collection(nameof(ProcessWide))]
public class NativeConvRuntimeTests
{
    [Fact]
    public void Version_IsThatOfTheHeader() =>
        Assert.Equal(
            new Version(
                NativeMethods.NCONV_VERSION_MAJOR,
                NativeMethods.NCONV_VERSION_MINOR,
                NativeMethods.NCONV_VERSION_PATCH),
            NativeConvRuntime.Version);

    [Fact]
    public void Version_IsThatOfTheAssembly()
    {
        Version assembly = typeof(Conv2D).Assembly.GetName().Version!;
        Assert.Equal(
            NativeConvRuntime.Version,
            new Version(assembly.Major, assembly.Minor, assembly.Build));
    }

    [Fact]
    public void SupportedInstructionSets_HaveScalarFirstAndTheActiveOne()
    {
        Assert.Equal(InstructionSet.Scalar, NativeConvRuntime.SupportedInstructionSets[0]);
        Assert.Contains(
            NativeConvRuntime.ActiveInstructionSet,
            NativeConvRuntime.SupportedInstructionSets);
    }

    [Fact]
    public void SetMaxInstructionSet_TakesEffectOnNewPlans()
    {
        InstructionSet best = NativeConvRuntime.SupportedInstructionSets[^1];
        InstructionSet active = NativeConvRuntime.ActiveInstructionSet;
        try
        {
            foreach (
                InstructionSet set in NativeConvRuntime.SupportedInstructionSets.Where(set =>
                    set <= active))
            {
                NativeConvRuntime.SetMaxInstructionSet(set);
                Assert.Equal(set, NativeConvRuntime.ActiveInstructionSet);
                using ConvolutionPlan plan = new(Cases.Get("same 3x3"));
                Assert.Equal(set, plan.InstructionSet);
            }
        }
        finally
        {
            NativeConvRuntime.SetMaxInstructionSet(best);
        }

        Assert.Equal(active, NativeConvRuntime.ActiveInstructionSet);
        Expect.Rejected<ArgumentOutOfRangeException>(
            "instructionSet",
            "7",
            () => NativeConvRuntime.SetMaxInstructionSet((InstructionSet)7));
        foreach (
            InstructionSet missing in Enum.GetValues<InstructionSet>()
                .Except(NativeConvRuntime.SupportedInstructionSets))
        {
            Assert.Throws<PlatformNotSupportedException>(() =>
                NativeConvRuntime.SetMaxInstructionSet(missing));
            Assert.Throws<PlatformNotSupportedException>(() =>
                new ConvolutionPlan(Cases.Get("same 3x3"), new() { MaxInstructionSet = missing }));
        }
    }

    [Fact]
    public void SetMaxThreads_CapsThreadCount()
    {
        int all = NativeConvRuntime.ThreadCount;
        Assert.InRange(all, 1, Environment.ProcessorCount);
        try
        {
            NativeConvRuntime.SetMaxThreads(1);
            Assert.Equal(1, NativeConvRuntime.ThreadCount);
        }
        finally
        {
            NativeConvRuntime.SetMaxThreads(0);
        }

        Assert.Equal(all, NativeConvRuntime.ThreadCount);
        Expect.Rejected<ArgumentOutOfRangeException>(
            "maxThreads",
            "-1",
            () => NativeConvRuntime.SetMaxThreads(-1));
    }

    [Fact]
    public void SpinMicroseconds_IsSet_WithinItsRange()
    {
        int before = NativeConvRuntime.SpinMicroseconds;
        try
        {
            foreach (int value in (int[])[0, 1000000, 250])
            {
                NativeConvRuntime.SpinMicroseconds = value;
                Assert.Equal(value, NativeConvRuntime.SpinMicroseconds);
            }

            foreach (int value in (int[])[-1, 1000001])
            {
                Expect.Rejected<ArgumentOutOfRangeException>(
                    "value",
                    value.ToString(System.Globalization.CultureInfo.InvariantCulture),
                    () => NativeConvRuntime.SpinMicroseconds = value);
            }

            Assert.Equal(250, NativeConvRuntime.SpinMicroseconds);
        }
        finally
        {
            NativeConvRuntime.SpinMicroseconds = before;
        }
    }

    [Fact]
    public void Algorithms_AreNamed_AndDiffer()
    {
        Assert.NotEmpty(NativeConvRuntime.Algorithms);
        Assert.Equal(
            NativeConvRuntime.Algorithms.Count,
            NativeConvRuntime.Algorithms.Distinct().Count());
        Assert.DoesNotContain("", NativeConvRuntime.Algorithms);
    }

    [Fact]
    public void Handshake_FittingLibrary_IsAccepted()
    {
        NativeLibraryCheck.Check(
            () => NativeMethods.NCONV_ABI_VERSION,
            NativeMethods.nconv_version);
        NativeLibraryCheck.Check(
            () => NativeMethods.NCONV_ABI_VERSION,
            () => NativeMethods.nconv_version() + 100);
    }

    [Fact]
    public void Handshake_OtherLibrary_SaysWhatToDo()
    {
        NativeConvException abi = Assert.Throws<NativeConvException>(() =>
            NativeLibraryCheck.Check(
                () => NativeMethods.NCONV_ABI_VERSION + 1,
                NativeMethods.nconv_version));
        Assert.Contains(
            $"binary interface {NativeMethods.NCONV_ABI_VERSION + 1}; needed",
            abi.Message,
            StringComparison.Ordinal);
        NativeConvException old = Assert.Throws<NativeConvException>(() =>
            NativeLibraryCheck.Check(() => NativeMethods.NCONV_ABI_VERSION, () => 1));
        Assert.Contains("version 0.0.1", old.Message, StringComparison.Ordinal);

        AssertFailure<PlatformNotSupportedException, DllNotFoundException>("was not found");
        AssertFailure<PlatformNotSupportedException, BadImageFormatException>(
            "built for another processor");
        AssertFailure<NativeConvException, EntryPointNotFoundException>(
            "is not the NativeConv library");
    }

    private static void AssertFailure<TException, TCause>(string text)
        where TException : Exception
        where TCause : Exception, new()
    {
        TException e = Assert.Throws<TException>(() =>
            NativeLibraryCheck.Check(() => throw new TCause(), () => 0));
        Assert.IsType<TCause>(e.InnerException);
        Assert.Contains(text, e.Message, StringComparison.Ordinal);
        Assert.Contains("nconv", e.Message, StringComparison.Ordinal);
    }
}
