/** PyTorch, tuned: the fastest of its variants runs again alone in a process of its own before it is measured. */
import { here, python, Side } from '../side.mjs';

/**
 * Threads pinned one to a core; memory is kept by the process instead of given back and faulted in again each step, and
 * lies in large pages where the system has them, as ours does.
 */
export function pytorchEnvironment(threads) {
  return {
    OMP_NUM_THREADS: String(threads),
    MKL_NUM_THREADS: String(threads),
    // One thread may move between the cores, as ours may; two are held apart.
    ...(threads > 1 ? { OMP_PROC_BIND: 'true', OMP_PLACES: 'cores' } : {}),
    MALLOC_MMAP_THRESHOLD_: '4294967296',
    MALLOC_TRIM_THRESHOLD_: '4294967296',
    MALLOC_TOP_PAD_: '268435456',
    GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1',
    THP_MEM_ALLOC_ENABLE: '1',
    TORCHINDUCTOR_COMPILE_THREADS: '1',
    PYTHONDONTWRITEBYTECODE: '1',
  };
}

export default {
  name: 'PyTorch',
  supports: () => true,
  /** Memory and allocator as they are after trying every variant are not those of the fastest. */
  restart: true,
  start(workload, threads, { quick, cores }) {
    const args = [here('peers/pytorch.py'), '--workload', JSON.stringify(workload), '--threads', String(threads)];
    const options = { cpus: cores, env: pytorchEnvironment(threads) };
    return new Side(python, quick ? [...args, '--stock'] : args, options);
  },
};
