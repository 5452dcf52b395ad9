namespace NativeConv.Benchmarks.Managed;

/// <summary>
/// Runs a <see cref="CorrelationShape"/> by tile kernels. A task is a band of output rows and some of
/// the blocks of filters: it copies the input rows of the band with their zeros, if any tap reads
/// padding, and takes one block after the other through all tiles of the band, so that input and weights
/// stay in the second-level cache.
/// </summary>
internal sealed unsafe class Correlation : IDisposable
{
    // Of the second-level cache, which weights share if there are many.
    private const int DenseFloats = 48 * 1024;
    private const int DepthwiseFloats = 160 * 1024;

    private readonly CorrelationShape _shape;
    private readonly Team _team;
    private readonly List<Block> _blocks;
    private readonly DepthwiseUnits _units;
    private readonly NativeFloats _weights;
    private readonly NativeFloats _bias;
    private readonly NativeFloats[] _bands;
    private readonly NativeFloats[] _scratch;
    private readonly Action<int, int> _task;

    // Where the groups of inputs of a band begin, and their sums, relative to its first row.
    private readonly List<(int In, int Out, int First, bool Full)> _groups = [];
    private readonly int _groupsOfRow;
    private readonly int _rows;
    private readonly int _run;
    private readonly int _bandsOfImage;
    private readonly int _parts;
    private readonly int _columns;
    private readonly bool _direct;
    private readonly int _group;
    private float* _input;
    private float* _output;

    public Correlation(Kernels kernels, CorrelationShape shape, Team team)
    {
        _shape = shape;
        _team = team;
        _task = RunTask;
        _units = new DepthwiseUnits(kernels, shape);
        _blocks = Block.All(kernels, shape, _units);
        TileKernel kernel = _blocks[0].Kernel;
        _group = kernel.Group;
        int units = shape.IsDepthwise ? _units.Count : shape.Width;
        _direct = shape.StaysInside && units >= _group
            && (!shape.IsDepthwise || shape.InChannels % kernel.Lanes == 0);
        _columns = _direct ? shape.InWidth : shape.ColumnsRead;

        // Images that do not make tasks enough for all threads are split by blocks as well.
        int row = _columns * shape.InChannels;
        int floats = shape.IsDepthwise ? DepthwiseFloats : DenseFloats;
        int most = shape.IsDepthwise ? (shape.Height + team.Threads - 1) / team.Threads : shape.Height;
        _rows = Math.Clamp(
            ((floats / row) - shape.RowsRead(1) + shape.StrideY) / shape.StrideY, 1, most);
        _bandsOfImage = (shape.Height + _rows - 1) / _rows;
        _rows = (shape.Height + _bandsOfImage - 1) / _bandsOfImage;
        _bandsOfImage = (shape.Height + _rows - 1) / _rows;
        int tasks = shape.Batch * _bandsOfImage;
        bool split = team.Threads > 1 && tasks % team.Threads != 0 && tasks < 8 * team.Threads;
        _parts = split ? Math.Min(team.Threads, _blocks.Count) : 1;

        _groupsOfRow = (units + _group - 1) / _group;
        FindGroups(units);

        // Units of several pixels share cache lines between vectors.
        _run = _units.RowFloats < int.MaxValue ? 2 : _groups.Count;

        Block last = _blocks[^1];
        _weights = new NativeFloats(last.Weights + ((long)shape.Taps * shape.Channels * last.Kernel.Width));
        _bias = new NativeFloats(last.Bias + last.Kernel.Width);

        // A tile with fewer inputs than the kernel has room for reads what follows the last row.
        long slack = ((long)_group * Math.Max(shape.StrideX * shape.InChannels, _units.InStep)) + 64;
        long band = _direct ? 0 : ((long)shape.RowsRead(_rows) * row) + slack;
        _bands = [.. Enumerable.Range(0, team.Threads).Select(_ => new NativeFloats(band))];
        _scratch =
        [
            .. Enumerable.Range(0, team.Threads).Select(_ =>
                new NativeFloats(2 * _group * kernel.Width)),
        ];
    }

    /// <summary>Takes weights by filter, row, column and channel of the group, and bias by
    /// filter.</summary>
    public void Pack(Func<int, int, int, int, float> weight, Func<int, float> bias)
    {
        int taps = _shape.Taps;
        foreach (Block block in _blocks)
        {
            float* to = _weights.Pointer + block.Weights;
            int width = block.Kernel.Width;
            for (int i = 0; i < taps * _shape.Channels; i++)
            {
                (int tap, int c) = Math.DivRem(i, _shape.Channels);
                (int r, int s) = Math.DivRem(tap, _shape.KernelWidth);
                for (int o = 0; o < block.Valid; o++)
                {
                    to[(i * width) + o] = weight(Filter(block, o), r, s, c);
                }
            }

            for (int o = 0; o < block.Valid; o++)
            {
                _bias.Pointer[block.Bias + o] = bias(Filter(block, o));
            }
        }
    }

    public void Run(float* input, float* output)
    {
        _input = input;
        _output = output;
        _team.Run(_shape.Batch * _bandsOfImage * _parts, _task);
    }

    public void Dispose()
    {
        _weights.Dispose();
        _bias.Dispose();
        Array.ForEach(_bands, static band => band.Dispose());
        Array.ForEach(_scratch, static scratch => scratch.Dispose());
    }

    private int Filter(Block block, int o) => (block.OutChannel + o) % _shape.OutChannels;

    private void FindGroups(int units)
    {
        CorrelationShape s = _shape;
        int inStep = s.IsDepthwise ? _units.InStep : s.StrideX * s.InChannels;
        int outStep = s.IsDepthwise ? _units.OutStep : s.OutPixelStep;
        for (int p = 0; p < _rows; p++)
        {
            for (int i = 0; i < _groupsOfRow; i++)
            {
                // The last group of a row reaches back into the one before.
                int first = Math.Max(0, Math.Min(i * _group, units - _group));
                bool full = units >= _group
                    && (!s.IsDepthwise || (first + _group) * _units.Floats <= _units.RowFloats);
                _groups.Add((
                    (p * s.StrideY * _columns * s.InChannels) + (first * inStep),
                    (p * s.OutRowStep) + (first * outStep),
                    first,
                    full));
            }
        }
    }

    private void RunTask(int task, int thread)
    {
        (int band, int part) = Math.DivRem(task, _parts);
        (int n, int index) = Math.DivRem(band, _bandsOfImage);
        int p = index * _rows;
        int rows = Math.Min(_rows, _shape.Height - p);
        float* image =
            _input + ((long)n * _shape.InHeight * _shape.InWidth * _shape.InChannels);
        int y = (p * _shape.StrideY) - _shape.Top;
        float* origin = _bands[thread].Pointer;
        if (_direct)
        {
            origin = image + (((y * _shape.InWidth) - _shape.Left) * _shape.InChannels);
        }
        else
        {
            PaddedRows.Copy(
                _shape, image, y, _shape.RowsRead(rows), -_shape.Left, _columns, origin);
        }

        float* output =
            _output + ((long)n * _shape.OutImage) + _shape.OutOffset + (p * _shape.OutRowStep);
        int end = (part + 1) * _blocks.Count / _parts;
        int groups = rows * _groupsOfRow;
        for (int first = 0; first < groups; first += _run)
        {
            int last = Math.Min(first + _run, groups);
            for (int i = part * _blocks.Count / _parts; i < end; i++)
            {
                RunBlock(_blocks[i], first, last, origin, output, _scratch[thread].Pointer);
            }
        }
    }

    private void RunBlock(Block block, int first, int last, float* origin, float* output, float* scratch)
    {
        Tile tile = TileOf(block);
        origin += block.InChannel;
        output += block.OutChannel;
        nint step = tile.YStep;
        int width = block.Kernel.Width;
        for (int i = first; i < last; i += 2)
        {
            int j = Math.Min(i + 1, last - 1);
            tile.A = origin + _groups[i].In;
            tile.B = origin + _groups[j].In;
            if (block.IsFull && _groups[i].Full && _groups[j].Full)
            {
                tile.YA = output + _groups[i].Out;
                tile.YB = output + _groups[j].Out;
                block.Kernel.Run(tile);
                continue;
            }

            tile.YA = scratch;
            tile.YB = scratch + (_group * width);
            tile.YStep = width;
            block.Kernel.Run(tile);
            tile.YStep = step;
            CopyValid(block, i, tile.YA, output + _groups[i].Out);
            CopyValid(block, j, tile.YB, output + _groups[j].Out);
        }
    }

    private Tile TileOf(Block block)
    {
        CorrelationShape s = _shape;
        int c = s.InChannels;
        nint width = block.Kernel.Width;
        nint rowStep = (nint)s.DilationY * _columns * c;
        Tile tile = new()
        {
            W = _weights.Pointer + block.Weights,
            ZA = _bias.Pointer + block.Bias,
            ZB = _bias.Pointer + block.Bias,
            YStep = s.IsDepthwise ? _units.OutStep : s.OutPixelStep,
            XStep = s.IsDepthwise ? _units.InStep : s.StrideX * c,
            W2 = width,
            N0 = s.KernelHeight,
            N1 = 1,
            N2 = s.KernelWidth,
            X2 = (nint)s.DilationX * c,
        };
        if (s.IsDepthwise)
        {
            tile.X0 = rowStep - (tile.N2 * tile.X2);
            return tile;
        }

        // The channels of neighbouring taps follow each other, unless there are gaps.
        bool together = s.Groups == 1 && s.DilationX == 1;
        tile.N1 = together ? 1 : s.KernelWidth;
        tile.N2 = together ? s.KernelWidth * c : s.Channels;
        tile.X2 = 1;
        tile.X1 = together ? 0 : ((nint)s.DilationX * c) - s.Channels;
        tile.X0 = rowStep - (tile.N1 * (tile.N2 + tile.X1));
        return tile;
    }

    private void CopyValid(Block block, int group, float* from, float* to)
    {
        int first = _groups[group].First;
        int units = Math.Min(_group, (_shape.IsDepthwise ? _units.Count : _shape.Width) - first);
        int step = _shape.IsDepthwise ? _units.OutStep : _shape.OutPixelStep;
        for (int i = 0; i < units; i++, from += block.Kernel.Width, to += step)
        {
            int left = _units.RowFloats - ((first + i) * _units.Floats) - block.OutChannel;
            int valid = _shape.IsDepthwise ? Math.Min(block.Valid, left) : block.Valid;
            for (int o = 0; o < valid; o++)
            {
                to[o] = from[o];
            }
        }
    }
}
