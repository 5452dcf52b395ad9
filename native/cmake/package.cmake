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
    COMMAND "${CMAKE_STRIP}" -x -S -o "${library}" $<TARGET_FILE:nativeconv>
    COMMAND codesign --force --sign - "${library}")
  set(thin COMMAND "${CMAKE_STRIP}" -S -o "${archive}" $<TARGET_FILE:nativeconv_static>)
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
  set(thin COMMAND "${objcopy}" --strip-debug --enable-deterministic-archives
           $<TARGET_FILE:nativeconv_static> "${archive}")
endif()
set(folders "${runtime}" "${symbols}")
set(targets nativeconv)
if(WIN32)
  # NativeAOT links with Microsoft's tools there, whose C library knows no stack canary of gcc's kind.
  set(thin "")
else()
  list(APPEND folders "${static}")
  list(APPEND targets nativeconv_static)
endif()

add_custom_target(nativeconv_package
  COMMAND ${CMAKE_COMMAND} -E rm -rf "${runtime}" "${static}" "${symbols}"
  COMMAND ${CMAKE_COMMAND} -E make_directory ${folders}
  ${split} ${thin}
  DEPENDS ${targets} COMMENT "Packing for ${NATIVECONV_RID}" VERBATIM)
