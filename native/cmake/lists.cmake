# The checked-in lists: what the library exports, and all that it may import from each C library. The linker
# is given these instead of this machine's libraries, so a function that is not listed does not link.

# The lines of a list, without comments, as lists of words joined by spaces.
function(nativeconv_read_list file result)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
  file(STRINGS "${file}" lines REGEX "^[^#]")
  set(${result} ${lines} PARENT_SCOPE)
endfunction()

# Writes the exports in the form that the linker of this platform reads, and sets NATIVECONV_EXPORTS to it.
function(nativeconv_write_exports)
  nativeconv_read_list("${CMAKE_CURRENT_SOURCE_DIR}/cmake/exports.txt" names)
  if(APPLE)
    set(file exports.symbols)
    list(TRANSFORM names PREPEND "_")
    list(JOIN names "\n" text)
  elseif(WIN32)
    set(file exports.def)
    list(JOIN names "\n  " text)
    set(text "LIBRARY nconv.dll\nEXPORTS\n  ${text}")
  else()
    set(file exports.map)
    list(JOIN names ";\n    " text)
    set(text "{\n  global:\n    ${text};\n  local: *;\n};")
  endif()
  file(CONFIGURE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/generated/${file}" CONTENT "${text}\n" @ONLY)
  set(NATIVECONV_EXPORTS "${CMAKE_CURRENT_BINARY_DIR}/generated/${file}" PARENT_SCOPE)
endfunction()

# nativeconv_add_stub(NAME SONAME CONTENT MAP): a library of that name with those functions and nothing in them.
function(nativeconv_add_stub name soname content map)
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/generated/stubs")
  file(CONFIGURE OUTPUT "${folder}/${name}.c" CONTENT "${content}" @ONLY)
  file(CONFIGURE OUTPUT "${folder}/${name}.map" CONTENT "${map}" @ONLY)
  add_library(nativeconv_stub_${name} SHARED "${folder}/${name}.c")
  target_compile_options(nativeconv_stub_${name} PRIVATE -w -fno-builtin)
  target_link_options(nativeconv_stub_${name} PRIVATE
    -nostdlib "-Wl,-soname,${soname},--version-script,${folder}/${name}.map")
  set_target_properties(nativeconv_stub_${name} PROPERTIES
    NO_SONAME ON LIBRARY_OUTPUT_DIRECTORY "${folder}")
  add_dependencies(nativeconv nativeconv_stub_${name})
  target_link_libraries(nativeconv PRIVATE "$<TARGET_FILE:nativeconv_stub_${name}>")
endfunction()

# Makes the shared library take from glibc what imports/glibc.txt lists, under the versions given there.
function(nativeconv_link_glibc)
  set(arm64 OFF)
  set(loader ld-linux-x86-64.so.2)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    set(arm64 ON)
    set(loader ld-linux-aarch64.so.1)
  endif()
  set(soname_libc libc.so.6)
  set(soname_libm libm.so.6)
  set(soname_libpthread libpthread.so.0)
  set(soname_ld ${loader})
  nativeconv_read_list("${CMAKE_CURRENT_SOURCE_DIR}/cmake/imports/glibc.txt" lines)
  foreach(line IN LISTS lines)
    separate_arguments(words UNIX_COMMAND "${line}")
    list(GET words 0 name)
    list(GET words 1 library)
    list(GET words 2 version)
    if(line MATCHES "arm64 only" AND NOT arm64)
      continue()
    endif()
    if(arm64 AND version VERSION_LESS 2.17)
      set(version 2.17)
    endif()
    if(line MATCHES "data,")
      string(APPEND content_${library} "void* ${name};\n")
    else()
      string(APPEND content_${library} "void ${name}(void) {}\n")
    endif()
    string(APPEND names_${library}_${version} " ${name};")
    list(APPEND versions_${library} ${version})
    list(APPEND libraries ${library})
  endforeach()
  list(REMOVE_DUPLICATES libraries)
  foreach(library IN LISTS libraries)
    list(REMOVE_DUPLICATES versions_${library})
    foreach(version IN LISTS versions_${library})
      string(APPEND map_${library}
             "GLIBC_${version} { global:${names_${library}_${version}} };\n")
    endforeach()
    nativeconv_add_stub(${library} ${soname_${library}} "${content_${library}}" "${map_${library}}")
  endforeach()
  target_sources(nativeconv PRIVATE src/base/glibc.cpp)
endfunction()

# The same of musl, which has no versions and puts all into one library.
function(nativeconv_link_musl)
  set(processor ${CMAKE_SYSTEM_PROCESSOR})
  nativeconv_read_list("${CMAKE_CURRENT_SOURCE_DIR}/cmake/imports/musl.txt" lines)
  foreach(line IN LISTS lines)
    separate_arguments(words UNIX_COMMAND "${line}")
    list(GET words 0 name)
    if(line MATCHES "data,")
      string(APPEND content "void* ${name};\n")
    else()
      string(APPEND content "void ${name}(void) {}\n")
    endif()
  endforeach()
  nativeconv_add_stub(libc libc.musl-${processor}.so.1 "${content}" "{ global: *; };\n")
endfunction()

# Makes the DLL take from Windows what imports/windows.txt lists of KERNEL32.
function(nativeconv_link_windows)
  nativeconv_read_list("${CMAKE_CURRENT_SOURCE_DIR}/cmake/imports/windows.txt" names)
  list(JOIN names "\n  " text)
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/generated/stubs")
  file(CONFIGURE OUTPUT "${folder}/kernel32.def"
       CONTENT "LIBRARY KERNEL32.dll\nEXPORTS\n  ${text}\n" @ONLY)
  set(machine i386:x86-64)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64|ARM64")
    set(machine arm64)
  endif()
  add_custom_command(OUTPUT "${folder}/libkernel32.a" DEPENDS "${folder}/kernel32.def"
    # In its folder: GNU's dlltool makes a symbol of the path that it is given.
    COMMAND "${CMAKE_DLLTOOL}" -m ${machine} -d kernel32.def -l libkernel32.a
    WORKING_DIRECTORY "${folder}" VERBATIM)
  add_custom_target(nativeconv_kernel32 DEPENDS "${folder}/libkernel32.a")
  add_dependencies(nativeconv nativeconv_kernel32)
  target_link_libraries(nativeconv PRIVATE "${folder}/libkernel32.a")
endfunction()

# Makes the shared library take from libSystem what imports/macos.txt lists, in the words of Apple's own stubs.
function(nativeconv_link_macos)
  nativeconv_read_list("${CMAKE_CURRENT_SOURCE_DIR}/cmake/imports/macos.txt" lines)
  set(symbols dyld_stub_binder)
  foreach(line IN LISTS lines)
    string(REGEX MATCH "^[^ ]+" name "${line}")
    string(APPEND symbols ", _${name}")
  endforeach()
  set(stub "${CMAKE_CURRENT_BINARY_DIR}/generated/stubs/libSystem.tbd")
  file(CONFIGURE OUTPUT "${stub}" @ONLY CONTENT [[
--- !tapi-tbd
tbd-version: 4
targets: [ x86_64-macos, arm64-macos ]
install-name: '/usr/lib/libSystem.B.dylib'
exports:
  - targets: [ x86_64-macos, arm64-macos ]
    symbols: [ @symbols@ ]
...
]])
  target_link_libraries(nativeconv PRIVATE "${stub}")
endfunction()
