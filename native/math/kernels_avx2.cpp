// The kernels of kernels.inl for avx2; compiled with that instruction set's flags (see
// native/CMakeLists.txt).
#define TIMERNN_ISA_NAME "avx2"
#define TIMERNN_VECTOR_BYTES 32
#define TIMERNN_TABLE kernels_table_avx2
#include "kernels.inl"
