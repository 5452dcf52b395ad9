# The instruction sets, best first. nativeconv_add_isa(NAME VECTOR FLAGS...) compiles every family of kernels
# over src/isa/vec_NAME.h with its flags and adds NAME to isa_list.inc, which selection and tests expand.
# To add one, add a line. A file for each family: the longest takes a third of the time of all.
set(NATIVECONV_FAMILIES depthwise depthwise_weights gemm grouped narrow outer pixels winograd)
set(NATIVECONV_ISA_SOURCES "")
set(NATIVECONV_ISA_ROWS "")

function(nativeconv_add_isa isa vector)
  string(TOUPPER "${isa}" ISA)
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/generated/isa")
  set(sources "${folder}/${isa}.cpp")
  configure_file(src/isa/kernel_set.cpp.in "${folder}/${isa}.cpp" @ONLY)
  foreach(family IN LISTS NATIVECONV_FAMILIES)
    configure_file(src/isa/family.cpp.in "${folder}/${family}_${isa}.cpp" @ONLY)
    list(APPEND sources "${folder}/${family}_${isa}.cpp")
  endforeach()
  set_source_files_properties(${sources} PROPERTIES
    COMPILE_OPTIONS "-fno-stack-protector;${ARGN}")
  set(NATIVECONV_ISA_SOURCES ${NATIVECONV_ISA_SOURCES} ${sources} PARENT_SCOPE)
  string(APPEND NATIVECONV_ISA_ROWS "NCONV_ISA_ROW(${isa})\n")
  set(NATIVECONV_ISA_ROWS "${NATIVECONV_ISA_ROWS}" PARENT_SCOPE)
endfunction()

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
  # Not on macOS: it shows in XCR0 that it saves AVX-512 registers only to a thread that has used them, before 12.2
  # it spoiled masks (golang/go issue 49233), and few Macs have them.
  if(NOT APPLE)
    # gcc 12's own AVX-512 header trips -W(maybe-)uninitialized (gcc bug 105593).
    nativeconv_add_isa(avx512 VecAvx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma
                       $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>
                       $<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized>)
  endif()
  nativeconv_add_isa(avx2 VecAvx2 -mavx2 -mfma)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64|ARM64")
  nativeconv_add_isa(neon VecNeon)
endif()
nativeconv_add_isa(scalar VecScalar)

file(CONFIGURE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/generated/isa_list.inc"
     CONTENT "${NATIVECONV_ISA_ROWS}" @ONLY)
