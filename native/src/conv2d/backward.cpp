#include "conv2d/backward.h"

#include "conv2d/derivative.h"
#include "conv2d/weight_chunks.h"

namespace nconv {
namespace {

constexpr int64_t kMostRuns = kMostPartials;  // each begins with a partial sum
// Of the product at a time, a thread: more than backward_input alone keeps, as every step is two passes.
constexpr int64_t kStepFloats = 256 * 1024;

CheckedSize floats_of(CheckedSize bytes) {
    return bytes.valid() ? CheckedSize(ceil_div(bytes.value(), sizeof(float))) : bytes;
}

// What both passes are given once the derivative is applied.
Context linear_context(const Plan& plan) {
    Context context = plan.context;
    context.problem.activation = NCONV_ACTIVATION_LINEAR;
    return context;
}

void run_input(const Plan& plan, const GradientsCall& call, Scratch scratch, Execution execution) {
    const PassPlan& pass = plan.passes[NCONV_PASS_BACKWARD_INPUT];
    const Workspace workspace =
        lay_out_workspace(pass.workspace, scratch.start, scratch.bytes, &execution.threads);
    pass.algorithm->backward_input(
        plan.context,
        {call.grad_output, call.output, call.packed, call.grad_input, plan.context.problem.batch},
        workspace, execution);
}

void run_weights(const Plan& plan, const GradientsCall& call, Scratch scratch,
                 Execution execution) {
    const PassPlan& pass = plan.passes[NCONV_PASS_BACKWARD_WEIGHTS];
    const Workspace workspace =
        lay_out_workspace(pass.workspace, scratch.start, scratch.bytes, &execution.threads);
    pass.algorithm->backward_weights(plan.context,
                                     {call.input, call.grad_output, call.output, call.grad_weights,
                                      call.grad_bias, call.accumulate},
                                     workspace, execution);
}

// Both passes, some images at a time. The batch is cut into segments that begin with a partial sum of the
// weight gradients, and every step takes some images of each: as many partial sums are then added to at the
// same time as threads want tasks, where neighbouring images would give one, cut into tasks that pack the same.
class SharedGradients {
public:
    SharedGradients(const Plan& plan, const GradientsCall& call, const Workspace& workspace,
                    const Execution& execution)
        : plan_(plan),
          gradients_(plan.gradients),
          p_(plan.context.problem),
          linear_(linear_context(plan)),
          call_(call),
          workspace_(workspace),
          execution_(execution) {
        const int64_t unit = gradients_.unit_images * p_.output_image;
        const int64_t wanted =
            max_of(1, min_of(gradients_.most_units, execution.threads * kStepFloats / unit));
        place_segments(wanted);
        const int64_t each = max_of(1, wanted / segments_);
        for (int i = 0; i < segments_; ++i)
            steps_ = max_of(steps_, ceil_div(starts_[i + 1] - starts_[i], each));
    }

    void run() const {
        for (int64_t step = 0; step < steps_; ++step) {
            UnitRun runs[kMostRuns];
            int count = 0;
            float* derived = workspace_.shared_floats() + gradients_.derived;
            for (int segment = 0; segment < segments_; ++segment) {
                UnitRun& run = runs[count];
                run = images_of(step, segment);
                if (run.first_unit == run.end_unit) continue;
                run.gradient = derived;
                derive(run, derived);
                run_input(run);
                derived += (run.end_image - run.first_image) * p_.output_image;
                ++count;
            }
            run_weights({runs, count, partials_of(runs, count), step + 1 == steps_});
        }
    }

private:
    void place_segments(int64_t units_at_once) {
        const WeightsCut& cut = gradients_.cut;
        int64_t wanted = 1;
        if (execution_.threads > 1 && units_at_once < cut.units) {
            wanted = min_of(min_of(fewest_tasks(execution_), gradients_.most_units),
                            min_of(cut.partials, kMostRuns));
        }
        starts_[0] = 0;
        for (int64_t i = 1; i < wanted; ++i) {
            const int64_t chunk = cut.partial_start(even_start(cut.partials, wanted, i));
            const int64_t unit = chunk / cut.chunks;
            if (chunk % cut.chunks == 0 && unit > starts_[segments_]) starts_[++segments_] = unit;
        }
        starts_[++segments_] = cut.units;
    }

    UnitRun images_of(int64_t step, int segment) const {
        const int64_t start = starts_[segment], units = starts_[segment + 1] - start;
        UnitRun run = {};
        run.first_unit = start + share_start(units, steps_, step);
        run.end_unit = start + share_start(units, steps_, step + 1);
        run.first_image = gradients_.cut.image_start(p_, run.first_unit);
        run.end_image = gradients_.cut.image_start(p_, run.end_unit);
        return run;
    }

    void derive(const UnitRun& run, float* to) const {
        const int64_t at = run.first_image * p_.output_image;
        derive_gradient(plan_.context, call_.grad_output + at, call_.output + at, to,
                        (run.end_image - run.first_image) * p_.output_image, execution_);
    }

    void run_input(const UnitRun& run) const {
        const BackwardInputCall call = {run.gradient, nullptr, call_.packed,
                                        call_.grad_input + run.first_image * p_.input_image,
                                        run.end_image - run.first_image};
        plan_.passes[NCONV_PASS_BACKWARD_INPUT].algorithm->backward_input(
            linear_, call, part_of_workspace(gradients_.input), execution_);
    }

    void run_weights(const WeightsPart& part) const {
        const BackwardWeightsCall call = {
            call_.input,     nullptr,          nullptr, call_.grad_weights,
            call_.grad_bias, call_.accumulate, &part};
        plan_.passes[NCONV_PASS_BACKWARD_WEIGHTS].algorithm->backward_weights(
            linear_, call, part_of_workspace(gradients_.weights), execution_);
    }

    // How many partial sums have chunks in the runs.
    int64_t partials_of(const UnitRun* runs, int count) const {
        const WeightsCut& cut = gradients_.cut;
        int64_t partials = 0;
        for (int64_t i = 0; i < cut.partials; ++i) {
            bool found = false;
            for (int j = 0; j < count; ++j)
                found = found || (cut.partial_start(i) < runs[j].end_unit * cut.chunks &&
                                  runs[j].first_unit * cut.chunks < cut.partial_start(i + 1));
            partials += found ? 1 : 0;
        }
        return partials;
    }

    Workspace part_of_workspace(int64_t shared) const {
        Workspace part = workspace_;
        part.shared += shared * static_cast<int64_t>(sizeof(float));
        return part;
    }

    const Plan& plan_;
    const GradientsPlan& gradients_;
    const Problem& p_;
    const Context linear_;
    const GradientsCall& call_;
    const Workspace& workspace_;
    const Execution& execution_;
    int segments_ = 0;
    int64_t starts_[kMostRuns + 1];  // in units
    int64_t steps_ = 1;
};

}  // namespace

GradientsPlan plan_gradients(const Plan& plan) {
    const Problem& p = plan.context.problem;
    const PassPlan& input = plan.passes[NCONV_PASS_BACKWARD_INPUT];
    const PassPlan& weights = plan.passes[NCONV_PASS_BACKWARD_WEIGHTS];
    GradientsPlan result = {};
    result.workspace.shared = larger_of(input.workspace.shared, weights.workspace.shared);
    result.workspace.per_thread =
        larger_of(input.workspace.per_thread, weights.workspace.per_thread);
    result.shared = !p.linear() && p.batch > 0 && weights.algorithm->weights_cut != nullptr;
    const Context linear = linear_context(plan);
    if (result.shared) result.cut = weights.algorithm->weights_cut(linear);
    result.shared = result.cut.units > 0;
    if (!result.shared) return result;
    result.unit_images =
        result.cut.images > 0 ? result.cut.images : ceil_div(p.batch, result.cut.units);
    // A unit of many images with many channels would leave the caches: 1024 of 32768 at 1 x 1 are 128 MB.
    result.shared = min_of(p.batch, result.unit_images) <= most_derived_images(p);
    if (!result.shared) return result;
    result.most_units = max_of(1, most_derived_images(p) / result.unit_images);
    const WorkspaceSize of_input = input.algorithm->workspace(linear, NCONV_PASS_BACKWARD_INPUT);
    const WorkspaceSize of_weights =
        weights.algorithm->workspace(linear, NCONV_PASS_BACKWARD_WEIGHTS);
    MemoryMap map;
    result.derived = map.place(CheckedSize(result.most_units) *
                               min_of(p.batch, result.unit_images) * p.output_image);
    result.input = map.place(floats_of(of_input.shared));
    result.weights = map.place(floats_of(of_weights.shared));
    result.workspace.shared = map.bytes();
    result.workspace.per_thread = larger_of(of_input.per_thread, of_weights.per_thread);
    return result;
}

const WorkspaceSize& gradients_workspace(const Plan& plan, bool input, bool weights) {
    static constexpr WorkspaceSize kNone = {};
    if (!input && !weights) return kNone;
    if (input && weights) return plan.gradients.workspace;
    return plan.passes[weights ? NCONV_PASS_BACKWARD_WEIGHTS : NCONV_PASS_BACKWARD_INPUT].workspace;
}

void run_gradients(const Plan& plan, const GradientsCall& call, Scratch scratch,
                   Execution execution) {
    const bool input = call.grad_input != nullptr, weights = call.grad_weights != nullptr;
    if (input && weights && plan.gradients.shared) {
        const Workspace workspace = lay_out_workspace(plan.gradients.workspace, scratch.start,
                                                      scratch.bytes, &execution.threads);
        SharedGradients(plan, call, workspace, execution).run();
        return;
    }
    if (weights) run_weights(plan, call, scratch, execution);
    if (input) run_input(plan, call, scratch, execution);
}

}  // namespace nconv
