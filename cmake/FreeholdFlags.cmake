# Compiler flags that several targets share.
#
#     FREEHOLD_WARNINGS          for all C code of ours: library, command, tests, examples, bench
#     FREEHOLD_STRICT_WARNINGS   on top, for the library and the command
#     FREEHOLD_CXX_WARNINGS      for C++ tests
#     FREEHOLD_NO_BUILTIN        for code that defines or tests malloc: the compiler must take these calls as they stand
#
# The list is meant: each flag has found mistakes in code of this kind, and both GCC 12 and Clang 14 can be
# silent under all of them without casts that hide something.
include(CheckCCompilerFlag)

set(FREEHOLD_CXX_WARNINGS -Wall -Wextra -Wshadow -Wundef -Wpointer-arith -Wcast-align -Wformat=2)
set(FREEHOLD_WARNINGS -Wall -Wextra -Wshadow -Wstrict-prototypes -Wold-style-definition -Wmissing-prototypes
    -Wvla -Wundef -Wpointer-arith -Wcast-align -Wcast-qual -Wformat=2 -Wno-format-nonliteral -Wwrite-strings
    -Wimplicit-fallthrough)
set(FREEHOLD_STRICT_WARNINGS -Wconversion)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    list(APPEND FREEHOLD_WARNINGS -Wlogical-op -Wduplicated-cond)
endif()
if(FREEHOLD_WERROR)
    list(APPEND FREEHOLD_WARNINGS -Werror)
    list(APPEND FREEHOLD_CXX_WARNINGS -Werror)
endif()

set(FREEHOLD_NO_BUILTIN -fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free
    -fno-builtin-aligned_alloc -fno-builtin-posix_memalign -fno-builtin-memalign -fno-builtin-reallocarray
    -fno-builtin-strdup -fno-builtin-strndup)

if(FREEHOLD_STATIC_ONLY)
    add_link_options(-static)
endif()

# Debian's musl-gcc sees musl's headers only, not the kernel's. They do not depend on the libc, so they are lent
# to it, by links, lest all of glibc's headers come with them.
if(FREEHOLD_STATIC_ONLY AND EXISTS /usr/include/linux/futex.h)
    include(CheckIncludeFile)
    check_include_file(linux/futex.h FREEHOLD_HAVE_KERNEL_HEADERS)
    if(NOT FREEHOLD_HAVE_KERNEL_HEADERS)
        file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/kernel-headers)
        foreach(name linux asm-generic asm)
            file(GLOB found /usr/include/${name} /usr/include/${CMAKE_SYSTEM_PROCESSOR}-linux-gnu/${name})
            if(found)
                list(GET found 0 found)
                file(CREATE_LINK ${found} ${PROJECT_BINARY_DIR}/kernel-headers/${name} SYMBOLIC)
            endif()
        endforeach()
        add_compile_options(-idirafter ${PROJECT_BINARY_DIR}/kernel-headers)
    endif()
endif()
if(FREEHOLD_SANITIZE)
    add_compile_options(-fsanitize=${FREEHOLD_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${FREEHOLD_SANITIZE})
endif()
