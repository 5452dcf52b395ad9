// 1 x 1 convolution in NCHW: the tensors are the matrices of a GEMM already, rows of pixels. Pixels are
// the lanes of a register tile, produced channels its rows; the source is read where it is. Copying it
// into panels first cost 5 to 13 %, even where planes lie a multiple of 4096 bytes apart. With a stride it
// would have to be copied, and that was no faster than gemm's transposing: 4 to 12 % better for 64 and 128
// channels, 8 to 14 % worse for more.
#include <string.h>

#include "conv2d/balance.h"
#include "conv2d/derivative.h"
#include "conv2d/gemm.h"

namespace nconv {
namespace {

// Reduced channels that pass before the next tile's turn: their pixels and weights stay in L2 and L1.
constexpr int64_t kDepth = 512;
// Tiles of pixels that share a pass over a tile's weights, which come from L3 when they are large.
constexpr int64_t kBlockTiles = 4;
// As many pixels past the last whole vector are taken one by one, produced channels in lanes.
constexpr int64_t kMostColumns = 4;

const char* declines(const Problem& p, nconv_pass) {
    if (p.channels_last()) return "the layout is nhwc";
    const bool resized = p.height.output != p.height.input || p.width.output != p.width.input;
    if (p.kernel_taps != 1 || p.height.stride != 1 || p.width.stride != 1 || resized) {
        return "not a 1 x 1 kernel of stride 1 without padding";
    }
    return nullptr;
}

// A small plane is short of whole tiles, and gemm's transposing is little beside many channels. On one
// and two threads 512 channels to 2048 at 7 x 7 run at 86 and 84 % of peak here and at 96 and 91 there,
// 1536 to 2048 at 10 x 10 at 60 and 67, and 86 and 94. With fewer produced channels two threads would
// both transpose them all.
const char* yields(const Problem& p, nconv_pass pass) {
    constexpr int64_t kFewPixels = 196, kManyReduced = 256, kManyProduced = 512;
    const bool forward = pass == NCONV_PASS_FORWARD;
    const bool many = (forward ? p.group_inputs : p.group_outputs) >= kManyReduced &&
                      (forward ? p.group_outputs : p.group_inputs) >= kManyProduced;
    return p.output_pixels <= kFewPixels && many
               ? "small planes of many channels are faster transposed"
               : nullptr;
}

WorkspaceSize workspace(const Context& context, nconv_pass pass) {
    WorkspaceSize size;
    if (pass == NCONV_PASS_BACKWARD_INPUT) size.shared = derived_bytes(context.problem);
    return size;
}

CheckedSize packed_count(const Context& context, nconv_pass) {
    return CheckedSize(context.problem.weights_count) + kVirtualLanes;
}

// The produced channels of a group in near-equal tiles, an even number of them for an even number of threads.
struct Tiles {
    Tiles(const Context& context, const Gather& g)
        : produced(g.produced), count(ceil_div(produced, context.kernels->gemm->packed_tile_rows)) {
        if (count > 2) count = round_up(count, 2);
    }
    int64_t first(int64_t tile) const { return share_start(produced, count, tile); }
    int64_t produced, count;
};

// Packed: [group][tile][reduced][row of the tile], then a vector that the column kernel may read.
void pack(const Context& context, nconv_pass pass, const float* weights, float* packed) {
    const Gather g(context.problem, pass);
    const Tiles tiles(context, g);
    for (int64_t group = 0; group < g.problem.groups; ++group) {
        for (int64_t tile = 0; tile < tiles.count; ++tile) {
            const int64_t from = tiles.first(tile), rows = tiles.first(tile + 1) - from;
            if (g.forward) {
                context.kernels->transpose(weights + from * g.reduced, g.reduced, packed, rows,
                                           rows, g.reduced);
            } else {
                context.kernels->pack_columns(weights + from, g.produced, g.reduced,
                                              static_cast<int>(rows), packed);
            }
            packed += rows * g.reduced;
        }
        weights += g.produced * g.reduced;
    }
    memset(packed, 0, kVirtualLanes * sizeof(float));
}

// Some pixels of one image, some tiles of one group's produced channels.
struct Task {
    const float* source;  // at the first pixel of the group's first channel
    float* result;
    const float* packed;  // of the group
    const float* bias;    // of the group, or null
    int64_t pixels;
    int64_t first_tile, end_tile;
};

// How a call is cut into tasks: blocks of vectors of pixels and parts of the tiles of produced channels.
struct Cut {
    Cut(const Context& context, const Gather& g, int64_t channel_tiles, int64_t others, int threads)
        : vectors(ceil_div(g.problem.output_pixels, context.kernels->lanes)) {
        const double wide = context.kernels->gemm->packed_tile_vectors;
        blocks = ceil_div(vectors, kBlockTiles * context.kernels->gemm->packed_tile_vectors);
        if (threads == 1 || others * blocks >= kTasksEnough * threads) return;
        // In products of tiles. The weights' passing costs part of one, the single pixels at the end about one for
        // all tiles of a column kernel.
        const auto time = [&](double tiles, int64_t channels) {
            return (tiles + 0.15) * static_cast<double>(channels) +
                   static_cast<double>(ceil_div(channels, kColumnTiles));
        };
        const double pixels = static_cast<double>(g.problem.output_pixels) / context.kernels->lanes;
        double best = 0;
        for (int64_t b = blocks; b <= vectors; b += 1 + b / 8) {
            const double average = pixels / static_cast<double>(b) / wide;
            const double largest = static_cast<double>(ceil_div(vectors, b)) / wide;
            for (int64_t p = 1; p <= channel_tiles; p += 1 + p / 4) {
                const int64_t tasks = others * b * p, channels = ceil_div(channel_tiles, p);
                const double even =
                    static_cast<double>(channel_tiles) / static_cast<double>(p * channels);
                const double cost = slowest_thread(tasks, threads, even * time(average, channels),
                                                   time(largest, channels));
                if (best == 0 || cost < best) {
                    best = cost;
                    blocks = b;
                    parts = p;
                }
                if (tasks >= kTasksEnough * threads) break;
            }
        }
    }
    int64_t vectors, blocks, parts = 1;
};

// One tile of produced channels and the part of the reduced ones a step takes.
struct Step {
    int64_t from;
    int rows;
    const float* weights;
    const float* bias;
};

class Pointwise {
public:
    Pointwise(const Context& context, const Gather& gather, const GatherCall& call)
        : context_(context),
          k_(*context.kernels),
          g_(gather),
          call_(call),
          tiles_(context, gather) {}

    void run(int64_t images, const Execution& execution) const {
        const int64_t groups = g_.problem.groups, others = images * groups;
        const Cut cut(context_, g_, tiles_.count, others, execution.threads);
        const int64_t blocks = cut.blocks, parts = cut.parts;
        parallel_for(execution, others * blocks * parts, [&](int64_t index, int) {
            const int64_t block = index % blocks, part = index / blocks % parts;
            const int64_t group = index / (blocks * parts) % groups,
                          image = index / (blocks * parts * groups);
            Task task;
            const int64_t at = even_start(cut.vectors, blocks, block) * k_.lanes;
            const int64_t end = even_start(cut.vectors, blocks, block + 1) * k_.lanes;
            task.pixels = min_of(plane_, end) - at;
            task.source = call_.source + image * g_.source_image + group * g_.reduced * plane_ + at;
            task.result =
                call_.result + image * g_.result_image + group * g_.produced * plane_ + at;
            task.packed = call_.packed + group * g_.reduced * g_.produced;
            task.bias = call_.bias != nullptr ? call_.bias + group * g_.produced : nullptr;
            task.first_tile = even_start(tiles_.count, parts, part);
            task.end_tile = even_start(tiles_.count, parts, part + 1);
            run_task(task);
        });
    }

private:
    int64_t tile_pixels() const {
        return static_cast<int64_t>(k_.gemm->packed_tile_vectors) * k_.lanes;
    }

    void run_task(const Task& task) const {
        const int64_t rest = task.pixels % k_.lanes;
        const bool columns =
            k_.gemm->packed_column != nullptr && task.pixels > rest && rest <= kMostColumns;
        const int64_t whole = columns ? task.pixels - rest : task.pixels;
        for (int64_t d = 0; d < g_.reduced; d += kDepth) {
            const int64_t depth = min_of(kDepth, g_.reduced - d);
            for (int64_t first = task.first_tile; first < task.end_tile; first += kColumnTiles) {
                const int count = static_cast<int>(min_of(kColumnTiles, task.end_tile - first));
                Step steps[kColumnTiles];
                for (int i = 0; i < count; ++i) {
                    steps[i] = step(task, first + i, d);
                    const int64_t run = whole / tile_pixels() * tile_pixels();
                    if (run > 0)
                        multiply(task, steps[i], d, depth, 0, run / tile_pixels(), tile_pixels());
                    if (run < whole) multiply(task, steps[i], d, depth, run, 1, whole - run);
                }
                for (int64_t pixel = whole; pixel < task.pixels; ++pixel) {
                    multiply_column(task, steps, count, d, depth, pixel);
                }
                if (d + depth == g_.reduced) finish(task, steps, count);
            }
        }
    }

    Step step(const Task& task, int64_t tile, int64_t depth_from) const {
        const int64_t from = tiles_.first(tile), rows = tiles_.first(tile + 1) - from;
        return {from, static_cast<int>(rows), task.packed + from * g_.reduced + depth_from * rows,
                task.bias != nullptr ? task.bias + from : nullptr};
    }

    // Tiles of pixels side by side.
    void multiply(const Task& task, const Step& step, int64_t from, int64_t depth, int64_t pixel,
                  int64_t tiles, int64_t columns) const {
        PackedTileArgs args = {};
        args.a = step.weights;
        args.b = task.source + from * plane_ + pixel;
        args.b_x = plane_;
        args.x = depth;
        args.y = args.z = 1;
        args.init = step.bias;
        args.out = task.result + step.from * plane_ + pixel;
        args.out_row = plane_;
        args.tiles = tiles;
        args.columns = static_cast<int>(columns);
        args.mode = from == 0 ? TileMode::kStore : TileMode::kContinue;
        // The first produced channels' pass asks for the next block of pixels, within the plane.
        const int64_t run = tiles * columns, last = (task.source - call_.source) % plane_ + 2 * run;
        if (far_ && columns == tile_pixels() && step.from == tiles_.first(task.first_tile) &&
            last <= plane_)
            args.ahead = run;
        k_.gemm->packed_tile[step.rows - 1][ceil_div(columns, k_.lanes) - 1](args);
    }

    void multiply_column(const Task& task, const Step* steps, int count, int64_t from,
                         int64_t depth, int64_t pixel) const {
        ColumnArgs args = {};
        for (int i = 0; i < kColumnTiles; ++i) {
            const Step& step = steps[i < count ? i : 0];
            args.a[i] = step.weights;
            args.rows[i] = i < count ? step.rows : 0;
            args.init[i] = step.bias;
            args.out[i] = task.result + step.from * plane_ + pixel;
        }
        args.b = task.source + from * plane_ + pixel;
        args.b_x = plane_;
        args.x = depth;
        args.out_row = plane_;
        args.mode = from == 0 ? TileMode::kStore : TileMode::kContinue;
        k_.gemm->packed_column(args);
    }

    void finish(const Task& task, const Step* steps, int count) const {
        if (call_.epilogue == nullptr) return;
        for (int i = 0; i < count; ++i) {
            float* rows[kMaxTileRows];
            for (int r = 0; r < steps[i].rows; ++r)
                rows[r] = task.result + (steps[i].from + r) * plane_;
            call_.epilogue->apply(rows, steps[i].rows, task.pixels);
        }
    }

    const Context& context_;
    const KernelSet& k_;
    const Gather& g_;
    const GatherCall& call_;
    const Tiles tiles_;
    const int64_t plane_ = g_.problem.input_pixels;
    const bool far_ = g_.source_image + g_.result_image > kFarFloats;
};

void forward(const Context& context, const ForwardCall& call, const Workspace&,
             const Execution& execution) {
    const Gather gather(context.problem, NCONV_PASS_FORWARD);
    const Epilogue epilogue(context, call);
    const GatherCall whole = {call.input, call.packed, call.bias, call.output,
                              epilogue.needed() ? &epilogue : nullptr};
    Pointwise(context, gather, whole).run(context.problem.batch, execution);
}

void backward_input(const Context& context, const BackwardInputCall& call,
                    const Workspace& workspace, const Execution& execution) {
    const Gather gather(context.problem, NCONV_PASS_BACKWARD_INPUT);
    for_each_derived(context, call, workspace, execution,
                     [&](const GatherCall& part, int64_t images) {
                         Pointwise(context, gather, part).run(images, execution);
                     });
}

}  // namespace

const Algorithm kPointwise = {"pointwise", declines, yields,         workspace, packed_count,
                              pack,        forward,  backward_input, nullptr};

}  // namespace nconv
