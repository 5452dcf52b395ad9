# Linux with musl, by the compiler for glibc with musl's headers in place of glibc's: the library takes from a C
# library only what cmake/imports/musl.txt lists, and no C++ header. Included with CMAKE_SYSTEM_PROCESSOR set.
set(CMAKE_SYSTEM_NAME Linux)

find_program(NATIVECONV_CC NAMES ${CMAKE_SYSTEM_PROCESSOR}-linux-gnu-gcc REQUIRED)
find_program(NATIVECONV_CXX NAMES ${CMAKE_SYSTEM_PROCESSOR}-linux-gnu-g++ REQUIRED)
set(CMAKE_C_COMPILER ${NATIVECONV_CC})
set(CMAKE_CXX_COMPILER ${NATIVECONV_CXX})

# Debian's musl-dev of that architecture, installed or unpacked by ./build.sh pack-native.
find_path(NATIVECONV_MUSL_HEADERS NAMES bits/alltypes.h REQUIRED NO_DEFAULT_PATH PATHS
  /usr/include/${CMAKE_SYSTEM_PROCESSOR}-linux-musl
  ${CMAKE_CURRENT_LIST_DIR}/../../../build/sysroot/usr/include/${CMAKE_SYSTEM_PROCESSOR}-linux-musl)
execute_process(COMMAND ${NATIVECONV_CC} -print-file-name=include
  OUTPUT_VARIABLE NATIVECONV_CC_HEADERS OUTPUT_STRIP_TRAILING_WHITESPACE)
foreach(language IN ITEMS C CXX)
  set(CMAKE_${language}_FLAGS_INIT
    "-nostdinc -isystem ${NATIVECONV_MUSL_HEADERS} -isystem ${NATIVECONV_CC_HEADERS}")
endforeach()

# There is nothing to link a program with.
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
