# Windows on arm64, with clang, lld and the llvm tools, and the headers of mingw-w64, which serve every processor.
# There is no C library for it in Debian, so libraries only: no program and no test.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR ARM64)

foreach(tool IN ITEMS clang clang++ llvm-ar llvm-ranlib llvm-dlltool llvm-windres llvm-objcopy)
  string(MAKE_C_IDENTIFIER "NATIVECONV_${tool}" variable)
  find_program(${variable} NAMES ${tool}-19 ${tool} REQUIRED)
endforeach()
set(CMAKE_C_COMPILER ${NATIVECONV_clang})
set(CMAKE_CXX_COMPILER ${NATIVECONV_clang__})
set(CMAKE_C_COMPILER_TARGET aarch64-w64-windows-gnu)
set(CMAKE_CXX_COMPILER_TARGET aarch64-w64-windows-gnu)
set(CMAKE_AR ${NATIVECONV_llvm_ar})
set(CMAKE_RANLIB ${NATIVECONV_llvm_ranlib})
set(CMAKE_DLLTOOL ${NATIVECONV_llvm_dlltool})
set(CMAKE_OBJCOPY ${NATIVECONV_llvm_objcopy})
set(CMAKE_RC_COMPILER ${NATIVECONV_llvm_windres})
set(CMAKE_RC_FLAGS_INIT --target=aarch64-w64-mingw32)

find_path(NATIVECONV_MINGW_HEADERS NAMES _mingw.h REQUIRED NO_DEFAULT_PATH
  PATHS /usr/share/mingw-w64/include)
foreach(language IN ITEMS C CXX)
  set(CMAKE_${language}_FLAGS_INIT "-isystem ${NATIVECONV_MINGW_HEADERS}")
endforeach()
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
