// oneDNN on all passes. Engine `onednn` has tensors in the layout asked for and packs the weights, in
// the order it likes best, before the time is taken; `onednn-reorder` lets it choose the order of tensors too
// and takes the time of bringing them there and back.
#include <omp.h>

#include <cstdio>
#include <dnnl.hpp>
#include <unordered_map>

#include "rival.h"

namespace {

using dnnl::memory;
using Arguments = std::unordered_map<int, memory>;
using Forward = dnnl::convolution_forward;
using BackwardData = dnnl::convolution_backward_data;
using BackwardWeights = dnnl::convolution_backward_weights;
using dnnl::algorithm;

memory::desc of_any_order(const memory::desc& desc) {
    return {desc.dims(), memory::data_type::f32, memory::format_tag::any};
}

// One problem in one layout, with its memory wrapped for oneDNN.
class Convolution {
public:
    Convolution(rivals::Problem* problem, int threads)
        : problem_(*problem), threads_(threads), engine_(dnnl::engine::kind::cpu, 0) {
        const nconv_conv2d_desc& d = problem_.desc;
        using Tag = memory::format_tag;
        const Tag tag = d.layout == NCONV_LAYOUT_NHWC ? Tag::nhwc : Tag::nchw;
        const int64_t height = nconv_test::output_height(d), width = nconv_test::output_width(d);
        const memory::dims grouped = {d.groups, d.output_channels / d.groups,
                                      d.input_channels / d.groups, d.kernel_h, d.kernel_w};
        const memory::dims dense = {grouped.begin() + 1, grouped.end()};
        input_ =
            wrap({d.batch, d.input_channels, d.input_height, d.input_width}, tag, &problem_.input);
        output_ = wrap({d.batch, d.output_channels, height, width}, tag, &problem_.output);
        weights_ = wrap(d.groups > 1 ? grouped : dense, d.groups > 1 ? Tag::goihw : Tag::oihw,
                        &problem_.weights);
        bias_ = wrap({d.output_channels}, Tag::x, &problem_.bias);
        strides_ = {d.stride_h, d.stride_w};
        dilations_ = {d.dilation_h - 1, d.dilation_w - 1};
        before_ = {d.pad_top, d.pad_left};
        after_ = {d.pad_bottom, d.pad_right};
    }

    void run(const std::string& pass) {
        if (pass == "fwd") {
            forward();
            forward_reordered();
        } else if (pass == "bwd_d") {
            backward_data();
        } else {
            backward_weights();
        }
    }

private:
    memory wrap(const memory::dims& dims, memory::format_tag tag, rivals::Tensor* tensor) {
        return memory({dims, memory::data_type::f32, tag}, engine_, tensor->data());
    }

    Forward::primitive_desc describe(dnnl::prop_kind kind, const memory::desc& input,
                                     const memory::desc& output) {
        return {{kind, algorithm::convolution_direct, input, of_any_order(weights_.get_desc()),
                 bias_.get_desc(), output, strides_, dilations_, before_, after_},
                engine_};
    }

    // What the backward passes ask for as a hint.
    Forward::primitive_desc describe_training() {
        return describe(dnnl::prop_kind::forward_training, input_.get_desc(), output_.get_desc());
    }

    memory packed_weights(const memory::desc& desc) {
        memory packed(desc, engine_);
        dnnl::reorder(weights_, packed).execute(stream_, weights_, packed);
        stream_.wait();
        return packed;
    }

    void forward() {
        const auto desc =
            describe(dnnl::prop_kind::forward_inference, input_.get_desc(), output_.get_desc());
        const Forward primitive(desc);
        const Arguments arguments = {{DNNL_ARG_SRC, input_},
                                     {DNNL_ARG_WEIGHTS, packed_weights(desc.weights_desc())},
                                     {DNNL_ARG_BIAS, bias_},
                                     {DNNL_ARG_DST, output_}};
        const rivals::Times times = rivals::measure([&] {
            primitive.execute(stream_, arguments);
            stream_.wait();
        });
        print("onednn", "fwd", times, &problem_.output);
    }

    void forward_reordered() {
        const auto desc =
            describe(dnnl::prop_kind::forward_inference, of_any_order(input_.get_desc()),
                     of_any_order(output_.get_desc()));
        const bool moves_input = desc.src_desc() != input_.get_desc();
        const bool moves_output = desc.dst_desc() != output_.get_desc();
        if (!moves_input && !moves_output) return;
        memory input = moves_input ? memory(desc.src_desc(), engine_) : input_;
        memory output = moves_output ? memory(desc.dst_desc(), engine_) : output_;
        const Forward primitive(desc);
        const Arguments arguments = {{DNNL_ARG_SRC, input},
                                     {DNNL_ARG_WEIGHTS, packed_weights(desc.weights_desc())},
                                     {DNNL_ARG_BIAS, bias_},
                                     {DNNL_ARG_DST, output}};
        dnnl::reorder to(input_, input), from(output, output_);
        problem_.output.clear();
        const rivals::Times times = rivals::measure([&] {
            if (moves_input) to.execute(stream_, input_, input);
            primitive.execute(stream_, arguments);
            if (moves_output) from.execute(stream_, output, output_);
            stream_.wait();
        });
        print("onednn-reorder", "fwd", times, &problem_.output);
    }

    void backward_data() {
        const BackwardData::primitive_desc desc(
            {algorithm::convolution_direct, input_.get_desc(), of_any_order(weights_.get_desc()),
             output_.get_desc(), strides_, dilations_, before_, after_},
            engine_, describe_training());
        const BackwardData primitive(desc);
        const Arguments arguments = {{DNNL_ARG_DIFF_SRC, input_},
                                     {DNNL_ARG_WEIGHTS, packed_weights(desc.weights_desc())},
                                     {DNNL_ARG_DIFF_DST, output_}};
        const rivals::Times times = rivals::measure([&] {
            primitive.execute(stream_, arguments);
            stream_.wait();
        });
        print("onednn", "bwd_d", times, &problem_.input);
    }

    // The gradient ends in the plain order of weights, as with the other engines.
    void backward_weights() {
        const BackwardWeights::primitive_desc desc(
            {algorithm::convolution_direct, input_.get_desc(), of_any_order(weights_.get_desc()),
             bias_.get_desc(), output_.get_desc(), strides_, dilations_, before_, after_},
            engine_, describe_training());
        const BackwardWeights primitive(desc);
        const bool moves = desc.diff_weights_desc() != weights_.get_desc();
        memory gradient = moves ? memory(desc.diff_weights_desc(), engine_) : weights_;
        const Arguments arguments = {{DNNL_ARG_SRC, input_},
                                     {DNNL_ARG_DIFF_DST, output_},
                                     {DNNL_ARG_DIFF_WEIGHTS, gradient},
                                     {DNNL_ARG_DIFF_BIAS, bias_}};
        dnnl::reorder back(gradient, weights_);
        const rivals::Times times = rivals::measure([&] {
            primitive.execute(stream_, arguments);
            if (moves) back.execute(stream_, gradient, weights_);
            stream_.wait();
        });
        print("onednn", "bwd_w", times, &problem_.weights);
    }

    void print(const char* engine, const char* pass, const rivals::Times& times,
               rivals::Tensor* result) {
        rivals::print_row(engine, problem_, threads_, pass, times,
                          nconv_bench::checksum(result->extent(), result->data()));
    }

    rivals::Problem& problem_;
    int threads_;
    dnnl::engine engine_;
    dnnl::stream stream_{engine_};
    memory input_, output_, weights_, bias_;
    memory::dims strides_, dilations_, before_, after_;
};

}  // namespace

int main(int count, char** arguments) {
    if (count == 2 && std::string(arguments[1]) == "--version") {
        const dnnl_version_t* version = dnnl_version();
        std::printf("oneDNN %d.%d.%d\n", version->major, version->minor, version->patch);
        return 0;
    }
    const rivals::Options options = rivals::parse_options(count, arguments);
    omp_set_num_threads(options.threads);
    rivals::print_header();
    int failures = 0;
    for (const nconv_test::Descriptor& descriptor : options.descriptors)
        for (nconv_layout layout : options.layouts)
            for (const std::string& pass : options.passes) {
                rivals::Problem problem(descriptor, layout);
                try {
                    Convolution(&problem, options.threads).run(pass);
                } catch (const dnnl::error& error) {
                    std::fprintf(stderr, "%s, %s: %s\n", problem.name.c_str(), pass.c_str(),
                                 error.what());
                    ++failures;
                }
            }
    return failures ? 1 : 0;
}
