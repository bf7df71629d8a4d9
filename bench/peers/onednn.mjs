/** oneDNN's RNN primitives for the layer workloads: a small C++ program, built on demand from `onednn_rnn.cpp`. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { promisify } from 'node:util';
import { here, Side } from '../side.mjs';

const source = here('peers/onednn_rnn.cpp');
const folder = here('../build/bench');
const program = `${folder}/onednn_rnn`;

/** Builds where the program is missing or older than its source. @throws where the compiler or oneDNN is not there */
async function build() {
  if (existsSync(program) && statSync(program).mtimeMs > statSync(source).mtimeMs) return;
  mkdirSync(folder, { recursive: true });
  const compiler = process.env.CXX || 'c++';
  const half = `${program}.${process.pid}`;
  try {
    await promisify(execFile)(compiler, ['-O2', '-std=c++17', source, '-o', half, '-ldnnl']);
  } catch (error) {
    const cause =
      /(?:fatal )?error: .*|cannot find .*|ENOENT/.exec(error.stderr || error.message)?.[0] ?? error.message;
    throw new Error(`it could not be built with ${compiler} (Debian has it as libdnnl-dev): ${cause}`);
  }
  renameSync(half, program);
}

export default {
  name: 'oneDNN',
  supports: ({ kind, layers }) => kind === 'layer' && layers === 1,
  async start({ cell, N, T, D, H }, threads, { cores }) {
    await build();
    const env = {
      GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1', // large pages, as ours asks for
      OMP_NUM_THREADS: String(threads),
      ...(threads > 1 ? { OMP_PROC_BIND: 'true', OMP_PLACES: 'cores' } : {}),
    };
    return new Side(program, [cell, ...[N, T, D, H].map(String)], { cpus: cores, env });
  },
};
