using NativeConv.Benchmarks.Managed;
using NativeConv.Tests.Support;

namespace NativeConv.Benchmarks.Tests;

/// <summary>The baselines compute what NativeConv does: integers, so that the order of sums does not
/// matter.</summary>
public class ManagedConvolutionTests
{
    public static TheoryData<string> Names => [.. Descriptors.All.Keys];

    public static TheoryData<string, int, int> VectorCases
    {
        get
        {
            TheoryData<string, int, int> data = [];
            foreach (string name in Descriptors.All.Keys)
            {
                data.Add(name, 1, 256);
                data.Add(name, 1, 512);
                data.Add(name, 3, 256);
                data.Add(name, 3, 512);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void PlainLoops_Forward_Agrees(string name)
    {
        ConvolutionDescriptor d = Descriptors.All[name];
        Expect.Forward(d, new PlainLoops(d));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Im2Col_Forward_Agrees(string name)
    {
        ConvolutionDescriptor d = Descriptors.All[name];
        Expect.Forward(d, new Im2Col(d));
    }

    [Theory]
    [MemberData(nameof(VectorCases))]
    public void VectorConvolution_Forward_Agrees(string name, int threads, int bits)
    {
        ConvolutionDescriptor d = Descriptors.All[name];
        using VectorConvolution convolution = new(d, threads, Vectors(bits));
        Expect.Forward(d, convolution);
    }

    [Theory]
    [MemberData(nameof(VectorCases))]
    public void VectorConvolution_Gradients_Agree(string name, int threads, int bits)
    {
        ConvolutionDescriptor d = Descriptors.All[name];
        using VectorConvolution convolution = new(d, threads, Vectors(bits));
        Expect.Gradients(d, convolution);
    }

    // Vectors that the hardware does not have are put together from shorter ones.
    private static Kernels Vectors(int bits) => bits == 512 ? Kernels.Of512Bits : Kernels.Of256Bits;

    [Fact]
    public void AllLayers_Forward_Agree()
    {
        foreach (Layer layer in Layer.All)
        {
            // The batch of the demo takes plain loops too long, and other images add nothing.
            ConvolutionDescriptor d = layer.Descriptor with { Batch = Math.Min(layer.Descriptor.Batch, 3) };
            using VectorConvolution convolution = new(d, 2);
            Expect.Forward(d, convolution);
            Expect.Gradients(d, convolution);
        }
    }
}
