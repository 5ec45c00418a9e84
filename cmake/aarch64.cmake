# Cross build for aarch64 on another machine; its tests run under qemu's user emulation.
#
#     cmake -S . -B build-aarch64 --toolchain cmake/aarch64.cmake
#
# Debian: gcc-aarch64-linux-gnu, libc6-dev-arm64-cross, qemu-user.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
find_program(cxx aarch64-linux-gnu-g++)
if(cxx)
    set(CMAKE_CXX_COMPILER ${cxx})
endif()
find_program(qemu NAMES qemu-aarch64 qemu-aarch64-static)
if(qemu)
    set(CMAKE_CROSSCOMPILING_EMULATOR ${qemu} -L /usr/aarch64-linux-gnu)
endif()
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
