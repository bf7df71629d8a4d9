/** What a report says about the machine. */
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import type { ReportTable } from '../report/types.js';
import { bytes } from './format.js';

/** The CPU's name without the doubled spaces and trademarks that some carry. */
export function cpuName(): string {
  const model = cpus()[0]?.model ?? 'unknown';
  return (
    model
      .replace(/\((R|TM)\)/gi, '')
      .replace(/\s+/g, ' ')
      .trim() || 'unknown'
  );
}

/**
 * @param workers threads that the run used
 * @throws ERR_TIMERNN_NATIVE where the addon does not load
 */
export async function machineTable(workers: number): Promise<ReportTable> {
  const { native } = await import('../native.js');
  const info = native.systemInfo();
  return {
    title: 'Machine',
    rows: [
      ['CPU', cpuName()],
      ['Threads', `${workers} used, ${availableParallelism()} available`],
      ['Memory', bytes(totalmem())],
      ['System', `${type()} ${release()}, ${process.arch}`],
      ['Node', process.version],
      ['Kernels', info.isa],
      ['BLAS', [info.blas.config, info.blas.coreType].filter(Boolean).join(', ') || 'unknown'],
      ['Compiler', info.compiler],
    ],
  };
}
