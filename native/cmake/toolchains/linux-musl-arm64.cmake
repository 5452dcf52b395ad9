# Linux with musl, as on Alpine, on arm64.
set(CMAKE_SYSTEM_PROCESSOR aarch64)
include("${CMAKE_CURRENT_LIST_DIR}/musl.cmake")
