#include "perf.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>
#include <vector>

#include "logical.h"
#include "peak.h"
#include "run.h"

namespace nconv_bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kSampleSeconds = 40e-6;  // shorter calls are measured several at a time
constexpr double kTotalSeconds = 0.15;
constexpr size_t kFewestSamples = 5;
constexpr int kTries = 4;
// A window is clean if the peak before and after it agree and no core was taken away meanwhile. The best
// peak is no measure for agreement: a clock that boosts from 190 to 230 GFLOP/s for a moment would make
// all later windows look disturbed.
constexpr double kAgree = 0.97;
constexpr double kWholeCores = 0.75;

double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

// Memory at a chosen distance from a 4096-byte boundary: were all tensors at the same distance, loads
// would wait for unrelated stores whose low 12 address bits agree.
class Memory {
public:
    Memory() = default;
    Memory(int64_t bytes, size_t skew) : bytes_(bytes) {
        storage_.resize(static_cast<size_t>(bytes) + 2 * 4096);
        const size_t address = reinterpret_cast<size_t>(storage_.data());
        offset_ = (4096 - address % 4096) % 4096 + skew % 4096;
    }

    void* data() { return storage_.data() + offset_; }
    float* floats() { return reinterpret_cast<float*>(storage_.data() + offset_); }
    int64_t bytes() const { return bytes_; }
    int64_t count() const { return bytes_ / 4; }
    void fill(uint64_t seed) { fill_logical({1, 1, count(), false}, seed, floats()); }

private:
    std::vector<unsigned char> storage_;
    size_t offset_ = 0;
    int64_t bytes_ = 0;
};

// A plan with everything one pass needs, ready to run again and again.
class Runner {
public:
    explicit Runner(const Job& job, const nconv_test::Convolution& convolution)
        : plan_(convolution.plan()), pass_(job.pass) {
        const nconv_plan_info& info = convolution.info();
        const bool forward = pass_ == NCONV_PASS_FORWARD;
        input_ = Memory(info.input_count * 4, 0);
        output_ = Memory(info.output_count * 4, 1344);
        const bool saves = !forward && job.desc.activation != NCONV_ACTIVATION_LINEAR;
        saved_ = Memory(saves ? info.output_count * 4 : 0, 3008);
        weights_ = Memory(info.weights_count * 4, 2624);
        bias_ = Memory(info.bias_count * 4, 3392);
        if (both()) gradient_ = Memory(info.input_count * 4, 320);
        packed_ =
            Memory(forward ? info.forward_packed_bytes : info.backward_input_packed_bytes, 1984);
        fill_logical(input_extent(job.desc), kInputSeed, input_.floats());
        fill_logical(output_extent(job.desc), kOutputSeed, output_.floats());
        saved_.fill(5);
        fill_logical(weights_extent(job.desc), kWeightsSeed, weights_.floats());
        if (job.products) make_products(job.desc.kernel_w, job.desc.kernel_h * job.desc.kernel_w);
        bias_.fill(kBiasSeed);
        int64_t workspace_bytes = 0;
        status_ = workspace_of(job.threads, &workspace_bytes);
        workspace_ = Memory(workspace_bytes, 704);
        execution_ = {sizeof(nconv_execution), job.threads, nullptr, nullptr};
        if (status_ == NCONV_STATUS_OK) status_ = pack();
        set_arguments();
    }

    nconv_status status() const { return status_; }

    nconv_status pack() {
        if (pass_ == NCONV_PASS_BACKWARD_WEIGHTS) return NCONV_STATUS_OK;
        const nconv_pass pass = both() ? NCONV_PASS_BACKWARD_INPUT : static_cast<nconv_pass>(pass_);
        return nconv_pack_weights(plan_, pass, weights_.floats(), weights_.count(), packed_.data(),
                                  packed_.bytes());
    }

    nconv_status run() {
        switch (pass_) {
            case NCONV_PASS_FORWARD:
                return nconv_forward(plan_, &forward_);
            case NCONV_PASS_BACKWARD_INPUT:
                return nconv_backward_input(plan_, &backward_input_);
            case nconv_test::kBackward:
                return nconv_backward(plan_, &backward_);
            case nconv_test::kBackwardPair: {
                const nconv_status status = nconv_backward_input(plan_, &backward_input_);
                return status ? status : nconv_backward_weights(plan_, &backward_weights_);
            }
            default:
                return nconv_backward_weights(plan_, &backward_weights_);
        }
    }

    // Of the result; of the gradient by the input where there are two.
    double check(const nconv_conv2d_desc& desc) {
        if (pass_ == NCONV_PASS_FORWARD) return checksum(output_extent(desc), output_.floats());
        if (pass_ == NCONV_PASS_BACKWARD_WEIGHTS)
            return checksum(weights_extent(desc), weights_.floats());
        return checksum(input_extent(desc), both() ? gradient_.floats() : input_.floats());
    }

    // Every tensor of the pass once.
    double bytes() const {
        return static_cast<double>(input_.bytes() + gradient_.bytes() + output_.bytes() +
                                   saved_.bytes() + weights_.bytes() + bias_.bytes());
    }

private:
    bool both() const { return pass_ >= nconv_test::kBackward; }
    nconv_status workspace_of(int32_t threads, int64_t* bytes) {
        if (pass_ == nconv_test::kBackward)
            return nconv_plan_backward_workspace_bytes(plan_, threads, bytes);
        if (!both())
            return nconv_plan_workspace_bytes(plan_, static_cast<nconv_pass>(pass_), threads,
                                              bytes);
        int64_t of[2] = {};
        for (int i = 0; i < 2; ++i)
            nconv_plan_workspace_bytes(plan_,
                                       i ? NCONV_PASS_BACKWARD_WEIGHTS : NCONV_PASS_BACKWARD_INPUT,
                                       threads, &of[i]);
        *bytes = std::max(of[0], of[1]);
        return NCONV_STATUS_OK;
    }
    // The first row and column of each channel's taps stay what they are.
    void make_products(int64_t columns, int64_t taps) {
        float* w = weights_.floats();
        for (int64_t i = 0; i < weights_.count(); ++i) {
            const int64_t tap = i % taps, start = i - tap;
            if (tap >= columns && tap % columns != 0)
                w[i] = w[start + tap % columns] * w[start + tap - tap % columns];
        }
        for (int64_t i = 0; i < weights_.count(); i += taps) w[i] = 1;
    }
    template <class Args>
    void set_common(Args* args) {
        args->struct_size = sizeof *args;
        args->workspace = workspace_.data();
        args->workspace_bytes = workspace_.bytes();
        args->execution = &execution_;
    }
    template <class Args>
    void set_gradient(Args* args) {
        set_common(args);
        args->grad_output = output_.floats();
        args->grad_output_count = output_.count();
        args->output = saved_.floats();
        args->output_count = saved_.count();
    }
    template <class Args>
    void set_by_input(Args* args) {
        args->packed_weights = packed_.data();
        args->packed_weights_bytes = packed_.bytes();
        args->grad_input = both() ? gradient_.floats() : input_.floats();
        args->grad_input_count = input_.count();
    }
    template <class Args>
    void set_by_weights(Args* args) {
        args->input = input_.floats();
        args->input_count = input_.count();
        args->grad_weights = weights_.floats();
        args->grad_weights_count = weights_.count();
        args->grad_bias = bias_.count() ? bias_.floats() : nullptr;
        args->grad_bias_count = bias_.count();
    }
    void set_arguments() {
        set_common(&forward_);
        forward_.input = input_.floats();
        forward_.input_count = input_.count();
        forward_.packed_weights = packed_.data();
        forward_.packed_weights_bytes = packed_.bytes();
        forward_.bias = bias_.count() ? bias_.floats() : nullptr;
        forward_.bias_count = bias_.count();
        forward_.output = output_.floats();
        forward_.output_count = output_.count();
        set_gradient(&backward_input_);
        set_by_input(&backward_input_);
        set_gradient(&backward_weights_);
        set_by_weights(&backward_weights_);
        set_gradient(&backward_);
        set_by_input(&backward_);
        set_by_weights(&backward_);
    }

    const nconv_plan* plan_;
    int pass_;
    nconv_status status_ = NCONV_STATUS_OK;
    Memory input_, gradient_, output_, saved_, weights_, bias_, packed_, workspace_;
    nconv_execution execution_{};
    nconv_forward_args forward_{};
    nconv_backward_input_args backward_input_{};
    nconv_backward_weights_args backward_weights_{};
    nconv_backward_args backward_{};
};

struct Times {
    nconv_status status = NCONV_STATUS_OK;
    double min = 0, median = 0;  // seconds per call
};

Times measure(Runner* runner, bool cold) {
    Times times;
    auto call = [&] {
        if (cold && times.status == NCONV_STATUS_OK) times.status = runner->pack();
        if (times.status == NCONV_STATUS_OK) times.status = runner->run();
    };
    call();  // touches all memory, wakes all threads
    Clock::time_point begin = Clock::now();
    call();
    const double once = std::max(seconds_since(begin), 1e-7);
    const int64_t calls = std::max<int64_t>(1, static_cast<int64_t>(kSampleSeconds / once));
    std::vector<double> samples;
    const Clock::time_point start = Clock::now();
    while (times.status == NCONV_STATUS_OK &&
           (samples.size() < kFewestSamples || seconds_since(start) < kTotalSeconds)) {
        begin = Clock::now();
        for (int64_t i = 0; i < calls; ++i) call();
        samples.push_back(seconds_since(begin) / static_cast<double>(calls));
    }
    if (samples.empty()) return times;
    std::sort(samples.begin(), samples.end());
    times.min = samples.front();
    times.median = samples[samples.size() / 2];
    return times;
}

// The best peak seen in this process, boosts included.
double& best_peak(int32_t isa, int32_t threads) {
    static std::map<std::pair<int32_t, int32_t>, double> peaks;
    return peaks[{isa, threads}];
}

}  // namespace

Row measure_job(const Job& job, bool cold) {
    nconv_test::RunOptions options;
    options.isa = job.isa;
    options.algorithm = job.algorithm.empty() ? nullptr : job.algorithm.c_str();
    const nconv_test::Convolution convolution(job.desc, options);
    Row row;
    if (convolution.status() != NCONV_STATUS_OK) {
        row.status = status_of(convolution.status());
        return row;
    }
    const nconv_plan_info& info = convolution.info();
    row.isa = info.isa;
    row.algorithm = convolution.algorithm(job.pass);
    Runner runner(job, convolution);
    if (runner.status() != NCONV_STATUS_OK) {
        row.status = status_of(runner.status());
        return row;
    }
    const double flops = (job.pass >= nconv_test::kBackward ? 4.0 : 2.0) *
                         static_cast<double>(info.output_count) *
                         static_cast<double>(job.desc.input_channels / job.desc.groups) *
                         static_cast<double>(job.desc.kernel_h * job.desc.kernel_w);
    row.status = "disturbed";
    for (int i = 0; i < kTries && row.status == "disturbed"; ++i) {
        const double before = measure_peak(row.isa, job.threads);
        const Times times = measure(&runner, cold);
        const double after = measure_peak(row.isa, job.threads);
        if (times.status != NCONV_STATUS_OK) {
            row.status = status_of(times.status);
            return row;
        }
        double& best = best_peak(row.isa, job.threads);
        best = std::max({best, before, after});
        const double lower = std::min(before, after);
        if (lower >= kAgree * std::max(before, after) && lower >= kWholeCores * best)
            row.status = "ok";
        if (row.min_us >= 0 && times.min * 1e6 >= row.min_us && row.status != "ok") continue;
        row.peak_gflops = std::max(before, after);
        row.min_us = times.min * 1e6;
        row.median_us = times.median * 1e6;
        row.gflops = flops / times.min * 1e-9;
        row.gb_per_s = runner.bytes() / times.min * 1e-9;
    }
    row.check = runner.check(job.desc);
    row.has_check = true;
    return row;
}

}  // namespace nconv_bench
