# Cross-compiles for 64-bit Arm Linux and runs what it made under QEMU; see scripts/check-arm64.sh.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
# ctest puts it before every test. Static programs need no Arm libraries, wherever a distribution keeps them.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64)
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
