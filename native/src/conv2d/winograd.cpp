// Winograd convolution for 3 x 3 kernels, forward and backward_input with stride 1 and any dilation, forward
// with stride 2: tiles of the source are transformed into n x n points, the reduced channels summed point by
// point as matrix products, and the sums transformed back. Fused over blocks of tiles whose points stay in L2
// (Gelashvili et al., "L3 fusion", 2021): a prototype in three phases over whole images, with the points in L3
// or memory, took twice the time for 64 channels of 224 x 224.
//
// Channels are in lanes. In NCHW a block's part of the source is transposed 16 channels at a time into a strip
// that stays in L1, its results on the way out; every tile has the operations of NHWC, so the bits are equal.
#include "conv2d/winograd.h"

#include <string.h>

#include "conv2d/derivative.h"
#include "conv2d/gemm.h"
#include "conv2d/planes.h"
#include "conv2d/winograd_ahead.h"
#include "conv2d/winograd_gradient.h"

namespace nconv {
namespace {

// Floats of an image that does not stay in L2: its parts are asked for ahead, in NCHW also the next row's, into L1,
// while one is transposed. 64 channels of 224 x 224 gain 20 % of NHWC's time by it and 5 % of NCHW's by its rows alone;
// smaller images lose up to 5 %. Copying NCHW's runs into a buffer before they are transposed lost 10 %.
constexpr int64_t kFarImage = 1 << 20;

// A task's memory.
struct Slot {
    explicit Slot(const Winograd& w, char* memory = nullptr) {
        const int64_t m = w.variant.output, n = w.variant.tile, most_tiles = w.most_tiles();
        MemoryMap map(memory);
        // One line more from point to point keeps them in different sets.
        point_pitch = most_tiles * w.tile_pitch + kPlaneBlock;
        sums_pitch = most_tiles * w.width + kPlaneBlock;
        points = map.take(CheckedSize(w.points) * point_pitch);
        sums = map.take(CheckedSize(w.points) * sums_pitch);
        if (w.g.problem.channels_last()) {
            window = map.take(CheckedSize(n * n) * w.g.reduced);
        } else {
            window = map.take(CheckedSize(w.strip_pixels) * kPlaneBlock);
            const TileRange line = {0, min_of(w.x.count, most_tiles)};
            stage = map.take(CheckedSize(m) * w.x.result(line).total() * w.width);
        }
        bytes = map.bytes();
    }
    CheckedSize bytes = 0;
    int64_t point_pitch, sums_pitch;
    float *points, *sums;
    float*
        window;  // padded with zeros: of a tile at the border, or (NCHW) of 16 channels of a block
    float* stage = nullptr;
};

struct Task {
    TileBlock block, next;  // next: what will probably be wanted after it
    int64_t group;
    int64_t first_channels, end_channels;  // blocks of produced channels
};

class WinogradTask {
public:
    WinogradTask(const Winograd& w, const GatherCall& call, const Task& task, const Slot& slot)
        : w_(w), k_(w.k), g_(w.g), call_(call), task_(task), slot_(slot) {}

    void run() const {
        if (g_.problem.channels_last()) {
            transform_pixels();
        } else {
            transform_planes();
        }
        for (int64_t b = task_.first_channels; b < task_.end_channels; ++b) {
            const int64_t e0 = b * w_.width, columns = min_of(w_.width, g_.produced - e0);
            const Sums sums = sums_of(b);
            multiply(e0, columns, sums);
            transform_back(e0, columns, sums);
        }
    }

private:
    struct Sums {
        float* at;
        int64_t tile, point;  // floats from one to the next
    };
    // The last ones take the points' place: they are in L1 when a register tile is stored.
    Sums sums_of(int64_t channel_block) const {
        const int64_t width = min_of(w_.width, round_up(g_.produced, k_.lanes));
        if (channel_block + 1 == task_.end_channels && width <= w_.tile_pitch)
            return {slot_.points, w_.tile_pitch, slot_.point_pitch};
        return {slot_.sums, w_.width, slot_.sums_pitch};
    }

    float* points_of(int64_t tile) const { return slot_.points + tile * w_.tile_pitch; }

    void transform_pixels() const {
        const int64_t n = w_.variant.tile, pixel = g_.source_channels();
        const int64_t width = w_.x.source_extent;
        const int64_t reach_y = (n - 1) * w_.y.step, reach_x = (n - 1) * w_.x.step;
        WinogradInputArgs args = {};
        args.channels = g_.reduced;
        args.out = slot_.points;
        args.out_point = slot_.point_pitch;
        for_each_tile([&](int64_t image, int64_t ty, int64_t tx) {
            const int64_t y = ty * w_.y.stride + w_.y.origin, x = tx * w_.x.stride + w_.x.origin;
            const float* source = call_.source + image * g_.source_image + task_.group * g_.reduced;
            if (y >= 0 && x >= 0 && y + reach_y < w_.y.source_extent && x + reach_x < width) {
                args.source = source + (y * width + x) * pixel;
                args.row_pitch = w_.y.step * width * pixel;
                args.pixel_pitch = w_.x.step * pixel;
            } else {
                copy_window(source, y, x);
                args.source = slot_.window;
                args.row_pitch = n * g_.reduced;
                args.pixel_pitch = g_.reduced;
            }
            w_.kernel.input(args);
            args.out += w_.tile_pitch;
        });
    }

    // The window at (y, x), zeros where it is outside.
    void copy_window(const float* source, int64_t y, int64_t x) const {
        const int64_t n = w_.variant.tile, c = g_.reduced, pixel = g_.source_channels();
        const int64_t step = w_.x.step, width = w_.x.source_extent;
        int64_t first = 0, end = n;
        while (first < n && x + first * step < 0) ++first;
        while (end > first && x + (end - 1) * step >= width) --end;
        const auto bytes = [&](int64_t pixels) {
            return static_cast<size_t>(pixels * c) * sizeof(float);
        };
        for (int64_t i = 0; i < n; ++i) {
            float* row = slot_.window + i * n * c;
            const int64_t row_y = y + i * w_.y.step;
            if (row_y < 0 || row_y >= w_.y.source_extent || end == first) {
                memset(row, 0, bytes(n));
                continue;
            }
            memset(row, 0, bytes(first));
            memset(row + end * c, 0, bytes(n - end));
            const float* from = source + (row_y * width + x + first * step) * pixel;
            if (step * pixel == c) {
                memcpy(row + first * c, from, bytes(end - first));
                continue;
            }
            for (int64_t j = first; j < end; ++j, from += step * pixel)
                memcpy(row + j * c, from, bytes(1));
        }
    }

    void transform_planes() const {
        const TileBlock& b = task_.block;
        const Runs rows = w_.y.source(b.y), columns = w_.x.source(b.x);
        const int64_t height = w_.y.source_extent, width = w_.x.source_extent;
        const int64_t pitch = columns.total() * kPlaneBlock, plane = height * width;
        if (rows.start < 0 || columns.start < 0 || rows.end() > height || columns.end() > width)
            memset(slot_.window, 0, static_cast<size_t>(rows.total() * pitch) * sizeof(float));
        WinogradInputArgs args = {};
        args.row_pitch = rows.length * pitch;
        args.pixel_pitch = columns.length * kPlaneBlock;
        args.out_point = slot_.point_pitch;
        for (int64_t n = 0; n < b.images; ++n) {
            const float* source = call_.source + (b.first_image + n) * g_.source_image +
                                  task_.group * g_.reduced * plane;
            for (int64_t c = 0; c < g_.reduced; c += kPlaneBlock) {
                args.channels = min_of(kPlaneBlock, g_.reduced - c);
                rows.for_each([&](int64_t i, int64_t y) {
                    if (y < 0 || y >= height) return;
                    const int64_t next = far_ && i + 1 < rows.total() ? rows.at(i + 1) : height;
                    load_line(source + c * plane + y * width,
                              next < height ? (next - y) * width : 0, args.channels, columns,
                              slot_.window + i * pitch);
                });
                args.out = points_of(n * b.y.count * b.x.count) + c;
                w_.y.for_each(b.y, [&](int64_t row) {
                    w_.x.for_each(b.x, [&](int64_t column) {
                        args.source = slot_.window + row * w_.y.stride * pitch +
                                      column * w_.x.stride * kPlaneBlock;
                        w_.kernel.input(args);
                        args.out += w_.tile_pitch;
                    });
                });
            }
        }
    }

    // One line of a block's part of the source, sixteen channels side by side; what is outside stays as it is.
    // The line that is `ahead` further is asked for, if it is another.
    void load_line(const float* line, int64_t ahead, int64_t channels, const Runs& columns,
                   float* to) const {
        const int64_t height = w_.y.source_extent, width = w_.x.source_extent;
        const int64_t length = columns.joined() ? columns.total() : columns.length;
        for (int64_t i = 0, x = columns.start; i < columns.total();
             i += length, x += columns.step) {
            const int64_t first = max_of(0, -x), end = min_of(length, width - x);
            if (first >= end) continue;
            for (int64_t k = 0; k < channels && ahead != 0; ++k)
                prefetch(line + k * height * width + ahead + x + first, end - first);
            load_run(k_, line + x + first, height * width, channels, end - first,
                     to + (i + first) * kPlaneBlock, kPlaneBlock);
        }
    }

    // What memory should have ready: nothing with more groups or with parts of the channels, whose tasks share it.
    bool asks() const {
        return far_ && g_.problem.groups == 1 && task_.first_channels == 0 &&
               task_.end_channels == w_.channel_blocks;
    }
    WinogradPart source_of(const TileBlock& b) const {
        return {call_.source + b.first_image * g_.source_image,
                g_.source_image,
                g_.problem.channels_last() ? g_.reduced : 1,
                b.images,
                w_.y.source(b.y),
                w_.x.source(b.x),
                w_.y.source_extent,
                w_.x.source_extent};
    }
    WinogradPart results_of(const TileBlock& b) const {
        return {call_.result + b.first_image * g_.result_image,
                g_.result_image,
                g_.problem.channels_last() ? g_.produced : 1,
                b.images,
                w_.y.result(b.y),
                w_.x.result(b.x),
                w_.y.result_extent,
                w_.x.result_extent};
    }

    void multiply(int64_t e0, int64_t columns, const Sums& sums) const {
        const int64_t stored = round_up(columns, k_.lanes), tiles = task_.block.tiles();
        const int vectors = static_cast<int>(stored / k_.lanes);
        const int64_t parts = ceil_div(tiles, k_.winograd->product_rows[vectors - 1]);
        const float* group =
            call_.packed + task_.group * w_.panels * g_.reduced * round_up(g_.produced, k_.lanes);
        WinogradAhead ahead;
        if (e0 == 0 && asks())
            ahead = {w_, source_of(task_.next), results_of(task_.block), w_.points * parts};
        WinogradProductArgs args = {};
        args.a_row = w_.tile_pitch;
        const float* block = group + e0 * w_.panels * g_.reduced;
        args.depth = g_.reduced;
        args.out_row = sums.tile;
        const int64_t n = w_.variant.tile;
        for (int64_t p = 0, i = 0; i < n; ++i) {
            for (int64_t j = 0; j < n; ++j, ++p) {
                args.b = block + w_.panel(i, j) * g_.reduced * stored;
                for_each_share(tiles, parts, [&](int64_t from, int64_t rows) {
                    ahead.next(&args);
                    args.a = points_of(from) + p * slot_.point_pitch;
                    args.out = sums.at + p * sums.point + from * sums.tile;
                    k_.winograd->product[rows - 1][vectors - 1](args);
                });
            }
        }
    }

    void transform_back(int64_t e0, int64_t columns, const Sums& sums) const {
        const int64_t width = w_.x.result_extent;
        const bool planes = !g_.problem.channels_last();
        const int64_t pixel = planes ? w_.width : g_.result_channels();
        const int64_t channel = task_.group * g_.produced + e0;
        const Runs block = w_.x.result(task_.block.x);
        const int64_t staged =
            block.joined() ? min_of(block.total(), width - block.start) : block.total();
        // A residual in NCHW is added to the planes, not transposed into a stage.
        const bool tile_epilogue =
            call_.epilogue != nullptr && !(planes && call_.epilogue->in_output());
        WinogradOutputArgs args = {};
        args.sums = sums.at;
        args.sums_point = sums.point;
        args.init = call_.bias != nullptr ? call_.bias + channel : nullptr;
        args.channels = columns;
        args.pixel_pitch = (planes ? block.length : w_.x.step) * pixel;
        args.row_pitch = (planes ? staged : w_.y.step * width) * pixel;
        int64_t left = task_.block.x.count;
        for_each_tile([&](int64_t image, int64_t y, int64_t x) {
            float* result = call_.result + image * g_.result_image;
            args.rows = static_cast<int>(w_.y.results_at(y));
            args.columns = static_cast<int>(w_.x.results_at(x));
            args.out = planes ? slot_.stage + (x - block.start) * pixel
                              : result + (y * width + x) * pixel + channel;
            w_.kernel.output(args);
            if (tile_epilogue) finish(args);
            args.sums += sums.tile;
            if (planes && --left == 0) {
                left = task_.block.x.count;
                store_planes({y, args.rows, block.start, staged, w_.y.step}, block, columns,
                             result + channel * w_.y.result_extent * width);
            }
        });
    }

    // A row of tiles, out of the stage: in one go, or by its runs of columns.
    void store_planes(const Rectangle& staged, const Runs& block, int64_t channels,
                      float* planes) const {
        if (block.joined()) {
            store_rectangle(slot_.stage, staged, channels, planes);
            return;
        }
        for (int64_t i = 0; i < staged.rows; ++i) {
            for (int64_t j = 0; j < block.runs; ++j) {
                const int64_t x = block.at(j * block.length);
                const Rectangle run = {staged.y + i * staged.spacing, 1, x,
                                       min_of(block.length, w_.x.result_extent - x)};
                if (run.columns <= 0) continue;
                store_rectangle(slot_.stage + (i * staged.columns + j * block.length) * w_.width,
                                run, channels, planes);
            }
        }
    }

    void store_rectangle(const float* stage, const Rectangle& r, int64_t channels,
                         float* planes) const {
        const int64_t width = w_.x.result_extent, plane = w_.y.result_extent * width;
        store_strip(k_, stage, w_.width, r, channels, planes, plane, width);
        if (call_.epilogue != nullptr && call_.epilogue->in_output())
            finish_planes(*call_.epilogue, r, channels, planes, plane, width);
    }

    void finish(const WinogradOutputArgs& args) const {
        float* rows[kMaxWinogradOutput * kMaxWinogradOutput];
        int count = 0;
        for (int i = 0; i < args.rows; ++i)
            for (int j = 0; j < args.columns; ++j)
                rows[count++] = args.out + i * args.row_pitch + j * args.pixel_pitch;
        call_.epilogue->apply(rows, count, args.channels);
    }

    // Calls body(image, y, x) with the first result of each tile.
    template <class Body>
    void for_each_tile(const Body& body) const {
        const TileBlock& b = task_.block;
        const int64_t y = w_.y.start(b.y.first), x = w_.x.start(b.x.first);
        for (int64_t n = b.first_image; n < b.first_image + b.images; ++n) {
            w_.y.for_each(b.y, [&](int64_t row) {
                w_.x.for_each(b.x, [&](int64_t column) { body(n, y + row, x + column); });
            });
        }
    }

    const Winograd& w_;
    const KernelSet& k_;
    const Gather& g_;
    const GatherCall& call_;
    const Task& task_;
    const Slot& slot_;
    const bool far_ = g_.source_image > kFarImage;
};

void run(const Winograd& w, const GatherCall& call, int64_t images, const Workspace& workspace,
         const Execution& execution) {
    const TileCut cut(w, images, execution.threads);
    parallel_for(execution, cut.tasks(), [&](int64_t index, int slot) {
        Task task;
        task.block = cut.block(w, index % cut.blocks());
        if (task.block.tiles() == 0) return;  // the last band may have fewer tiles than parts
        task.next = cut.block(w, (index + 1) % cut.blocks());
        task.group = index / cut.blocks() % cut.groups;
        const int64_t part = index / (cut.blocks() * cut.groups);
        task.first_channels = share_start(w.channel_blocks, cut.channel_parts, part);
        task.end_channels = share_start(w.channel_blocks, cut.channel_parts, part + 1);
        WinogradTask(w, call, task, Slot(w, workspace.slot(slot))).run();
    });
}

template <int kVariant>
const char* declines(const Problem& p, nconv_pass pass) {
    return winograd_declines(p, pass, kVariant);
}

template <int kVariant>
const char* yields(const Problem& p, nconv_pass pass) {
    return winograd_yields(p, pass, kVariant);
}

template <int kVariant>
WorkspaceSize workspace(const Context& context, nconv_pass pass) {
    if (pass == NCONV_PASS_BACKWARD_WEIGHTS) return winograd_gradient_workspace(context);
    const Winograd w(context, pass, kVariant);
    WorkspaceSize size;
    size.per_thread = Slot(w).bytes;
    if (pass == NCONV_PASS_BACKWARD_INPUT) size.shared = derived_bytes(context.problem);
    return size;
}

template <int kVariant>
CheckedSize packed_count(const Context& context, nconv_pass pass) {
    const Winograd w(context, pass, kVariant);
    return CheckedSize(w.panels) * w.g.reduced * round_up(w.g.produced, w.k.lanes) *
           w.g.problem.groups;
}

template <int kVariant>
void pack(const Context& context, nconv_pass pass, const float* weights, float* packed) {
    winograd_pack(Winograd(context, pass, kVariant), weights, packed);
}

template <int kVariant>
void forward(const Context& context, const ForwardCall& call, const Workspace& workspace,
             const Execution& execution) {
    const Epilogue epilogue(context, call);
    run(Winograd(context, NCONV_PASS_FORWARD, kVariant),
        {call.input, call.packed, call.bias, call.output, epilogue.needed() ? &epilogue : nullptr},
        context.problem.batch, workspace, execution);
}

template <int kVariant>
void backward_input(const Context& context, const BackwardInputCall& call,
                    const Workspace& workspace, const Execution& execution) {
    const Winograd w(context, NCONV_PASS_BACKWARD_INPUT, kVariant);
    for_each_derived(context, call, workspace, execution,
                     [&](const GatherCall& part, int64_t images) {
                         run(w, part, images, workspace, execution);
                     });
}

template <int kVariant>
constexpr Algorithm algorithm(const char* name) {
    return {name,
            declines<kVariant>,
            yields<kVariant>,
            workspace<kVariant>,
            packed_count<kVariant>,
            pack<kVariant>,
            forward<kVariant>,
            backward_input<kVariant>,
            winograd_backward_weights,
            winograd_gradient_cut};
}

}  // namespace

extern constexpr Algorithm kWinograd2x2 = algorithm<0>("winograd_2x2");
extern constexpr Algorithm kWinograd4x4 = algorithm<1>("winograd_4x4");
extern constexpr Algorithm kWinograd5x5 = algorithm<2>("winograd_5x5");
extern constexpr Algorithm kWinograd6x6 = algorithm<3>("winograd_6x6");
extern constexpr Algorithm kWinograd4x4Strided = algorithm<4>("winograd_4x4_stride2");

}  // namespace nconv
