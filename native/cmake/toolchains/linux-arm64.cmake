# Linux on arm64: this machine's compiler, or from another processor Debian's g++-aarch64-linux-gnu; tests run
# under qemu-user.
if(NOT CMAKE_HOST_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  set(CMAKE_SYSTEM_NAME Linux)
  set(CMAKE_SYSTEM_PROCESSOR aarch64)

  set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
  set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)

  set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
  set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
  set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
  set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
  set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

  find_program(NATIVECONV_QEMU_AARCH64 NAMES qemu-aarch64-static qemu-aarch64)
  if(NATIVECONV_QEMU_AARCH64)
    set(CMAKE_CROSSCOMPILING_EMULATOR ${NATIVECONV_QEMU_AARCH64} -L /usr/aarch64-linux-gnu)
  endif()
endif()
