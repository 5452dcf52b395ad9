#include "conv2d/winograd.h"

namespace nconv {
namespace {

constexpr int kLanes = 16;  // channels at a time, for the compiler to vectorise

// Where each tap lies in the window: backward_input reads it mirrored.
void place_taps(const Window& axis, int64_t* kernel_at) {
    const Tap first = axis.tap(0, 0), last = axis.tap(0, kKernel - 1);
    const int64_t origin = min_of(first.offset, last.offset);
    for (int64_t t = 0; t < kKernel; ++t) {
        const Tap tap = axis.tap(0, t);
        kernel_at[tap.offset - origin] = tap.kernel;
    }
}

}  // namespace

WinogradWeights::WinogradWeights(const Gather& g, const WinogradVariant& variant)
    : g_(g), n_(variant.tile) {
    double zero = 1.0;
    for (int j = 0; j < variant.pairs; ++j) {
        const double square = variant.pair[j].square;
        zero *= -square;
        double norm = 2.0 * square;  // the product of p - q over all other points q
        for (int i = 0; i < variant.pairs; ++i) {
            if (i != j) norm *= square - variant.pair[i].square;
        }
        double* plus = scale_[1 + 2 * j];
        double* minus = scale_[2 + 2 * j];
        plus[0] = minus[0] = 1.0 / norm;
        plus[1] = variant.pair[j].point / norm;
        minus[1] = -plus[1];
        plus[2] = minus[2] = square / norm;
    }
    scale_[0][0] = 1.0 / zero;
    scale_[0][1] = scale_[0][2] = 0.0;
    if (n_ % 2 == 0) {
        scale_[n_ - 1][0] = scale_[n_ - 1][1] = 0.0;
        scale_[n_ - 1][2] = 1.0;
    }
    place_taps(g.y, kernel_y_);
    place_taps(g.x, kernel_x_);
}

void WinogradWeights::write(const float* weights, int64_t group, int64_t e0, int64_t columns,
                            int64_t stored, float* packed) const {
    const int64_t point = g_.reduced * stored;
    for (int64_t d = 0; d < g_.reduced; ++d, packed += stored) {
        for (int64_t e = 0; e < stored; e += kLanes) {
            const int64_t count = min_of(kLanes, stored - e), valid = min_of(count, columns - e);
            double w[kKernel][kKernel][kLanes] = {};
            for (int r = 0; r < kKernel; ++r)
                for (int s = 0; s < kKernel; ++s)
                    for (int64_t i = 0; i < valid; ++i)
                        w[r][s][i] =
                            weights[g_.weight_at(group, e0 + e + i, d, kernel_y_[r], kernel_x_[s])];
            for (int y = 0; y < n_; ++y) {
                double row[kKernel][kLanes];
                for (int s = 0; s < kKernel; ++s)
                    for (int i = 0; i < kLanes; ++i)
                        row[s][i] = scale_[y][0] * w[0][s][i] + scale_[y][1] * w[1][s][i] +
                                    scale_[y][2] * w[2][s][i];
                for (int x = 0; x < n_; ++x) {
                    float u[kLanes];
                    for (int i = 0; i < kLanes; ++i)
                        u[i] =
                            static_cast<float>(scale_[x][0] * row[0][i] + scale_[x][1] * row[1][i] +
                                               scale_[x][2] * row[2][i]);
                    float* to = packed + (y * n_ + x) * point + e;
                    for (int64_t i = 0; i < count; ++i) to[i] = u[i];
                }
            }
        }
    }
}

}  // namespace nconv
