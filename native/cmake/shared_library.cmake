# How the shared library is linked on each system: hardened, exporting cmake/exports.txt only, and needing the C
# library only; on Windows not even that.
include(cmake/lists.cmake)
nativeconv_write_exports()
get_target_property(options nativeconv_objects COMPILE_OPTIONS)
target_compile_options(nativeconv PRIVATE ${options})
target_include_directories(nativeconv PRIVATE src)
set_property(TARGET nativeconv APPEND PROPERTY LINK_DEPENDS "${NATIVECONV_EXPORTS}")

if(APPLE)
  target_link_options(nativeconv PRIVATE
    "LINKER:-exported_symbols_list,${NATIVECONV_EXPORTS}" LINKER:-dead_strip)
  if(NATIVECONV_RID)
    # The name by hand: away from a Mac CMake does not know @rpath.
    set_target_properties(nativeconv PROPERTIES NO_SONAME ON)
    target_link_options(nativeconv PRIVATE -nostdlib LINKER:-install_name,@rpath/libnconv.dylib)
    nativeconv_link_macos()
  else()
    target_link_options(nativeconv PRIVATE -nostdlib++)
  endif()
elseif(WIN32)
  enable_language(RC)
  configure_file(cmake/nativeconv.rc.in generated/nativeconv.rc @ONLY)
  target_sources(nativeconv PRIVATE
    "${CMAKE_CURRENT_BINARY_DIR}/generated/nativeconv.rc"
    src/base/windows_load_config.cpp src/base/windows_runtime.cpp)
  set_source_files_properties(src/base/windows_runtime.cpp PROPERTIES COMPILE_OPTIONS
    "-fno-builtin;-fno-stack-protector;$<$<CXX_COMPILER_ID:GNU>:-fno-tree-loop-distribute-patterns>")
  set_target_properties(nativeconv PROPERTIES PREFIX "")
  nativeconv_link_windows()

  # By lld itself: gcc's driver for Windows has its own linker built in, which knows neither Control Flow Guard nor
  # shadow stacks, and clang's asks for the start files of a C library.
  find_program(NATIVECONV_LLD NAMES ld.lld-19 ld.lld REQUIRED)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "ARM64|arm64|aarch64")
    set(machine "-m arm64pe")
  else()
    set(machine "-m i386pep -Xlink=-cetcompat")
  endif()
  string(JOIN " " CMAKE_CXX_CREATE_SHARED_LIBRARY
    "\"${NATIVECONV_LLD}\" ${machine} --shared -e DllMainCRTStartup --guard-cf --dynamicbase --nxcompat"
    "--high-entropy-va --no-insert-timestamp --gc-sections --out-implib <TARGET_IMPLIB> -o <TARGET>"
    "\"${NATIVECONV_EXPORTS}\" <OBJECTS> <LINK_LIBRARIES>")
  set(CMAKE_CXX_STANDARD_LIBRARIES "")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Of libgcc: the walk down a large stack frame.
    execute_process(COMMAND "${CMAKE_CXX_COMPILER}" -print-libgcc-file-name
      OUTPUT_VARIABLE libgcc OUTPUT_STRIP_TRAILING_WHITESPACE)
    target_link_libraries(nativeconv PRIVATE "${libgcc}")
  endif()
else()
  # nodelete: sleeping workers must never wake in unmapped code.
  set_target_properties(nativeconv PROPERTIES SKIP_BUILD_RPATH ON)
  target_link_options(nativeconv PRIVATE "LINKER:--version-script,${NATIVECONV_EXPORTS}"
    LINKER:-z,nodelete,-z,relro,-z,now,-z,noexecstack,--as-needed,--gc-sections,--build-id=sha1)
  if(NOT NATIVECONV_RID)
    target_link_options(nativeconv PRIVATE -static-libgcc)
    target_link_libraries(nativeconv PRIVATE Threads::Threads m)
  else()
    target_link_options(nativeconv PRIVATE -nostdlib LINKER:-z,defs)
    target_link_libraries(nativeconv PRIVATE gcc)
    if(NATIVECONV_RID MATCHES "musl")
      nativeconv_link_musl()
    else()
      nativeconv_link_glibc()
    endif()
  endif()
endif()
