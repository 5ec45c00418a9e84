# Two functions by which the folders of tests/ register their tests. (tests/CMakeLists.txt adds each subfolder
# that has a CMakeLists.txt.)
#
#   freehold_test(NAME SOURCE...                a C (or C++) program that passes when it exits with 0
#                 [LINK shared|static|none]     how it is linked with the library; default static. With static the
#                                               library's internal functions can be called too, and <part/x.h> found.
#                                               shared is skipped in builds that have no shared library.
#                 [PLAIN]                       does not need cmocka, so it is also built where cmocka is not to be had
#                                               (musl, cross builds)
#                 [NO_RUN]                      only built, for a script test that uses it
#                 [LABELS LABEL...]             besides the folder's name, which is always a label
#                 [TIMEOUT SECONDS]             what it takes at the very most on two quiet cores; default 60. It is ended after
#                                               five times that, so that a busy machine fails no test
#                 [LIBS TARGET...]  [DEFINITIONS D...]  [OPTIONS FLAG...]  [ARGS ARG...]  [ENVIRONMENT NAME=VALUE...]
#                 [SERIAL])                     nothing else runs beside it
#
#     The program's target has the name of the test; the file is build/tests/FOLDER/NAME. malloc and its kin are
#     not treated as built-ins, so that the compiler does not take calls away.
#     FREEHOLD_REPLACES_MALLOC is defined as 1 or 0:
#     0 in the address and thread sanitizer builds, where malloc is the sanitizer's.
#
#   freehold_script(NAME SCRIPT                 a program of whole processes: FILE.py (Python 3), FILE.sh (bash)
#                   [ARGS ARG...] [LABELS LABEL...] [TIMEOUT SECONDS] [ENVIRONMENT NAME=VALUE...] [SERIAL])
#
#     It passes with exit status 0 and counts as skipped with 77. In its environment it finds
#         FREEHOLD_SOURCE   the top of the sources          FREEHOLD_BUILD   the build tree
#         FREEHOLD_LIB      libfreehold.so                  FREEHOLD_COMMAND the `freehold` command
#         CC, CXX           the compilers of this build (CXX empty: none)
#         FREEHOLD_LINK_ALSO  what a program must be linked with beside libfreehold.a (a coverage build's counters)
#     and it runs in a build folder of its own folder's name, where it may write.
#
# Names: FOLDER.what_is_protected, for example heap.realloc_keeps_content.

find_program(FREEHOLD_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
find_program(FREEHOLD_PYTHON python3)
find_program(FREEHOLD_BASH bash)

set(FREEHOLD_HAVE_CMOCKA OFF)
if(NOT FREEHOLD_STATIC_ONLY AND NOT CMAKE_CROSSCOMPILING)
    find_package(PkgConfig)
    if(PkgConfig_FOUND)
        pkg_check_modules(CMOCKA IMPORTED_TARGET cmocka)
    endif()
    if(NOT CMOCKA_FOUND)
        message(FATAL_ERROR "The tests need cmocka and pkg-config. `./setup test` installs them; "
                            "-DFREEHOLD_TESTS=OFF builds without tests.")
    endif()
    set(FREEHOLD_HAVE_CMOCKA ON)
endif()

if(FREEHOLD_SANITIZE MATCHES "^(address|thread)$")
    set(replaces_malloc 0)
else()
    set(replaces_malloc 1)
endif()

# LD_PRELOAD takes its value apart at blanks and colons, so it cannot name what lies below a folder with one in its
# name. Such a build tree is reached by a link.
set(FREEHOLD_PRELOAD_TREE ${PROJECT_BINARY_DIR})
if(PROJECT_BINARY_DIR MATCHES "[ :]")
    string(MD5 digest "${PROJECT_BINARY_DIR}")
    set(FREEHOLD_PRELOAD_TREE /tmp/freehold-build-${digest})
    file(CREATE_LINK ${PROJECT_BINARY_DIR} ${FREEHOLD_PRELOAD_TREE} RESULT linked SYMBOLIC)
    message(STATUS "LD_PRELOAD cannot name ${PROJECT_BINARY_DIR}; the tests go by the link ${FREEHOLD_PRELOAD_TREE}")
endif()

# The tests with the label `core`: tests/variants builds these alone in its other builds.
add_custom_target(core_tests)
if(TARGET freehold_shared)
    add_dependencies(core_tests freehold_shared)
endif()

function(freehold_test_properties name labels timeout serial environment)
    get_filename_component(folder ${CMAKE_CURRENT_SOURCE_DIR} NAME)
    if(NOT timeout)
        set(timeout 60)
    endif()
    math(EXPR timeout "${timeout} * 5")
    set_tests_properties(${name} PROPERTIES LABELS "${folder};${labels}" TIMEOUT ${timeout} RUN_SERIAL "${serial}"
        SKIP_RETURN_CODE 77 ENVIRONMENT "${environment}")
endfunction()

function(freehold_test name)
    cmake_parse_arguments(PARSE_ARGV 1 T "PLAIN;NO_RUN;SERIAL" "LINK;TIMEOUT"
        "LABELS;LIBS;DEFINITIONS;OPTIONS;ARGS;ENVIRONMENT")
    set(sources ${T_UNPARSED_ARGUMENTS})
    if(NOT T_LINK)
        set(T_LINK static)
    endif()
    if(T_LINK STREQUAL "shared" AND NOT TARGET freehold_shared)
        return()
    endif()
    if(NOT T_PLAIN AND NOT FREEHOLD_HAVE_CMOCKA)
        return()
    endif()
    if(sources MATCHES "\\.(cc|cpp|cxx)(;|$)" AND NOT CMAKE_CXX_COMPILER)
        return()
    endif()

    add_executable(${name} ${sources})
    target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/include)
    target_compile_definitions(${name} PRIVATE _GNU_SOURCE FREEHOLD_REPLACES_MALLOC=${replaces_malloc} ${T_DEFINITIONS})
    target_compile_options(${name} PRIVATE ${FREEHOLD_NO_BUILTIN}
        $<$<COMPILE_LANGUAGE:C>:${FREEHOLD_WARNINGS}> $<$<COMPILE_LANGUAGE:CXX>:${FREEHOLD_CXX_WARNINGS}> ${T_OPTIONS})
    if(T_LINK STREQUAL "static")
        target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/src)
        target_link_libraries(${name} PRIVATE freehold_static)
    elseif(T_LINK STREQUAL "shared")
        target_link_libraries(${name} PRIVATE freehold_shared)
    elseif(NOT T_LINK STREQUAL "none")
        message(FATAL_ERROR "freehold_test(${name}): LINK is shared, static or none, not ${T_LINK}")
    endif()
    if(NOT T_PLAIN)
        target_link_libraries(${name} PRIVATE PkgConfig::CMOCKA)
    endif()
    target_link_libraries(${name} PRIVATE ${T_LIBS} Threads::Threads)

    if("core" IN_LIST T_LABELS)
        add_dependencies(core_tests ${name})
    endif()
    if(NOT T_NO_RUN)
        add_test(NAME ${name} COMMAND ${name} ${T_ARGS})
        freehold_test_properties(${name} "${T_LABELS}" "${T_TIMEOUT}" "${T_SERIAL}" "${T_ENVIRONMENT}")
    endif()
endfunction()

function(freehold_script name script)
    cmake_parse_arguments(PARSE_ARGV 2 T "SERIAL" "TIMEOUT" "LABELS;ARGS;ENVIRONMENT")
    if(NOT TARGET freehold_shared OR CMAKE_CROSSCOMPILING)
        return()
    endif()
    get_filename_component(path ${script} ABSOLUTE)
    if(script MATCHES "\\.py$")
        set(interpreter ${FREEHOLD_PYTHON})
    else()
        set(interpreter ${FREEHOLD_BASH})
    endif()
    add_test(NAME ${name} COMMAND ${interpreter} ${path} ${T_ARGS} WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
    # CMake's own word for none is NOTFOUND, which a script would take for a command.
    set(cxx ${CMAKE_CXX_COMPILER})
    if(NOT cxx)
        set(cxx "")
    endif()
    set(environment
        FREEHOLD_SOURCE=${PROJECT_SOURCE_DIR} FREEHOLD_BUILD=${PROJECT_BINARY_DIR}
        FREEHOLD_LIB=${FREEHOLD_PRELOAD_TREE}/libfreehold.so FREEHOLD_COMMAND=${PROJECT_BINARY_DIR}/freehold
        CC=${CMAKE_C_COMPILER} CXX=${cxx} "FREEHOLD_LINK_ALSO=${FREEHOLD_LINK_ALSO}" ${T_ENVIRONMENT})
    freehold_test_properties(${name} "${T_LABELS}" "${T_TIMEOUT}" "${T_SERIAL}" "${environment}")
endfunction()
