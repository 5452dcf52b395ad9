# The instruction sets, best first: nativeconv_add_isa(NAME FLAGS...) compiles src/isa/NAME.cpp with its
# flags and adds NAME to isa_list.inc, which selection and tests expand. To add one, add a line.
set(NATIVECONV_ISA_SOURCES "")
set(NATIVECONV_ISA_ROWS "")

function(nativeconv_add_isa name)
  set(source "${CMAKE_CURRENT_SOURCE_DIR}/src/isa/${name}.cpp")
  set_source_files_properties("${source}" PROPERTIES COMPILE_OPTIONS "${ARGN}")
  set(NATIVECONV_ISA_SOURCES ${NATIVECONV_ISA_SOURCES} "${source}" PARENT_SCOPE)
  string(APPEND NATIVECONV_ISA_ROWS "NCONV_ISA_ROW(${name})\n")
  set(NATIVECONV_ISA_ROWS "${NATIVECONV_ISA_ROWS}" PARENT_SCOPE)
endfunction()

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
  # gcc 12's own AVX-512 header trips -W(maybe-)uninitialized (gcc bug 105593).
  nativeconv_add_isa(avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma
                     $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>
                     $<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized>)
  nativeconv_add_isa(avx2 -mavx2 -mfma)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64|ARM64")
  nativeconv_add_isa(neon)
endif()
nativeconv_add_isa(scalar)

file(CONFIGURE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/generated/isa_list.inc"
     CONTENT "${NATIVECONV_ISA_ROWS}" @ONLY)
