// The compute routines of one instruction set, as data: what every algorithm calls and each
// isa/<isa>.cpp fills by instantiating kernels/*-inl.h over its vector vocabulary.
//
// Bits. A kernel gives every output element one chain of fused multiply-adds in an order that does not
// depend on the vector length; where lanes hold parts of one sum there are kVirtualLanes of them on
// every instruction set.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/winograd.h"
#include "nativeconv.h"

namespace nconv {

constexpr int kVirtualLanes = 16;
constexpr int kActivations = NCONV_ACTIVATION_ELU + 1;

// What a tile does with the output it finds.
enum class TileMode {
    kStore,     // out = init + sum
    kContinue,  // the chain goes on from out: a later block of the same sum
    kAdd,       // out = out + sum: a new chain, added
};

// rows x columns outputs, columns in lanes. Every row has a pointer per tap to `depth` consecutive
// values, which are broadcast; the panel holds the weights as [tap][depth][vectors * lanes], its taps
// panel_tap apart.
//   out[i][j] = init[j] + sum over t, k of sources[t][i][k] * panel[t][k][j]
struct RowsTileArgs {
    const float* const* sources;  // [taps][source_pitch]
    ptrdiff_t source_pitch;
    int64_t taps;
    int64_t depth;
    const float* panel;
    ptrdiff_t panel_tap;
    const float* init;  // null: zeros
    float* const* outputs;
    int columns;  // valid ones, more than (vectors - 1) * lanes
    TileMode mode;
};
using RowsTile = void (*)(const RowsTileArgs&);

// Tiles one after the other whose rows lie at constant steps, one tap. No pointers to make and no call for
// each tile: 64 channels at 56 x 56 gained 8 points of peak.
struct RowsRunArgs {
    const float* source;
    ptrdiff_t source_step;  // from one row to the next
    int64_t depth;
    const float* panel;
    const float* init;  // null: zeros
    float* out;
    ptrdiff_t out_step;
    int64_t tiles;
    int columns;  // valid ones, more than (vectors - 1) * lanes
    TileMode mode;
    bool ahead;  // ask for the next tile's lines: 128 channels at 147 x 147 from 64 to 83 % of peak
};
using RowsRun = void (*)(const RowsRunArgs&);

// rows x columns outputs, columns in lanes, both operands walked by constant steps:
//   out[i][j] = init[i] + sum over z, y, x of a[z,y,x][i] * b[z,y,x][j]
// a is packed [..][rows] along x; b has one vector block per x.
struct PackedTileArgs {
    const float* a;
    ptrdiff_t a_y, a_z;
    const float* b;
    ptrdiff_t b_x, b_y, b_z;
    int64_t x, y, z;
    const float* init;  // one per row; null: zeros
    float* out;
    ptrdiff_t out_row;
    int columns;
    TileMode mode;
};
using PackedTile = void (*)(const PackedTileArgs&);

// Packed tiles side by side, all their vectors whole, along x only. No call for each: 64 channels at
// 56 x 56 gained 4 points of peak.
struct PackedRunArgs {
    const float* a;
    const float* b;
    ptrdiff_t b_x;
    int64_t x;
    const float* init;  // one per row; null: zeros
    float* out;
    ptrdiff_t out_row;
    int64_t tiles;
    TileMode mode;    // kStore or kContinue
    ptrdiff_t ahead;  // ask for b's lines so far ahead; 0: do not
};
using PackedRun = void (*)(const PackedRunArgs&);

// rows x columns sums over pixels, columns in lanes; row i reads a value at offsets[i] for each pixel:
//   out[i][j] = sum over z, y, x of a[z,y,x + offsets[i]] * b[z,y,x][j], added to what is there if `add`
struct OuterTileArgs {
    const float* a;
    const ptrdiff_t* offsets;
    ptrdiff_t a_x, a_y, a_z;
    const float* b;
    ptrdiff_t b_x, b_y, b_z;
    int64_t x, y, z;
    float* out;
    ptrdiff_t out_row;
    int columns;
    bool add;
};
using OuterTile = void (*)(const OuterTileArgs&);

// Sums over pixels for kVirtualLanes channels of groups of kGroup, for some taps; whole vectors are read:
//   out[tap][j][i] = sum over z, y, x of a[z,y,x + offsets[tap]][i] * b[z,y,x][j of i's group]
struct GroupTileArgs {
    const float* a;
    const ptrdiff_t* offsets;
    ptrdiff_t a_x, a_y, a_z;
    const float* b;
    ptrdiff_t b_x, b_y, b_z;
    int64_t x, y, z;
    float* out;  // [taps][group][kVirtualLanes]
    bool add;
};
using GroupTile = void (*)(const GroupTileArgs&);
constexpr int kMaxGroupTaps = 9;
struct GroupTiles {
    int taps;  // at most in a call
    GroupTile tile[kMaxGroupTaps];
};
constexpr int kGroupSizes = 3;  // groups of 2, 4 and 8 channels

// One column of up to kColumnTiles packed tiles at once, rows in lanes: where a block of pixels is one
// wider than its vectors, a whole vector for that pixel would cost up to a third.
//   out[t][i * out_row] = init[t][i] + sum over x of a[t][x][i] * b[x * b_x]
constexpr int kColumnTiles = 8;
struct ColumnArgs {
    const float* a[kColumnTiles];  // packed [x][rows[t]]; whole vectors are read at each x
    int rows[kColumnTiles];        // 0: no such tile
    const float* b;
    ptrdiff_t b_x;
    int64_t x;
    const float* init[kColumnTiles];  // null: zeros
    float* out[kColumnTiles];
    ptrdiff_t out_row;
    TileMode mode;  // kStore or kContinue
};
using ColumnKernel = void (*)(const ColumnArgs&);

// A run of outputs of the narrow algorithm: every one is a sum over a table of offsets from its first
// source, in the table's order. Channels in lanes, pixels source_step apart:
//   out[i * out_step + j] = init[j] + sum over t of source[i * source_step + offsets[t]] * weights[t][j]
struct StripChannelsArgs {
    const float* source;
    ptrdiff_t source_step;
    const ptrdiff_t* offsets;
    int64_t taps;
    const float* weights;  // [taps][vectors * lanes]
    const float* init;     // null: zeros
    float* out;
    ptrdiff_t out_step;
    int64_t pixels;
    int columns;  // valid ones; at most vectors * lanes
};
using StripChannels = void (*)(const StripChannelsArgs&);

// Pixels in lanes, channels in rows; whole vectors of the source are read:
//   out[i * out_row + j] = init[i] + sum over t of weights[t][i] * source[offsets[t] + j]
struct StripPixelsArgs {
    const float* source;
    const ptrdiff_t* offsets;
    int64_t taps;
    const float* weights;  // [taps][rows]
    const float* init;     // null: zeros
    float* out;
    ptrdiff_t out_row;
    int64_t pixels;
};
using StripPixels = void (*)(const StripPixelsArgs&);

// What one row of the source adds to rows of the result, in whole vectors of pixels:
//   out[i * out_row + j] += sum over s, c of
//       weights[s][c][i] * source[s * source_tap + c * source_channel + j]
struct SlidingArgs {
    const float* source;
    ptrdiff_t source_tap, source_channel;
    int64_t taps, channels;
    const float* weights;  // [taps][channels][rows]
    float* out;
    ptrdiff_t out_row;
    int64_t pixels;
};
using SlidingRows = void (*)(const SlidingArgs&);

// Rows of planes with zeros around: `before` of them, then count values source_step apart, then `after`.
struct StripRowsArgs {
    const float* source;
    ptrdiff_t source_row, source_step;
    float* to;
    ptrdiff_t to_row;
    int64_t rows;
    int64_t before, count, after;
};
using StripRows = void (*)(const StripRowsArgs&);

// rows x columns results of a depthwise gather, channels in lanes. Result (i, j) sums, for its rows r of
// the kernel and taps s in first_tap .. end_tap-1 of each,
//   source[(i * row_step + r) * source_row + (j * column_step + s) * source_column] * weights[r][s];
// source rows i * row_step + r outside of first_row .. end_row-1 are padding. Weights are in vectors of
// channels, each [kernel_rows][kernel_columns][lanes], zeros behind the last channel.
struct DepthwiseArgs {
    const float* source;
    ptrdiff_t source_row, source_column;  // from one tap to the next
    const float* weights;
    ptrdiff_t weight_vector;
    int kernel_rows, first_row, end_row;
    int kernel_columns, first_tap, end_tap;
    int rows, row_step;
    int64_t columns, column_step;
    float* out;
    ptrdiff_t out_row, out_column;
    int64_t channels;
    const float* init;  // `channels` values or null
    // walk only: the first column lacks its first tap, the last one its last; the taps are all else.
    bool left, right;
};
using DepthwiseKernel = void (*)(const DepthwiseArgs&);

// A kernel for this many rows and columns of taps and this step of both: square kernels, and the
// phases of strided backward_input of 3 x 3 and 5 x 5.
struct DepthwiseChannels {
    int rows, columns, step;
    DepthwiseKernel kernel;
    DepthwiseKernel walk;  // any number of rows; may be null
};
constexpr int kDepthwiseChannels = 12;

// One row of source pixels' results of backward_input of 3 x 3 with stride 2, channels in lanes, whole
// vectors: result (0, 2 j) has one tap, of source (0, j); result (0, 2 j + 1) two, of (0, j + 1) and then
// (0, j); and in row 1 the same taps of source row 1, then of source row 0.
struct DepthwiseQuadsArgs {
    const float* source;
    ptrdiff_t source_row, source_column;
    const float*
        weights[4];  // of row 0 even and odd, row 1 even and odd: [channels / lanes][taps][lanes]
    float* out;
    ptrdiff_t out_row, out_column;
    int64_t columns, channels;
    const float* init;               // `channels` values or null
    bool last;                       // source row 1 is outside
    bool second_row, second_column;  // the results have row 1; the last pair of columns is whole
};
using DepthwiseQuadsKernel = void (*)(const DepthwiseQuadsArgs&);

// The same with the elements of a row in lanes: `count` pixels of one channel, or interleaved channels.
// Element e of tap s is source[.. + columns[s].offset + e] for e in first .. end-1, else padding.
constexpr int kMaxDepthwiseTaps = 64;    // of one row of the kernel
constexpr int kMaxDepthwisePeriod = 16;  // vectors after which interleaved weights repeat
struct DepthwiseColumn {
    ptrdiff_t offset;
    int64_t first, end;
};
struct DepthwisePixelsArgs {
    const float* source;
    ptrdiff_t source_row;
    const DepthwiseColumn* columns;
    int taps;
    bool falling;  // later taps read further left
    const float* weights;
    ptrdiff_t weight_row, weight_column;
    int64_t distance;  // elements after which weights repeat: whole vectors
    int kernel_rows, first_row, end_row;
    int rows, row_step;
    int64_t count;
    int64_t source_count;  // elements of a source row
    float* out;
    ptrdiff_t out_row;
    const float* init;  // null: zeros
    // Planes done one after the other; each has its own init.
    int64_t planes;
    ptrdiff_t source_plane, weights_plane, out_plane;
};
using DepthwisePixelsKernel = void (*)(const DepthwisePixelsArgs&);

constexpr int kDepthwisePixels = 5;
struct DepthwisePixels {
    int rows;  // at most in a call of any
    DepthwisePixelsKernel any;
    struct Fixed {
        // Any number of rows, taps x taps, with weight_row and weight_column of a dense kernel.
        // Only taps on the middle one's left reach over a row's start, and not beyond its first
        // vector of each phase; the same holds for its right and the last vector. With a step of 2
        // rows and columns are strided, element e of tap s is source[.. + columns[0].offset + s + 2
        // * e], and all taps rise.
        int taps, step;
        DepthwisePixelsKernel kernel;
    } fixed[kDepthwisePixels];
};

// rows x columns results of small groups with as many channels out as in, channels in lanes. Result (i, j)
// sums over r < kernel_rows, the channels c of its group and s < kernel_columns, in this order,
//   source[(i * row_step + r) * source_row + (j * column_step + s) * source_column + c] * weight[r][s][c];
// rows i * row_step + r outside of first_row .. end_row-1 are padding, and so are columns j * column_step
// + s outside of first_column .. end_column-1, which count as zeros. Weights are in vectors of channels,
// [r][c][s][lanes], of which the last ends with the last channel; there are at least kVirtualLanes channels.
constexpr int kMaxGroupedChannels = 8;
struct GroupedArgs {
    const float* source;
    ptrdiff_t source_row, source_column;  // from one tap to the next
    const float* weights;
    ptrdiff_t weight_vector;
    int kernel_rows, first_row, end_row;
    int kernel_columns;
    int64_t first_column, end_column;
    int rows, row_step;
    int64_t columns, column_step;
    float* out;
    ptrdiff_t out_row, out_column;
    int64_t channels;
    const float* init;  // `channels` values or null
};
using GroupedKernel = void (*)(const GroupedArgs&);
struct GroupedKernels {
    int channels;  // per group
    GroupedKernel any;
    struct Fixed {
        int rows, columns, step;  // of the kernel; step of both
        GroupedKernel kernel;
    } fixed[6];
};
constexpr int kGroupedSizes = 3;

// A depthwise filter that is the product of a column and a row of weights, in two passes; elements as in
// DepthwisePixelsArgs, weights `distance` elements long for each tap where a lane has its own. Sums
// down the columns for elements first .. end-1 of up to kSeparableRows rows, whole vectors stored:
//   to[i * to_row + e] = sum over r of source[(i + r) * source_row + e] * weights[r]
// with rows i + r outside of first_row .. end_row-1 left out; at least kSeparableRows - 1 taps.
constexpr int kSeparableRows = 4;
struct SeparableColumnsArgs {
    const float* source;
    ptrdiff_t source_row;
    int taps, first_row, end_row;
    const float* weights;
    ptrdiff_t weight_step;
    int64_t distance;
    int rows;
    int64_t first, end;
    float* to;
    ptrdiff_t to_row;
};
// Sums along a row: out[e] = init + sum over s of source[e + s * step] * weights[s], whole vectors of the
// source read, and what lies around them in aligned ones: source is `shift` floats behind such a vector.
struct SeparableRowArgs {
    const float* source;
    int shift;
    ptrdiff_t step;
    int taps;
    const float* weights;
    ptrdiff_t weight_step;
    int64_t distance;   // of one or three vectors
    const float* init;  // null: zeros
    int64_t first, end;
    float* out;
};
struct Separable {
    void (*columns)(const SeparableColumnsArgs&);
    void (*row)(const SeparableRowArgs&);
};

// One tap of the rows of depthwise_weights: where its first input is.
struct DepthwiseTap {
    const float* source;
};

// Weight gradients of a run of pixels, several taps at once: taps[t].source as above; sums[t] is a
// chain per channel (channels kernel), or kVirtualLanes chains (pixels kernel).
struct DepthwiseWeightsArgs {
    const DepthwiseTap* taps;
    int tap_count;
    int64_t pixels;
    ptrdiff_t source_step;
    const float* grad;  // dense along pixels in the pixels kernel
    ptrdiff_t grad_step;
    int channels;  // at most lanes (channels kernel)
    float* sums;
    ptrdiff_t sums_tap;
};
using DepthwiseWeightsKernel = void (*)(const DepthwiseWeightsArgs&);

// Pixels of a row that share their taps: first_tap .. end_tap-1 read inside.
struct DepthwiseRun {
    int64_t first, count;
    int first_tap, end_tap;
};

// Weight gradients of some rows of grad_output, whole vectors of channels. Kernel row r and tap s
// of pixel i of row n meet
//   source[n * next_source + r * source_row + (i * step + s) * pitch],
// and sums[(r * taps + s) * sums_tap] is a chain per channel, pixels in order.
struct DepthwiseWeightsRowArgs {
    const float* source;
    ptrdiff_t source_row, pitch;
    int rows;  // of the kernel
    const float* grad;
    int64_t grad_rows;
    ptrdiff_t next_source, next_grad;
    const DepthwiseRun* runs;
    int run_count;
    // Instead of runs, where not 0 and the kernel says that it takes them: a row in so many tiles of
    // kDepthwiseWeightsPixels pixels and then so many of one less, with what reaches over its edges.
    int64_t most_tiles, fewer_tiles;
    bool left, right;
    int64_t channels;
    float* sums;
    ptrdiff_t sums_tap;
    float* bias;  // a chain per channel of grad alone; may be null
};

// A kernel for this many taps of a row of the kernel and this distance of pixels.
constexpr int kDepthwiseWeightsPixels = 4;
struct DepthwiseWeightsRow {
    int taps, step;
    bool takes_tiles;
    void (*kernel)(const DepthwiseWeightsRowArgs&);
};
constexpr int kDepthwiseWeightsRows = 5;

// The end of a forward pass: out = f(out + residual) for the first `columns` values of each row.
// The residual is laid out like the output: a row's lies as far from its start as the row from
// `output`.
struct EpilogueArgs {
    float* const* rows;
    int row_count;
    int64_t columns;
    float alpha, beta;
    const float* output;    // of the call; not used without a residual
    const float* residual;  // null: none
};

struct ActivationKernel {
    void (*apply)(const EpilogueArgs&);
    // result = grad * f'(output). result may be grad.
    void (*derive)(const float* grad, const float* output, float* result, int64_t count,
                   float alpha, float beta);
};

constexpr int kMaxTileRows = 12;
constexpr int kMaxTileVectors = 4;

struct KernelSet {
    nconv_isa isa;
    int lanes;

    int rows_tile_vectors, rows_tile_rows[kMaxTileVectors];  // [vectors - 1]
    RowsTile rows_tile[kMaxTileRows][kMaxTileVectors];       // [rows - 1][vectors - 1]
    RowsRun rows_run[kMaxTileRows][kMaxTileVectors];

    int packed_tile_rows, packed_tile_vectors;
    PackedTile packed_tile[kMaxTileRows][kMaxTileVectors];
    PackedTile packed_tile_partial[kMaxTileRows]
                                  [kMaxTileVectors];  // reads `columns` of b, not more

    PackedRun packed_run[kMaxTileRows][kMaxTileVectors];

    int outer_vectors, outer_rows[kMaxTileVectors];  // [vectors - 1]
    OuterTile outer_tile[kMaxTileRows][kMaxTileVectors];
    OuterTile outer_tile_partial[kMaxTileRows][kMaxTileVectors];  // `columns` fill no whole vectors

    GroupTiles group_tiles[kGroupSizes];

    ColumnKernel packed_column;  // null where a tile's rows do not fit one vector

    int strip_channel_vectors, strip_pixel_rows;
    StripChannels strip_channels[kMaxTileVectors];  // [vectors - 1]
    StripPixels strip_pixels[kMaxTileRows];         // [rows - 1]
    StripRows strip_rows;
    int sliding_row_count;                   // at most in a call
    SlidingRows sliding_rows[kMaxTileRows];  // [rows - 1]
    WinogradKernel winograd[kWinogradVariants];
    int winograd_product_rows[kMaxTileVectors];                       // [vectors - 1]
    WinogradProduct winograd_product[kMaxTileRows][kMaxTileVectors];  // [rows - 1][vectors - 1]
    // The points of 4 x 4 of grad_output, then their sum. As large as packed_tile at most.
    void (*winograd_gradient_points)(const WinogradInputArgs&);
    WinogradGradient winograd_gradient[kMaxTileRows][kMaxTileVectors];  // [rows - 1][vectors - 1]

    int depthwise_channels_rows;  // at most in a call
    DepthwiseChannels depthwise_channels[kDepthwiseChannels];
    DepthwiseQuadsKernel depthwise_quads;    // may be null
    DepthwiseKernel depthwise_channels_any;  // any taps and steps
    DepthwisePixels depthwise_plane;         // a weight for all lanes
    DepthwisePixels depthwise_interleaved;   // a weight for each lane
    Separable separable_plane, separable_interleaved;
    DepthwiseWeightsKernel depthwise_weights_channels, depthwise_weights_pixels;
    DepthwiseWeightsRow depthwise_weights_row[kDepthwiseWeightsRows];

    int grouped_rows;  // at most in a call
    GroupedKernels grouped[kGroupedSizes];

    // dst[j * dst_stride + i] = src[i * src_stride + j], any size.
    void (*transpose)(const float* src, ptrdiff_t src_stride, float* dst, ptrdiff_t dst_stride,
                      int64_t rows, int64_t columns);
    // For each row: dst[j * pitch + i] = src[i * step + j], for i * step + j < width and j < step, and
    // anything up to a whole vector. Rows are step * pitch apart in dst.
    void (*split_columns)(const float* src, ptrdiff_t src_row, int64_t rows, int64_t width,
                          int step, float* dst, ptrdiff_t pitch);
    // dst[i * step + j] = src[j * src_pitch + i], for i * step + j < count and j < step.
    void (*join_columns)(const float* src, ptrdiff_t src_pitch, int step, int64_t count,
                         float* dst);
    // dst[i * columns + j] = src[i * src_stride + j], for few columns (a tile's rows) and many rows.
    void (*pack_columns)(const float* src, ptrdiff_t src_stride, int64_t rows, int columns,
                         float* dst);
    // sums[j] += sum over i < rows of src[i * src_stride + j], for j < columns. Row i belongs to chain
    // i mod 4 and the chains are added as (0 + 1) + (2 + 3), on every instruction set.
    void (*add_rows)(const float* src, ptrdiff_t src_stride, int64_t rows, int64_t columns,
                     float* sums);

    ActivationKernel activations[kActivations];  // by nconv_activation
};

}  // namespace nconv
