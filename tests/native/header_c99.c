/* nativeconv.h compiles as strict C99, and its constants and structs are as bindings expect them. */
#include <nativeconv.h>
#include <stddef.h>

#define CHECK(name, condition) typedef char check_##name[(condition) ? 1 : -1]

CHECK(desc_size, sizeof(nconv_conv2d_desc) == 8 * 4 + 16 * 8);
CHECK(desc_batch, offsetof(nconv_conv2d_desc, batch) == 32);
CHECK(desc_pad_right, offsetof(nconv_conv2d_desc, pad_right) == 152);
CHECK(enum_size, sizeof(nconv_status) == 4);
CHECK(options_size, sizeof(nconv_plan_options) == 8 + sizeof(void*));
CHECK(info_size, sizeof(nconv_plan_info) == 8 + 10 * 8);
CHECK(execution_size, sizeof(nconv_execution) == 8 + 2 * sizeof(void*));

/* Called by a C++ test: the functions link from C. */
int32_t version_from_c(void);
int32_t version_from_c(void) {
    nconv_conv2d_desc desc;
    nconv_conv2d_desc_init(&desc);
    return desc.struct_size == sizeof desc ? nconv_version() : -1;
}
