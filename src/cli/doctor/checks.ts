/**
 * What the facts mean: one finding a subject, and for each that is not well, what to do. Pure functions.
 */
import type { SystemInfo } from '../../native-types.js';
import { bytes } from '../format.js';
import { type DoctorFacts, type Measurements, SKINNY } from './facts.js';

export type Status = 'ok' | 'warn' | 'fail';

export interface Finding {
  subject: string;
  status: Status;
  /** What was found; one line, or several where the loader explains itself. */
  found: string;
  /** What to do; only where the status is not ok. */
  remedy?: string;
}

/** Cores that OpenBLAS falls back to when it does not know the CPU; its slow, general kernels. */
const FALLBACK_CORES = /^(prescott|generic|core2|armv8|unknown)$/i;
const BEST_ISA = ['avx512', 'avx2', 'neon', 'generic'];

const ok = (subject: string, found: string): Finding => ({ subject, status: 'ok', found });
const warn = (subject: string, found: string, remedy: string): Finding => ({ subject, status: 'warn', found, remedy });

function checkNode({ node }: DoctorFacts): Finding {
  const [major = 0, minor = 0] = node.replace(/^v/, '').split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return ok('Node', node);
  return { subject: 'Node', status: 'fail', found: node, remedy: 'Install Node 20.19 or newer.' };
}

function checkPlatform({ platform, arch, system, memory }: DoctorFacts): Finding {
  const found = `${platform} ${arch} (${system}), ${bytes(memory)} of memory`;
  if (platform === 'linux' || platform === 'darwin') return ok('Platform', found);
  return { subject: 'Platform', status: 'fail', found, remedy: 'Use Linux or macOS; on Windows, WSL 2.' };
}

function checkCpu({ cpu, cores, parallelism, cpuQuota }: DoctorFacts): Finding {
  const limit = cpuQuota === undefined ? '' : `, limited to ${Number(cpuQuota.toFixed(2))} by the control group`;
  const found = `${cpu}, ${cores} core${cores === 1 ? '' : 's'}, ${parallelism} usable${limit}`;
  if (cpuQuota !== undefined && cpuQuota + 0.01 < parallelism) {
    const workers = Math.max(1, Math.floor(cpuQuota));
    return warn('CPU', found, `Train with --workers ${workers}: more threads than granted CPUs wait for each other.`);
  }
  return ok('CPU', found);
}

function checkKernels(native: SystemInfo): Finding {
  const best = BEST_ISA.find((isa) => native.isaAvailable.includes(isa)) ?? native.isa;
  const features = native.cpuFeatures.length > 0 ? `; CPU features ${native.cpuFeatures.join(' ')}` : '';
  const found = `${native.isa}, available ${native.isaAvailable.join(' ') || native.isa}${features}`;
  if (native.isa !== best) {
    return warn('Kernels', found, `Unset TIMERNN_ISA, so that the ${best} kernels are used.`);
  }
  if (native.isa === 'generic' && native.cpuFeatures.includes('avx2')) {
    return warn('Kernels', found, 'Compile again with a newer compiler: npx timernn build');
  }
  return ok('Kernels', found);
}

function checkProducts({ gemm, isa }: SystemInfo): Finding {
  if (gemm === 'packed') return ok('Products', 'own kernel on packed weights');
  if (isa === 'generic') return ok('Products', 'BLAS, since these kernels have no fused multiply-add');
  return warn('Products', 'BLAS', 'Unset TIMERNN_GEMM, so that the faster kernel on packed weights is used.');
}

function checkBlas({ blas, cpuFeatures }: SystemInfo): Finding {
  const found = [blas.config || 'unknown library', blas.coreType && `core type ${blas.coreType}`]
    .filter(Boolean)
    .join(', ');
  if (/accelerate/i.test(blas.config)) return ok('BLAS', found);
  if (!/openblas/i.test(blas.config)) {
    return warn('BLAS', found, 'Install OpenBLAS (Debian: apt install libopenblas-dev) and run: npx timernn build');
  }
  if (blas.coreType !== '' && FALLBACK_CORES.test(blas.coreType) && cpuFeatures.includes('avx2')) {
    const core = cpuFeatures.some((feature) => feature.startsWith('avx512')) ? 'SkylakeX' : 'Haswell';
    return warn(
      'BLAS',
      found,
      `OpenBLAS did not recognise this CPU; set OPENBLAS_CORETYPE=${core}, or update OpenBLAS.`,
    );
  }
  return ok('BLAS', found);
}

function checkThreads({ blas }: SystemInfo): Finding {
  const kind = ({ 0: 'sequential', 1: 'POSIX threads', 2: 'OpenMP' } as Record<number, string>)[blas.parallel];
  const found = `${kind ?? 'unknown threading'}, ${blas.threads} thread${blas.threads === 1 ? '' : 's'} a call`;
  const remedy =
    blas.parallel === 2
      ? 'OpenMP builds of OpenBLAS ignore our setting: set OMP_NUM_THREADS=1, or install the pthread variant (Debian: libopenblas0-pthread).'
      : 'Set OPENBLAS_NUM_THREADS=1: timernn runs one BLAS thread in each of its workers.';
  return blas.threads > 1 ? warn('BLAS threads', found, remedy) : ok('BLAS threads', found);
}

function checkSpeed(measured: Measurements): Finding[] {
  const share = (value: number) => value / measured.fmaPeak;
  const figure = (value: number) => `${value.toFixed(1)} GFLOP/s, ${(100 * share(value)).toFixed(0)} % of the peak`;
  const { m, n, k } = SKINNY;
  const busy = 'Measure again on an idle machine; if it stays, update OpenBLAS or check its core type above.';
  const judge = (subject: string, value: number, least: number): Finding =>
    share(value) < least ? warn(subject, figure(value), busy) : ok(subject, figure(value));
  return [
    ok('FMA peak', `${measured.fmaPeak.toFixed(1)} GFLOP/s on one core`),
    judge('sgemm 2048³', measured.square, 0.6),
    judge(`sgemm ${m}×${n}×${k}`, measured.skinny, 0.4),
  ];
}

function checkEnvironment({ environment }: DoctorFacts): Finding[] {
  const set = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  return set.length > 0 ? [ok('Environment', set.join(' '))] : [];
}

/** All findings, in the order in which they are printed. */
export function examine(facts: DoctorFacts): Finding[] {
  const findings = [checkNode(facts), checkPlatform(facts), checkCpu(facts)];
  if (facts.native === undefined) {
    const [first = '', ...rest] = (facts.nativeError ?? 'The native part did not load.').trim().split('\n');
    const remedy = rest.join('\n').trim() || 'npx timernn build';
    findings.push({ subject: 'Native part', status: 'fail', found: first, remedy });
  } else {
    findings.push(ok('Native part', `loaded; compiler ${facts.native.compiler}`));
    findings.push(
      checkKernels(facts.native),
      checkProducts(facts.native),
      checkBlas(facts.native),
      checkThreads(facts.native),
    );
    if (facts.measured !== undefined) findings.push(...checkSpeed(facts.measured));
  }
  return [...findings, ...checkEnvironment(facts)];
}
