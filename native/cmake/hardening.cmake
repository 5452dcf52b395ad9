# Compiler options of all objects that do not change what they compute: guards of the stack and of indirect
# jumps, and no path of the machine that compiles. Kernels go without stack canaries: none has an array on
# its stack that a caller's size could overrun.
include(CheckCXXCompilerFlag)
target_compile_options(nativeconv_objects PRIVATE
  -fstack-protector-strong "-ffile-prefix-map=${PROJECT_BINARY_DIR}=build"
  "-ffile-prefix-map=${PROJECT_SOURCE_DIR}=." $<$<BOOL:${NATIVECONV_RID}>:-g1>)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
  if(NOT WIN32 AND NOT APPLE)
    target_compile_options(nativeconv_objects PRIVATE -fcf-protection=full)
  endif()
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64|ARM64")
  if(NOT WIN32 AND NOT APPLE)
    target_compile_options(nativeconv_objects PRIVATE -mbranch-protection=standard)
  endif()
  # Atomics outside of the objects would ask the C library which kind the processor has.
  check_cxx_compiler_flag(-mno-outline-atomics NATIVECONV_HAS_OUTLINE_ATOMICS)
  if(NATIVECONV_HAS_OUTLINE_ATOMICS)
    target_compile_options(nativeconv_objects PRIVATE -mno-outline-atomics)
  endif()
endif()
if(WIN32 AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(nativeconv_objects PRIVATE -mguard=cf)
endif()
