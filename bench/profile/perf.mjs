/** Samples a running process with Linux's perf: the functions on the stack, leaf first. Refuses to interpret them. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** Samples a second and thread. Each copies a piece of the stack, so that functions without frame pointers unwind. */
const FREQUENCY = '499';
const STACK_BYTES = '8192';

/** @returns the command's name, undefined where it does not run or may not sample */
export function findPerf() {
  const folder = mkdtempSync(join(tmpdir(), 'timernn-perf-'));
  try {
    const args = ['record', '-q', '-e', 'cpu-clock', '-o', join(folder, 'try'), '--', 'true'];
    return spawnSync('perf', args, { stdio: 'ignore' }).status === 0 ? 'perf' : undefined;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Records `seconds` of a process. @returns the folder that holds the recording */
export async function record(perf, pid, seconds) {
  const folder = mkdtempSync(join(tmpdir(), 'timernn-perf-'));
  const sampling = ['-e', 'cpu-clock:u', '-F', FREQUENCY, '-g', '--call-graph', `dwarf,${STACK_BYTES}`];
  const args = [
    'record',
    '-q',
    ...sampling,
    '-o',
    join(folder, 'data'),
    '-p',
    String(pid),
    '--',
    'sleep',
    String(seconds),
  ];
  await run(perf, args);
  return folder;
}

/** Stacks of a recording, each a list of function names; the recording is removed. */
export async function sampleStacks(perf, folder) {
  try {
    const args = ['script', '-i', join(folder, 'data'), '-F', 'ip,sym', '--no-inline'];
    const { stdout } = await run(perf, args, { maxBuffer: 2 ** 30 });
    return stdout
      .split(/\n\s*\n/)
      .filter((block) => block.trim() !== '')
      .map((block) =>
        block
          .trim()
          .split('\n')
          .map((line) => line.trim().replace(/^[0-9a-f]+ /, '')),
      );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
