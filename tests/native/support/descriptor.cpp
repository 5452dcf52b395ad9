#include "descriptor.h"

#include <algorithm>
#include <cctype>
#include <fstream>

namespace nconv_test {
namespace {

constexpr int64_t kAbsent = -1;
constexpr int64_t kLargest = 2147483647;

struct Axis {
    char letter;
    int64_t input = kAbsent;
    int64_t output = kAbsent;
    int64_t kernel = kAbsent;
    int64_t stride = kAbsent;
    int64_t dilation = kAbsent;
    int64_t before = kAbsent;
    int64_t after = 0;

    bool absent() const {
        return std::max({input, output, kernel, stride, dilation, before}) == kAbsent;
    }
};

struct Fields {
    int64_t groups = 1;
    int64_t batch = 2;
    int64_t input_channels = kAbsent;
    int64_t output_channels = kAbsent;
    Axis h{'h'};
    Axis w{'w'};
    std::string name;
};

int64_t* axis_field(Axis* axis, char kind) {
    switch (kind) {
        case 'i':
            return &axis->input;
        case 'o':
            return &axis->output;
        case 'k':
            return &axis->kernel;
        case 's':
            return &axis->stride;
        case 'd':
            return &axis->dilation;
        case 'p':
            return &axis->before;
        default:
            return nullptr;
    }
}

int64_t* find_field(Fields* fields, const std::string& key) {
    if (key == "g") return &fields->groups;
    if (key == "mb") return &fields->batch;
    if (key == "ic") return &fields->input_channels;
    if (key == "oc") return &fields->output_channels;
    if (key.size() != 2) return nullptr;
    if (key[1] == 'h') return axis_field(&fields->h, key[0]);
    if (key[1] == 'w') return axis_field(&fields->w, key[0]);
    return nullptr;
}

std::string unquoted(const std::string& text) {
    std::string name = text;
    while (!name.empty() && std::isspace(static_cast<unsigned char>(name.back()))) name.pop_back();
    if (name.size() >= 2 && name.front() == '"' && name.back() == '"')
        name = name.substr(1, name.size() - 2);
    return name;
}

std::string scan(const std::string& text, Fields* fields) {
    size_t i = 0;
    while (i < text.size()) {
        if (text[i] == '_') {
            ++i;
            continue;
        }
        if (text[i] == 'n') {
            fields->name = unquoted(text.substr(i + 1));
            return "";
        }
        size_t begin = i;
        while (i < text.size() && std::isalpha(static_cast<unsigned char>(text[i]))) ++i;
        std::string key = text.substr(begin, i - begin);
        if (key.empty())
            return "unexpected '" + text.substr(i, 1) + "' at position " + std::to_string(i);
        int64_t* field = find_field(fields, key);
        if (!field) return "unknown key '" + key + "'";
        size_t digits = i;
        int64_t value = 0;
        for (; i < text.size() && std::isdigit(static_cast<unsigned char>(text[i])); ++i) {
            value = value * 10 + (text[i] - '0');
            if (value > kLargest) return "'" + key + "' is larger than 2147483647";
        }
        if (i == digits) return "'" + key + "' lacks its number";
        *field = value;
    }
    return "";
}

// Defaults, output size and padding of one axis, from whichever of them is given.
std::string complete(Axis* axis) {
    const std::string letter(1, axis->letter);
    if (axis->input <= 0) return "i" + letter + " is missing or 0";
    if (axis->kernel <= 0) return "k" + letter + " is missing or 0";
    if (axis->stride == 0) return "s" + letter + " is 0";
    if (axis->output == 0) return "o" + letter + " is 0";
    if (axis->stride == kAbsent) axis->stride = 1;
    if (axis->dilation == kAbsent) axis->dilation = 0;
    const int64_t extent = (axis->kernel - 1) * (axis->dilation + 1) + 1;
    if (axis->output == kAbsent) {
        if (axis->before == kAbsent) axis->before = 0;
        const int64_t room = axis->input + 2 * axis->before - extent;
        if (room < 0) return "the dilated kernel k" + letter + " is larger than the padded input";
        axis->output = room / axis->stride + 1;
        axis->after = axis->before;
        return "";
    }
    const int64_t total = (axis->output - 1) * axis->stride + extent - axis->input;
    if (axis->before == kAbsent) axis->before = std::max<int64_t>(0, total / 2);
    axis->after = total - axis->before;
    if (axis->after <= -axis->stride)
        return "o" + letter + std::to_string(axis->output) +
               " is smaller than the output of input, kernel, stride and padding";
    // Symmetric where that gives the same output: the form frameworks use.
    const int64_t symmetric = axis->input + 2 * axis->before - extent;
    if (symmetric >= 0 && symmetric / axis->stride + 1 == axis->output) axis->after = axis->before;
    axis->after = std::max<int64_t>(0, axis->after);
    return "";
}

std::string complete(Fields* fields) {
    if (fields->groups <= 0) return "g is 0";
    if (fields->input_channels <= 0) return "ic is missing or 0";
    if (fields->output_channels <= 0) return "oc is missing or 0";
    if (fields->input_channels % fields->groups || fields->output_channels % fields->groups)
        return "g" + std::to_string(fields->groups) + " does not divide ic" +
               std::to_string(fields->input_channels) + " and oc" +
               std::to_string(fields->output_channels);
    if (fields->h.absent() && fields->w.absent()) return "ih and kh are missing";
    if (fields->h.absent()) fields->h.input = fields->h.kernel = 1;
    std::string error = complete(&fields->h);
    if (!error.empty()) return error;
    if (fields->w.absent()) {
        fields->w = fields->h;
        fields->w.letter = 'w';
        return "";
    }
    return complete(&fields->w);
}

}  // namespace

std::string parse_descriptor(const std::string& text, Descriptor* result) {
    Fields fields;
    std::string error = scan(text, &fields);
    if (error.empty()) error = complete(&fields);
    if (!error.empty()) return error;

    nconv_conv2d_desc desc{};
    desc.struct_size = sizeof desc;
    desc.layout = NCONV_LAYOUT_NCHW;
    desc.activation = NCONV_ACTIVATION_LINEAR;
    desc.has_bias = 1;
    desc.batch = fields.batch;
    desc.input_channels = fields.input_channels;
    desc.output_channels = fields.output_channels;
    desc.groups = fields.groups;
    desc.input_height = fields.h.input;
    desc.input_width = fields.w.input;
    desc.kernel_h = fields.h.kernel;
    desc.kernel_w = fields.w.kernel;
    desc.stride_h = fields.h.stride;
    desc.stride_w = fields.w.stride;
    desc.dilation_h = fields.h.dilation + 1;
    desc.dilation_w = fields.w.dilation + 1;
    desc.pad_top = fields.h.before;
    desc.pad_bottom = fields.h.after;
    desc.pad_left = fields.w.before;
    desc.pad_right = fields.w.after;
    *result = Descriptor{desc, text, fields.name};
    return "";
}

std::string format_descriptor(const nconv_conv2d_desc& d) {
    auto pair = [](const char* h, int64_t h_value, const char* w, int64_t w_value) {
        return h + std::to_string(h_value) + w + std::to_string(w_value);
    };
    return "g" + std::to_string(d.groups) + "mb" + std::to_string(d.batch) + "_ic" +
           std::to_string(d.input_channels) + pair("ih", d.input_height, "iw", d.input_width) +
           "_oc" + std::to_string(d.output_channels) +
           pair("oh", output_height(d), "ow", output_width(d)) + "_" +
           pair("kh", d.kernel_h, "kw", d.kernel_w) + pair("sh", d.stride_h, "sw", d.stride_w) +
           pair("ph", d.pad_top, "pw", d.pad_left) +
           pair("dh", d.dilation_h - 1, "dw", d.dilation_w - 1);
}

std::string read_shape_file(const std::string& path, std::vector<Descriptor>* result) {
    std::ifstream file(path);
    if (!file) return path + ": cannot be opened";
    std::string line;
    for (int number = 1; std::getline(file, line); ++number) {
        line.resize(std::min(line.size(), line.find('#')));
        const size_t begin = line.find_first_not_of(" \t\r");
        if (begin == std::string::npos) continue;
        line = line.substr(begin, line.find_last_not_of(" \t\r") + 1 - begin);
        Descriptor descriptor;
        std::string error = parse_descriptor(line, &descriptor);
        if (!error.empty()) return path + ":" + std::to_string(number) + ": " + error;
        result->push_back(descriptor);
    }
    return "";
}

int64_t output_size(int64_t input, int64_t kernel, int64_t stride, int64_t dilation, int64_t before,
                    int64_t after) {
    return (input + before + after - ((kernel - 1) * dilation + 1)) / stride + 1;
}

int64_t output_height(const nconv_conv2d_desc& d) {
    return output_size(d.input_height, d.kernel_h, d.stride_h, d.dilation_h, d.pad_top,
                       d.pad_bottom);
}

int64_t output_width(const nconv_conv2d_desc& d) {
    return output_size(d.input_width, d.kernel_w, d.stride_w, d.dilation_w, d.pad_left,
                       d.pad_right);
}

}  // namespace nconv_test
