#include "conv2d/balance.h"
#include "conv2d/winograd.h"

namespace nconv {
namespace {

// Tiles of a block: 28 at 36 points and 64 channels keep points and sums in L2. Where the transformed
// weights are too large for L2, what counts is how often they pass: 512 channels at 28 x 28, all 49 tiles
// at once 309 % of peak, 28 at a time 280, 14 at a time 225; with dilation 2 all 64 at once 253, 32 at a time
// 219. Asking for the next point's weights while one's products run lost 10 %.
constexpr int64_t kBlockTiles = 28, kLargeBlockTiles = 64;
constexpr double kLargeWeights = 2 << 20;  // bytes
constexpr int64_t kPointFloats = 5 << 18;  // of a block
// Rows of more tiles would make thin blocks, which read their borders twice.
constexpr int64_t kBlockColumns = 14;

}  // namespace

TileAxis::TileAxis(const Window& axis, const WinogradVariant& variant)
    : source_extent(axis.source_extent()),
      result_extent(axis.result_extent()),
      output(variant.output),
      tile(variant.tile),
      step(max_of(axis.tap_step(), -axis.tap_step())),
      stride(variant.stride),
      phases(min_of(step, result_extent)),
      bands(ceil_div(result_extent, output * step)),
      count((bands - 1) * phases + min_of(result_extent - (bands - 1) * output * step, phases)),
      origin(min_of(axis.tap(0, 0).offset, axis.tap(0, kKernel - 1).offset)) {}

int64_t TileAxis::parts(int64_t size) const {
    return size >= phases ? ceil_div(bands, size / phases) : bands * ceil_div(phases, size);
}

int64_t TileAxis::largest(int64_t parts) const {
    return parts <= bands ? ceil_div(bands, parts) * phases : ceil_div(phases, parts / bands);
}

TileRange TileAxis::part(int64_t parts, int64_t index) const {
    if (parts <= bands) {
        const int64_t first = even_start(bands, parts, index) * phases;
        return {first, min_of(count, even_start(bands, parts, index + 1) * phases) - first};
    }
    const int64_t in_band = parts / bands, band = index / in_band * phases;
    const int64_t tiles = min_of(phases, count - band), i = index % in_band;
    const int64_t first = even_start(tiles, in_band, i);
    return {band + first, even_start(tiles, in_band, i + 1) - first};
}

Winograd::Winograd(const Context& context, nconv_pass pass, int variant_index)
    : k(*context.kernels),
      kernel(k.winograd->tiles[variant_index]),
      variant(kWinograd[variant_index]),
      g(context.problem, pass),
      width(static_cast<int64_t>(k.gemm->rows_tile_vectors) * k.lanes),
      channel_blocks(ceil_div(g.produced, width)),
      points(int64_t{variant.tile} * variant.tile),
      panels(int64_t{variant.weights()} * variant.weights()),
      y(g.y, variant),
      x(g.x, variant),
      // Tiles whose points begin a multiple of 1024 bytes apart would share few sets of a cache.
      tile_pitch(round_up(g.reduced, kVirtualLanes) +
                 (g.reduced % 256 == 0 ? int64_t{kVirtualLanes} : 0)) {
    if (g.problem.channels_last()) return;
    const int64_t most = most_tiles();
    for (int64_t columns = 1; columns <= min_of(x.count, most); ++columns) {
        const int64_t rows = min_of(y.count, most / columns);
        strip_pixels =
            max_of(strip_pixels, y.source({0, rows}).total() * x.source({0, columns}).total());
    }
}

int64_t winograd_block_tiles(const WinogradVariant& variant, int64_t reduced, int64_t produced) {
    const double weights = winograd_weights_bytes(variant, reduced, produced);
    return weights > kLargeWeights ? kLargeBlockTiles : kBlockTiles;
}

int64_t Winograd::most_tiles() const {
    const int64_t wanted = winograd_block_tiles(variant, g.reduced, g.produced);
    return max_of(1, min_of(wanted, kPointFloats / (points * tile_pitch)));
}

// Tries every number of rows of tiles (or images) to a block with one, two, four ... parts of the produced
// channels, which transform the source again each, and takes the cut whose slowest thread ends first.
TileCut::TileCut(const Winograd& w, int64_t images, int threads)
    : batch(images), groups(w.g.problem.groups) {
    const int64_t most = w.most_tiles();
    const bool whole = w.tiles() <= most;
    const int64_t columns = w.x.parts(min_of(most, kBlockColumns));
    const int64_t slices = whole ? batch : w.y.count;
    const int64_t slice = whole ? w.tiles() : w.x.largest(columns);  // tiles
    const bool planes = !w.g.problem.channels_last();
    double best = 0;
    for (int64_t size = min_of(slices, most / slice); size >= 1; --size) {
        const int64_t slice_parts = whole ? ceil_div(slices, size) : w.y.parts(size);
        const int64_t largest = whole ? ceil_div(slices, slice_parts) : w.y.largest(slice_parts);
        const int64_t all = whole ? slice_parts : batch * slice_parts * columns;
        for (int64_t parts = 1;; parts = min_of(2 * parts, w.channel_blocks)) {
            const int64_t produced =
                min_of(w.g.produced, ceil_div(w.channel_blocks, parts) * w.width);
            const double rounds = static_cast<double>(ceil_div(all * groups * parts, threads));
            const double cost =
                rounds *
                (winograd_block_cost(w.variant, largest * slice, w.g.reduced, produced, planes) +
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
    const int64_t image = index / (column_parts * row_parts);
    TileBlock b;
    b.x = w.x.part(column_parts, index % column_parts);
    b.y = w.y.part(row_parts, index / column_parts % row_parts);
    b.first_image = even_start(batch, image_parts, image);
    b.images = even_start(batch, image_parts, image + 1) - b.first_image;
    return b;
}

}  // namespace nconv
