// The kernels of kernels.inl for avx512; compiled with that instruction set's flags (see
// native/CMakeLists.txt).
#define TIMERNN_ISA_NAME "avx512"
#define TIMERNN_VECTOR_BYTES 64
#define TIMERNN_TABLE kernels_table_avx512
#include "kernels.inl"
