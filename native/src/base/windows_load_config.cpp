// The DLL's load configuration, IMAGE_LOAD_CONFIG_DIRECTORY64. It tells the loader where the stack
// cookie lies, which the loader makes random, to look for imports in the system folder only, and which
// functions may be called through pointers (Control Flow Guard; the linker fills that table). In
// assembly, as the linker's __guard_flags is a number of 32 bits that C can only take as an address.

#if defined(__x86_64__)
#define NCONV_GUARD_DISPATCH "jmp *%rax"
#else
#define NCONV_GUARD_DISPATCH "ret"
#endif

// What the two pointers hold where Windows does not enforce the guard, and puts nothing better in.
asm(R"(
    .text
    .balign 16
nconv_guard_check:
    ret
    .balign 16
nconv_guard_dispatch:
    )" NCONV_GUARD_DISPATCH R"(

    .section .00cfg,"dr"
    .balign 8
    .globl __guard_check_icall_fptr
__guard_check_icall_fptr:
    .quad nconv_guard_check
    .globl __guard_dispatch_icall_fptr
__guard_dispatch_icall_fptr:
    .quad nconv_guard_dispatch
)");

// First its size; DependentLoadFlags, at 0x4e, is LOAD_LIBRARY_SEARCH_SYSTEM32.
asm(R"(
    .section .rdata,"dr"
    .balign 16
    .globl _load_config_used
_load_config_used:
    .long 0x118
    .zero 0x4e - 0x04
    .short 0x800
    .zero 0x58 - 0x50
    .quad __stack_chk_guard
    .zero 0x70 - 0x60
    .quad __guard_check_icall_fptr
    .quad __guard_dispatch_icall_fptr
    .quad __guard_fids_table
    .quad __guard_fids_count
    .long __guard_flags
    .zero 0xa0 - 0x94
    .quad __guard_iat_table
    .quad __guard_iat_count
    .quad __guard_longjmp_table
    .quad __guard_longjmp_count
    .zero 0x108 - 0xc0
    .quad __guard_eh_cont_table
    .quad __guard_eh_cont_count
)");
