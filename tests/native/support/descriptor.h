// Problem descriptors as text: the grammar of oneDNN's benchdnn, e.g.
//
//   g1mb1_ic64ih56_oc64oh56_kh3ph1sh1dh0_n"res2a"
//
// Numbers follow their keys, `_` is ignored, `n` starts the name and ends the descriptor.
//   g groups (1)   mb batch (2)   ic, oc channels   ih iw oh ow sizes   kh kw kernel
//   sh sw strides (1)   ph pw padding before   dh dw dilation, 0 for a dense kernel (0)
// Rules of benchdnn: without any w key the problem is square; with w keys only it has one row and a
// kernel one row high; without an output size the padding is symmetric (0 if left out); without
// padding an output size implies it; with both, the padding after follows from the output size, and
// may differ from the padding before. Dilation counts from 0 here and from 1 in nativeconv.h.
#ifndef NATIVECONV_TESTS_NATIVE_SUPPORT_DESCRIPTOR_H
#define NATIVECONV_TESTS_NATIVE_SUPPORT_DESCRIPTOR_H

#include <nativeconv.h>

#include <string>
#include <vector>

namespace nconv_test {

struct Descriptor {
    nconv_conv2d_desc desc;  // NCHW, bias, linear
    std::string text;        // as given
    std::string name;        // without quotes; empty if there is none
};

// Returns an empty string, or what is wrong with text.
std::string parse_descriptor(const std::string& text, Descriptor* result);

// Everything written out, output sizes and both axes included; parses back to the same problem.
std::string format_descriptor(const nconv_conv2d_desc& desc);

// Reads one descriptor a line; `#` starts a comment. Returns an empty string, or file, line and error.
std::string read_shape_file(const std::string& path, std::vector<Descriptor>* result);

// Output size along one axis, for descriptors known to be valid.
int64_t output_size(int64_t input, int64_t kernel, int64_t stride, int64_t dilation, int64_t before,
                    int64_t after);
int64_t output_height(const nconv_conv2d_desc& desc);
int64_t output_width(const nconv_conv2d_desc& desc);

}  // namespace nconv_test

#endif  // NATIVECONV_TESTS_NATIVE_SUPPORT_DESCRIPTOR_H
