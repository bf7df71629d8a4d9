#!/usr/bin/env bash
# Compiles the native core for 64-bit Arm with warnings as errors, and runs the kernels' tests under QEMU, so that the NEON kernels
# are held against the reference on a machine that has no NEON. BLAS is the one of test/native/arm64.
# Refuses to install anything and to measure anything: an emulator's speed says nothing.
# Ends with 77, and says why, where it cannot do all of it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

skip() {
  echo "Skipped: $*"
  exit 77
}

case $(uname -m) in
  aarch64 | arm64) skip 'this machine is arm64 itself, where npm test runs the NEON kernels' ;;
esac
if ! command -v aarch64-linux-gnu-g++ >/dev/null; then
  skip 'the cross compiler is missing: apt-get install g++-aarch64-linux-gnu qemu-user'
fi

# The kernels, and the smallest suites that hold what they compute against a reference in double. Left out: gemm, which is BLAS;
# replica and stepper, which put the same kernels together; and what tests threads, since an emulated CPU orders memory as this
# one does, so that it would prove nothing.
suites=(engine kernels math gates dispatch packed embedding_rows layer_replica cells head)
chosen='^native\.(engine|kernels|math|gates|dispatch.*|packed|packed\.generic|embedding_rows|layer_replica|cells|head)$'

jobs=${TIMERNN_BUILD_JOBS:-$(nproc 2>/dev/null || echo 2)}
cmake -S native -B build-arm64 -DCMAKE_BUILD_TYPE=Release -DTIMERNN_DEVELOPER=ON \
  -DCMAKE_TOOLCHAIN_FILE="$PWD/test/native/arm64/toolchain.cmake" \
  -DCMAKE_PROJECT_timernn_core_INCLUDE="$PWD/test/native/arm64/reference_blas.cmake"
cmake --build build-arm64 --parallel "$jobs" --target "${suites[@]/%/_test}"

if ! command -v qemu-aarch64 >/dev/null; then
  skip 'compiled without a warning, but not run, as qemu-aarch64 is missing: apt-get install qemu-user'
fi
# One random model of each shape; a mistake in a kernel shows in any.
TIMERNN_TEST_SEEDS=1 ctest --test-dir build-arm64 --output-on-failure --no-tests=error --parallel "$jobs" -R "$chosen"
