// The reference: plain loops with a double accumulator. Any geometry, all passes, last in the list, and
// what the others are measured against inside the library. Never to be optimised.
#include <string.h>

#include "conv2d/epilogue.h"

namespace nconv {
namespace {

// Element strides of a tensor [n][c][h][w] or [n][h][w][c]; for weights n is the output channel.
struct Strides {
    int64_t n, c, h, w;
};

Strides make_strides(bool channels_last, int64_t channels, int64_t height, int64_t width) {
    const int64_t image = channels * height * width;
    if (channels_last) return {image, 1, width * channels, channels};
    return {image, height * width, width, 1};
}

struct Geometry {
    explicit Geometry(const Problem& p)
        : input(make_strides(p.channels_last(), p.input_channels, p.height.input, p.width.input)),
          output(
              make_strides(p.channels_last(), p.output_channels, p.height.output, p.width.output)),
          weights(
              make_strides(p.channels_last(), p.group_inputs, p.height.kernel, p.width.kernel)) {}
    Strides input, output, weights;
};

// The input coordinate that tap r of output p reads.
int64_t input_at(const Axis& a, int64_t p, int64_t r) {
    return p * a.stride + r * a.dilation - a.pad_before;
}

// The output whose tap r reads input h, or -1.
int64_t output_at(const Axis& a, int64_t h, int64_t r) {
    const int64_t scaled = h + a.pad_before - r * a.dilation;
    if (scaled < 0 || scaled % a.stride != 0 || scaled / a.stride >= a.output) return -1;
    return scaled / a.stride;
}

bool inside(int64_t at, int64_t extent) { return at >= 0 && at < extent; }

const char* declines(const Problem&, nconv_pass) { return nullptr; }

WorkspaceSize workspace(const Context&, nconv_pass) { return {}; }

CheckedSize packed_count(const Context& context, nconv_pass) {
    return context.problem.weights_count;
}

void pack(const Context& context, nconv_pass, const float* weights, float* packed) {
    memcpy(packed, weights, static_cast<size_t>(context.problem.weights_count) * sizeof(float));
}

// grad_output at an element, times the activation's derivative there.
float gradient(const Context& context, const float* grad_output, const float* output, int64_t at) {
    if (output == nullptr) return grad_output[at];
    const Problem& p = context.problem;
    float result;
    context.kernels->activations[p.activation].derive(grad_output + at, output + at, &result, 1,
                                                      p.alpha, p.beta);
    return result;
}

void forward(const Context& context, const ForwardCall& call, const Workspace&,
             const Execution& execution) {
    const Problem& p = context.problem;
    const Geometry g(p);
    const Epilogue epilogue(context, call);
    parallel_for(execution, p.batch * p.output_channels, [&](int64_t task, int) {
        const int64_t n = task / p.output_channels, o = task % p.output_channels;
        const int64_t first = o / p.group_outputs * p.group_inputs;
        for (int64_t y = 0; y < p.height.output; ++y) {
            for (int64_t x = 0; x < p.width.output; ++x) {
                double sum = call.bias != nullptr ? call.bias[o] : 0.0;
                for (int64_t r = 0; r < p.height.kernel; ++r) {
                    const int64_t h = input_at(p.height, y, r);
                    if (!inside(h, p.height.input)) continue;
                    for (int64_t s = 0; s < p.width.kernel; ++s) {
                        const int64_t w = input_at(p.width, x, s);
                        if (!inside(w, p.width.input)) continue;
                        for (int64_t c = 0; c < p.group_inputs; ++c) {
                            sum += static_cast<double>(
                                       call.input[n * g.input.n + (first + c) * g.input.c +
                                                  h * g.input.h + w * g.input.w]) *
                                   call.packed[o * g.weights.n + c * g.weights.c + r * g.weights.h +
                                               s * g.weights.w];
                        }
                    }
                }
                float* out =
                    call.output + n * g.output.n + o * g.output.c + y * g.output.h + x * g.output.w;
                *out = static_cast<float>(sum);
                epilogue.apply(&out, 1, 1);
            }
        }
    });
}

void backward_input(const Context& context, const BackwardInputCall& call, const Workspace&,
                    const Execution& execution) {
    const Problem& p = context.problem;
    const Geometry g(p);
    parallel_for(execution, call.images * p.input_channels, [&](int64_t task, int) {
        const int64_t n = task / p.input_channels, channel = task % p.input_channels;
        const int64_t c = channel % p.group_inputs;
        const int64_t first = channel / p.group_inputs * p.group_outputs;
        for (int64_t h = 0; h < p.height.input; ++h) {
            for (int64_t w = 0; w < p.width.input; ++w) {
                double sum = 0.0;
                for (int64_t r = 0; r < p.height.kernel; ++r) {
                    const int64_t y = output_at(p.height, h, r);
                    if (y < 0) continue;
                    for (int64_t s = 0; s < p.width.kernel; ++s) {
                        const int64_t x = output_at(p.width, w, s);
                        if (x < 0) continue;
                        for (int64_t o = first; o < first + p.group_outputs; ++o) {
                            const int64_t at =
                                n * g.output.n + o * g.output.c + y * g.output.h + x * g.output.w;
                            sum += static_cast<double>(
                                       gradient(context, call.grad_output, call.output, at)) *
                                   call.packed[o * g.weights.n + c * g.weights.c + r * g.weights.h +
                                               s * g.weights.w];
                        }
                    }
                }
                call.grad_input[n * g.input.n + channel * g.input.c + h * g.input.h +
                                w * g.input.w] = static_cast<float>(sum);
            }
        }
    });
}

void write_gradient(float* out, double sum, bool accumulate) {
    *out = static_cast<float>(accumulate ? sum + *out : sum);
}

void backward_weights(const Context& context, const BackwardWeightsCall& call, const Workspace&,
                      const Execution& execution) {
    const Problem& p = context.problem;
    const Geometry g(p);
    // One weight: the sum over all pixels of the product with what the tap reads; tap -1 is the bias.
    const auto sum_over_pixels = [&](int64_t o, int64_t channel, int64_t r, int64_t s) {
        double sum = 0.0;
        for (int64_t n = 0; n < p.batch; ++n) {
            for (int64_t y = 0; y < p.height.output; ++y) {
                for (int64_t x = 0; x < p.width.output; ++x) {
                    double read = 1.0;
                    if (r >= 0) {
                        const int64_t h = input_at(p.height, y, r), w = input_at(p.width, x, s);
                        if (!inside(h, p.height.input) || !inside(w, p.width.input)) continue;
                        read = call.input[n * g.input.n + channel * g.input.c + h * g.input.h +
                                          w * g.input.w];
                    }
                    const int64_t at =
                        n * g.output.n + o * g.output.c + y * g.output.h + x * g.output.w;
                    sum += read * gradient(context, call.grad_output, call.output, at);
                }
            }
        }
        return sum;
    };
    parallel_for(execution, p.output_channels, [&](int64_t o, int) {
        const int64_t first = o / p.group_outputs * p.group_inputs;
        for (int64_t c = 0; c < p.group_inputs; ++c) {
            for (int64_t r = 0; r < p.height.kernel; ++r) {
                for (int64_t s = 0; s < p.width.kernel; ++s) {
                    write_gradient(call.grad_weights + o * g.weights.n + c * g.weights.c +
                                       r * g.weights.h + s * g.weights.w,
                                   sum_over_pixels(o, first + c, r, s), call.accumulate);
                }
            }
        }
        if (call.grad_bias != nullptr) {
            write_gradient(call.grad_bias + o, sum_over_pixels(o, 0, -1, 0), call.accumulate);
        }
    });
}

}  // namespace

const Algorithm kReference = {"reference", declines, never_yields,   workspace,       packed_count,
                              pack,        forward,  backward_input, backward_weights};

}  // namespace nconv
