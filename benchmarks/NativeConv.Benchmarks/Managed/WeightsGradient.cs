using System.Runtime.Intrinsics;

namespace NativeConv.Benchmarks.Managed;

/// <summary>
/// The gradient by the weights by tile kernels: sums over the pixels of the batch, of some channels and
/// taps by a block of filters. First, inputs are copied with their zeros and gradients are packed by
/// block; then each task sums up a row of taps of a block.
/// </summary>
internal sealed unsafe class WeightsGradient : IDisposable
{
    // Gradients that stay in the first-level cache while all tiles read them.
    private const int ChunkFloats = 6 * 1024;

    private readonly CorrelationShape _shape;
    private readonly Team _team;
    private readonly List<Block> _blocks;
    private readonly DepthwiseUnits _units;
    private readonly NativeFloats _images;
    private readonly NativeFloats _gradients;
    private readonly NativeFloats _sums;
    private readonly NativeFloats _biasSums;
    private readonly NativeFloats _unused;
    private readonly Action<int, int> _prepare;
    private readonly Action<int, int> _task;
    private readonly int _group;
    private readonly int _width;
    private readonly int _rows;
    private readonly int _imageLength;
    private readonly int _stretches;
    private readonly int _stretch;
    private readonly int _groups;
    private readonly int _tapRows;
    private readonly int _gradientRow;
    private float* _input;
    private float* _gradOutput;
    private float* _gradWeights;

    public WeightsGradient(Kernels kernels, CorrelationShape shape, Team team)
    {
        _shape = shape;
        _team = team;
        _prepare = Prepare;
        _task = RunTask;
        _units = new DepthwiseUnits(kernels, shape);
        _blocks = Block.All(kernels, shape, _units);
        _group = _blocks[0].Kernel.Group;
        _width = _blocks.Max(static block => block.Kernel.Width);
        _rows = shape.RowsRead(shape.Height);
        _imageLength = _rows * shape.ColumnsRead * shape.InChannels;

        // What the inputs of a tile are: the taps of a row if each channel has its own filter, else the
        // channels, of all taps of the row where they follow each other.
        bool together = shape.Groups == 1 && shape.DilationX == 1;
        _stretches = shape.IsDepthwise || together ? 1 : shape.KernelWidth;
        _stretch = shape.IsDepthwise ? shape.KernelWidth
            : together ? shape.KernelWidth * shape.Channels
            : shape.Channels;
        _groups = (_stretch + _group - 1) / _group;
        _tapRows = shape.KernelHeight * _stretches;
        _gradientRow = (shape.IsDepthwise ? _units.Count : shape.Width) * _width;

        long slack = ((long)_group * _units.InStep * Math.Max(shape.DilationX, 1)) + (8L * _width * shape.InChannels);
        _images = new NativeFloats(((long)shape.Batch * _imageLength) + slack);
        _gradients = new NativeFloats(
            (long)_blocks.Count * shape.Batch * shape.Height * _gradientRow);
        _sums = new NativeFloats((long)_blocks.Count * _tapRows * _groups * _group * _width);
        _biasSums = new NativeFloats((long)_blocks.Count * _width);
        _unused = new NativeFloats((long)team.Threads * _group * _width);
    }

    private int TasksOfBlock => _shape.IsDepthwise ? 1 : _tapRows;

    public void Run(float* input, float* gradOutput, float* gradWeights, float* gradBias)
    {
        _input = input;
        _gradOutput = gradOutput;
        _gradWeights = gradWeights;
        _team.Run(_shape.Batch, _prepare);
        _team.Run(_blocks.Count * TasksOfBlock, _task);
        if (_shape.IsDepthwise)
        {
            CollectDepthwise();
        }

        CollectBias(gradBias);
    }

    public void Dispose()
    {
        _images.Dispose();
        _gradients.Dispose();
        _sums.Dispose();
        _biasSums.Dispose();
        _unused.Dispose();
    }

    private void Prepare(int n, int thread)
    {
        CorrelationShape s = _shape;
        PaddedRows.Copy(
            s,
            _input + ((long)n * s.InHeight * s.InWidth * s.InChannels),
            -s.Top,
            _rows,
            -s.Left,
            s.ColumnsRead,
            _images.Pointer + ((long)n * _imageLength));
        float* image = _gradOutput + ((long)n * s.OutImage);
        for (int b = 0; b < _blocks.Count; b++)
        {
            Block block = _blocks[b];
            for (int p = 0; p < s.Height; p++)
            {
                PackRow(block, image + (p * s.OutRowStep), Gradients(b, n, p));
            }
        }
    }

    /// <summary>What a block has no filters or units for stays 0, as it was allocated.</summary>
    private void PackRow(Block block, float* from, float* to)
    {
        int count = _shape.IsDepthwise ? _units.Count : _shape.Width;
        int step = _shape.IsDepthwise ? _units.OutStep : _shape.OutPixelStep;
        int width = block.Kernel.Width;
        from += block.OutChannel;
        for (int i = 0; i < count; i++, from += step, to += width)
        {
            int left = _shape.IsDepthwise
                ? Math.Max(0, _units.RowFloats - (i * _units.Floats) - block.OutChannel)
                : block.Valid;
            int valid = Math.Min(block.Valid, left);
            new ReadOnlySpan<float>(from, valid).CopyTo(new Span<float>(to, valid));
        }
    }

    private float* Gradients(int block, int n, int p) =>
        _gradients.Pointer + ((((long)block * _shape.Batch) + n) * _shape.Height * _gradientRow)
            + ((long)p * (_gradientRow / _width * _blocks[block].Kernel.Width));

    private float* Sums(int block, int tapRow) =>
        _sums.Pointer + ((((long)block * _tapRows) + tapRow) * _groups * _group * _width);

    private void RunTask(int task, int thread)
    {
        (int b, int tapRow) = Math.DivRem(task, TasksOfBlock);
        float* unused = _unused.Pointer + (thread * _group * _width);
        if (_shape.IsDepthwise)
        {
            new Span<float>(Sums(b, 0), _tapRows * _groups * _group * _width).Clear();
            SumDepthwise(b, unused);
        }
        else
        {
            new Span<float>(Sums(b, tapRow), _groups * _group * _width).Clear();
            SumDense(b, tapRow, unused);
            StoreFilters(b, tapRow);
        }

        if (tapRow == 0)
        {
            SumBias(b);
        }
    }

    private void SumDense(int b, int tapRow, float* unused)
    {
        CorrelationShape s = _shape;
        Block block = _blocks[b];
        int width = block.Kernel.Width;
        (int r, int column) = Math.DivRem(tapRow, _stretches);
        int rowLength = s.ColumnsRead * s.InChannels;
        int chunk = Math.Clamp(ChunkFloats / (s.Width * width), 1, s.Height);
        Tile tile = new()
        {
            XStep = 1,
            YStep = width,
            ZStep = width,
            N0 = 1,
            N2 = s.Width,
            X2 = s.StrideX * s.InChannels,
            W2 = width,
            X1 = (s.StrideY * rowLength) - (s.Width * s.StrideX * s.InChannels),
        };
        for (int n = 0; n < s.Batch; n++)
        {
            for (int p = 0; p < s.Height; p += chunk)
            {
                float* x = _images.Pointer + ((long)n * _imageLength) + block.InChannel
                    + ((long)((p * s.StrideY) + (r * s.DilationY)) * rowLength)
                    + (column * s.DilationX * s.InChannels);
                tile.N1 = Math.Min(chunk, s.Height - p);
                tile.W = Gradients(b, n, p);
                for (int i = 0; i < _groups; i += 2)
                {
                    float* sums = Sums(b, tapRow) + (i * _group * width);
                    bool odd = i + 1 == _groups;
                    tile.A = x + (i * _group);
                    tile.B = odd ? tile.A : tile.A + _group;
                    tile.YA = sums;
                    tile.YB = odd ? unused : sums + (_group * width);
                    tile.ZA = tile.YA;
                    tile.ZB = tile.YB;
                    block.Kernel.Run(tile);
                }
            }
        }
    }

    private void SumDepthwise(int b, float* unused)
    {
        CorrelationShape s = _shape;
        Block block = _blocks[b];
        int width = block.Kernel.Width;
        int rowLength = s.ColumnsRead * s.InChannels;
        Tile tile = new()
        {
            XStep = s.DilationX * s.InChannels,
            YStep = width,
            ZStep = width,
            N0 = 1,
            N1 = s.Height,
            N2 = _units.Count,
            X2 = _units.InStep,
            W2 = width,
            X1 = (s.StrideY * rowLength) - (_units.Count * _units.InStep),
        };
        for (int n = 0; n < s.Batch; n++)
        {
            tile.W = Gradients(b, n, 0);
            for (int i = 0; i < _tapRows * _groups; i += 2)
            {
                bool odd = i + 1 == _tapRows * _groups;
                tile.A = Taps(n, i) + block.InChannel;
                tile.B = odd ? tile.A : Taps(n, i + 1) + block.InChannel;
                tile.YA = Sums(b, 0) + (i * _group * width);
                tile.YB = odd ? unused : tile.YA + (_group * width);
                tile.ZA = tile.YA;
                tile.ZB = tile.YB;
                block.Kernel.Run(tile);
            }
        }

        float* Taps(int n, int i)
        {
            (int r, int group) = Math.DivRem(i, _groups);
            return _images.Pointer + ((long)n * _imageLength) + ((long)r * s.DilationY * rowLength)
                + (group * _group * s.DilationX * s.InChannels);
        }
    }

    private void SumBias(int b)
    {
        int width = _blocks[b].Kernel.Width;
        float* to = _biasSums.Pointer + (b * _width);
        int count = _gradientRow / _width * _shape.Height;
        for (int v = 0; v < width; v += Vector256<float>.Count)
        {
            Vector256<float> sum = default;
            for (int n = 0; n < _shape.Batch; n++)
            {
                float* from = Gradients(b, n, 0) + v;
                for (int i = 0; i < count; i++, from += width)
                {
                    sum += Vector256.Load(from);
                }
            }

            sum.Store(to + v);
        }
    }

    /// <summary>Turns the sums of a row of taps from input by filter into filter by input.</summary>
    private void StoreFilters(int b, int tapRow)
    {
        const int part = 16;
        Block block = _blocks[b];
        int width = block.Kernel.Width;
        int filterLength = _shape.KernelHeight * _shape.KernelWidth * _shape.Channels;
        float* sums = Sums(b, tapRow);
        float* to = _gradWeights + ((long)block.OutChannel * filterLength) + (tapRow * _stretch);
        for (int begin = 0; begin < _stretch; begin += part)
        {
            int end = Math.Min(begin + part, _stretch);
            for (int o = 0; o < block.Valid; o++)
            {
                for (int i = begin; i < end; i++)
                {
                    to[(o * filterLength) + i] = sums[(i * width) + o];
                }
            }
        }
    }

    /// <summary>A channel may have sums in several lanes.</summary>
    private void CollectDepthwise()
    {
        int channels = _shape.OutChannels;
        int taps = _shape.Taps;
        new Span<float>(_gradWeights, channels * taps).Clear();
        for (int b = 0; b < _blocks.Count; b++)
        {
            Block block = _blocks[b];
            for (int tap = 0; tap < taps; tap++)
            {
                (int r, int s) = Math.DivRem(tap, _shape.KernelWidth);
                float* from = Sums(b, r) + (s * block.Kernel.Width);
                for (int o = 0; o < block.Valid; o++)
                {
                    _gradWeights[((block.OutChannel + o) % channels * taps) + tap] += from[o];
                }
            }
        }
    }

    private void CollectBias(float* gradBias)
    {
        new Span<float>(gradBias, _shape.OutChannels).Clear();
        for (int b = 0; b < _blocks.Count; b++)
        {
            Block block = _blocks[b];
            for (int o = 0; o < block.Valid; o++)
            {
                gradBias[(block.OutChannel + o) % _shape.OutChannels] +=
                    _biasSums.Pointer[(b * _width) + o];
            }
        }
    }
}
