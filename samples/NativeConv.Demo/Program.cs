using System.CommandLine;
using NativeConv;
using NativeConv.Demo;
using Spectre.Console;

var image = new Option<string?>("--image")
{
    Description = "The picture to filter (PNG, JPEG, BMP, TGA, GIF, PSD). Without it one is rendered.",
    HelpName = "file",
};
var data = new Option<string?>("--data")
{
    Description = "A folder with the four IDX files of MNIST or Fashion-MNIST, plain or .gz. Without it shapes are rendered.",
    HelpName = "folder",
};
var output = new Option<string>("--output")
{
    Description = "The folder for the PNG files; made if it is missing.",
    HelpName = "folder",
    DefaultValueFactory = _ => Path.Combine("artifacts", "demo"),
};
var epochs = new Option<int?>("--epochs")
{
    Description = "How often training sees each image, 1 to 1000. Without it: about 60,000 images in all.",
    HelpName = "number",
};
epochs.Validators.Add(result =>
{
    if (result.GetValueOrDefault<int?>() is < 1 or > 1000)
    {
        result.AddError("--epochs must be from 1 to 1000.");
    }
});

var filters = new Command("filters", "Filter a picture: Sobel, Gaussian, sharpen, emboss.") { image, output };
OnRun(filters, (result, cancel) => FilterPicture(LoadPicture(result), OutputFolder(result), cancel));

var train = new Command("train", "Train a classifier from scratch.") { data, epochs, output };
OnRun(train, (result, cancel) => Train(LoadData(result), result.GetValue(epochs), OutputFolder(result), cancel));

var speed = new Command("speed", "Compare results and times with plain C# loops.");
OnRun(speed, (_, cancel) => Compare(cancel));

var all = new RootCommand(
    "NativeConv at work: filters a picture, trains a classifier, compares itself with plain C#. Without a command: all three.")
{
    image, data, epochs, output, filters, train, speed,
};
OnRun(all, (result, cancel) =>
{
    // Whatever the user named is read first: a wrong path shows at once, not after a minute.
    RgbImage picture = LoadPicture(result);
    Dataset dataset = LoadData(result);
    string folder = OutputFolder(result);
    FilterPicture(picture, folder, cancel);
    Train(dataset, result.GetValue(epochs), folder, cancel);
    Compare(cancel);
});

return await all.Parse(args).InvokeAsync();

RgbImage LoadPicture(ParseResult result) =>
    result.GetValue(image) is { } path ? RgbImage.Load(path) : Scene.Render();

Dataset LoadData(ParseResult result) =>
    result.GetValue(data) is { } folder ? IdxDataset.Load(folder) : RenderedDataset.Create(trainCount: 20_000, testCount: 4000);

string OutputFolder(ParseResult result)
{
    string folder = result.GetValue(output)!;
    try
    {
        return Directory.CreateDirectory(folder).FullName;
    }
    catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
    {
        throw new DemoException($"Cannot make the output folder '{folder}': {e.Message}");
    }
}

static void FilterPicture(RgbImage picture, string folder, CancellationToken cancel)
{
    Heading($"Filters on {picture.Width} x {picture.Height} pixels, three channels");
    ImageFilters.Run(picture, folder, cancel);
}

static void Train(Dataset dataset, int? epochs, string folder, CancellationToken cancel)
{
    Heading("A classifier, trained from scratch");
    Training.Run(dataset, epochs, folder, cancel);
}

static void Compare(CancellationToken cancel)
{
    Heading("Beside plain C# loops");
    Comparison.Run(cancel);
}

static void Heading(string text) => AnsiConsole.Write(new Rule($"[bold]{Markup.Escape(text)}[/]").LeftJustified());

static void OnRun(Command command, Action<ParseResult, CancellationToken> run) =>
    command.SetAction(async (result, cancel) =>
    {
        try
        {
            // Off this thread: System.CommandLine listens for Ctrl-C only once the action has returned its task.
            await Task.Run(() => run(result, cancel), CancellationToken.None);
            return 0;
        }
        catch (OperationCanceledException)
        {
            Console.Error.WriteLine("Stopped.");
            return 130; // 128 + SIGINT, as shells have it
        }
        catch (Exception e) when (e is DemoException or NativeConvException or PlatformNotSupportedException)
        {
            Console.Error.WriteLine($"Error: {e.Message}");
            return 1;
        }
    });
