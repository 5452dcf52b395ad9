using NativeConv.Rivals;

namespace NativeConv.Report.Tests;

/// <summary>The grammar as tests/native/support/descriptor.h has it.</summary>
public class DescriptorTests
{
    [Fact]
    public void SquareProblem_TakesDefaults()
    {
        var d = Descriptor.Parse("ic3ih10_oc8_kh3n\"name\"");
        Assert.Equal(("name", 1, 2, 3, 8), (d.Name, d.Groups, d.Batch, d.InputChannels, d.OutputChannels));
        Assert.Equal(new Axis(10, 8, 3, 1, 1, 0, 0), d.Height);
        Assert.Equal(d.Height, d.Width);
    }

    [Theory]
    [InlineData("g1mb1_ic3ih224_oc64oh112_kh7sh2ph3dh0", 3, 3)]
    [InlineData("g1mb1_ic3ih28_oc64oh14_kh3sh2ph0", 0, 1)]
    [InlineData("g1mb1_ic3ih28_oc64oh28_kh5", 2, 2)]
    [InlineData("g1mb1_ic3ih33_oc3oh33_kh3ph12dh11", 12, 12)]
    public void OutputSize_SetsPadding(string text, int before, int after)
    {
        Axis height = Descriptor.Parse(text).Height;
        Assert.Equal((before, after), (height.Before, height.After));
        Assert.Equal(before == after, height.IsSymmetric);
    }

    [Fact]
    public void Axes_MayDiffer()
    {
        var d = Descriptor.Parse("g3mb1_ic3ih720iw1280_oc3oh720ow1280_kh1kw5ph0pw2n\"img.row5\"");
        Assert.Equal(new Axis(720, 720, 1, 1, 1, 0, 0), d.Height);
        Assert.Equal(new Axis(1280, 1280, 5, 1, 1, 2, 2), d.Width);
    }

    [Fact]
    public void Nonsense_IsRefused() => Assert.Throws<FormatException>(() => Descriptor.Parse("ic=3"));
}
