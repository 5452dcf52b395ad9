# Target nativeconv_package: what the NuGet package takes, in build/assets, and what a debugger needs for it, in
# build/symbols. The symbol server of NuGet takes no native symbols; they go to the release page.
set(runtime "${PROJECT_SOURCE_DIR}/build/assets/runtimes/${NATIVECONV_RID}/native")
set(static "${PROJECT_SOURCE_DIR}/build/assets/static/${NATIVECONV_RID}")
set(symbols "${PROJECT_SOURCE_DIR}/build/symbols/${NATIVECONV_RID}")
set(name libnconv.so)
if(WIN32)
  set(name nconv.dll)
elseif(APPLE)
  set(name libnconv.dylib)
endif()
set(library "${runtime}/${name}")
set(archive "${static}/libnconv.a")

if(APPLE)
  find_program(NATIVECONV_DSYMUTIL NAMES dsymutil REQUIRED)
  set(split
    COMMAND "${NATIVECONV_DSYMUTIL}" $<TARGET_FILE:nativeconv> -o "${symbols}/${name}.dSYM"
            $<$<NOT:$<BOOL:${CMAKE_HOST_APPLE}>>:--oso-prepend-path=${PROJECT_BINARY_DIR}>
    COMMAND "${CMAKE_STRIP}" -x -S -o "${library}" $<TARGET_FILE:nativeconv>)
  if(CMAKE_HOST_APPLE)  # llvm's strip makes the hashes of a signature anew, Apple's breaks them
    list(APPEND split COMMAND codesign --force --sign - "${library}")
  endif()
else()
  set(objcopy "${CMAKE_OBJCOPY}")
  if(WIN32)
    find_program(NATIVECONV_OBJCOPY NAMES llvm-objcopy-19 llvm-objcopy REQUIRED)
    set(objcopy "${NATIVECONV_OBJCOPY}")
  endif()
  set(split
    COMMAND "${objcopy}" --only-keep-debug $<TARGET_FILE:nativeconv> "${symbols}/${name}.debug"
    COMMAND "${objcopy}" --strip-all "--add-gnu-debuglink=${symbols}/${name}.debug"
            $<TARGET_FILE:nativeconv> "${library}")
endif()

set(folders "${runtime}" "${symbols}")
set(targets nativeconv)
set(join "")
# The archive of linux serves musl too: it imports what both have, and leaves room for the larger of both mutexes. On
# Windows NativeAOT links with Microsoft's tools, whose C library knows no stack canary of gcc's kind; those of macOS
# would make the package larger than 6 MB.
if(NATIVECONV_RID MATCHES "^linux-[^-]+$")
  # One object, with no name in it but those of the header and of what it imports.
  set(object "${PROJECT_BINARY_DIR}/libnconv.o")
  list(APPEND folders "${static}")
  list(APPEND targets nativeconv_static)
  set(join
    COMMAND "${CMAKE_CXX_COMPILER}" -r -nostdlib -o "${object}"
            "-Wl,--script,${CMAKE_CURRENT_SOURCE_DIR}/cmake/archive.ld,--force-group-allocation"
            -Wl,--whole-archive $<TARGET_FILE:nativeconv_static>
    COMMAND "${objcopy}" --localize-hidden "${object}"
    COMMAND "${objcopy}" --strip-unneeded "${object}"
    COMMAND "${CMAKE_AR}" qcD "${archive}" "${object}")
endif()

add_custom_target(nativeconv_package
  COMMAND ${CMAKE_COMMAND} -E rm -rf "${runtime}" "${static}" "${symbols}"
  COMMAND ${CMAKE_COMMAND} -E make_directory ${folders}
  ${split} ${join}
  DEPENDS ${targets} COMMENT "Packing for ${NATIVECONV_RID}" VERBATIM)
