using NativeConv.Interop;

namespace NativeConv.Internal;

/// <summary>The plan of a layer for one input size, with the sizes a caller sees.</summary>
internal readonly record struct LayerPlan(ConvolutionPlan Plan, Conv2DShape Shape)
{
    public static LayerPlan Create(
        int inputChannels,
        int filters,
        Conv2DOptions options,
        int batch,
        int height,
        int width)
    {
        Conv2DOptions o = options;
        Padding padding = o.Padding;
        bool lower = padding.Kind == PaddingKind.SameLower;
        int top = padding.Top;
        int bottom = padding.Bottom;
        int left = padding.Left;
        int right = padding.Right;
        if (padding.Kind is PaddingKind.Same or PaddingKind.SameLower)
        {
            (top, bottom) = ResolveSame(
                height,
                o.KernelHeight,
                o.StrideVertical,
                o.DilationVertical,
                lower,
                nameof(height));
            (left, right) = ResolveSame(
                width,
                o.KernelWidth,
                o.StrideHorizontal,
                o.DilationHorizontal,
                lower,
                nameof(width));
        }

        Guard.KernelFits(
            height,
            top,
            bottom,
            o.KernelHeight,
            o.DilationVertical,
            "height",
            nameof(height));
        Guard.KernelFits(
            width,
            left,
            right,
            o.KernelWidth,
            o.DilationHorizontal,
            "width",
            nameof(width));
        ConvolutionPlan plan = new(
            new ConvolutionDescriptor
            {
                Batch = batch,
                InputChannels = inputChannels,
                OutputChannels = filters,
                Groups = o.Groups,
                InputHeight = height,
                InputWidth = width,
                KernelHeight = o.KernelHeight,
                KernelWidth = o.KernelWidth,
                StrideVertical = o.StrideVertical,
                StrideHorizontal = o.StrideHorizontal,
                DilationVertical = o.DilationVertical,
                DilationHorizontal = o.DilationHorizontal,
                PaddingTop = top,
                PaddingLeft = left,
                PaddingBottom = bottom,
                PaddingRight = right,
                Activation = o.Activation,
                HasBias = o.UseBias,
                Layout = o.Layout,
                MathMode = o.MathMode,
            });
        if (plan.InputLength > Array.MaxLength || plan.OutputLength > Array.MaxLength)
        {
            string message =
                $"Input and output of batch {batch} with {height} x {width} pixels have "
                + $"{plan.InputLength} and {plan.OutputLength} elements; "
                + $"the most is {Array.MaxLength}. Use smaller batches.";
            plan.Dispose();
            throw new ArgumentException(message, nameof(batch));
        }

        return new LayerPlan(
            plan,
            new Conv2DShape
            {
                Batch = batch,
                InputChannels = inputChannels,
                InputHeight = height,
                InputWidth = width,
                OutputChannels = filters,
                OutputHeight = (int)plan.OutputHeight,
                OutputWidth = (int)plan.OutputWidth,
                PaddingTop = top,
                PaddingLeft = left,
                PaddingBottom = bottom,
                PaddingRight = right,
                Layout = o.Layout,
                InputLength = (int)plan.InputLength,
                OutputLength = (int)plan.OutputLength,
            });
    }

    private static unsafe (int Before, int After) ResolveSame(
        int input,
        int kernel,
        int stride,
        int dilation,
        bool lower,
        string name)
    {
        long before;
        long after;
        nconv_status status = NativeMethods.nconv_same_padding(
            input,
            kernel,
            stride,
            dilation,
            lower ? 1 : 0,
            &before,
            &after);
        if (status == nconv_status.NCONV_STATUS_SIZE_OVERFLOW)
        {
            throw new ArgumentException(
                $"Same padding of {input} for a kernel of {kernel} with dilation {dilation} takes "
                    + $"too many zeros; the most is {int.MaxValue} on a side.",
                name);
        }

        status.ThrowIfFailed();
        return ((int)before, (int)after);
    }
}
