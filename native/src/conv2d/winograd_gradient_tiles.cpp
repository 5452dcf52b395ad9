// The tiles of the weight gradient: how they are cut, and their transforms. Every tile has the same operations
// in both layouts, at the border with zeros around it, so that the bits are equal.
#include <string.h>

#include "conv2d/planes.h"
#include "conv2d/winograd_gradient.h"

namespace nconv {
namespace {

constexpr int64_t kOutput = kWinograd[kWinogradGradient].output;
constexpr int64_t kTile = kWinograd[kWinogradGradient].tile;
constexpr int64_t kPoints = kWinogradGradientPoints;

// Tiles of a chunk: more would add rounding errors, fewer would have to be transformed back more often.
constexpr int64_t kChunkTiles = 64;
constexpr int64_t kPointFloats = 4 << 20;  // of a chunk
// Rows of tiles whose planes are transposed together stay in L1.
constexpr int64_t kStripTiles = 28;

int64_t strip_rows(const GradientChunks& chunks) {
    return max_of(1, min_of(chunks.most_rows, kStripTiles / chunks.most_columns));
}
int64_t derived_pitch(int64_t columns) {
    return round_up(columns * kOutput, kPlaneBlock) + kPlaneBlock;
}

// Calls body(image, row of tiles, column of tiles, index) for every tile of the block.
template <class Body>
void for_each_tile(const TileBlock& b, const Body& body) {
    int64_t index = 0;
    for (int64_t n = b.first_image; n < b.first_image + b.images; ++n)
        for (int64_t ty = b.y.first; ty < b.y.first + b.y.count; ++ty)
            for (int64_t tx = b.x.first; tx < b.x.first + b.x.count; ++tx) body(n, ty, tx, index++);
}

// The part of a rectangle of pixels that is inside an image.
struct Inside {
    Inside(const Rectangle& r, int64_t height, int64_t width)
        : first_row(min_of(max_of(0, -r.y), r.rows)),
          end_row(min_of(r.rows, height - r.y)),
          first(min_of(max_of(0, -r.x), r.columns)),
          end(min_of(r.columns, width - r.x)),
          whole(first_row == 0 && first == 0 && end_row == r.rows && end == r.columns) {
        if (first >= end) end_row = first_row;
    }
    int64_t first_row, end_row, first, end;
    bool whole;
};

// Fills a rectangle, `channels` floats a pixel, with zeros outside of the image. take(at, to, pixels) brings
// a run of pixels, the first the image's at `at`.
template <class Take>
void fill_rectangle(const Rectangle& r, int64_t height, int64_t width, int64_t channels,
                    float* strip, const Take& take) {
    const Inside inside(r, height, width);
    if (!inside.whole) memset(strip, 0, static_cast<size_t>(r.pixels() * channels) * sizeof(float));
    for (int64_t i = inside.first_row; i < inside.end_row; ++i) {
        take((r.y + i) * width + r.x + inside.first,
             strip + (i * r.columns + inside.first) * channels, inside.end - inside.first);
    }
}

// Floats of each pixel, `pixel` apart, side by side.
template <class Take>
void for_each_pixel_run(int64_t pixels, int64_t pixel, int64_t channels, const Take& take) {
    if (pixel == channels) {
        take(0, 0, pixels * channels);
        return;
    }
    for (int64_t i = 0; i < pixels; ++i) take(i * pixel, i * channels, channels);
}

}  // namespace

GradientChunks::GradientChunks(const Problem& p)
    : batch(max_of(1, p.batch)),
      rows(ceil_div(p.height.output, kOutput)),
      columns(ceil_div(p.width.output, kOutput)) {
    const int64_t fits = kPointFloats / (kPoints * (p.group_inputs + p.group_outputs));
    const int64_t most = max_of(1, min_of(kChunkTiles, fits));
    if (columns > most) {
        image_parts = batch;
        row_parts = rows;
        column_parts = ceil_div(columns, most);
    } else if (rows > most / columns) {
        image_parts = batch;
        row_parts = ceil_div(rows, most / columns);
    } else {
        image_parts = ceil_div(batch, most / (rows * columns));
    }
    most_rows = ceil_div(rows, row_parts);
    most_columns = ceil_div(columns, column_parts);
    most_tiles = ceil_div(batch, image_parts) * most_rows * most_columns;
    // Threads take them as they are: few of them should have the same number of chunks.
    const int64_t limit = min_of(kMostPartials, kPartialFloats / p.weights_count);
    const int64_t chunks = count();
    partials = 1;
    for (int64_t n = 2; n <= min_of(limit, chunks); n *= 2)
        if (chunks % n == 0 || chunks / n >= 4) partials = n;
}

TileBlock GradientChunks::at(int64_t index) const {
    const auto part = [](int64_t total, int64_t parts, int64_t i) {
        const int64_t start = even_start(total, parts, i);
        return TileRange{start, even_start(total, parts, i + 1) - start};
    };
    const TileRange images = part(batch, image_parts, index / (column_parts * row_parts));
    return {images.first, images.count, part(rows, row_parts, index / column_parts % row_parts),
            part(columns, column_parts, index % column_parts)};
}

GradientSlot::GradientSlot(const Context& context, const GradientChunks& chunks, char* memory) {
    const Problem& p = context.problem;
    const KernelSet& k = *context.kernels;
    const int64_t inputs = p.group_inputs, outputs = p.group_outputs, tiles = chunks.most_tiles;
    MemoryMap map(memory);
    width = int64_t{k.winograd->gradient_vectors} * k.lanes;
    // One line more from point to point, and from tile to tile where it is a large power of two, keeps them
    // in different sets.
    gradient_tile = round_up(outputs, kVirtualLanes) + (outputs % 256 == 0 ? kPlaneBlock : 0);
    gradient_point = tiles * gradient_tile + kPlaneBlock;
    gradient = map.take(CheckedSize(kPoints + 1) * gradient_point);
    input_point = tiles * width + kPlaneBlock;
    input_block = kPoints * input_point;
    input = map.take(CheckedSize(input_block) * ceil_div(inputs, width));
    const bool planes = !p.channels_last();
    const int64_t r = strip_rows(chunks) * kOutput + 2, c = chunks.most_columns * kOutput + 2;
    window = map.take(planes ? CheckedSize(r * c) * kPlaneBlock
                             : CheckedSize(kTile * kTile) * max_of(inputs, outputs));
    derived =
        map.take(planes && !p.linear() ? kPlaneBlock * derived_pitch(chunks.most_columns) : 0);
    const int64_t sums = int64_t{k.winograd->gradient_rows} * width;
    scratch = map.take(kWinogradGradientScratch * sums);
    stage = map.take(planes ? 2 * kKernel * kKernel * sums : 0);
    bytes = map.bytes();
}

namespace {

// The transforms of one chunk.
class Transform {
public:
    Transform(const Context& context, const ChunkRange& range, const TileBlock& block,
              ChannelRun run, const GradientSlot& slot)
        : p_(context.problem),
          k_(*context.kernels),
          call_(range.call),
          range_(range),
          block_(block),
          run_(run),
          slot_(slot) {}

    void gradient_pixels() const {
        const int64_t height = p_.height.output, width = p_.width.output,
                      pixel = p_.output_channels;
        for_each_tile(block_, [&](int64_t n, int64_t ty, int64_t tx, int64_t index) {
            const Rectangle r = {ty * kOutput, kOutput, tx * kOutput, kOutput};
            const int64_t image = n * p_.output_image + run_.first;
            // Linear ones too: read where they are, sixteen pixels' channels meet in few sets of L1 (64 to
            // 256 channels: 7 to 9 % slower).
            fill_rectangle(r, height, width, run_.count, slot_.window,
                           [&](int64_t at, float* to, int64_t pixels) {
                               take_gradient(image + at * pixel, to, pixels);
                           });
            WinogradInputArgs args = {};
            args.source = slot_.window;
            args.row_pitch = kOutput * run_.count;
            args.pixel_pitch = run_.count;
            gradient_tile(args, index, 0, run_.count);
        });
    }

    void gradient_planes() const {
        const int64_t height = p_.height.output, width = p_.width.output;
        for_each_strip([&](int64_t n, int64_t ty, int64_t rows, int64_t index) {
            const Rectangle r = {ty * kOutput, rows * kOutput, block_.x.first * kOutput,
                                 block_.x.count * kOutput};
            for (int64_t c = 0; c < run_.count; c += kPlaneBlock) {
                const int64_t channels = min_of(kPlaneBlock, run_.count - c);
                const int64_t first = n * p_.output_image + (run_.first + c) * p_.output_pixels;
                fill_rectangle(r, height, width, kPlaneBlock, slot_.window,
                               [&](int64_t at, float* to, int64_t pixels) {
                                   take_gradient_planes(first + at, to, channels, pixels);
                               });
                for_each_strip_tile(r, kOutput, index,
                                    [&](const WinogradInputArgs& args, int64_t t) {
                                        gradient_tile(args, t, c, channels);
                                    });
            }
        });
    }

    void input_pixels() const {
        const int64_t height = p_.height.input, width = p_.width.input, pixel = p_.input_channels;
        for_each_tile(block_, [&](int64_t n, int64_t ty, int64_t tx, int64_t index) {
            const Rectangle r = {ty * kOutput - p_.height.pad_before, kTile,
                                 tx * kOutput - p_.width.pad_before, kTile};
            const float* image = call_.input + n * p_.input_image + run_.first;
            WinogradInputArgs args = {};
            if (Inside(r, height, width).whole) {
                args.source = image + (r.y * width + r.x) * pixel;
                args.row_pitch = width * pixel;
                args.pixel_pitch = pixel;
            } else {
                fill_rectangle(r, height, width, run_.count, slot_.window,
                               [&](int64_t at, float* to, int64_t pixels) {
                                   for_each_pixel_run(
                                       pixels, pixel, run_.count,
                                       [&](int64_t from, int64_t i, int64_t floats) {
                                           memcpy(to + i, image + at * pixel + from,
                                                  static_cast<size_t>(floats) * sizeof(float));
                                       });
                               });
                args.source = slot_.window;
                args.row_pitch = kTile * run_.count;
                args.pixel_pitch = run_.count;
            }
            input_tile(args, index, 0, run_.count);
        });
    }

    void input_planes() const {
        const int64_t plane = p_.input_pixels;
        for_each_strip([&](int64_t n, int64_t ty, int64_t rows, int64_t index) {
            const Rectangle r = {ty * kOutput - p_.height.pad_before, rows * kOutput + 2,
                                 block_.x.first * kOutput - p_.width.pad_before,
                                 block_.x.count * kOutput + 2};
            for (int64_t c = 0; c < run_.count; c += kPlaneBlock) {
                const int64_t channels = min_of(kPlaneBlock, run_.count - c);
                const float* first = call_.input + n * p_.input_image + (run_.first + c) * plane;
                fill_rectangle(r, p_.height.input, p_.width.input, kPlaneBlock, slot_.window,
                               [&](int64_t at, float* to, int64_t pixels) {
                                   k_.transpose(first + at, plane, to, kPlaneBlock, channels,
                                                pixels);
                               });
                for_each_strip_tile(r, kTile, index, [&](const WinogradInputArgs& args, int64_t t) {
                    input_tile(args, t, c, channels);
                });
            }
        });
    }

private:
    // Calls body(image, first row of tiles, rows, index of the first tile) for what is transposed together.
    template <class Body>
    void for_each_strip(const Body& body) const {
        const int64_t parts = ceil_div(block_.y.count, max_of(1, kStripTiles / block_.x.count));
        int64_t index = 0;
        for (int64_t n = block_.first_image; n < block_.first_image + block_.images; ++n) {
            for_each_share(block_.y.count, parts, [&](int64_t from, int64_t rows) {
                body(n, block_.y.first + from, rows, index);
                index += rows * block_.x.count;
            });
        }
    }

    // Tiles of size x size pixels in the window, from the one at `index` on.
    template <class Body>
    void for_each_strip_tile(const Rectangle& r, int64_t size, int64_t index,
                             const Body& body) const {
        WinogradInputArgs args = {};
        args.row_pitch = r.columns * kPlaneBlock;
        args.pixel_pitch = kPlaneBlock;
        for (int64_t y = 0; y + size <= r.rows; y += kOutput) {
            for (int64_t x = 0; x + size <= r.columns; x += kOutput) {
                args.source = slot_.window + (y * r.columns + x) * kPlaneBlock;
                body(args, index++);
            }
        }
    }

    void gradient_tile(WinogradInputArgs args, int64_t tile, int64_t channel, int64_t count) const {
        args.channels = count;
        args.out = slot_.gradient + tile * slot_.gradient_tile + channel;
        args.out_point = slot_.gradient_point;
        k_.winograd->gradient_points(args);
    }

    void input_tile(WinogradInputArgs args, int64_t tile, int64_t channel, int64_t count) const {
        args.out_point = slot_.input_point;
        const int64_t end = channel + count;
        while (channel < end) {
            const int64_t block = channel / slot_.width, at = channel % slot_.width;
            args.channels = min_of(slot_.width - at, end - channel);
            args.out = slot_.input + block * slot_.input_block + tile * slot_.width + at;
            k_.winograd->tiles[kWinogradGradient].input(args);
            args.source += args.channels;
            channel += args.channels;
        }
    }

    // at: in the whole batch.
    const float* gradient_at(int64_t at) const {
        return range_.gradient + (at - range_.image * p_.output_image);
    }

    void take_gradient(int64_t first, float* to, int64_t pixels) const {
        for_each_pixel_run(
            pixels, p_.output_channels, run_.count,
            [&](int64_t from, int64_t i, int64_t floats) { derive(first + from, to + i, floats); });
    }

    void take_gradient_planes(int64_t first, float* to, int64_t channels, int64_t pixels) const {
        const float* source = gradient_at(first);
        int64_t pitch = p_.output_pixels;
        if (!p_.linear()) {
            source = slot_.derived;
            pitch = derived_pitch(block_.x.count);
            for (int64_t i = 0; i < channels; ++i)
                derive(first + i * p_.output_pixels, slot_.derived + i * pitch, pixels);
        }
        k_.transpose(source, pitch, to, kPlaneBlock, channels, pixels);
    }

    void derive(int64_t first, float* to, int64_t floats) const {
        if (p_.linear()) {
            memcpy(to, gradient_at(first), static_cast<size_t>(floats) * sizeof(float));
            return;
        }
        k_.activations[p_.activation].derive(gradient_at(first), call_.output + first, to, floats,
                                             p_.alpha, p_.beta);
    }

    const Problem& p_;
    const KernelSet& k_;
    const BackwardWeightsCall& call_;
    const ChunkRange& range_;
    const TileBlock& block_;
    const ChannelRun run_;
    const GradientSlot& slot_;
};

}  // namespace

void winograd_transform_gradient(const Context& context, const ChunkRange& range,
                                 const TileBlock& block, ChannelRun run, const GradientSlot& slot) {
    const Transform transform(context, range, block, run, slot);
    context.problem.channels_last() ? transform.gradient_pixels() : transform.gradient_planes();
}

void winograd_transform_input(const Context& context, const ChunkRange& range,
                              const TileBlock& block, ChannelRun run, const GradientSlot& slot) {
    const Transform transform(context, range, block, run, slot);
    context.problem.channels_last() ? transform.input_pixels() : transform.input_planes();
}

}  // namespace nconv
