namespace NativeConv.Benchmarks;

/// <summary>Sizes that follow from those of a descriptor.</summary>
internal static class DescriptorExtensions
{
    /// <summary>Height P and width Q of the output.</summary>
    public static (int Height, int Width) OutputSize(this ConvolutionDescriptor descriptor)
    {
        ConvolutionDescriptor d = descriptor;
        int kernelHeight = ((d.KernelHeight - 1) * d.DilationVertical) + 1;
        int kernelWidth = ((d.KernelWidth - 1) * d.DilationHorizontal) + 1;
        int height = d.InputHeight + d.PaddingTop + d.PaddingBottom - kernelHeight;
        int width = d.InputWidth + d.PaddingLeft + d.PaddingRight - kernelWidth;
        return ((height / d.StrideVertical) + 1, (width / d.StrideHorizontal) + 1);
    }

    /// <summary>Elements of the input.</summary>
    public static int InputLength(this ConvolutionDescriptor descriptor)
    {
        return descriptor.Batch * descriptor.InputHeight * descriptor.InputWidth
            * descriptor.InputChannels;
    }

    /// <summary>Elements of the output.</summary>
    public static int OutputLength(this ConvolutionDescriptor descriptor)
    {
        (int height, int width) = descriptor.OutputSize();
        return descriptor.Batch * height * width * descriptor.OutputChannels;
    }

    /// <summary>Elements of the weights.</summary>
    public static int WeightsLength(this ConvolutionDescriptor descriptor)
    {
        return descriptor.OutputChannels * descriptor.KernelHeight * descriptor.KernelWidth
            * (descriptor.InputChannels / descriptor.Groups);
    }
}
