using NativeConv.Internal;
using NativeConv.Interop;

namespace NativeConv.Tests;

/// <summary>Statuses become exceptions, all of them; managed enums have the values of the header,
/// all of them.</summary>
public class StatusTests
{
    /// <summary>No caller of the public surface can cause these: they mean that assembly and
    /// library do not fit.</summary>
    private static readonly nconv_status[] OfTheBinding =
    [
        nconv_status.NCONV_STATUS_INVALID_DESCRIPTOR,
        nconv_status.NCONV_STATUS_INVALID_DATA_TYPE,
        nconv_status.NCONV_STATUS_INVALID_HAS_BIAS,
        nconv_status.NCONV_STATUS_INVALID_PLAN,
        nconv_status.NCONV_STATUS_INVALID_ARGUMENTS,
        nconv_status.NCONV_STATUS_INVALID_RESULT,
        nconv_status.NCONV_STATUS_INVALID_EXECUTION,
        nconv_status.NCONV_STATUS_INVALID_ACCUMULATE,
    ];

    [Fact]
    public void EveryStatus_HasItsException()
    {
        foreach (
            nconv_status status in Enum.GetValues<nconv_status>()
                .Except([nconv_status.NCONV_STATUS_OK]))
        {
            Exception e = Status.ToException(status);
            Type expected = (int)status switch
            {
                _ when OfTheBinding.Contains(status) => typeof(NativeConvException),
                >= 100 and < 200 => typeof(ArgumentException),
                (int)nconv_status.NCONV_STATUS_UNSUPPORTED_ALGORITHM =>
                    typeof(NotSupportedException),
                (int)nconv_status.NCONV_STATUS_UNSUPPORTED_ISA =>
                    typeof(PlatformNotSupportedException),
                (int)nconv_status.NCONV_STATUS_OUT_OF_MEMORY => typeof(InsufficientMemoryException),
                (int)nconv_status.NCONV_STATUS_INTERNAL => typeof(NativeConvException),
                _ => throw new InvalidOperationException($"{status} has no row in this test."),
            };
            Assert.IsType(expected, e);
            Assert.Contains(status.ToString(), e.Message, StringComparison.Ordinal);
            Assert.Equal(
                expected == typeof(ArgumentException),
                !string.IsNullOrEmpty((e as ArgumentException)?.ParamName));
            Assert.Equal(
                expected == typeof(NativeConvException) ? (int)status : 0,
                (e as NativeConvException)?.Status ?? 0);
        }
    }

    [Fact]
    public void UnknownStatus_IsAnException()
    {
        NativeConvException e = Assert.IsType<NativeConvException>(
            Status.ToException((nconv_status)12345));
        Assert.Equal(12345, e.Status);
    }

    [Fact]
    public void Ok_IsNone() => nconv_status.NCONV_STATUS_OK.ThrowIfFailed();

    [Theory]
    [InlineData(typeof(TensorLayout), typeof(nconv_layout), "NCONV_LAYOUT_")]
    [InlineData(typeof(MathMode), typeof(nconv_math_mode), "NCONV_MATH_MODE_")]
    [InlineData(typeof(InstructionSet), typeof(nconv_isa), "NCONV_ISA_")]
    [InlineData(typeof(ConvolutionPass), typeof(nconv_pass), "NCONV_PASS_")]
    [InlineData(typeof(ActivationKind), typeof(nconv_activation), "NCONV_ACTIVATION_")]
    public void ManagedEnum_HasTheMembersOfTheHeader(Type managed, Type native, string prefix)
    {
        static string Plain(string name) =>
            name.Replace("_", "", StringComparison.Ordinal).ToUpperInvariant();
        Assert.Equal(
            Enum.GetNames(native)
                .Select(name => (Plain(name[prefix.Length..]), (int)Enum.Parse(native, name)))
                .Order(),
            Enum.GetNames(managed)
                .Select(name => (Plain(name), (int)Enum.Parse(managed, name)))
                .Order());
    }
}
