// OpenCV's filter2D on the image filters: one image, one kernel for each plane, interleaved planes.
#include <cmath>
#include <opencv2/core.hpp>
#include <opencv2/core/ocl.hpp>
#include <opencv2/core/version.hpp>
#include <opencv2/imgproc.hpp>

#include "rival.h"

namespace {

bool is_filter(const nconv_conv2d_desc& d) {
    return d.batch == 1 && d.input_channels <= 4 && d.groups == d.input_channels &&
           d.output_channels == d.input_channels && d.stride_h == 1 && d.stride_w == 1 &&
           d.dilation_h == 1 && d.dilation_w == 1 && d.pad_top == d.kernel_h / 2 &&
           d.pad_bottom == d.pad_top && d.pad_left == d.kernel_w / 2 && d.pad_right == d.pad_left;
}

void run(const rivals::Options& options, const nconv_test::Descriptor& descriptor) {
    rivals::Problem problem(descriptor, NCONV_LAYOUT_NHWC);
    const nconv_conv2d_desc& d = problem.desc;
    const int type = CV_32FC(static_cast<int>(d.input_channels));
    const int height = static_cast<int>(d.input_height), width = static_cast<int>(d.input_width);
    const cv::Mat input(height, width, type, problem.input.data());
    cv::Mat output(height, width, type, problem.output.data());
    // The first plane's kernel and bias serve all planes: filter2D has one for an image.
    const cv::Mat kernel(static_cast<int>(d.kernel_h), static_cast<int>(d.kernel_w), CV_32F,
                         problem.weights.data());
    const rivals::Times times = rivals::measure([&] {
        cv::filter2D(input, output, CV_32F, kernel, cv::Point(-1, -1), problem.bias.data()[0],
                     cv::BORDER_CONSTANT);
    });
    const bool gray = d.input_channels == 1;
    const double check =
        gray ? nconv_bench::checksum(problem.output.extent(), problem.output.data()) : std::nan("");
    for (nconv_layout layout : options.layouts) {
        if (layout == NCONV_LAYOUT_NCHW && !gray) continue;  // both layouts are one for gray
        problem.desc.layout = layout;
        rivals::print_row("opencv", problem, options.threads, "fwd", times, check);
    }
}

}  // namespace

int main(int count, char** arguments) {
    if (count == 2 && std::string(arguments[1]) == "--version") {
        std::puts("OpenCV " CV_VERSION);
        return 0;
    }
    const rivals::Options options = rivals::parse_options(count, arguments);
    cv::ocl::setUseOpenCL(false);
    cv::setNumThreads(options.threads);
    rivals::print_header();
    for (const std::string& pass : options.passes)
        for (const nconv_test::Descriptor& descriptor : options.descriptors)
            if (pass == "fwd" && is_filter(descriptor.desc)) run(options, descriptor);
}
