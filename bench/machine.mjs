/** What machine and which versions a run was on, and where its results are kept. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { join, relative } from 'node:path';
import { here } from './side.mjs';

const root = here('..');

/** The model name alone can be vague on virtual machines, so family and model number are kept too. */
function cpuModel() {
  const name = cpus()[0]?.model?.trim() || process.arch;
  if (!existsSync('/proc/cpuinfo')) return name;
  const info = readFileSync('/proc/cpuinfo', 'utf8');
  const field = (key) => new RegExp(`^${key}\\s*:\\s*(.+)$`, 'm').exec(info)?.[1];
  const [family, model] = [field('cpu family'), field('model')];
  return family === undefined ? name : `${name} (family ${family}, model ${model})`;
}

function commit() {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], {
      cwd: root,
      stdio: 'pipe',
      encoding: 'utf8',
    }).trim();
  } catch {
    return undefined; // an unpacked tarball has no history
  }
}

export function describeMachine() {
  return {
    date: new Date().toISOString(),
    cpu: cpuModel(),
    cores: availableParallelism(),
    memory: totalmem(),
    system: `${process.platform} ${release()} ${process.arch}`,
    node: process.versions.node,
    timernn: JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version,
    commit: commit(),
  };
}

/** Paths of the results, relative to the current folder: every turn as JSON, the tables as markdown. */
export function resultFiles({ date, cpu }) {
  const slug = cpu
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '');
  const folder = join(root, 'bench', 'results');
  const file = (extension) => relative(process.cwd(), join(folder, `${date.slice(0, 10)}-${slug}.${extension}`));
  return { folder, json: file('json'), markdown: file('md') };
}
