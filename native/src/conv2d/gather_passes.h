// Forward and backward_input of an algorithm that computes both by one function over a Gather.
#pragma once

#include "conv2d/derivative.h"

namespace nconv {

// void gather(const Context&, const Gather&, const GatherCall&, int64_t images, const Workspace&, const Execution&)
template <auto gather>
void gather_forward(const Context& context, const ForwardCall& call, const Workspace& workspace,
                    const Execution& execution) {
    const Epilogue epilogue(context, call);
    gather(
        context, Gather(context.problem, NCONV_PASS_FORWARD),
        {call.input, call.packed, call.bias, call.output, epilogue.needed() ? &epilogue : nullptr},
        context.problem.batch, workspace, execution);
}

template <auto gather>
void gather_backward_input(const Context& context, const BackwardInputCall& call,
                           const Workspace& workspace, const Execution& execution) {
    const Gather g(context.problem, NCONV_PASS_BACKWARD_INPUT);
    for_each_derived(context, call, workspace, execution,
                     [&](const GatherCall& part, int64_t images) {
                         gather(context, g, part, images, workspace, execution);
                     });
}

}  // namespace nconv
