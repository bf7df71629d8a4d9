/** How each side is started, with the environment in which it is fastest. A new peer is one more entry of `peers`. */
import { fileURLToPath } from 'node:url';
import { Side } from './side.mjs';

const here = (file) => fileURLToPath(new URL(file, import.meta.url));
const MAX_CORES = 2;

export function ours(workload, workers, { corpus }) {
  const argument = JSON.stringify({ workload, workers, corpus });
  return new Side(process.execPath, [here('ours.mjs'), argument], { cpus: MAX_CORES });
}

/** Threads pinned one to a core; memory is kept by the process instead of given back and faulted in again each step. */
function pytorchEnvironment(threads) {
  return {
    OMP_NUM_THREADS: String(threads),
    MKL_NUM_THREADS: String(threads),
    // One thread may move between the cores, as ours may; two are held apart.
    ...(threads > 1 ? { OMP_PROC_BIND: 'true', OMP_PLACES: 'cores' } : {}),
    MALLOC_MMAP_THRESHOLD_: '4294967296',
    MALLOC_TRIM_THRESHOLD_: '4294967296',
    MALLOC_TOP_PAD_: '268435456',
    TORCHINDUCTOR_COMPILE_THREADS: '1',
    PYTHONDONTWRITEBYTECODE: '1',
  };
}

export const peers = [
  {
    name: 'PyTorch',
    start(workload, threads, { quick }) {
      const args = [here('peers/pytorch.py'), '--workload', JSON.stringify(workload), '--threads', String(threads)];
      const options = { cpus: MAX_CORES, env: pytorchEnvironment(threads) };
      return new Side(process.env.TIMERNN_PYTHON || 'python3', quick ? [...args, '--stock'] : args, options);
    },
  },
];
