# What `make install` puts where: headers, both libraries, the command, and the two files by which other builds
# find them (pkg-config's freehold.pc, CMake's FreeholdConfig.cmake). All of it may be moved afterwards: no file
# holds the prefix.
include(CMakePackageConfigHelpers)

install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(TARGETS ${library_targets} EXPORT FreeholdTargets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET freehold)
    install(TARGETS freehold RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Freehold)
install(EXPORT FreeholdTargets NAMESPACE Freehold:: DESTINATION ${config_dir})
configure_package_config_file(cmake/FreeholdConfig.cmake.in ${PROJECT_BINARY_DIR}/cmake/FreeholdConfig.cmake
    INSTALL_DESTINATION ${config_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/cmake/FreeholdConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/cmake/FreeholdConfig.cmake
    ${PROJECT_BINARY_DIR}/cmake/FreeholdConfigVersion.cmake DESTINATION ${config_dir})

file(RELATIVE_PATH prefix_from_pc ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" prefix_from_pc "${prefix_from_pc}")
configure_file(cmake/freehold.pc.in ${PROJECT_BINARY_DIR}/cmake/freehold.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/cmake/freehold.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# gdb's printers, where gdb looks by itself: beside the library, and in the prefix's auto-load folder under the library's
# full path. (gdb loads them from a prefix that it trusts, which /usr is; for others see docs/OWNERS.md.)
if(TARGET freehold_shared)
    set(printers libfreehold.so.${PROJECT_VERSION}-gdb.py)
    install(FILES gdb/freehold-gdb.py DESTINATION ${CMAKE_INSTALL_LIBDIR} RENAME ${printers})
    install(CODE "file(INSTALL \"${PROJECT_SOURCE_DIR}/gdb/freehold-gdb.py\" RENAME ${printers}
        DESTINATION \"\${CMAKE_INSTALL_PREFIX}/share/gdb/auto-load\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}\")")
endif()
