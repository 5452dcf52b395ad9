// libtorch through TorchSharp, all passes; NHWC is its channels_last. Gradients come from autograd, with the
// graph of the forward pass kept. Results are tensors that it allocates, as its users get them. It
// pads both sides alike.
using System.Runtime.InteropServices;
using NativeConv.Rivals;
using TorchSharp;
using static TorchSharp.torch;

const int NotLoadable = 3;
if (WhyNotLoadable() is { } reason)
{
    Console.Error.WriteLine(reason);
    return NotLoadable;
}

if (args is ["--version"])
{
    Console.WriteLine($"libtorch {torch.__version__} through TorchSharp {typeof(torch).Assembly.GetName().Version?.ToString(3)}");
    return 0;
}

RivalOptions options = RivalOptions.Parse(args);
torch.set_num_threads(options.Threads);
Bench.PrintHeader();
foreach (Descriptor descriptor in options.Descriptors.Where(d => d.Height.IsSymmetric && d.Width.IsSymmetric))
{
    foreach (string layout in options.Layouts)
    {
        foreach (string pass in options.Passes)
        {
            using DisposeScope scope = torch.NewDisposeScope();
            Run(descriptor, layout, pass);
        }
    }
}

return 0;

// TorchSharp itself would copy half a gigabyte before it gives up, and not say why.
static string? WhyNotLoadable()
{
    try
    {
        NativeLibrary.Load(Path.Combine(AppContext.BaseDirectory, "libLibTorchSharp.so"));
        return null;
    }
    catch (DllNotFoundException e)
    {
        string missing = e.Message.Split('\'', '`').FirstOrDefault(part => part.StartsWith("GLIBCXX_", StringComparison.Ordinal), "");
        return missing.Length > 0
            ? $"TorchSharp needs a libstdc++ with {missing}, newer than this system's"
            : $"TorchSharp does not load: {e.Message.ReplaceLineEndings(" ")}";
    }
}

void Run(Descriptor d, string layout, string pass)
{
    using var x = Make(Data.Input(d), d.InputShape, layout);
    using var w = Make(Data.Weights(d), d.WeightsShape, layout);
    using var b = torch.tensor(Data.Bias(d));
    long[] padding = [d.Height.Before, d.Width.Before];
    long[] strides = [d.Height.Stride, d.Width.Stride];
    long[] dilations = [d.Height.Dilation, d.Width.Dilation];
    Tensor Forward() => nn.functional.conv2d(x, w, b, strides, padding, dilations, d.Groups);

    if (pass == "fwd")
    {
        using var inference = torch.inference_mode();
        double sum = Checksum(Forward());
        Bench.PrintRow("torch", layout, options.Threads, d.Name, pass, Bench.Measure(() => Forward().Dispose()), sum);
        return;
    }

    List<Tensor> by = pass == "bwd_d" ? [x] : [w, b];
    by.ForEach(tensor => tensor.requires_grad_(true));
    List<Tensor> y = [Forward()];
    List<Tensor> gradient = [Make(Data.GradOutput(d), d.OutputShape, layout)];
    IList<Tensor> Backward() => torch.autograd.grad(y, by, gradient, retain_graph: true);
    double check = Checksum(Backward()[0]);
    (double, double) times = Bench.Measure(() =>
    {
        foreach (Tensor tensor in Backward())
        {
            tensor.Dispose();
        }
    });
    Bench.PrintRow("torch", layout, options.Threads, d.Name, pass, times, check);
}

static Tensor Make(float[] values, long[] shape, string layout)
{
    Tensor plain = torch.tensor(values, shape);
    return layout == "nchw" ? plain : plain.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2);
}

static double Checksum(Tensor tensor) => Data.Checksum(tensor.detach().contiguous().data<float>().ToArray());
