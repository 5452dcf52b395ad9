# find_package(NativeConv) with NativeConv::nativeconv and NativeConv::nativeconv_static, and pkg-config.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(folder "${CMAKE_INSTALL_LIBDIR}/cmake/NativeConv")

install(TARGETS nativeconv nativeconv_static EXPORT NativeConvTargets)
install(FILES include/nativeconv.h TYPE INCLUDE)
install(EXPORT NativeConvTargets NAMESPACE NativeConv:: DESTINATION "${folder}")

configure_package_config_file(cmake/NativeConvConfig.cmake.in generated/NativeConvConfig.cmake
  INSTALL_DESTINATION "${folder}")
# Before 1.0 a minor version may break what an earlier one offered.
set(compatibility SameMajorVersion)
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(compatibility SameMinorVersion)
endif()
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/generated/NativeConvConfigVersion.cmake"
  COMPATIBILITY ${compatibility})
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/generated/NativeConvConfig.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/generated/NativeConvConfigVersion.cmake"
        DESTINATION "${folder}")

set(NATIVECONV_PRIVATE_LIBRARIES "")
if(UNIX AND NOT APPLE)
  set(NATIVECONV_PRIVATE_LIBRARIES "-pthread -lm")
endif()
configure_file(cmake/nativeconv.pc.in generated/nativeconv.pc @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/generated/nativeconv.pc"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
