#include <cstdio>
#include <cstring>

#include "correct.h"
#include "options.h"
#include "perf.h"
#include "row.h"

namespace nconv_bench {
namespace {

void set_activation(nconv_conv2d_desc* desc, nconv_activation activation) {
    const bool clip = activation == NCONV_ACTIVATION_CLIP;
    const bool leaky = activation == NCONV_ACTIVATION_LEAKY_RELU;
    desc->activation = activation;
    desc->activation_alpha = clip ? 0.0f : leaky ? 0.1f : 1.0f;
    desc->activation_beta = 6.0f;
}

bool run_descriptor(const Options& options, const nconv_test::Descriptor& descriptor,
                    nconv_layout layout) {
    Job job{descriptor.desc, descriptor.text, NCONV_PASS_FORWARD, -1, "", 0, options.products};
    job.desc.layout = layout;
    job.desc.math_mode = options.math;
    set_activation(&job.desc, options.activation);
    const bool correct = options.mode == Mode::kCorrect;
    nconv_conv2d_desc data_desc = job.desc;
    if (!correct) data_desc.batch = 0;  // perf brings its own data
    nconv_test::Problem integers(data_desc, nconv_test::Data::kInteger, options.seed);
    nconv_test::Problem reals(data_desc, nconv_test::Data::kReal, options.seed);
    if (options.products) {
        integers.make_products();
        reals.make_products();
    }
    bool ok = true;
    for (int pass : options.passes)
        for (int32_t isa : options.isas)
            for (const std::string& algorithm : options.algorithms)
                for (int32_t threads : options.threads) {
                    job.pass = pass;
                    job.isa = isa;
                    job.algorithm = algorithm;
                    job.threads = threads ? threads : nconv_thread_count();
                    const Row row = correct ? check_job(job, &integers, &reals)
                                            : measure_job(job, options.cold);
                    print_row(job, row);
                    ok = ok && row.status != "mismatch" && row.status.compare(0, 5, "error") != 0;
                }
    return ok;
}

}  // namespace
}  // namespace nconv_bench

int main(int count, char** arguments) {
    nconv_bench::Options options;
    bool help = false;
    const std::string error = nconv_bench::parse_options(count, arguments, &options, &help);
    if (help) {
        std::fputs(nconv_bench::kUsage, stdout);
        return 0;
    }
    if (!error.empty()) {
        std::fprintf(stderr, "nconv_bench: %s\n(--help explains the options)\n", error.c_str());
        return 2;
    }
    nconv_bench::print_header();
    bool ok = true;
    for (const nconv_test::Descriptor& descriptor : options.descriptors)
        for (nconv_layout layout : options.layouts)
            ok = nconv_bench::run_descriptor(options, descriptor, layout) && ok;
    return ok ? 0 : 1;
}
