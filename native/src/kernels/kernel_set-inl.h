// make_kernel_set<V>: the kernels of one instruction set that all algorithms use, and its families.
#pragma once

#include "kernels/activation-inl.h"
#include "kernels/columns-inl.h"
#include "kernels/kernel_set.h"

namespace nconv {

template <class V>
constexpr KernelSet make_kernel_set(nconv_isa isa, const KernelFamilies& families) {
    KernelSet set = {};
    static_cast<KernelFamilies&>(set) = families;
    set.isa = isa;
    set.lanes = V::kLanes;
    set.transpose = transpose<V>;
    set.split_columns = split_columns<V>;
    set.join_columns = join_columns<V>;
    set.pack_columns = pack_columns<V>;
    set.add_rows = add_rows<V>;
    set.activations[NCONV_ACTIVATION_LINEAR] = activation_kernel<V, Linear>();
    set.activations[NCONV_ACTIVATION_RELU] = activation_kernel<V, Relu>();
    set.activations[NCONV_ACTIVATION_LEAKY_RELU] = activation_kernel<V, LeakyRelu>();
    set.activations[NCONV_ACTIVATION_CLIP] = activation_kernel<V, Clip>();
    set.activations[NCONV_ACTIVATION_SIGMOID] = activation_kernel<V, Sigmoid>();
    set.activations[NCONV_ACTIVATION_TANH] = activation_kernel<V, Tanh>();
    set.activations[NCONV_ACTIVATION_ELU] = activation_kernel<V, Elu>();
    return set;
}

static_assert(kActivations == 7, "a new activation needs its line in make_kernel_set");

}  // namespace nconv
