/**
 * What `timernn doctor` finds out about the machine: plain facts, no judgement (see `checks.ts`).
 */
import { readFile } from 'node:fs/promises';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import type { Binding, SystemInfo } from '../../native-types.js';
import { cpuName } from '../machine.js';

/** Speeds of one thread in GFLOP/s. */
export interface Measurements {
  /** Fused multiply-add in registers: what the core can do at most. */
  fmaPeak: number;
  /** sgemm 2048 × 2048 × 2048. */
  square: number;
  /** sgemm with few rows, the shape of a recurrent step: see SKINNY. */
  skinny: number;
}

/** m, n, k of the skinny product: 64 streams, 512 hidden units, four gates' width. */
export const SKINNY = { m: 64, n: 2048, k: 512 } as const;

export interface DoctorFacts {
  node: string;
  platform: string;
  arch: string;
  system: string;
  cpu: string;
  cores: number;
  /** Threads that Node says may run at the same time. */
  parallelism: number;
  /** CPUs that the control group grants, where it limits them. */
  cpuQuota?: number;
  memory: number;
  /** Variables that change how BLAS behaves. */
  environment: Record<string, string>;
  native?: SystemInfo;
  /** Why the addon did not load. */
  nativeError?: string;
  measured?: Measurements;
}

const VARIABLES = /^(OPENBLAS_|OMP_|GOTO_|MKL_|BLIS_|TIMERNN_|UV_THREADPOOL_SIZE$)/;

/** CPUs granted by cgroup v2, undefined where there is no limit or no such file. */
export function parseCpuMax(text: string): number | undefined {
  const [quota, period] = text.trim().split(/\s+/);
  const granted = Number(quota) / Number(period);
  return Number.isFinite(granted) && granted > 0 ? granted : undefined;
}

async function measure(native: Binding): Promise<Measurements> {
  const { m, n, k } = SKINNY;
  return {
    fmaPeak: await native.measureFma(300),
    square: await native.measureSgemm(2048, 2048, 2048, 5),
    skinny: await native.measureSgemm(m, n, k, 50),
  };
}

/**
 * @param measuring whether to spend some two seconds on measurements
 */
export async function collectFacts(measuring: boolean): Promise<DoctorFacts> {
  const cpuMax = await readFile('/sys/fs/cgroup/cpu.max', 'utf8').catch(() => '');
  const cpuQuota = parseCpuMax(cpuMax);
  const environment = Object.entries(process.env).filter(([name]) => VARIABLES.test(name));
  const facts: DoctorFacts = {
    node: process.version,
    platform: process.platform,
    arch: process.arch,
    system: `${type()} ${release()}`,
    cpu: cpuName(),
    cores: cpus().length,
    parallelism: availableParallelism(),
    ...(cpuQuota === undefined ? {} : { cpuQuota }),
    memory: totalmem(),
    environment: Object.fromEntries(environment) as Record<string, string>,
  };
  try {
    const { native } = await import('../../native.js');
    facts.native = native.systemInfo();
    if (measuring) facts.measured = await measure(native);
  } catch (error) {
    facts.nativeError = (error as Error).message;
  }
  return facts;
}
