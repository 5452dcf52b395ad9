#include "conv2d/plan.h"

#include <string.h>

#include "conv2d/backward.h"
#include "isa/select.h"

namespace nconv {
namespace {

const Algorithm* find_algorithm(const char* name) {
    for (const Algorithm* algorithm : kAlgorithms) {
        if (strcmp(algorithm->name, name) == 0) return algorithm;
    }
    return nullptr;
}

// FNV-1a over everything the arrangement of packed weights may depend on.
uint64_t packed_format(const Context& context, nconv_pass pass, int algorithm) {
    const Problem& p = context.problem;
    // Which taps share a phase of backward_input follows from the padding modulo the stride.
    const auto phase = [&](const Axis& a) {
        return pass == NCONV_PASS_FORWARD ? 0 : a.pad_before % a.stride;
    };
    const auto phases = [&](const Axis& a) {
        return pass == NCONV_PASS_FORWARD ? 1 : min_of(a.stride, a.input);
    };
    const int64_t key[] = {
        p.layout,          p.groups,         p.input_channels,     p.output_channels,
        p.height.kernel,   p.width.kernel,   p.height.stride,      p.width.stride,
        p.height.dilation, p.width.dilation, phase(p.height),      phase(p.width),
        phases(p.height),  phases(p.width),  context.kernels->isa, pass,
        algorithm};
    uint64_t hash = 14695981039346656037u;
    for (const int64_t value : key) {
        for (int shift = 0; shift < 64; shift += 8) {
            hash = (hash ^ ((static_cast<uint64_t>(value) >> shift) & 0xff)) * 1099511628211u;
        }
    }
    return hash;
}

nconv_status choose(const Context& context, nconv_pass pass, const Algorithm* forced,
                    PassPlan* plan) {
    for (int i = 0; i < kAlgorithmCount; ++i) {
        const Algorithm* algorithm = kAlgorithms[i];
        if (forced != nullptr && algorithm != forced) continue;
        plan->declined[i] = refusal(*algorithm, context.problem, pass);
        if (plan->declined[i] == nullptr && forced == nullptr)
            plan->declined[i] = algorithm->yields(context.problem, pass);
        if (plan->declined[i] != nullptr) continue;
        plan->algorithm = algorithm;
        plan->workspace = algorithm->workspace(context, pass);
        if (!workspace_bytes(plan->workspace, kMaxThreads).valid())
            return NCONV_STATUS_SIZE_OVERFLOW;
        if (pass != NCONV_PASS_BACKWARD_WEIGHTS) {
            const CheckedSize bytes =
                algorithm->packed_count(context, pass) * CheckedSize(sizeof(float));
            if (!bytes.valid()) return NCONV_STATUS_SIZE_OVERFLOW;
            plan->packed_bytes = bytes.value();
            plan->packed_format = packed_format(context, pass, i);
        }
        return NCONV_STATUS_OK;
    }
    return NCONV_STATUS_UNSUPPORTED_ALGORITHM;
}

// Text and numbers one after another, ended by 0 where it fits, counted on where it does not. Not
// snprintf: that would be the one function that asks for a C library's run-time data on Windows.
class Writer {
public:
    Writer(char* text, int64_t bytes) : text_(text), bytes_(bytes) {
        if (bytes_ > 0) text_[0] = 0;
    }

    template <class... Parts>
    void print(const Parts&... parts) {
        (add(parts), ...);
    }
    int64_t length() const { return length_; }

private:
    void add(char c) {
        if (length_ + 1 < bytes_) {
            text_[length_] = c;
            text_[length_ + 1] = 0;
        }
        ++length_;
    }
    void add(const char* text) {
        while (*text != 0) add(*text++);
    }
    void add(int64_t number) {
        if (number < 0) add('-');
        uint64_t rest =
            number < 0 ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
        char digits[20];
        int count = 0;
        do {
            digits[count++] = static_cast<char>('0' + rest % 10);
            rest /= 10;
        } while (rest != 0);
        while (count > 0) add(digits[--count]);
    }

    char* text_;
    int64_t bytes_;
    int64_t length_ = 0;
};

constexpr const char* kPassNames[kPasses] = {"forward", "backward_input", "backward_weights"};
constexpr const char* kActivationNames[kActivations] = {"linear",  "relu", "leaky_relu", "clip",
                                                        "sigmoid", "tanh", "elu"};
constexpr const char* kMathModeNames[] = {"default", "strict", "fast"};

// Six multiply-adds a lane and 32 bytes of tensors a nanosecond, with channels in lanes: a layer
// that keeps its lanes busy takes 0.7 to 1.3 times as long, one with few channels up to six times.
int64_t estimate_nanoseconds(const Context& context) {
    const Problem& p = context.problem;
    const int64_t lanes = context.kernels->lanes;
    const double outputs = static_cast<double>(p.batch * p.output_pixels) *
                           static_cast<double>(p.groups * round_up(p.group_outputs, lanes));
    const double multiply_adds =
        outputs * static_cast<double>(p.group_inputs) * static_cast<double>(p.kernel_taps);
    const double bytes = 4.0 * (static_cast<double>(p.input_count + p.output_count) +
                                static_cast<double>(p.weights_count));
    const double nanoseconds = multiply_adds / static_cast<double>(6 * lanes) + bytes / 32;
    return nanoseconds < 1e15 ? static_cast<int64_t>(nanoseconds) : int64_t{1000000000000000};
}

}  // namespace

nconv_status make_plan(const nconv_conv2d_desc* desc, const nconv_plan_options* options,
                       Plan* plan) {
    Plan result = {};
    nconv_status status = make_problem(desc, &result.context.problem);
    if (status != NCONV_STATUS_OK) return status;
    int32_t max_isa = -1;
    const Algorithm* forced = nullptr;
    if (options != nullptr) {
        if (options->struct_size != sizeof(nconv_plan_options))
            return NCONV_STATUS_INVALID_ARGUMENTS;
        max_isa = options->max_isa;
        if (max_isa < -1 || (max_isa >= 0 && isa_name(max_isa) == nullptr))
            return NCONV_STATUS_INVALID_ISA;
        if (max_isa >= 0 && (supported_isas() & (1u << max_isa)) == 0) {
            return NCONV_STATUS_UNSUPPORTED_ISA;
        }
        if (options->algorithm != nullptr) {
            forced = find_algorithm(options->algorithm);
            if (forced == nullptr) return NCONV_STATUS_UNSUPPORTED_ALGORITHM;
        }
    }
    result.context.kernels = select_kernels(max_isa);
    bool used = forced == nullptr;
    for (int i = 0; i < kPasses; ++i) {
        const nconv_pass pass = static_cast<nconv_pass>(i);
        const bool serves =
            forced != nullptr && refusal(*forced, result.context.problem, pass) == nullptr;
        used = used || serves;
        status = choose(result.context, pass, serves ? forced : nullptr, &result.passes[i]);
        if (status != NCONV_STATUS_OK) return status;
    }
    if (!used) return NCONV_STATUS_UNSUPPORTED_ALGORITHM;
    result.gradients = plan_gradients(result);
    if (!workspace_bytes(result.gradients.workspace, kMaxThreads).valid())
        return NCONV_STATUS_SIZE_OVERFLOW;
    result.nanoseconds = estimate_nanoseconds(result.context);
    *plan = result;
    return NCONV_STATUS_OK;
}

CheckedSize workspace_bytes(const WorkspaceSize& need, int threads) {
    const auto aligned = [](CheckedSize size) {
        if (!size.valid() || size.value() == 0) return size;
        return CheckedSize((size + kWorkspaceAlignment).value() / kWorkspaceAlignment) *
               kWorkspaceAlignment;
    };
    const CheckedSize content = aligned(need.shared) + aligned(need.per_thread) * threads;
    if (!content.valid() || content.value() == 0) return content;
    return content + kWorkspaceAlignment;
}

Workspace lay_out_workspace(const WorkspaceSize& need, void* start, int64_t bytes, int* threads) {
    while (*threads > 1 && workspace_bytes(need, *threads).value() > bytes) --*threads;
    const int64_t one = workspace_bytes(need, 1).value(), two = workspace_bytes(need, 2).value();
    Workspace workspace = {};
    if (one == 0) return workspace;
    workspace.per_thread = two - one;
    const uintptr_t address = reinterpret_cast<uintptr_t>(start);
    char* aligned = static_cast<char*>(start) +
                    (kWorkspaceAlignment - address % kWorkspaceAlignment) % kWorkspaceAlignment;
    workspace.shared = aligned;
    workspace.slots = aligned + (one - kWorkspaceAlignment - workspace.per_thread);
    return workspace;
}

int64_t describe_plan(const Plan& plan, char* text, int64_t text_bytes) {
    const Problem& p = plan.context.problem;
    Writer out(text, text_bytes);
    out.print("conv2d ", p.channels_last() ? "nhwc" : "nchw", " float32: input ", p.batch, " x ",
              p.input_channels, " x ", p.height.input, " x ", p.width.input, " (n c h w), output ",
              p.output_channels, " x ", p.height.output, " x ", p.width.output, ", kernel ",
              p.height.kernel, " x ", p.width.kernel, ", stride ", p.height.stride, " x ",
              p.width.stride, ", dilation ", p.height.dilation, " x ", p.width.dilation,
              ", pad top ", p.height.pad_before, " left ", p.width.pad_before, ", groups ",
              p.groups, p.has_bias ? ", bias, " : ", no bias, ", kActivationNames[p.activation],
              ", ", kMathModeNames[p.math_mode], " math\n");
    for (int i = 0; i < kPasses; ++i) {
        const PassPlan& pass = plan.passes[i];
        const int64_t shared = workspace_bytes(pass.workspace, 1).value();
        out.print(kPassNames[i], ": ", pass.algorithm->name, " on ",
                  isa_name(plan.context.kernels->isa), ", workspace ", shared,
                  " bytes for one thread, ", workspace_bytes(pass.workspace, 2).value() - shared,
                  " for each further one");
        if (pass.packed_bytes > 0) out.print(", packed weights ", pass.packed_bytes, " bytes");
        if (pass.algorithm->remark != nullptr) out.print(", ", pass.algorithm->remark);
        for (int a = 0; a < kAlgorithmCount; ++a) {
            if (pass.declined[a] != nullptr) {
                out.print("; not ", kAlgorithms[a]->name, ": ", pass.declined[a]);
            }
        }
        out.print("\n");
    }
    return out.length();
}

}  // namespace nconv
