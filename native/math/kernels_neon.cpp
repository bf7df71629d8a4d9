// The kernels of kernels.inl for neon; compiled with that instruction set's flags (see
// native/CMakeLists.txt).
#if !defined(__aarch64__)
#error "these kernels are for 64-bit Arm"
#endif
#define TIMERNN_ISA_NAME "neon"
#define TIMERNN_VECTOR_BYTES 16
#define TIMERNN_TABLE kernels_table_neon
#include "kernels.inl"
