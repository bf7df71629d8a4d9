// The entry point of every test executable.
#include "check.h"
#include "gemm/gemm.h"

int main() {
  timernn::blas_single_thread();
  return timernn::test::run_all();
}
