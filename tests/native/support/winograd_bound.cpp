#include "winograd_bound.h"

#include <algorithm>
#include <cmath>

#include "descriptor.h"

namespace nconv_test {
namespace {

constexpr double kHalfUlp = 1.0 / 16777216;
constexpr double kExact = 16777216.0 / 4;  // multiples of 1/4 below this are floats

std::vector<double> finite_points(int m, int stride) {
    if (stride == 2) return {0, 0.8125, -0.8125, 2.5, -2.5};
    switch (m) {
        case 2:
            return {0, 1, -1};
        case 4:
            return {0, std::sqrt(0.5), -std::sqrt(0.5), std::sqrt(2.0), -std::sqrt(2.0)};
        case 5:
            return {0, 0.5625, -0.5625, 1.15625, -1.15625, 3.375, -3.375};
        default:
            return {0, 1, -1, 2, -2, 0.5, -0.5};
    }
}

// Coefficients of the product of (x - p) over all points but the one at `skip`.
std::vector<double> polynomial(const std::vector<double>& points, size_t skip) {
    std::vector<double> result = {1};
    for (size_t i = 0; i < points.size(); ++i) {
        if (i == skip) continue;
        result.push_back(0);
        for (size_t k = result.size() - 1; k > 0; --k)
            result[k] = result[k - 1] - points[i] * result[k];
        result[0] *= -points[i];
    }
    return result;
}

// One convolution as both passes see it: a 3 x 3 gather from `source` with offset `-top` and `-left`.
struct View {
    View(const nconv_conv2d_desc& desc, nconv_pass pass) : d(desc) {
        forward = pass == NCONV_PASS_FORWARD;
        groups = d.groups;
        reduced = (forward ? d.input_channels : d.output_channels) / groups;
        produced = (forward ? d.output_channels : d.input_channels) / groups;
        source_h = forward ? d.input_height : output_height(d);
        source_w = forward ? d.input_width : output_width(d);
        result_h = forward ? output_height(d) : d.input_height;
        result_w = forward ? output_width(d) : d.input_width;
        top = forward ? d.pad_top : 2 * d.dilation_h - d.pad_top;
        left = forward ? d.pad_left : 2 * d.dilation_w - d.pad_left;
    }
    int64_t index(int64_t n, int64_t c, int64_t y, int64_t x, int64_t channels, int64_t height,
                  int64_t width) const {
        return d.layout == NCONV_LAYOUT_NHWC ? ((n * height + y) * width + x) * channels + c
                                             : ((n * channels + c) * height + y) * width + x;
    }
    double source(const std::vector<double>& data, int64_t n, int64_t c, int64_t y,
                  int64_t x) const {
        if (y < 0 || y >= source_h || x < 0 || x >= source_w) return 0;
        return data[index(n, c, y, x, reduced * groups, source_h, source_w)];
    }
    double weight(const float* data, int64_t group, int64_t e, int64_t k, int64_t r,
                  int64_t s) const {
        const int64_t inputs = d.input_channels / groups, outputs = d.output_channels / groups;
        const int64_t o = group * outputs + (forward ? e : k), c = forward ? k : e;
        if (!forward) {
            r = 2 - r;
            s = 2 - s;
        }
        return d.layout == NCONV_LAYOUT_NHWC ? data[((o * 3 + r) * 3 + s) * inputs + c]
                                             : data[((o * inputs + c) * 3 + r) * 3 + s];
    }

    const nconv_conv2d_desc& d;
    bool forward;
    int64_t groups, reduced, produced;
    int64_t source_h, source_w, result_h, result_w, top, left;
};

// |left| x |right|', both with `inner` columns; x is inner x inner.
std::vector<double> sandwich(const std::vector<double>& matrix, int64_t rows, int64_t inner,
                             const std::vector<double>& x) {
    std::vector<double> half(rows * inner), result(rows * rows);
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < inner; ++j)
            for (int64_t k = 0; k < inner; ++k)
                half[i * inner + j] += std::fabs(matrix[i * inner + k]) * x[k * inner + j];
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < rows; ++j)
            for (int64_t k = 0; k < inner; ++k)
                result[i * rows + j] += half[i * inner + k] * std::fabs(matrix[j * inner + k]);
    return result;
}

// Where tiles of m results begin along an axis: with dilation d each holds every d-th.
std::vector<int64_t> tile_starts(int64_t extent, int64_t dilation, int64_t m) {
    std::vector<int64_t> starts;
    for (int64_t first = 0; first < std::min(extent, dilation); ++first)
        for (int64_t at = first; at < extent; at += m * dilation) starts.push_back(at);
    return starts;
}

// [point][reduced][produced] of one group.
std::vector<double> transform_weights(const View& v, const WinogradMatrices& m, int64_t group,
                                      const float* weights) {
    const int64_t n = m.points;
    std::vector<double> result(n * n * v.reduced * v.produced), w(9);
    for (int64_t k = 0; k < v.reduced; ++k)
        for (int64_t e = 0; e < v.produced; ++e) {
            for (int64_t t = 0; t < 9; ++t)
                w[t] = std::fabs(v.weight(weights, group, e, k, t / 3, t % 3));
            const std::vector<double> u = sandwich(m.g, n, 3, w);
            for (int64_t p = 0; p < n * n; ++p) result[(p * v.reduced + k) * v.produced + e] = u[p];
        }
    return result;
}

}  // namespace

WinogradMatrices::WinogradMatrices(int m, int stride)
    : outputs(m), points(stride == 2 ? 2 * m + 1 : m + 2) {
    const std::vector<double> finite = finite_points(m, stride);
    const int count = static_cast<int>(finite.size()), taps = stride == 2 ? 2 : 3;
    const int products = m + taps - 1;
    a.resize(outputs * points);
    b.resize(points * points);
    g.resize(points * 3);
    for (int i = 0; i < products; ++i) {
        const bool infinity = i == count;
        const std::vector<double> row =
            polynomial(finite, infinity ? finite.size() : static_cast<size_t>(i));
        for (size_t k = 0; k < row.size(); ++k) b[i * points + stride * k] = row[k];
        double norm = 1;
        for (int j = 0; j < count && !infinity; ++j)
            if (j != i) norm *= finite[i] - finite[j];
        for (int k = 0; k < outputs; ++k)
            a[k * points + i] = infinity ? k == outputs - 1 : std::pow(finite[i], k);
        for (int k = 0; k < taps; ++k)
            g[i * 3 + stride * k] = infinity ? k == taps - 1 : std::pow(finite[i], k) / norm;
    }
    // With stride 2 the inputs between, times tap 1.
    for (int k = 0; products + k < points; ++k) {
        b[(products + k) * points + 2 * k + 1] = 1;
        g[(products + k) * 3 + 1] = 1;
        a[k * points + products + k] = 1;
    }
}

int winograd_tile(const std::string& algorithm) {
    const std::string prefix = "winograd_";
    return algorithm.compare(0, prefix.size(), prefix) == 0 ? algorithm[prefix.size()] - '0' : 0;
}

std::vector<double> winograd_bounds(const nconv_conv2d_desc& desc, nconv_pass pass,
                                    const WinogradData& data) {
    const View v(desc, pass);
    const WinogradMatrices m(data.tile, desc.stride_h);
    const int64_t n = m.points, channels = v.produced * v.groups;
    // Two transforms of up to n terms on either side (a product with a rounded constant and a sum each),
    // the rounded weight, the sum over the channels, the bias, the residual; 2 for terms of second order.
    const double roundings =
        data.roundings + 4.0 * 2 * static_cast<double>(n) + static_cast<double>(v.reduced) + 5;
    std::vector<double> bounds(desc.batch * channels * v.result_h * v.result_w);
    for (int64_t group = 0; group < v.groups; ++group) {
        const std::vector<double> weights = transform_weights(v, m, group, data.weights);
        std::vector<double> window(n * n), points(n * n * v.reduced), sums(n * n * v.produced);
        for (int64_t image = 0; image < desc.batch; ++image)
            for (int64_t ty : tile_starts(v.result_h, desc.dilation_h, data.tile))
                for (int64_t tx : tile_starts(v.result_w, desc.dilation_w, data.tile)) {
                    for (int64_t c = 0; c < v.reduced; ++c) {
                        for (int64_t i = 0; i < n * n; ++i)
                            window[i] =
                                v.source(data.source, image, group * v.reduced + c,
                                         ty * desc.stride_h - v.top + i / n * desc.dilation_h,
                                         tx * desc.stride_w - v.left + i % n * desc.dilation_w);
                        const std::vector<double> p = sandwich(m.b, n, n, window);
                        for (int64_t i = 0; i < n * n; ++i) points[i * v.reduced + c] = p[i];
                    }
                    std::fill(sums.begin(), sums.end(), 0.0);
                    for (int64_t i = 0; i < n * n; ++i)
                        for (int64_t c = 0; c < v.reduced; ++c) {
                            const double factor = points[i * v.reduced + c];
                            const double* from = &weights[(i * v.reduced + c) * v.produced];
                            double* to = &sums[i * v.produced];
                            for (int64_t e = 0; e < v.produced; ++e) to[e] += factor * from[e];
                        }
                    for (int64_t e = 0; e < v.produced; ++e) {
                        for (int64_t i = 0; i < n * n; ++i) window[i] = sums[i * v.produced + e];
                        const int64_t channel = group * v.produced + e;
                        const double bias = data.bias ? std::fabs(data.bias[channel]) : 0;
                        const std::vector<double> y = sandwich(m.a, m.outputs, n, window);
                        for (int64_t i = 0; i < data.tile; ++i)
                            for (int64_t j = 0; j < data.tile; ++j) {
                                const int64_t y0 = ty + i * desc.dilation_h;
                                const int64_t x0 = tx + j * desc.dilation_w;
                                if (y0 >= v.result_h || x0 >= v.result_w) continue;
                                const int64_t at = v.index(image, channel, y0, x0, channels,
                                                           v.result_h, v.result_w);
                                const double residual =
                                    data.residual ? std::fabs(data.residual[at]) : 0;
                                const double total = y[i * data.tile + j] + bias + residual;
                                const bool exact =
                                    data.integers && data.tile == 2 && total < kExact;
                                bounds[at] = exact ? 0 : roundings * kHalfUlp * total;
                            }
                    }
                }
    }
    return bounds;
}

namespace {

std::vector<double> transposed(const std::vector<double>& matrix, int64_t rows) {
    const int64_t columns = static_cast<int64_t>(matrix.size()) / rows;
    std::vector<double> result(matrix.size());
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < columns; ++j) result[j * rows + i] = matrix[i * columns + j];
    return result;
}

}  // namespace

std::vector<double> winograd_gradient_bounds(const nconv_conv2d_desc& desc,
                                             const std::vector<float>& input,
                                             const std::vector<double>& gradient,
                                             double roundings) {
    constexpr int64_t m = kGradientTile, n = m + 2;
    const View x(desc, NCONV_PASS_FORWARD);
    const WinogradMatrices matrices(kGradientTile);
    const std::vector<double> a = transposed(matrices.a, m), g = transposed(matrices.g, n);
    const std::vector<double> magnitudes(input.begin(), input.end());
    const int64_t tiles = desc.batch * ((x.result_h + m - 1) / m) * ((x.result_w + m - 1) / m);
    // Three transforms, both ways, the sum over the tiles, up to 8 partial sums; 2 for terms of second order.
    const double all =
        roundings + 3.0 * 2 * 2 * static_cast<double>(n) + static_cast<double>(tiles) + 8 + 2;
    std::vector<double> bounds(x.produced * x.groups * x.reduced * 9);
    for (int64_t group = 0; group < x.groups; ++group) {
        std::vector<double> sums(x.produced * x.reduced * n * n), window(n * n), tile(m * m);
        for (int64_t image = 0; image < desc.batch; ++image)
            for (int64_t ty = 0; ty < x.result_h; ty += m)
                for (int64_t tx = 0; tx < x.result_w; tx += m) {
                    std::vector<std::vector<double>> inputs, outputs;
                    for (int64_t c = 0; c < x.reduced; ++c) {
                        for (int64_t i = 0; i < n * n; ++i)
                            window[i] =
                                std::fabs(x.source(magnitudes, image, group * x.reduced + c,
                                                   ty - x.top + i / n, tx - x.left + i % n));
                        inputs.push_back(sandwich(matrices.b, n, n, window));
                    }
                    for (int64_t o = 0; o < x.produced; ++o) {
                        for (int64_t i = 0; i < m * m; ++i) {
                            const int64_t y = ty + i / m, w = tx + i % m;
                            tile[i] = y < x.result_h && w < x.result_w
                                          ? gradient[x.index(image, group * x.produced + o, y, w,
                                                             x.produced * x.groups, x.result_h,
                                                             x.result_w)]
                                          : 0;
                        }
                        outputs.push_back(sandwich(a, n, m, tile));
                    }
                    for (int64_t o = 0; o < x.produced; ++o)
                        for (int64_t c = 0; c < x.reduced; ++c) {
                            double* to = &sums[(o * x.reduced + c) * n * n];
                            for (int64_t i = 0; i < n * n; ++i)
                                to[i] += outputs[o][i] * inputs[c][i];
                        }
                }
        for (int64_t o = 0; o < x.produced; ++o)
            for (int64_t c = 0; c < x.reduced; ++c) {
                const auto from = sums.begin() + (o * x.reduced + c) * n * n;
                const std::vector<double> w = sandwich(g, 3, n, {from, from + n * n});
                const int64_t filter = group * x.produced + o;
                for (int64_t t = 0; t < 9; ++t) {
                    const int64_t at = desc.layout == NCONV_LAYOUT_NHWC
                                           ? (filter * 9 + t) * x.reduced + c
                                           : (filter * x.reduced + c) * 9 + t;
                    bounds[at] = all * kHalfUlp * w[t];
                }
            }
    }
    return bounds;
}

}  // namespace nconv_test
