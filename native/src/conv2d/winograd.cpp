// Winograd convolution for 3 x 3 kernels of stride 1, forward and backward_input: tiles of the source are
// transformed into n x n points, the reduced channels summed point by point as matrix products, and the
// sums transformed back. Fused over blocks of tiles whose points stay in L2 (Gelashvili et al., "L3 fusion",
// 2021): a prototype in three phases over whole images, with the points in L3 or memory, took twice the time
// for 64 channels of 224 x 224.
//
// Channels are in lanes. In NCHW a block's part of the source is transposed 16 channels at a time into a strip
// that stays in L1, its results on the way out; every tile has the operations of NHWC, so the bits are equal.
#include "conv2d/winograd.h"

#include <string.h>

#include "conv2d/derivative.h"
#include "conv2d/gemm.h"
#include "conv2d/planes.h"
#include "conv2d/winograd_gradient.h"

namespace nconv {
namespace {

// Floats of an image that does not stay in L2: its parts are asked for ahead, the next block's while this
// one's products run, in NCHW also the next row's while one is transposed. 64 channels of 224 x 224 gain 13 %
// of NHWC's and 20 % of NCHW's time; smaller images lose 5 % by it. Asking for the result's lines lost 5 to
// 10 % at every size, copying NCHW's runs into a buffer before they are transposed 10 %.
constexpr int64_t kFarImage = 1 << 20;

// A task's memory.
struct Slot {
    explicit Slot(const Winograd& w, char* memory = nullptr) {
        const int64_t m = w.variant.output, n = w.variant.tile, most_tiles = w.most_tiles();
        const auto take = [&](CheckedSize floats) {
            float* at =
                memory != nullptr ? reinterpret_cast<float*>(memory + bytes.value()) : nullptr;
            bytes = bytes + floats * int64_t{sizeof(float)} + 64;
            if (bytes.valid()) bytes = bytes.value() / 64 * 64;
            return at;
        };
        // One line more from point to point keeps them in different sets.
        point_pitch = most_tiles * w.tile_pitch + kPlaneBlock;
        sums_pitch = most_tiles * w.width + kPlaneBlock;
        points = take(CheckedSize(w.points) * point_pitch);
        sums = take(CheckedSize(w.points) * sums_pitch);
        const int64_t columns = min_of(w.tile_columns, most_tiles);
        if (w.g.problem.channels_last()) {
            window = take(CheckedSize(n * n) * w.g.reduced);
        } else {
            // Of all blocks with so many tiles a single row or column of them reads most.
            window = take((CheckedSize(most_tiles) * m * (m + 2) + 2 * m + 4) * kPlaneBlock);
            stage = take(CheckedSize(m * m) * columns * w.width);
        }
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
            multiply(e0, columns, far_ && b == task_.first_channels);
            transform_back(e0, columns);
        }
    }

private:
    // The source's position that the window of tile 0 begins with, along one axis.
    static int64_t origin(const Window& axis) {
        return min_of(axis.tap(0, 0).offset, axis.tap(0, kKernel - 1).offset);
    }

    float* points_of(int64_t tile) const { return slot_.points + tile * w_.tile_pitch; }

    void transform_pixels() const {
        const int64_t m = w_.variant.output, n = w_.variant.tile, pixel = g_.source_channels();
        const int64_t height = g_.y.source_extent(), width = g_.x.source_extent();
        WinogradInputArgs args = {};
        args.channels = g_.reduced;
        args.out = slot_.points;
        args.out_point = slot_.point_pitch;
        for_each_tile([&](int64_t image, int64_t ty, int64_t tx) {
            const int64_t y = ty * m + origin(g_.y), x = tx * m + origin(g_.x);
            const float* source = call_.source + image * g_.source_image + task_.group * g_.reduced;
            if (y >= 0 && x >= 0 && y + n <= height && x + n <= width) {
                args.source = source + (y * width + x) * pixel;
                args.row_pitch = width * pixel;
                args.pixel_pitch = pixel;
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
        const int64_t first = min_of(max_of(0, -x), n);
        const int64_t end = max_of(first, min_of(n, g_.x.source_extent() - x));
        const auto bytes = [&](int64_t pixels) {
            return static_cast<size_t>(pixels * c) * sizeof(float);
        };
        for (int64_t i = 0; i < n; ++i) {
            float* row = slot_.window + i * n * c;
            if (y + i < 0 || y + i >= g_.y.source_extent() || end == first) {
                memset(row, 0, bytes(n));
                continue;
            }
            memset(row, 0, bytes(first));
            memset(row + end * c, 0, bytes(n - end));
            const float* from = source + ((y + i) * g_.x.source_extent() + x + first) * pixel;
            if (pixel == c) {
                memcpy(row + first * c, from, bytes(end - first));
                continue;
            }
            for (int64_t j = first; j < end; ++j, from += pixel)
                memcpy(row + j * c, from, bytes(1));
        }
    }

    void transform_planes() const {
        const TileBlock& b = task_.block;
        const int64_t m = w_.variant.output;
        const int64_t height = g_.y.source_extent(), width = g_.x.source_extent();
        const int64_t y = b.y * m + origin(g_.y), x = b.x * m + origin(g_.x);
        const int64_t rows = b.rows * m + kKernel - 1, columns = b.columns * m + kKernel - 1;
        const int64_t first_row = min_of(max_of(0, -y), rows), end_row = min_of(rows, height - y);
        const int64_t first = min_of(max_of(0, -x), columns), end = min_of(columns, width - x);
        if (first_row > 0 || first > 0 || end_row < rows || end < columns) {
            memset(slot_.window, 0,
                   static_cast<size_t>(rows * columns * kPlaneBlock) * sizeof(float));
        }
        WinogradInputArgs args = {};
        args.row_pitch = columns * kPlaneBlock;
        args.pixel_pitch = kPlaneBlock;
        args.out_point = slot_.point_pitch;
        const int64_t plane = height * width;
        for (int64_t n = 0; n < b.images; ++n) {
            const float* source = call_.source + (b.first_image + n) * g_.source_image +
                                  task_.group * g_.reduced * plane;
            for (int64_t c = 0; c < g_.reduced; c += kPlaneBlock) {
                args.channels = min_of(kPlaneBlock, g_.reduced - c);
                for (int64_t i = first_row; i < end_row && first < end; ++i) {
                    const float* from = source + c * plane + (y + i) * width + x + first;
                    if (far_ && i + 1 < end_row) {
                        for (int64_t k = 0; k < args.channels; ++k)
                            prefetch(from + k * plane + width, end - first);
                    }
                    k_.transpose(from, plane, slot_.window + (i * columns + first) * kPlaneBlock,
                                 kPlaneBlock, args.channels, end - first);
                }
                args.out = points_of(n * b.rows * b.columns) + c;
                for (int64_t i = 0; i < b.rows; ++i) {
                    for (int64_t j = 0; j < b.columns; ++j, args.out += w_.tile_pitch) {
                        args.source = slot_.window + (i * columns + j) * m * kPlaneBlock;
                        w_.kernel.input(args);
                    }
                }
            }
        }
    }

    // Asks for share `index` of `shares` of the next block's part of the source.
    void prefetch_next(int64_t index, int64_t shares) const {
        const TileBlock& b = task_.next;
        const int64_t m = w_.variant.output, channels = g_.reduced;
        const int64_t height = g_.y.source_extent(), width = g_.x.source_extent();
        const int64_t y = max_of(0, b.y * m + origin(g_.y)), x = max_of(0, b.x * m + origin(g_.x));
        const int64_t rows = max_of(0, min_of(b.rows * m + kKernel - 1, height - y));
        const int64_t columns = min_of(b.columns * m + kKernel - 1, width - x);
        const bool planes = !g_.problem.channels_last();
        const int64_t inner = planes ? rows : max_of(0, columns);
        const int64_t runs = inner * (planes ? channels : rows);
        const int64_t pixel = planes ? 1 : g_.source_channels();
        const int64_t inner_step = planes ? width : pixel;
        const int64_t outer_step = planes ? height * width : width * pixel;
        const float* start = call_.source + b.first_image * g_.source_image +
                             task_.group * channels * (planes ? height * width : 1) +
                             (y * width + x) * pixel;
        for (int64_t i = share_start(runs, shares, index); i < share_start(runs, shares, index + 1);
             ++i) {
            prefetch(start + i / inner * outer_step + i % inner * inner_step,
                     planes ? columns : channels);
        }
    }

    void multiply(int64_t e0, int64_t columns, bool ahead) const {
        const int64_t stored = round_up(columns, k_.lanes), tiles = task_.block.tiles();
        const int vectors = static_cast<int>(stored / k_.lanes);
        const int64_t parts = ceil_div(tiles, k_.winograd_product_rows[vectors - 1]);
        const float* group =
            call_.packed + task_.group * w_.points * g_.reduced * round_up(g_.produced, k_.lanes);
        WinogradProductArgs args = {};
        args.a_row = w_.tile_pitch;
        args.b = group + e0 * w_.points * g_.reduced;
        args.depth = g_.reduced;
        args.out_row = w_.width;
        for (int64_t p = 0; p < w_.points; ++p, args.b += g_.reduced * stored) {
            if (ahead) prefetch_next(p, w_.points);
            for_each_share(tiles, parts, [&](int64_t from, int64_t rows) {
                args.a = points_of(from) + p * slot_.point_pitch;
                args.out = slot_.sums + p * slot_.sums_pitch + from * w_.width;
                k_.winograd_product[rows - 1][vectors - 1](args);
            });
        }
    }

    void transform_back(int64_t e0, int64_t columns) const {
        const int64_t m = w_.variant.output;
        const int64_t height = g_.y.result_extent(), width = g_.x.result_extent();
        const bool planes = !g_.problem.channels_last();
        const int64_t pixel = planes ? w_.width : g_.result_channels();
        const int64_t channel = task_.group * g_.produced + e0;
        const int64_t block_x = task_.block.x * m;
        const int64_t block_width = min_of(task_.block.columns * m, width - block_x);
        // A residual in NCHW is added to the planes, not transposed into a stage.
        const bool planes_epilogue =
            planes && call_.epilogue != nullptr && call_.epilogue->in_output();
        const bool tile_epilogue = call_.epilogue != nullptr && !planes_epilogue;
        WinogradOutputArgs args = {};
        args.sums = slot_.sums;
        args.sums_point = slot_.sums_pitch;
        args.init = call_.bias != nullptr ? call_.bias + channel : nullptr;
        args.channels = columns;
        args.pixel_pitch = pixel;
        args.row_pitch = (planes ? block_width : width) * pixel;
        for_each_tile([&](int64_t image, int64_t ty, int64_t tx) {
            const int64_t y = ty * m, x = tx * m;
            float* result = call_.result + image * g_.result_image;
            args.rows = static_cast<int>(min_of(m, height - y));
            args.columns = static_cast<int>(min_of(m, width - x));
            args.out = planes ? slot_.stage + (x - block_x) * pixel
                              : result + (y * width + x) * pixel + channel;
            w_.kernel.output(args);
            if (tile_epilogue) finish(args);
            args.sums += w_.width;
            if (planes && tx + 1 == task_.block.x + task_.block.columns) {
                const Rectangle stored = {y, args.rows, block_x, block_width};
                float* to = result + channel * height * width;
                store_strip(k_, slot_.stage, pixel, stored, columns, to, height * width, width);
                if (planes_epilogue) {
                    finish_planes(*call_.epilogue, stored, columns, to, height * width, width);
                }
            }
        });
    }

    void finish(const WinogradOutputArgs& args) const {
        float* rows[kMaxWinogradOutput * kMaxWinogradOutput];
        int count = 0;
        for (int i = 0; i < args.rows; ++i)
            for (int j = 0; j < args.columns; ++j)
                rows[count++] = args.out + i * args.row_pitch + j * args.pixel_pitch;
        call_.epilogue->apply(rows, count, args.channels);
    }

    template <class Body>
    void for_each_tile(const Body& body) const {
        const TileBlock& b = task_.block;
        for (int64_t n = b.first_image; n < b.first_image + b.images; ++n)
            for (int64_t ty = b.y; ty < b.y + b.rows; ++ty)
                for (int64_t tx = b.x; tx < b.x + b.columns; ++tx) body(n, ty, tx);
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
    if (pass == NCONV_PASS_BACKWARD_WEIGHTS)
        return kVariant == kWinogradGradient ? winograd_gradient_workspace(context)
                                             : gemm_weights_workspace(context);
    const Winograd w(context, pass, kVariant);
    WorkspaceSize size;
    size.per_thread = Slot(w).bytes;
    if (pass == NCONV_PASS_BACKWARD_INPUT) size.shared = derived_bytes(context.problem);
    return size;
}

template <int kVariant>
CheckedSize packed_count(const Context& context, nconv_pass pass) {
    const Winograd w(context, pass, kVariant);
    return CheckedSize(w.points) * w.g.reduced * round_up(w.g.produced, w.k.lanes) *
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
            kVariant == kWinogradGradient ? winograd_backward_weights : gemm_backward_weights};
}

}  // namespace

extern constexpr Algorithm kWinograd2x2 = algorithm<0>("winograd_2x2");
extern constexpr Algorithm kWinograd4x4 = algorithm<1>("winograd_4x4");
extern constexpr Algorithm kWinograd5x5 = algorithm<2>("winograd_5x5");
extern constexpr Algorithm kWinograd6x6 = algorithm<3>("winograd_6x6");

}  // namespace nconv
