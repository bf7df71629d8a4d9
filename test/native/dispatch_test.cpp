// Which table kernels() chooses. Run with several values of TIMERNN_ISA (see CMakeLists.txt).
#include <cstdlib>
#include <string>

#include "isas.h"

namespace timernn::test {
namespace {

TEST("kernels() is the table that TIMERNN_ISA names if this CPU can run it, else the best one") {
  const char* wanted = std::getenv("TIMERNN_ISA");
  const Kernels* named = wanted == nullptr ? nullptr : kernels_for(wanted);
  const Kernels* best = runnable_isas().back();
  CHECK_EQ(std::string(kernels().isa), std::string(named != nullptr ? named->isa : best->isa));
  CHECK(&kernels() == (named != nullptr ? named : best));
}

TEST("tables are found by their own names, and only by those") {
  CHECK(kernels_for("generic") != nullptr);
  for (const Kernels* k : runnable_isas()) CHECK(kernels_for(k->isa) == k);
  for (const char* name : {"", "AVX2", "avx", "generic "}) CHECK(kernels_for(name) == nullptr);
}

}  // namespace
}  // namespace timernn::test
