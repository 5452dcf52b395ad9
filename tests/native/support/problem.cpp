#include "problem.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "descriptor.h"
#include "fill.h"
#include "winograd_bound.h"

namespace nconv_test {
namespace {

constexpr double kHalfUlp = 1.0 / 16777216;

// Saved outputs on both sides of every kink of the activation, and on the kinks.
std::vector<float> saved_outputs(const nconv_conv2d_desc& desc, size_t count, Data data,
                                 uint64_t seed) {
    const float alpha = desc.activation_alpha, beta = desc.activation_beta;
    switch (desc.activation) {
        case NCONV_ACTIVATION_CLIP:
            return fill_choices(count, seed, {alpha, beta, (alpha + beta) / 2});
        case NCONV_ACTIVATION_SIGMOID:
            if (data == Data::kInteger) return fill_choices(count, seed, {0, 0.25f, 0.5f, 1});
            return fill_choices(count, seed, {0, 0.1f, 0.4f, 0.9999999f, 1});
        case NCONV_ACTIVATION_TANH:
            if (data == Data::kInteger) return fill_choices(count, seed, {-1, -0.5f, 0, 0.5f});
            return fill_choices(count, seed, {-1, -0.7f, 0.1f, 0.3f, 0.9999999f});
        case NCONV_ACTIVATION_ELU:
            return fill_choices(count, seed, {-alpha, -alpha / 2, 0, 1});
        default:
            return fill_choices(count, seed, {-1, 0, 1, 2});
    }
}

void compare_values(const char* what, const std::vector<float>& actual,
                    const std::vector<double>& expected, const std::vector<double>& bounds,
                    const std::vector<float>* old_values, Comparison* comparison) {
    for (size_t i = 0; i < actual.size(); ++i) {
        const double old_value = old_values ? (*old_values)[i] : 0;
        const double value = expected[i] + old_value;
        double bound = bounds.empty() ? 0 : bounds[i];
        // Adding to an old value is one more rounding, of the sum of both.
        if (bound > 0 && old_values)
            bound += kHalfUlp * (bound + std::fabs(old_value) + std::fabs(value));
        const double error = std::fabs(actual[i] - value);
        if (error * comparison->bound >= comparison->error * bound && error > 0) {
            comparison->error = error;
            comparison->bound = bound;
        }
        if (error <= bound || !comparison->ok) continue;  // a NaN fails
        std::ostringstream text;
        text.precision(9);
        text << what << "[" << i << "] is " << actual[i] << ", expected " << value;
        if (bound > 0) text << " within " << bound;
        comparison->failure = text.str();
        comparison->ok = false;
    }
}

}  // namespace

Problem::Problem(const nconv_conv2d_desc& desc, Data data, uint64_t seed)
    : desc_(desc), data_(data), seed_(seed) {
    const int64_t pixels = output_height(desc) * output_width(desc) * desc.batch;
    const int64_t weights_per_output =
        desc.input_channels / desc.groups * desc.kernel_h * desc.kernel_w;
    const int64_t forward_terms = weights_per_output;
    const int64_t backward_terms =
        desc.output_channels / desc.groups * desc.kernel_h * desc.kernel_w;
    const size_t inputs = static_cast<size_t>(desc.batch * desc.input_channels * desc.input_height *
                                              desc.input_width);
    const size_t outputs = static_cast<size_t>(desc.output_channels * pixels);
    const size_t weights_count = static_cast<size_t>(desc.output_channels * weights_per_output);
    const size_t biases = desc.has_bias ? static_cast<size_t>(desc.output_channels) : 0;
    const bool integer = data == Data::kInteger;
    // Each tensor takes part in two sums; the longer one decides.
    const int64_t input_terms = std::max(forward_terms, pixels);
    const int64_t weights_terms = std::max(forward_terms, backward_terms);
    // Factors of four: derivatives such as y * (1 - y) are multiples of 1/16 on integer data.
    const int64_t gradient_terms = 16 * std::max(backward_terms, pixels);
    input = integer ? fill_integers(inputs, seed, input_terms) : fill_reals(inputs, seed);
    weights = integer ? fill_integers(weights_count, seed + 1, weights_terms)
                      : fill_reals(weights_count, seed + 1);
    bias = integer ? fill_integers(biases, seed + 2, 1) : fill_reals(biases, seed + 2);
    grad_output =
        integer ? fill_integers(outputs, seed + 3, gradient_terms) : fill_reals(outputs, seed + 3);
    old_weights =
        integer ? fill_integers(weights_count, seed + 4, 1) : fill_reals(weights_count, seed + 4);
    old_bias = integer ? fill_integers(biases, seed + 5, 1) : fill_reals(biases, seed + 5);
    output = saved_outputs(desc, outputs, data, seed + 6);
}

void Problem::add_residual() {
    residual = data_ == Data::kInteger ? fill_integers(output.size(), seed_ + 7, 1)
                                       : fill_reals(output.size(), seed_ + 7);
}

void Problem::make_products() {
    const size_t rows = static_cast<size_t>(desc_.kernel_h), taps = rows * desc_.kernel_w;
    for (size_t o = 0; o * taps < weights.size(); ++o) {
        // Powers of two: the factors found are exact.
        const auto fill = [&](size_t count, uint64_t seed) {
            return data_ == Data::kInteger ? fill_choices(count, seed, {-2, -1, 0, 1, 2})
                                           : fill_reals(count, seed);
        };
        const std::vector<float> u = fill(rows, seed_ + 8 + 2 * o);
        const std::vector<float> v = fill(taps / rows, seed_ + 9 + 2 * o);
        for (size_t i = 0; i < taps; ++i) weights[o * taps + i] = u[i / v.size()] * v[i % v.size()];
    }
    // Two chains round r + s <= r * s + 1 times for r x s taps, and a product of factors may be 8
    // roundings off its weight.
    roundings_ = 9;
}

nconv_status Problem::run(nconv_pass pass, Convolution* convolution, Placement placement,
                          bool accumulate, Results* results) const {
    const bool forward = pass == NCONV_PASS_FORWARD;
    const bool weights_pass = pass == NCONV_PASS_BACKWARD_WEIGHTS;
    auto place = [&](bool used, const std::vector<float>& values) {
        return GuardedBuffer(used ? values : std::vector<float>(), placement);
    };
    const GuardedBuffer x = place(pass != NCONV_PASS_BACKWARD_INPUT, input);
    const GuardedBuffer w = place(!weights_pass, weights);
    const GuardedBuffer b = place(forward, bias);
    const GuardedBuffer shortcut = place(forward, residual);
    const GuardedBuffer gy = place(!forward, grad_output);
    const GuardedBuffer y = place(!forward && desc_.activation != NCONV_ACTIVATION_LINEAR, output);
    const GuardedBuffer gb = place(weights_pass, old_bias);
    const GuardedBuffer result = forward        ? GuardedBuffer(output.size() * 4, placement)
                                 : weights_pass ? GuardedBuffer(old_weights, placement)
                                                : GuardedBuffer(input.size() * 4, placement);
    nconv_status status;
    if (forward) {
        status = convolution->forward(x, w, b, result, shortcut);
    } else if (weights_pass) {
        status = convolution->backward_weights(x, gy, y, result, gb, accumulate);
    } else {
        status = convolution->backward_input(gy, y, w, result);
    }
    results->main = result.values();
    results->bias = gb.values();
    const std::initializer_list<const GuardedBuffer*> all = {&x,  &w, &b,  &shortcut,
                                                             &gy, &y, &gb, &result};
    for (const GuardedBuffer* buffer : all)
        if (!buffer->margins_intact()) return NCONV_STATUS_INTERNAL;
    return status;
}

nconv_status Problem::run_backward(Convolution* convolution, Placement placement, bool accumulate,
                                   Results* input_results, Results* weights_results) const {
    auto place = [&](bool used, const std::vector<float>& values) {
        return GuardedBuffer(used ? values : std::vector<float>(), placement);
    };
    const bool by_input = input_results != nullptr, by_weights = weights_results != nullptr;
    const GuardedBuffer x = place(by_weights, input), w = place(by_input, weights);
    const GuardedBuffer gy = place(true, grad_output);
    const GuardedBuffer y = place(desc_.activation != NCONV_ACTIVATION_LINEAR, output);
    const GuardedBuffer gx(by_input ? input.size() * 4 : 0, placement);
    const GuardedBuffer gw = place(by_weights, old_weights), gb = place(by_weights, old_bias);
    const nconv_status status = convolution->backward({x, gy, y, w, gx, gw, gb, accumulate});
    if (by_input) input_results->main = gx.values();
    if (by_weights) *weights_results = {gw.values(), gb.values()};
    for (const GuardedBuffer* buffer : {&x, &w, &gy, &y, &gx, &gw, &gb})
        if (!buffer->margins_intact()) return NCONV_STATUS_INTERNAL;
    return status;
}

const ExpectedGradients& Problem::expected(nconv_pass pass) {
    auto found = expected_.find(pass);
    if (found != expected_.end()) return found->second;
    const bool bounds = data_ == Data::kReal;
    const float* saved = desc_.activation == NCONV_ACTIVATION_LINEAR ? nullptr : output.data();
    ExpectedGradients& result = expected_[pass];
    if (pass == NCONV_PASS_FORWARD) {
        result.weights = reference_forward(
            desc_, input.data(), weights.data(), desc_.has_bias ? bias.data() : nullptr, bounds,
            residual.empty() ? nullptr : residual.data(), roundings_);
    } else if (pass == NCONV_PASS_BACKWARD_INPUT) {
        result.weights = reference_backward_input(desc_, grad_output.data(), saved, weights.data(),
                                                  bounds, roundings_);
    } else {
        result = reference_backward_weights(desc_, input.data(), grad_output.data(), saved, bounds);
    }
    return result;
}

const std::vector<double>& Problem::winograd(nconv_pass pass, int tile) {
    std::vector<double>& bounds = winograd_[{pass, tile}];
    if (!bounds.empty()) return bounds;
    const bool forward = pass == NCONV_PASS_FORWARD;
    WinogradData data = {tile, {}, weights.data(), nullptr, nullptr, 0, data_ == Data::kInteger};
    for (size_t i = 0; i < (forward ? input : grad_output).size(); ++i) {
        const double slope = forward || desc_.activation == NCONV_ACTIVATION_LINEAR
                                 ? 1
                                 : derivative_magnitude(desc_, output[i]);
        data.source.push_back(std::fabs((forward ? input : grad_output)[i]) * slope);
    }
    if (pass == NCONV_PASS_BACKWARD_WEIGHTS)
        return bounds =
                   winograd_gradient_bounds(desc_, input, data.source, derivative_roundings(desc_));
    if (forward) {
        if (desc_.has_bias) data.bias = bias.data();
        if (!residual.empty()) data.residual = residual.data();
    } else {
        data.roundings = derivative_roundings(desc_);
    }
    bounds = winograd_bounds(desc_, pass, data);
    const std::vector<double>& values = expected(pass).weights.values;
    for (size_t i = 0; i < bounds.size() && forward; ++i) {
        if (bounds[i] > 0)
            bounds[i] = lipschitz(desc_) * bounds[i] + activation_error(desc_, values[i]);
    }
    return bounds;
}

Comparison Problem::compare(nconv_pass pass, bool accumulate, const Results& results,
                            const std::string& algorithm) {
    static const char* const kNames[] = {"output", "grad_input", "grad_weights"};
    const bool weights_pass = pass == NCONV_PASS_BACKWARD_WEIGHTS, add = accumulate && weights_pass;
    const ExpectedGradients& wanted = expected(pass);
    // With stride 2 Winograd serves forward only, weight gradients with tiles of one size and without
    // dilation; it hands the others on.
    int tile = winograd_tile(algorithm);
    if (pass != NCONV_PASS_FORWARD && desc_.stride_h > 1) tile = 0;
    const bool dilated = desc_.dilation_h > 1 || desc_.dilation_w > 1;
    if (weights_pass && (tile != kGradientTile || dilated)) tile = 0;
    Comparison comparison;
    comparison.ok = true;
    compare_values(kNames[pass], results.main, wanted.weights.values,
                   tile > 0 ? winograd(pass, tile) : wanted.weights.bounds,
                   add ? &old_weights : nullptr, &comparison);
    compare_values("grad_bias", results.bias, wanted.bias.values, wanted.bias.bounds,
                   add ? &old_bias : nullptr, &comparison);
    return comparison;
}

Comparison Problem::check(nconv_pass pass, const RunOptions& options, Placement placement) {
    Convolution convolution(desc_, options);
    Results results;
    nconv_status status = convolution.status();
    if (status == NCONV_STATUS_OK) status = run(pass, &convolution, placement, false, &results);
    if (status == NCONV_STATUS_OK)
        return compare(pass, false, results, convolution.algorithm(pass));
    Comparison comparison;
    comparison.failure = nconv_status_text(status);
    return comparison;
}

}  // namespace nconv_test
