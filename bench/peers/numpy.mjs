/** The book's method in NumPy. */
import { here, python, Side } from '../side.mjs';

export default {
  name: 'NumPy',
  supports: () => true,
  start(workload, threads, { cores }) {
    const env = {
      GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1', // large pages, as ours asks for
      OMP_NUM_THREADS: String(threads),
      OPENBLAS_NUM_THREADS: String(threads),
      MKL_NUM_THREADS: String(threads),
      PYTHONDONTWRITEBYTECODE: '1',
    };
    const program = here('peers/numpy_book.py');
    return new Side(python, [program, '--workload', JSON.stringify(workload)], { cpus: cores, env });
  },
};
