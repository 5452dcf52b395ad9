// The independent reference: convolution and its gradients in double precision, from the formulas in
// nativeconv.h, sharing no code with the library.
//
// On integer data below 2^24 in sum it is exact, so a float result must equal it. On real data the
// distance of any float summation order is bounded by (n + 2) * 2^-24 * A with n the number of terms
// and A the sum of their magnitudes (each product and each of the n - 1 additions rounds by at most
// 2^-24, relative; second-order terms and the final rounding fill the 2).
#ifndef NATIVECONV_TESTS_NATIVE_SUPPORT_REFERENCE_H
#define NATIVECONV_TESTS_NATIVE_SUPPORT_REFERENCE_H

#include <nativeconv.h>

#include <vector>

namespace nconv_test {

struct Expected {
    std::vector<double> values;  // in the descriptor's layout
    std::vector<double>
        bounds;  // largest distance a correct float result has; empty if not asked for
};

struct ExpectedGradients {
    Expected weights;
    Expected bias;  // empty without bias
};

// bias may be null exactly if the descriptor has none; residual is optional. roundings: how many more
// than n a result may have.
Expected reference_forward(const nconv_conv2d_desc& desc, const float* input, const float* weights,
                           const float* bias, bool bounds, const float* residual = nullptr,
                           int roundings = 0);

// output is the saved float output of the forward pass; null for a linear activation.
Expected reference_backward_input(const nconv_conv2d_desc& desc, const float* grad_output,
                                  const float* output, const float* weights, bool bounds,
                                  int roundings = 0);

ExpectedGradients reference_backward_weights(const nconv_conv2d_desc& desc, const float* input,
                                             const float* grad_output, const float* output,
                                             bool bounds);

// f(z), and f'(z) as a function of y = f(z).
double activate(const nconv_conv2d_desc& desc, double z);
double derivative(const nconv_conv2d_desc& desc, double y);

// The parts of a bound that the activation is responsible for. |f(a) - f(b)| <= lipschitz * |a - b|;
// activation_error: what computing f itself may add; derivative_magnitude: f'(y) with every term's sign made
// positive, which its derivative_roundings are relative to.
double lipschitz(const nconv_conv2d_desc& desc);
double activation_error(const nconv_conv2d_desc& desc, double y);
double derivative_magnitude(const nconv_conv2d_desc& desc, double y);
double derivative_roundings(const nconv_conv2d_desc& desc);

}  // namespace nconv_test

#endif  // NATIVECONV_TESTS_NATIVE_SUPPORT_REFERENCE_H
