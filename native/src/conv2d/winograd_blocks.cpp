#include "conv2d/balance.h"
#include "conv2d/winograd.h"

namespace nconv {
namespace {

// Tiles of a block: 28 at 36 points and 64 channels keep points and sums in L2. Where the transformed
// weights are too large for L2, what counts is how often they pass: 512 channels at 28 x 28, all 49 tiles
// at once 309 % of peak, 28 at a time 280, 14 at a time 225.
constexpr int64_t kBlockTiles = 28, kLargeBlockTiles = 56;
constexpr double kLargeWeights = 2 << 20;  // bytes
constexpr int64_t kPointFloats = 1 << 20;  // of a block
// Rows of more tiles would make thin blocks, which read their borders twice.
constexpr int64_t kBlockColumns = 14;

}  // namespace

Winograd::Winograd(const Context& context, nconv_pass pass, int variant_index)
    : k(*context.kernels),
      kernel(k.winograd[variant_index]),
      variant(kWinograd[variant_index]),
      g(context.problem, pass),
      width(static_cast<int64_t>(k.rows_tile_vectors) * k.lanes),
      channel_blocks(ceil_div(g.produced, width)),
      points(int64_t{variant.tile} * variant.tile),
      tile_rows(ceil_div(g.y.result_extent(), variant.output)),
      tile_columns(ceil_div(g.x.result_extent(), variant.output)),
      // Tiles whose points begin a multiple of 1024 bytes apart would share few sets of a cache.
      tile_pitch(round_up(g.reduced, kVirtualLanes) +
                 (g.reduced % 256 == 0 ? int64_t{kVirtualLanes} : 0)) {}

int64_t Winograd::most_tiles() const {
    const double weights = winograd_weights_bytes(variant, g.reduced, g.produced);
    const int64_t wanted = weights > kLargeWeights ? kLargeBlockTiles : kBlockTiles;
    return max_of(1, min_of(wanted, kPointFloats / (points * tile_pitch)));
}

// Tries every number of rows of tiles (or images) to a block with one, two, four ... parts of the produced
// channels, which transform the source again each, and takes the cut whose slowest thread ends first.
TileCut::TileCut(const Winograd& w, int64_t images, int threads)
    : batch(images), groups(w.g.problem.groups) {
    const int64_t most = w.most_tiles();
    const bool whole = w.tiles() <= most;
    const int64_t columns = ceil_div(w.tile_columns, min_of(most, kBlockColumns));
    const int64_t slices = whole ? batch : w.tile_rows;
    const int64_t slice = whole ? w.tiles() : ceil_div(w.tile_columns, columns);  // tiles
    const bool planes = !w.g.problem.channels_last();
    double best = 0;
    for (int64_t size = min_of(slices, most / slice); size >= 1; --size) {
        const int64_t slice_parts = ceil_div(slices, size);
        const int64_t all = whole ? slice_parts : batch * slice_parts * columns;
        for (int64_t parts = 1;; parts = min_of(2 * parts, w.channel_blocks)) {
            const int64_t produced =
                min_of(w.g.produced, ceil_div(w.channel_blocks, parts) * w.width);
            const double rounds = static_cast<double>(ceil_div(all * groups * parts, threads));
            const double cost =
                rounds * (winograd_block_cost(w.variant, ceil_div(slices, slice_parts) * slice,
                                              w.g.reduced, produced, planes) +
                          winograd_weights_cost(w.variant, w.g.reduced, w.g.produced, produced));
            if (best == 0 || cost < best) {
                best = cost;
                image_parts = whole ? slice_parts : batch;
                row_parts = whole ? 1 : slice_parts;
                column_parts = whole ? 1 : columns;
                channel_parts = parts;
            }
            if (parts == w.channel_blocks || parts >= 2 * threads) break;
        }
    }
}

TileBlock TileCut::block(const Winograd& w, int64_t index) const {
    const auto part = [](int64_t total, int64_t parts, int64_t i, int64_t* count) {
        const int64_t start = even_start(total, parts, i);
        *count = even_start(total, parts, i + 1) - start;
        return start;
    };
    TileBlock b;
    b.x = part(w.tile_columns, column_parts, index % column_parts, &b.columns);
    b.y = part(w.tile_rows, row_parts, index / column_parts % row_parts, &b.rows);
    b.first_image = part(batch, image_parts, index / (column_parts * row_parts), &b.images);
    return b;
}

}  // namespace nconv
