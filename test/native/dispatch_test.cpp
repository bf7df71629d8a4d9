// Which table kernels() chooses, and which path of products. Run with several values of TIMERNN_ISA and
// TIMERNN_GEMM (see CMakeLists.txt).
#include <cstdlib>
#include <string>

#include "gemm/packed.h"
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

TEST("neon is there on every 64-bit Arm CPU, and nowhere else") {
#ifdef __aarch64__
  CHECK(kernels_for("neon") != nullptr);
#else
  CHECK(kernels_for("neon") == nullptr);
#endif
}

#ifdef __OPTIMIZE__  // without it compilers fuse nothing
TEST("every set but generic has fused multiply-adds, which is what it is chosen for") {
  // p is g · a rounded: a fused p + (−a) · g leaves what the rounding took, two operations leave zero.
  const float a = 1.0f + 0x1p-13f;
  const std::vector<float> g(16, 1.0f + 0x1p-12f);
  for (const Kernels* k : runnable_isas()) {
    if (std::string("generic") == k->isa) continue;
    std::vector<float> p(16, g[0] * a);
    const float x = -a;
    k->gemv(p.data(), &x, g.data(), 1, p.size(), p.size());
    for (float left : p) CHECK_EQ(left, -0x1p-25f);
  }
}
#endif

TEST("TIMERNN_GEMM chooses the path; auto is packed where the kernels have fused multiply-adds") {
  const char* variable = std::getenv("TIMERNN_GEMM");
  const std::string wanted = variable == nullptr ? "auto" : variable;
  const bool generic = std::string(kernels().isa) == "generic";
  const bool packed = wanted == "packed" || (wanted != "blas" && !generic);
  CHECK(gemm_path() == (packed ? GemmPath::packed : GemmPath::blas));
}

}  // namespace
}  // namespace timernn::test
