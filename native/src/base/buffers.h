// Memory for the caller's tensors and scratch, kept for the next one when freed: touching fresh
// pages of a 1 MB output first costs 250 to 370 us, as much as computing it.
#pragma once

#include <stdint.h>

namespace nconv {

// bytes >= 0, of any content, at a multiple of 64 bytes; null if there is not so much memory. The
// low 12 bits of the addresses of 64 allocations in a row all differ.
void* allocate_buffer(int64_t bytes);
void free_buffer(void* buffer);  // null is allowed

// Memory that is free and kept; how much may be; and giving all of it back.
int64_t pooled_buffer_bytes();
void set_max_pooled_buffer_bytes(int64_t bytes);
void trim_buffers();

}  // namespace nconv
