# Windows on x64 from any other host, with Debian's g++-mingw-w64-x86-64-posix; tests run under Wine.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR AMD64)

# The posix flavour: the tests use std::thread, which the win32 flavour of GCC 12 does not have.
set(CMAKE_C_COMPILER x86_64-w64-mingw32-gcc-posix)
set(CMAKE_CXX_COMPILER x86_64-w64-mingw32-g++-posix)
set(CMAKE_RC_COMPILER x86_64-w64-mingw32-windres)

# Test programs carry the GCC run-time libraries with them, so that Wine needs no search path.
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)

set(CMAKE_FIND_ROOT_PATH /usr/x86_64-w64-mingw32)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

find_program(NATIVECONV_WINE NAMES wine64 wine)
if(NATIVECONV_WINE)
    set(CMAKE_CROSSCOMPILING_EMULATOR ${NATIVECONV_WINE})
endif()
