#include "reference.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>

#include "descriptor.h"

// The two inner loops below take nearly all the time; on x86-64 Linux they exist once per vector
// width, chosen when the program starts.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define NCONV_TEST_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define NCONV_TEST_CLONES
#endif

namespace nconv_test {
namespace {

constexpr double kHalfUlp = 1.0 / 16777216;  // 2^-24

// Inside, activations are [n][h][w][channel] and weights [group][r][s][c][o], all double.
struct Geometry {
    explicit Geometry(const nconv_conv2d_desc& d)
        : desc(d),
          nhwc(d.layout == NCONV_LAYOUT_NHWC),
          batch(d.batch),
          groups(d.groups),
          c_per_group(d.input_channels / d.groups),
          o_per_group(d.output_channels / d.groups),
          p_size(output_height(d)),
          q_size(output_width(d)) {}

    const nconv_conv2d_desc& desc;
    bool nhwc;
    int64_t batch, groups, c_per_group, o_per_group, p_size, q_size;

    int64_t input_row(int64_t p, int64_t r) const {
        const int64_t h = p * desc.stride_h + r * desc.dilation_h - desc.pad_top;
        return h >= 0 && h < desc.input_height ? h : -1;
    }
    int64_t input_column(int64_t q, int64_t s) const {
        const int64_t w = q * desc.stride_w + s * desc.dilation_w - desc.pad_left;
        return w >= 0 && w < desc.input_width ? w : -1;
    }
    int64_t output_row(int64_t h, int64_t r) const {
        const int64_t p = h + desc.pad_top - r * desc.dilation_h;
        return p >= 0 && p % desc.stride_h == 0 && p / desc.stride_h < p_size ? p / desc.stride_h
                                                                              : -1;
    }
    int64_t output_column(int64_t w, int64_t s) const {
        const int64_t q = w + desc.pad_left - s * desc.dilation_w;
        return q >= 0 && q % desc.stride_w == 0 && q / desc.stride_w < q_size ? q / desc.stride_w
                                                                              : -1;
    }
};

// sums[j] += sum over i of x[i] * w[i][j]
NCONV_TEST_CLONES void multiply_add(double* __restrict sums, const double* __restrict x,
                                    const double* __restrict w, int64_t rows, int64_t columns) {
    for (int64_t i = 0; i < rows; ++i) {
        const double factor = x[i];
        for (int64_t j = 0; j < columns; ++j) sums[j] += factor * w[i * columns + j];
    }
}

// sums[i][j] += x[i] * y[j]
NCONV_TEST_CLONES void outer_add(double* __restrict sums, const double* __restrict x,
                                 const double* __restrict y, int64_t rows, int64_t columns) {
    for (int64_t i = 0; i < rows; ++i) {
        const double factor = x[i];
        for (int64_t j = 0; j < columns; ++j) sums[i * columns + j] += factor * y[j];
    }
}

// body(i) for all i below count, on all processors if the work is worth it.
template <typename Body>
void for_each(int64_t count, double operations, const Body& body) {
    int64_t threads = std::min<int64_t>(count, std::thread::hardware_concurrency());
    if (operations < 4e6) threads = 1;
    std::atomic<int64_t> next{0};
    auto work = [&] {
        for (int64_t i; (i = next.fetch_add(1)) < count;) body(i);
    };
    std::vector<std::thread> others;
    for (int64_t t = 1; t < threads; ++t) others.emplace_back(work);
    work();
    for (std::thread& thread : others) thread.join();
}

double operations(const Geometry& g) {
    return 2.0 * g.batch * g.p_size * g.q_size * g.desc.output_channels * g.c_per_group *
           g.desc.kernel_h * g.desc.kernel_w;
}

int64_t user_index(const Geometry& g, int64_t n, int64_t h, int64_t w, int64_t c, int64_t height,
                   int64_t width, int64_t channels) {
    return g.nhwc ? ((n * height + h) * width + w) * channels + c
                  : ((n * channels + c) * height + h) * width + w;
}

// Calls body(index inside, index in the user's layout) for every element of an activation tensor.
template <typename Body>
void visit_activations(const Geometry& g, int64_t height, int64_t width, int64_t channels,
                       const Body& body) {
    int64_t inside = 0;
    for (int64_t n = 0; n < g.batch; ++n)
        for (int64_t h = 0; h < height; ++h)
            for (int64_t w = 0; w < width; ++w)
                for (int64_t c = 0; c < channels; ++c)
                    body(inside++, user_index(g, n, h, w, c, height, width, channels));
}

// Calls body(g, r, s, c, o, index in the user's layout) for every weight.
template <typename Body>
void visit_weights(const Geometry& g, const Body& body) {
    const int64_t r_size = g.desc.kernel_h, s_size = g.desc.kernel_w;
    for (int64_t group = 0; group < g.groups; ++group)
        for (int64_t r = 0; r < r_size; ++r)
            for (int64_t s = 0; s < s_size; ++s)
                for (int64_t c = 0; c < g.c_per_group; ++c)
                    for (int64_t o = 0; o < g.o_per_group; ++o) {
                        const int64_t channel = group * g.o_per_group + o;
                        body(group, r, s, c, o,
                             g.nhwc ? ((channel * r_size + r) * s_size + s) * g.c_per_group + c
                                    : ((channel * g.c_per_group + c) * r_size + r) * s_size + s);
                    }
}

std::vector<double> load_activations(const Geometry& g, const float* data, int64_t height,
                                     int64_t width, int64_t channels) {
    std::vector<double> result(g.batch * height * width * channels);
    visit_activations(g, height, width, channels,
                      [&](int64_t inside, int64_t user) { result[inside] = data[user]; });
    return result;
}

// [group][r][s][c][o], or [group][r][s][o][c] if o_first.
std::vector<double> load_weights(const Geometry& g, const float* data, bool o_first) {
    const int64_t taps = g.desc.kernel_h * g.desc.kernel_w;
    const int64_t block = g.c_per_group * g.o_per_group;
    std::vector<double> result(g.groups * taps * block);
    visit_weights(g, [&](int64_t group, int64_t r, int64_t s, int64_t c, int64_t o, int64_t user) {
        const int64_t inner = o_first ? o * g.c_per_group + c : c * g.o_per_group + o;
        result[(group * taps + r * g.desc.kernel_w + s) * block + inner] = data[user];
    });
    return result;
}

std::vector<double> magnitudes(const std::vector<double>& values) {
    std::vector<double> result(values.size());
    std::transform(values.begin(), values.end(), result.begin(),
                   [](double v) { return std::fabs(v); });
    return result;
}

struct Gradient {
    std::vector<double> values;      // grad_output * f'(output), inside layout
    std::vector<double> magnitudes;  // empty without bounds
};

Gradient load_gradient(const Geometry& g, const float* grad_output, const float* output,
                       bool bounds) {
    const int64_t channels = g.desc.output_channels;
    Gradient result;
    result.values.resize(g.batch * g.p_size * g.q_size * channels);
    if (bounds) result.magnitudes.resize(result.values.size());
    visit_activations(g, g.p_size, g.q_size, channels, [&](int64_t inside, int64_t user) {
        const double y = output ? output[user] : 0;
        result.values[inside] = grad_output[user] * derivative(g.desc, y);
        if (bounds)
            result.magnitudes[inside] =
                std::fabs(grad_output[user]) * derivative_magnitude(g.desc, y);
    });
    return result;
}

}  // namespace

double activate(const nconv_conv2d_desc& desc, double z) {
    const double alpha = desc.activation_alpha, beta = desc.activation_beta;
    switch (desc.activation) {
        case NCONV_ACTIVATION_RELU:
            return std::max(z, 0.0);
        case NCONV_ACTIVATION_LEAKY_RELU:
            return z > 0 ? z : alpha * z;
        case NCONV_ACTIVATION_CLIP:
            return std::min(std::max(z, alpha), beta);
        case NCONV_ACTIVATION_SIGMOID:
            return 1 / (1 + std::exp(-z));
        case NCONV_ACTIVATION_TANH:
            return std::tanh(z);
        case NCONV_ACTIVATION_ELU:
            return z > 0 ? z : alpha * std::expm1(z);
        default:
            return z;
    }
}

double derivative(const nconv_conv2d_desc& desc, double y) {
    const double alpha = desc.activation_alpha, beta = desc.activation_beta;
    switch (desc.activation) {
        case NCONV_ACTIVATION_RELU:
            return y > 0 ? 1 : 0;
        case NCONV_ACTIVATION_LEAKY_RELU:
            return y > 0 ? 1 : alpha;
        case NCONV_ACTIVATION_CLIP:
            return alpha < y && y < beta ? 1 : 0;
        case NCONV_ACTIVATION_SIGMOID:
            return y * (1 - y);
        case NCONV_ACTIVATION_TANH:
            return 1 - y * y;
        case NCONV_ACTIVATION_ELU:
            return y > 0 ? 1 : y + alpha;
        default:
            return 1;
    }
}

double lipschitz(const nconv_conv2d_desc& desc) {
    switch (desc.activation) {
        case NCONV_ACTIVATION_LEAKY_RELU:
        case NCONV_ACTIVATION_ELU:
            return std::max(1.0, double{desc.activation_alpha});
        case NCONV_ACTIVATION_SIGMOID:
            return 0.25;
        default:
            return 1;
    }
}

// What computing f itself may add: nothing where f only selects; one rounding for a product; four
// units in the last place for the functions built on exp (for ELU of alpha, as exp(z) - 1 cancels).
double activation_error(const nconv_conv2d_desc& desc, double y) {
    switch (desc.activation) {
        case NCONV_ACTIVATION_LEAKY_RELU:
            return kHalfUlp * std::fabs(y);
        case NCONV_ACTIVATION_SIGMOID:
        case NCONV_ACTIVATION_TANH:
            return 8 * kHalfUlp * std::fabs(y) + 1e-37;
        case NCONV_ACTIVATION_ELU:
            return 8 * kHalfUlp * std::max(std::fabs(y), y < 0 ? desc.activation_alpha : 0.0);
        default:
            return 0;
    }
}

double derivative_magnitude(const nconv_conv2d_desc& desc, double y) {
    switch (desc.activation) {
        case NCONV_ACTIVATION_SIGMOID:
            return std::fabs(y) * (1 + std::fabs(y));
        case NCONV_ACTIVATION_TANH:
            return 1 + y * y;
        case NCONV_ACTIVATION_ELU:
            return y > 0 ? 1 : std::fabs(y) + desc.activation_alpha;
        default:
            return std::fabs(derivative(desc, y));
    }
}

// The roundings before the sum: 3 in f'(y), 1 in its product with grad_output.
double derivative_roundings(const nconv_conv2d_desc& desc) {
    return desc.activation == NCONV_ACTIVATION_LINEAR ? 0 : 4;
}

Expected reference_forward(const nconv_conv2d_desc& desc, const float* input, const float* weights,
                           const float* bias, bool bounds, const float* residual, int roundings) {
    const Geometry g(desc);
    const int64_t height = desc.input_height, width = desc.input_width;
    const int64_t channels = desc.input_channels, outputs = desc.output_channels;
    const int64_t taps = desc.kernel_h * desc.kernel_w, block = g.c_per_group * g.o_per_group;
    const std::vector<double> x = load_activations(g, input, height, width, channels);
    const std::vector<double> w = load_weights(g, weights, false);
    const std::vector<double> x_abs = bounds ? magnitudes(x) : x;
    const std::vector<double> w_abs = bounds ? magnitudes(w) : w;
    Expected result;
    result.values.resize(g.batch * g.p_size * g.q_size * outputs);
    if (bounds) result.bounds.resize(result.values.size());

    auto pixel = [&](int64_t n, int64_t p, int64_t q, std::vector<double>* sums,
                     const std::vector<double>& source, const std::vector<double>& matrix) {
        int64_t terms = desc.has_bias + (residual != nullptr);
        for (int64_t r = 0; r < desc.kernel_h; ++r) {
            const int64_t h = g.input_row(p, r);
            if (h < 0) continue;
            for (int64_t s = 0; s < desc.kernel_w; ++s) {
                const int64_t column = g.input_column(q, s);
                if (column < 0) continue;
                terms += g.c_per_group;
                const double* from = &source[((n * height + h) * width + column) * channels];
                for (int64_t group = 0; group < g.groups; ++group)
                    multiply_add(sums->data() + group * g.o_per_group, from + group * g.c_per_group,
                                 &matrix[(group * taps + r * desc.kernel_w + s) * block],
                                 g.c_per_group, g.o_per_group);
            }
        }
        return terms;
    };
    for_each(g.batch * g.p_size, operations(g), [&](int64_t row) {
        const int64_t n = row / g.p_size, p = row % g.p_size;
        std::vector<double> sums(outputs), totals(outputs);
        for (int64_t q = 0; q < g.q_size; ++q) {
            for (int64_t o = 0; o < outputs; ++o) sums[o] = bias ? bias[o] : 0;
            for (int64_t o = 0; o < outputs; ++o) totals[o] = std::fabs(sums[o]);
            pixel(n, p, q, &sums, x, w);
            const int64_t terms = bounds ? pixel(n, p, q, &totals, x_abs, w_abs) : 0;
            for (int64_t o = 0; o < outputs; ++o) {
                const int64_t at = user_index(g, n, p, q, o, g.p_size, g.q_size, outputs);
                if (residual) sums[o] += residual[at], totals[o] += std::fabs(residual[at]);
                const double y = activate(desc, sums[o]);
                result.values[at] = y;
                if (bounds)
                    result.bounds[at] =
                        lipschitz(desc) * (terms + 2 + roundings) * kHalfUlp * totals[o] +
                        activation_error(desc, y);
            }
        }
    });
    return result;
}

Expected reference_backward_input(const nconv_conv2d_desc& desc, const float* grad_output,
                                  const float* output, const float* weights, bool bounds,
                                  int roundings) {
    const Geometry g(desc);
    const int64_t channels = desc.input_channels, outputs = desc.output_channels;
    const int64_t taps = desc.kernel_h * desc.kernel_w, block = g.c_per_group * g.o_per_group;
    const Gradient gradient = load_gradient(g, grad_output, output, bounds);
    const std::vector<double> w = load_weights(g, weights, true);
    const std::vector<double> w_abs = bounds ? magnitudes(w) : w;
    Expected result;
    result.values.resize(g.batch * desc.input_height * desc.input_width * channels);
    if (bounds) result.bounds.resize(result.values.size());

    auto pixel = [&](int64_t n, int64_t h, int64_t column, std::vector<double>* sums,
                     const std::vector<double>& source, const std::vector<double>& matrix) {
        int64_t terms = 0;
        for (int64_t r = 0; r < desc.kernel_h; ++r) {
            const int64_t p = g.output_row(h, r);
            if (p < 0) continue;
            for (int64_t s = 0; s < desc.kernel_w; ++s) {
                const int64_t q = g.output_column(column, s);
                if (q < 0) continue;
                terms += g.o_per_group;
                const double* from = &source[((n * g.p_size + p) * g.q_size + q) * outputs];
                for (int64_t group = 0; group < g.groups; ++group)
                    multiply_add(sums->data() + group * g.c_per_group, from + group * g.o_per_group,
                                 &matrix[(group * taps + r * desc.kernel_w + s) * block],
                                 g.o_per_group, g.c_per_group);
            }
        }
        return terms;
    };
    for_each(g.batch * desc.input_height, operations(g), [&](int64_t row) {
        const int64_t n = row / desc.input_height, h = row % desc.input_height;
        std::vector<double> sums(channels), totals(channels);
        for (int64_t column = 0; column < desc.input_width; ++column) {
            std::fill(sums.begin(), sums.end(), 0.0);
            std::fill(totals.begin(), totals.end(), 0.0);
            pixel(n, h, column, &sums, gradient.values, w);
            const int64_t terms =
                bounds ? pixel(n, h, column, &totals, gradient.magnitudes, w_abs) : 0;
            for (int64_t c = 0; c < channels; ++c) {
                const int64_t at =
                    user_index(g, n, h, column, c, desc.input_height, desc.input_width, channels);
                result.values[at] = sums[c];
                if (bounds)
                    result.bounds[at] =
                        (terms + 2 + roundings + derivative_roundings(desc)) * kHalfUlp * totals[c];
            }
        }
    });
    return result;
}

namespace {

// Sums over all pixels, for one tap and one group and channels [c_begin, c_end) of it. Returns the
// number of terms.
int64_t sum_tap(const Geometry& g, int64_t group, int64_t r, int64_t s, int64_t c_begin,
                int64_t c_end, const std::vector<double>& x, const std::vector<double>& y,
                double* sums) {
    const nconv_conv2d_desc& d = g.desc;
    int64_t terms = 0;
    for (int64_t n = 0; n < g.batch; ++n)
        for (int64_t p = 0; p < g.p_size; ++p) {
            const int64_t h = g.input_row(p, r);
            if (h < 0) continue;
            for (int64_t q = 0; q < g.q_size; ++q) {
                const int64_t w = g.input_column(q, s);
                if (w < 0) continue;
                ++terms;
                outer_add(sums,
                          &x[((n * d.input_height + h) * d.input_width + w) * d.input_channels +
                             group * g.c_per_group + c_begin],
                          &y[((n * g.p_size + p) * g.q_size + q) * d.output_channels +
                             group * g.o_per_group],
                          c_end - c_begin, g.o_per_group);
            }
        }
    return terms;
}

}  // namespace

ExpectedGradients reference_backward_weights(const nconv_conv2d_desc& desc, const float* input,
                                             const float* grad_output, const float* output,
                                             bool bounds) {
    const Geometry g(desc);
    const int64_t outputs = desc.output_channels, taps = desc.kernel_h * desc.kernel_w;
    const int64_t block = g.c_per_group * g.o_per_group;
    const std::vector<double> x =
        load_activations(g, input, desc.input_height, desc.input_width, desc.input_channels);
    const std::vector<double> x_abs = bounds ? magnitudes(x) : x;
    const Gradient gradient = load_gradient(g, grad_output, output, bounds);
    const double roundings = derivative_roundings(desc);
    std::vector<double> sums(g.groups * taps * block), errors(bounds ? sums.size() : 0);

    constexpr int64_t kChannels = 8;  // with 512 outputs: 32 KiB of sums, the L1 data cache
    const int64_t parts = (g.c_per_group + kChannels - 1) / kChannels;
    for_each(g.groups * taps * parts, operations(g), [&](int64_t task) {
        const int64_t tap = task / parts % taps, group = task / parts / taps;
        const int64_t begin = task % parts * kChannels;
        const int64_t end = std::min(begin + kChannels, g.c_per_group);
        const int64_t at = (group * taps + tap) * block + begin * g.o_per_group;
        const int64_t r = tap / desc.kernel_w, s = tap % desc.kernel_w;
        sum_tap(g, group, r, s, begin, end, x, gradient.values, &sums[at]);
        if (!bounds) return;
        const int64_t terms =
            sum_tap(g, group, r, s, begin, end, x_abs, gradient.magnitudes, &errors[at]);
        for (int64_t i = 0; i < (end - begin) * g.o_per_group; ++i)
            errors[at + i] *= (terms + 2 + roundings) * kHalfUlp;
    });

    ExpectedGradients result;
    result.weights.values.resize(sums.size());
    result.weights.bounds.resize(errors.size());
    visit_weights(g, [&](int64_t group, int64_t r, int64_t s, int64_t c, int64_t o, int64_t user) {
        const int64_t inside =
            (group * taps + r * desc.kernel_w + s) * block + c * g.o_per_group + o;
        result.weights.values[user] = sums[inside];
        if (bounds) result.weights.bounds[user] = errors[inside];
    });
    if (!desc.has_bias) return result;
    const int64_t pixels = g.batch * g.p_size * g.q_size;
    result.bias.values.resize(outputs);
    if (bounds) result.bias.bounds.resize(outputs);
    for (int64_t i = 0; i < pixels; ++i)
        for (int64_t o = 0; o < outputs; ++o) {
            result.bias.values[o] += gradient.values[i * outputs + o];
            if (bounds) result.bias.bounds[o] += gradient.magnitudes[i * outputs + o];
        }
    for (double& bound : result.bias.bounds) bound *= (pixels + 2 + roundings) * kHalfUlp;
    return result;
}

}  // namespace nconv_test
