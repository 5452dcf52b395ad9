#include "row.h"

#include <cinttypes>
#include <cstdio>

#include "run.h"

namespace nconv_bench {
namespace {

std::string quoted(const std::string& text) {
    if (text.find_first_of(",\"") == std::string::npos) return text;
    std::string result = "\"";
    for (char c : text) result += c == '"' ? "\"\"" : std::string(1, c);
    return result + "\"";
}

std::string formatted(double value, const char* format) {
    char text[40];
    std::snprintf(text, sizeof text, format, value);
    return text;
}

std::string number(double value, const char* format) {
    return value < 0 ? "" : formatted(value, format);
}

}  // namespace

void print_header() {
    std::puts(
        "dir,layout,math,isa,threads,algorithm,descriptor,min_us,median_us,gflops,peak_gflops,"
        "percent_peak,gb_per_s,max_error,error_bound,status,check");
}

void print_row(const Job& job, const Row& row) {
    const char* isa = nconv_isa_name(static_cast<nconv_isa>(row.isa < 0 ? job.isa : row.isa));
    const double percent = row.peak_gflops > 0 ? 100 * row.gflops / row.peak_gflops : -1;
    std::printf("%s,%s,%s,%s,%" PRId32 ",%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s\n",
                nconv_test::pass_name(job.pass),
                layout_name(static_cast<nconv_layout>(job.desc.layout)),
                math_name(static_cast<nconv_math_mode>(job.desc.math_mode)), isa ? isa : "auto",
                job.threads, quoted(row.algorithm.empty() ? job.algorithm : row.algorithm).c_str(),
                quoted(job.text).c_str(), number(row.min_us, "%.3f").c_str(),
                number(row.median_us, "%.3f").c_str(), number(row.gflops, "%.2f").c_str(),
                number(row.peak_gflops, "%.1f").c_str(), number(percent, "%.1f").c_str(),
                number(row.gb_per_s, "%.2f").c_str(), number(row.max_error, "%.3e").c_str(),
                number(row.error_bound, "%.3e").c_str(), quoted(row.status).c_str(),
                row.has_check ? formatted(row.check, "%.9g").c_str() : "");
    std::fflush(stdout);
}

std::string status_of(nconv_status status) {
    const bool declined =
        status == NCONV_STATUS_UNSUPPORTED_ALGORITHM || status == NCONV_STATUS_UNSUPPORTED_ISA;
    return (declined ? "unsupported: " : "error: ") + std::string(nconv_status_text(status));
}

}  // namespace nconv_bench
