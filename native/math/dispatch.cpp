// Chooses the kernel table by CPU features, once; see kernels.h.
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include "kernels.h"

namespace timernn {

extern const Kernels kernels_table_generic;
#ifdef TIMERNN_X86
extern const Kernels kernels_table_avx2;
extern const Kernels kernels_table_avx512;
#endif
#ifdef TIMERNN_ARM64
extern const Kernels kernels_table_neon;
#endif

const Kernels* kernels_for(const char* isa) {
  if (std::strcmp(isa, "generic") == 0) return &kernels_table_generic;
#ifdef TIMERNN_X86
  __builtin_cpu_init();
  if (std::strcmp(isa, "avx2") == 0 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return &kernels_table_avx2;
  }
  if (std::strcmp(isa, "avx512") == 0 && __builtin_cpu_supports("avx512f") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw")) {
    return &kernels_table_avx512;
  }
#endif
#ifdef TIMERNN_ARM64
  if (std::strcmp(isa, "neon") == 0) return &kernels_table_neon;  // every 64-bit Arm CPU has it, FMA included
#endif
  return nullptr;
}

namespace {
const Kernels& choose() {
  if (const char* wanted = std::getenv("TIMERNN_ISA")) {
    if (const Kernels* table = kernels_for(wanted)) return *table;
  }
  for (const char* isa : {"avx512", "avx2", "neon"}) {
    if (const Kernels* table = kernels_for(isa)) return *table;
  }
  return kernels_table_generic;
}
}  // namespace

const Kernels& kernels() {
  static const Kernels& chosen = choose();  // immutable after the first call
  return chosen;
}

}  // namespace timernn
