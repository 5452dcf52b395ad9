// Depthwise gathers with the elements of a row in lanes: planes of NCHW, rows of interleaved
// channels. A strided source row that no kernel takes as it is is first split into rows of every
// stride-th pixel; the phases of a strided result are joined in the same way.
#include "conv2d/depthwise.h"
#include "conv2d/lines.h"

namespace nconv {
namespace {

constexpr int kMaxPhases = 4;
constexpr int64_t kPitch = 16;  // scratch rows start on cache lines

// The taps of one phase of the columns, and where their weights are.
struct ColumnPhase {
    DepthwiseColumn columns[kMaxKernel];
    int taps = 0;
    int64_t count = 0;
    int64_t kernel_first = 0, kernel_step = 1;
};

// Rows of a call of a fixed kernel: a tile that stays in L2, but not so low that the rows it shares
// with its neighbours count.
int64_t fixed_rows(int64_t row_floats) {
    constexpr int64_t kTileFloats = 1 << 14, kFewest = kMostFoldedRows;
    return max_of(kFewest, kTileFloats / row_floats);
}

class PixelsGather {
public:
    // bias: repeated like the weights where channels are interleaved.
    PixelsGather(const DepthwiseCall& call, const float* bias, const Execution& execution)
        : call_(call), bias_(bias), y_(call.gather.y) {
        const Window& x = call.gather.x;
        split_pitch_ = round_up(ceil_div(x.source_extent(), x.source_step()), kPitch);
        for (int i = 0; i < x.phases(); ++i) fill(i);
        falling_ = phases_[0].taps > 1 && x.tap(0, 1).offset < x.tap(0, 0).offset;
        same_edges_ = x.phases() == 1 && has_same_edges(phases_[0]);
        take_strided();
        fixed_rows_ = fixed_rows(x.source_extent() * channels_);
        tiles_ = count_row_tiles(y_, rows());
        // Tasks of some 65000 multiply-adds, 0.5 us on AVX-512: planes of a small image together.
        constexpr int64_t kTaskWork = 1 << 16;
        const int64_t work = call.result_pixels() * call.problem().kernel_taps * channels_;
        const int64_t wanted =
            round_up(max_of(ceil_div(planes_ * work, kTaskWork), 2 * fewest_tasks(execution)),
                     execution.threads);
        plane_blocks_ = min_of(planes_, wanted);
        tile_blocks_ = min_of(tiles_, max_of(1, wanted / plane_blocks_));
    }

    void run(const Execution& execution) const {
        const int64_t tasks = plane_blocks_ * tile_blocks_;
        parallel_for(execution, call_.images * tasks, [&](int64_t task, int slot) {
            const int64_t image = task / tasks, block = task % tasks / tile_blocks_;
            const int64_t part = task % tile_blocks_;
            const int64_t first = share_start(planes_, plane_blocks_, block);
            const int64_t planes = share_start(planes_, plane_blocks_, block + 1) - first;
            const int64_t end = share_start(tiles_, tile_blocks_, part + 1);
            float* scratch = reinterpret_cast<float*>(call_.workspace.slot(slot));
            for (int64_t t = share_start(tiles_, tile_blocks_, part); t < end; ++t)
                run_tile(image, first, planes, find_row_tile(y_, rows(), t), scratch);
        });
    }

private:
    // The rows of a call: what the kernel chosen for a line takes.
    struct MostRows {
        const PixelsGather& gather;
        int64_t operator()(const Line& line) const {
            return gather.fixed(line) != nullptr ? gather.fixed_rows_ : gather.kernels_.rows;
        }
    };
    MostRows rows() const { return {*this}; }
    DepthwisePixelsKernel fixed(const Line& line) const {
        if (folds_) return kernels_.folded;
        // Such kernels take every weight in turn; one column of a strided gradient reads every second.
        const bool whole = same_edges_ && line.kernel_step == 1 && phases_[0].kernel_step == 1;
        for (const DepthwisePixels::Fixed& f : kernels_.fixed) {
            if (whole && f.taps == line.taps && f.taps == phases_[0].taps && f.step == line.step &&
                f.step == (strided_ ? 2 : 1))
                return f.kernel;
        }
        return nullptr;
    }

    void fill(int index) {
        const Window& x = call_.gather.x;
        ColumnPhase& phase = phases_[index];
        const int64_t extent = x.source_extent(), step = x.source_step();
        phase.taps = static_cast<int>(x.tap_count(index));
        phase.count = x.phase_size(index) * channels_;
        for (int s = 0; s < phase.taps; ++s) {
            const Tap tap = x.tap(index, s);
            DepthwiseColumn& column = phase.columns[s];
            if (s == 0) phase.kernel_first = tap.kernel;
            if (s == 1) phase.kernel_step = tap.kernel - phase.kernel_first;
            column.first = ceil_div(max_of(0, -tap.offset), step) * channels_;
            column.end = ceil_div(max_of(0, extent - tap.offset), step) * channels_;
            if (step == 1) {
                column.offset = tap.offset * channels_;
            } else {
                const int64_t rest = (tap.offset % step + step) % step;
                column.offset = rest * split_pitch_ + (tap.offset - rest) / step;
            }
        }
    }

    // Reads every second element of the rows in the kernel where there is one for it: splitting the
    // rows first, 3 x 3 reached 15 % of peak.
    void take_strided() {
        const Window& x = call_.gather.x;
        ColumnPhase& phase = phases_[0];
        if (x.source_step() != 2 || !same_edges_ || phase.taps < 2) return;
        const Tap first = x.tap(0, 0);
        if (x.tap(0, 1).offset - first.offset != 1) return;
        strided_ = true;
        y_.each([&](const Line& line) { return !(strided_ = fixed(line) != nullptr); });
        if (strided_) phase.columns[0].offset = first.offset;
    }

    // What the kernels for one size of kernel ask of the taps.
    bool has_same_edges(const ColumnPhase& phase) const {
        const int64_t lanes = call_.kernels().lanes, middle = phase.taps / 2;
        const int64_t last = round_up(phase.count, lanes) - distance_;
        for (int s = 0; s < phase.taps; ++s) {
            const int64_t rank = falling_ ? phase.taps - 1 - s : s;
            const DepthwiseColumn& c = phase.columns[s];
            if (c.first > (rank < middle ? distance_ : 0)) return false;
            if (c.end < (rank > middle ? last : phase.count)) return false;
        }
        return true;
    }

    // The rows of a tile for some planes: at once where they are read and written in place.
    void run_tile(int64_t image, int64_t first, int64_t planes, const RowTile& tile,
                  float* scratch) const {
        const Gather& g = call_.gather;
        const Problem& p = call_.problem();
        const bool in_place = (strided_ || g.x.source_step() == 1) && g.x.result_step() == 1;
        const int64_t source_row = g.x.source_extent() * channels_;
        const int64_t result_row = g.x.result_extent() * channels_;
        const int64_t period = interleaved_ ? distance_ : 1;
        DepthwisePixelsArgs args = {};
        args.source_row = tile.line.tap_step * source_row;
        args.weight_row = tile.line.kernel_step * p.width.kernel * period;
        args.distance = distance_;
        args.source_count = source_row;
        args.kernel_rows = static_cast<int>(tile.line.taps);
        args.first_row = static_cast<int>(min_of(tile.first_tap(), tile.end_tap()));
        args.end_row = static_cast<int>(tile.end_tap());
        args.rows = static_cast<int>(tile.rows);
        args.row_step = static_cast<int>(tile.line.step);
        args.out_row = tile.line.result_step * result_row;
        args.planes = in_place ? planes : 1;
        args.source_plane = call_.source_pixels();
        args.weights_plane = p.kernel_taps;
        args.out_plane = call_.result_pixels();
        for (int64_t i = 0; i < planes; i += args.planes) {
            const int64_t plane = first + i;
            args.source = call_.call.source + image * g.source_image + plane * args.source_plane +
                          tile.source_row() * source_row;
            args.weights = call_.call.packed + plane * p.kernel_taps +
                           tile.line.kernel_first * p.width.kernel * period;
            args.init = bias_ != nullptr ? bias_ + plane : nullptr;
            args.out = call_.call.result + image * g.result_image + plane * args.out_plane +
                       tile.result_row() * result_row;
            if (in_place) {
                run_phase(&args, tile, 0, period);
            } else {
                run_apart(args, tile, scratch);
            }
        }
        if (call_.call.epilogue != nullptr) finish(args, planes, result_row);
    }

    void run_phase(DepthwisePixelsArgs* args, const RowTile& tile, int index,
                   int64_t period) const {
        const ColumnPhase& phase = phases_[index];
        args->columns = phase.columns;
        args->taps = phase.taps;
        args->count = phase.count;
        args->weights += phase.kernel_first * period;
        args->weight_column = phase.kernel_step * period;
        const DepthwisePixelsKernel kernel = fixed(tile.line);
        (kernel != nullptr ? kernel : kernels_.any)(*args);
    }

    // One plane with its source rows split or its result rows joined, or both.
    void run_apart(const DepthwisePixelsArgs& whole, const RowTile& tile, float* scratch) const {
        const Window& x = call_.gather.x;
        const KernelSet& k = call_.kernels();
        DepthwisePixelsArgs args = whole;
        const int64_t step = x.source_step();
        if (step > 1) {
            const int64_t pitch = split_pitch_;
            k.split_columns(whole.source + args.first_row * whole.source_row, whole.source_row,
                            args.end_row - args.first_row, x.source_extent(),
                            static_cast<int>(step), scratch, pitch);
            args.source_row = step * pitch;
            args.source = scratch - args.first_row * args.source_row;
        }
        const int64_t pitch = round_up(x.phase_size(0), kPitch), apart = tile.rows * pitch;
        const int joined = static_cast<int>(x.result_step());
        for (int i = 0; i < x.phases(); ++i) {
            DepthwisePixelsArgs part = args;
            if (joined > 1) {
                part.out = scratch + i * apart;
                part.out_row = pitch;
            }
            run_phase(&part, tile, i, 1);
        }
        if (joined == 1) return;
        for (int64_t row = 0; row < tile.rows; ++row)
            k.join_columns(scratch + row * pitch, apart, joined, x.result_extent(),
                           whole.out + row * whole.out_row);
    }

    void finish(const DepthwisePixelsArgs& last, int64_t planes, int64_t result_row) const {
        float* out = last.planes == planes ? last.out : last.out - (planes - 1) * last.out_plane;
        for (int64_t i = 0; i < planes; ++i) {
            const bool dense = last.out_row == result_row;
            for (int64_t row = 0; row < (dense ? 1 : last.rows); ++row)
                call_.finish(out + i * last.out_plane + row * last.out_row,
                             dense ? last.rows * result_row : result_row);
        }
    }

    const DepthwiseCall& call_;
    const float* bias_;
    const Lines y_;
    const bool interleaved_ =
        depthwise_way(call_.context, call_.gather) == DepthwiseWay::kInterleaved;
    const DepthwisePixels& kernels_ =
        interleaved_ ? call_.kernels().pixels->interleaved : call_.kernels().pixels->plane;
    const bool folds_ = !interleaved_ && depthwise_folds(call_.context, call_.gather);
    // Elements of a pixel, planes of an image.
    const int64_t channels_ = interleaved_ ? call_.problem().input_channels : 1;
    const int64_t planes_ = interleaved_ ? 1 : call_.problem().input_channels;
    const int64_t distance_ =
        interleaved_ ? interleaved_period(call_.context) : call_.kernels().lanes;
    ColumnPhase phases_[kMaxPhases];
    int64_t split_pitch_;  // a split row is source_step rows of this
    bool falling_, same_edges_;
    bool strided_ = false;
    int64_t fixed_rows_;
    int64_t tiles_, plane_blocks_, tile_blocks_;
};

}  // namespace

CheckedSize depthwise_pixels_workspace(const Context& context, const Gather& g) {
    CheckedSize floats = 0;
    const int64_t width = max_of(g.x.source_extent(), g.x.result_extent());
    const int64_t rows =
        max_of(int64_t{context.kernels->pixels->plane.rows}, fixed_rows(g.x.source_extent()));
    if (g.x.source_step() > 1) {
        // Every stride-th pixel from each start, for all source rows of a tile.
        const Axis& y = context.problem.height;
        const CheckedSize taken = min_of((rows - 1) * y.stride + y.kernel, y.input);
        floats = taken * (CheckedSize(width) + (kPitch + 1) * g.x.source_step());
    }
    if (g.x.result_step() > 1) {
        floats =
            floats + CheckedSize(rows) * (CheckedSize(width) + (kPitch + 1) * g.x.result_step());
    }
    return floats * int64_t{sizeof(float)};
}

void depthwise_gather_pixels(const DepthwiseCall& call, const Execution& execution) {
    if (has_depthwise_quad_planes(call.context, call.gather))
        return depthwise_gather_quad_planes(call, execution);
    constexpr int64_t kMostPeriod = kMaxDepthwisePeriod * kVirtualLanes;
    float repeated[kMostPeriod];
    const float* bias = call.call.bias;
    const bool interleaved = depthwise_way(call.context, call.gather) == DepthwiseWay::kInterleaved;
    if (interleaved && bias != nullptr) {
        const int64_t period = interleaved_period(call.context);
        for (int64_t i = 0; i < period; ++i) repeated[i] = bias[i % call.problem().input_channels];
        bias = repeated;
    }
    PixelsGather(call, bias, execution).run(execution);
}

}  // namespace nconv
