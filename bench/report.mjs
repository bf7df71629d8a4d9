/** What the benchmark prints and keeps: the tables, the machine, the result file. Refuses to measure. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

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

export function resultFile({ date, cpu }) {
  const slug = cpu
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '');
  const folder = join(root, 'bench', 'results');
  return { folder, file: relative(process.cwd(), join(folder, `${date.slice(0, 10)}-${slug}.json`)) };
}

/** Columns as wide as their longest cell, numbers to the right. */
function table(head, rows) {
  const all = [head, ...rows].map((row) => Array.from(row, (cell) => String(cell ?? '–')));
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column].length)));
  const line = (row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ');
  return [line(all[0]), widths.map((width) => '-'.repeat(width)).join('  '), ...all.slice(1).map(line)].join('\n');
}

function tokens(rate) {
  if (rate === undefined) return undefined;
  return rate < 1000 ? rate.toFixed(0) : `${(rate / 1000).toFixed(rate < 100_000 ? 1 : 0)}k`;
}

const OWN_COLUMNS = ['', 'threads', 'timernn', 'low–high', 'GFLOP/s', 'of FMA peak'];

const spread = ({ lowest, highest }) => `${tokens(lowest)}–${tokens(highest)}`;

function ownCells({ workload, threads, sides }) {
  const own = sides.find(({ name }) => name === 'timernn');
  const cells = [workload.name, threads];
  if (own === undefined) return [...cells, ...Array(OWN_COLUMNS.length - cells.length)];
  const share = `${(own.shareOfPeak * 100).toFixed(0)} %`;
  return [...cells, tokens(own.tokensPerSecond), spread(own), own.gflops.toFixed(1), share];
}

function peerCells({ sides }, peer) {
  const own = sides.find(({ name }) => name === 'timernn');
  const other = sides.find(({ name }) => name === peer);
  if (other === undefined) return Array(5);
  const ratio = own && (own.tokensPerSecond / other.tokensPerSecond).toFixed(2);
  const stock = typeof other.stock === 'number' ? tokens(other.stock) : undefined;
  return [tokens(other.tokensPerSecond), spread(other), ratio, stock, other.chosen];
}

/** One table for each peer that took part; our side alone where none did. */
function speedTables(results) {
  const names = new Set(results.flatMap(({ sides }) => sides.map(({ name }) => name)));
  names.delete('timernn');
  if (names.size === 0) return [`Tokens/s, medians\n\n${table(OWN_COLUMNS, results.map(ownCells))}`];
  return [...names].map((peer) => {
    const head = [...OWN_COLUMNS, peer, 'low–high', 'ratio', 'stock', 'variant'];
    const rows = results.map((result) => [...ownCells(result), ...peerCells(result, peer)]);
    const what = `Tokens/s, medians (ratio = timernn / ${peer}'s fastest variant; stock = its plain modules)`;
    return `${what}\n\n${table(head, rows)}`;
  });
}

function serviceRow({ workload, threads, sides }) {
  const own = sides.find(({ name }) => name === 'timernn');
  if (own === undefined || workload.kind !== 'lm') return [];
  const { p50, p99, max } = own.eventLoop;
  const cells = [p50, p99, max].map((ms) => ms.toFixed(1));
  return [[workload.name, threads, ...cells, `${(own.peakRss / 2 ** 20).toFixed(0)} MB`]];
}

export function printTables(results, absent) {
  for (const text of speedTables(results)) console.log(`\n${text}`);
  const service = results.flatMap(serviceRow);
  if (service.length > 0) {
    const head = ['', 'workers', 'p50', 'p99', 'max', 'peak RSS'];
    const what = 'Event loop of the training process in ms, at 1 ms resolution (an idle loop shows about 1.1)';
    console.log(`\n${what}\n\n${table(head, service)}`);
  }
  for (const [name, reason] of absent) console.log(`\n${name} did not take part: ${reason}`);
}
