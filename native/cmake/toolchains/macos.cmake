# macOS: on a Mac of either processor with the command line tools, elsewhere with clang, lld and the llvm tools, and
# Apple's open-source headers of the C library. Libraries only there: no program and no test. Included with
# CMAKE_SYSTEM_PROCESSOR set. 12.0 is below what .NET 10 needs.
set(CMAKE_SYSTEM_NAME Darwin)
set(CMAKE_OSX_ARCHITECTURES ${CMAKE_SYSTEM_PROCESSOR} CACHE STRING "")
set(CMAKE_OSX_DEPLOYMENT_TARGET 12.0 CACHE STRING "")

if(NOT CMAKE_HOST_APPLE)
  foreach(tool IN ITEMS clang clang++ dsymutil llvm-ar llvm-ranlib llvm-strip llvm-nm llvm-otool
                        llvm-install-name-tool)
    string(MAKE_C_IDENTIFIER "NATIVECONV_${tool}" variable)
    find_program(${variable} NAMES ${tool}-19 ${tool} REQUIRED)
  endforeach()
  set(CMAKE_C_COMPILER ${NATIVECONV_clang})
  set(CMAKE_CXX_COMPILER ${NATIVECONV_clang__})
  set(CMAKE_C_COMPILER_TARGET ${CMAKE_SYSTEM_PROCESSOR}-apple-macos12.0)
  set(CMAKE_CXX_COMPILER_TARGET ${CMAKE_SYSTEM_PROCESSOR}-apple-macos12.0)
  set(CMAKE_AR ${NATIVECONV_llvm_ar})
  set(CMAKE_RANLIB ${NATIVECONV_llvm_ranlib})
  set(CMAKE_STRIP ${NATIVECONV_llvm_strip})
  set(CMAKE_INSTALL_NAME_TOOL ${NATIVECONV_llvm_install_name_tool})
  # lld hashes the debug map into the library's id: no path and no time of an object may stand there.
  set(CMAKE_SHARED_LINKER_FLAGS_INIT
    "-fuse-ld=lld -Wl,-adhoc_codesign,-reproducible,-oso_prefix,${CMAKE_BINARY_DIR}/")

  # Unpacked by ./build.sh pack-native. They come after the compiler's own, as in Apple's clang.
  find_path(NATIVECONV_MACOS_HEADERS NAMES pthread/qos.h REQUIRED NO_DEFAULT_PATH
    PATHS ${CMAKE_CURRENT_LIST_DIR}/../../../build/sysroot/macos)
  foreach(language IN ITEMS C CXX)
    set(CMAKE_${language}_FLAGS_INIT "-nostdlibinc -idirafter ${NATIVECONV_MACOS_HEADERS}")
  endforeach()
  set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
endif()
