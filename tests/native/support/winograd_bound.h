// How far Winograd convolution may be from the exact sum, derived from its matrices alone; they are built
// here from the points that nativeconv.h names, sharing no code with the library.
#ifndef NATIVECONV_TESTS_NATIVE_SUPPORT_WINOGRAD_BOUND_H
#define NATIVECONV_TESTS_NATIVE_SUPPORT_WINOGRAD_BOUND_H

#include <nativeconv.h>

#include <string>
#include <vector>

namespace nconv_test {

// 1-D F(m, 3): y = A' [(G w) . (B' x)] for x of m + 2 values, with stride 2 2 m + 1. Rows belong to points.
struct WinogradMatrices {
    explicit WinogradMatrices(int m, int stride = 1);

    int outputs, points;
    std::vector<double> a;  // [output][point]
    std::vector<double> b;  // [point][input]
    std::vector<double> g;  // [point][3]
};

// The tile size in a name such as "winograd_4x4"; 0 for other algorithms.
int winograd_tile(const std::string& algorithm);

// Per result, in the descriptor's layout, the largest distance from the exact sum of forward (before the
// activation) or backward_input. source holds magnitudes of the input or of the derived gradient, each of
// `roundings` roundings. Every path from there to a result rounds once per operation: with A, B, G and the
// data replaced by their magnitudes the algorithm gives the sum that those roundings are relative to.
// With exact data, all small integers, F(2 x 2) itself is exact: its matrices hold 0, 1 and 1/2.
struct WinogradData {
    int tile;
    std::vector<double> source;
    const float* weights;
    const float* bias;      // null without
    const float* residual;  // as the results; null without
    double roundings;
    bool integers;
};
std::vector<double> winograd_bounds(const nconv_conv2d_desc& desc, nconv_pass pass,
                                    const WinogradData& data);

// The same of weight gradients, by F(3 x 3, 4 x 4): the transpose, grad_w = G' [(A grad_y) . (B' x)] summed over
// the tiles. gradient holds magnitudes of the derived gradient.
constexpr int kGradientTile = 4;
std::vector<double> winograd_gradient_bounds(const nconv_conv2d_desc& desc,
                                             const std::vector<float>& input,
                                             const std::vector<double>& gradient, double roundings);

}  // namespace nconv_test

#endif  // NATIVECONV_TESTS_NATIVE_SUPPORT_WINOGRAD_BOUND_H
