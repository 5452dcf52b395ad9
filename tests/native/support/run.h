// One convolution through the C interface, with the buffers the caller must bring.
#ifndef NATIVECONV_TESTS_NATIVE_SUPPORT_RUN_H
#define NATIVECONV_TESTS_NATIVE_SUPPORT_RUN_H

#include <nativeconv.h>

#include <memory>
#include <string>
#include <vector>

#include "guarded_buffer.h"

namespace nconv_test {

constexpr nconv_pass kPasses[] = {NCONV_PASS_FORWARD, NCONV_PASS_BACKWARD_INPUT,
                                  NCONV_PASS_BACKWARD_WEIGHTS};
// Where measurements and tests name a pass by its number: both gradients in one call, and the same in two calls.
constexpr int kBackward = NCONV_PASS_BACKWARD_WEIGHTS + 1, kBackwardPair = kBackward + 1;
const char* pass_name(int pass);  // "fwd", "bwd_d", "bwd_w", "bwd", "bwd_2"

struct RunOptions {
    int32_t isa = -1;                 // nconv_plan_options.max_isa
    const char* algorithm = nullptr;  // null: the library chooses
    int32_t threads = 1;              // 0: as many as the library would
    nconv_parallel_for parallel_for = nullptr;
    void* parallel_context = nullptr;
    Placement placement{};  // of packed weights and workspace
};

// An nconv_parallel_for with a thread of its own for each share. Short calls do not wake the
// library's pool; through this the smallest problem runs on several threads at once.
void run_on_threads(void* context, int64_t count, nconv_task task, void* task_context);

std::vector<std::string> algorithm_names();
std::vector<nconv_isa> supported_isas();

// What the one call for all gradients takes; a gradient that is empty is not wanted.
struct GradientBuffers {
    const GuardedBuffer &input, &grad_output, &output, &weights;
    const GuardedBuffer &grad_input, &grad_weights, &grad_bias;
    bool accumulate;
};

// A plan and its scratch memory. Data lie where the caller put them; counts are those of the plan.
class Convolution {
public:
    explicit Convolution(const nconv_conv2d_desc& desc, const RunOptions& options = {});

    nconv_status status() const { return status_; }  // of nconv_plan_create
    const nconv_plan* plan() const { return plan_.get(); }
    const nconv_plan_info& info() const { return info_; }
    std::string algorithm(int pass) const;  // of kBackward both, with a + between them
    std::string describe() const;

    // Each packs the weights, sizes the workspace for options.threads, and runs one pass. An
    // empty bias, output or residual means null.
    nconv_status forward(const GuardedBuffer& input, const GuardedBuffer& weights,
                         const GuardedBuffer& bias, const GuardedBuffer& output,
                         const GuardedBuffer& residual = GuardedBuffer());
    nconv_status backward_input(const GuardedBuffer& grad_output, const GuardedBuffer& output,
                                const GuardedBuffer& weights, const GuardedBuffer& grad_input);
    nconv_status backward_weights(const GuardedBuffer& input, const GuardedBuffer& grad_output,
                                  const GuardedBuffer& output, const GuardedBuffer& grad_weights,
                                  const GuardedBuffer& grad_bias, bool accumulate);
    nconv_status backward(const GradientBuffers& buffers);

private:
    struct Destroy {
        void operator()(nconv_plan* plan) const { nconv_plan_destroy(plan); }
    };

    nconv_status pack(nconv_pass pass, const GuardedBuffer& weights, GuardedBuffer* packed) const;
    nconv_status make_workspace(int pass, GuardedBuffer* workspace) const;
    nconv_execution execution() const;

    RunOptions options_;
    nconv_status status_;
    std::unique_ptr<nconv_plan, Destroy> plan_;
    nconv_plan_info info_{};
};

}  // namespace nconv_test

#endif  // NATIVECONV_TESTS_NATIVE_SUPPORT_RUN_H
