// The kernels of kernels.inl for generic; compiled with that instruction set's flags (see
// native/CMakeLists.txt).
#define TIMERNN_ISA_NAME "generic"
#define TIMERNN_VECTOR_BYTES 16
#define TIMERNN_TABLE kernels_table_generic
#include "kernels.inl"
