// When the narrow algorithm applies and when it pays.
#include "conv2d/strip.h"

namespace nconv {
namespace {

// Fewer produced channels than these, or fewer to sum over, or few of both: elsewhere gemm is as fast.
constexpr int64_t kMostReduced = 16, kMostProduced = kMostWithEmptyLanes, kMostOfBoth = 32;
// Rows of a shorter phase, and phases of fewer pixels, leave too many lanes empty.
constexpr int64_t kShortRow = 16, kMostInShortRows = 16;
constexpr int64_t kFewestPixels = 32;
// What keeps the table of offsets and the strip small.
constexpr int64_t kMostTaps = 4096;  // times reduced channels
constexpr int64_t kMostReach = 1024;
constexpr int64_t kMostStride = 64;
constexpr int64_t kMostStripFloats = 1024 * 1024;

// 1 x 1 kernels for which gemm is faster, which takes pixels where they are: 64 to 10 channels in NHWC 29 us, here 36,
// but with fewer than 8 most of its lanes are empty.
bool reads_once(const Problem& p, const Gather& g) {
    if (p.kernel_taps != 1) return false;
    const bool last = p.channels_last();
    if (g.produced < kVirtualLanes)
        return last && 2 * g.produced >= kVirtualLanes && g.reduced > kMostReduced;
    return g.reduced > kMostOfBoth || min_of(g.reduced, g.produced) > kMostReduced - (last ? 1 : 0);
}

}  // namespace

const char* narrow_declines(const Problem& p, nconv_pass pass) {
    const Gather g(p, pass);
    if (p.kernel_taps > kMostTaps || p.kernel_taps * g.reduced > kMostTaps) {
        return "more than 4096 products per output";
    }
    if (max_of(p.height.stride, p.width.stride) > kMostStride) return "a stride above 64";
    if (max_of(reach(g.y), reach(g.x)) > kMostReach) return "a window of more than 1024 pixels";
    if (Cut(g).strip(g).floats > kMostStripFloats) return "a strip of more than 4 MB";
    return nullptr;
}

const char* narrow_yields(const Problem& p, nconv_pass pass) {
    const Gather g(p, pass);
    const bool few = g.reduced <= kMostReduced || g.produced <= kMostProduced ||
                     max_of(g.reduced, g.produced) <= kMostOfBoth;
    if (!few) return "channels enough per group for gemm";
    if (g.x.phase_size(0) < kShortRow && g.produced > kMostInShortRows) {
        return "rows too short for that many channels";
    }
    if (reads_once(p, g)) return "no second tap to read the strip";
    // 32 to 16 channels at 3 x 3, stride 2: 832 us, gemm 680; but to 20, which leave gemm's lanes empty, 127 and 138.
    // With channels in lanes it takes phases together.
    if (!p.channels_last() && g.phases() > 1 && !leaves_lanes_empty(g.produced) &&
        g.reduced > kMostReduced)
        return "phases too short for pixels in lanes";
    const Cut cut(g);
    // 256 to 16 channels at 3 x 3: 20 us, gemm 3.6.
    const bool few_pixels = cut.height * cut.width < kFewestPixels;
    if (few_pixels && (cut.pixels_in_lanes || g.reduced > kMostReduced)) return "too few pixels";
    return nullptr;
}

}  // namespace nconv
