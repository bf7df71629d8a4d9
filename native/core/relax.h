// What a thread that spins does between two looks. Refuses to do: waiting.
#pragma once

namespace timernn {

inline void relax() {
#if defined(__x86_64__) || defined(_M_X64)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace timernn
