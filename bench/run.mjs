/**
 * npm run bench: the workloads of `workloads.mjs`, our side and the peers taking turns in one run.
 *
 *   --quick              a fraction of a second each, stock peers, nothing written: only shows that it runs
 *   --workloads W1,W3    some of the workloads
 *   --repeats 5          turns of each side; medians are reported
 *   --seconds 1.5        length of one turn
 *   --no-peers           our side alone
 *   --compile-limit 90   seconds that a peer may spend on compiling a variant
 *
 * TIMERNN_PYTHON names the Python that has PyTorch (default: python3). A peer that does not run is named with the
 * reason, and the run goes on; our side failing ends it with exit code 1.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { watchOthers } from './others.mjs';
import { describeMachine, median, printTables, resultFile } from './report.mjs';
import { ours, peers } from './sides.mjs';
import { flopsPerToken, threadCounts, workloads } from './workloads.mjs';

function readOptions() {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      workloads: { type: 'string', default: workloads.map(({ name }) => name).join(',') },
      repeats: { type: 'string' },
      seconds: { type: 'string' },
      'no-peers': { type: 'boolean', default: false },
      'compile-limit': { type: 'string', default: '90' },
    },
  });
  const number = (name, text) => {
    const value = Number(text);
    if (!(value > 0)) throw new Error(`Expected --${name} to be a positive number, got ${text}`);
    return value;
  };
  const chosen = values.workloads.split(',').map((name) => {
    const workload = workloads.find((candidate) => candidate.name === name);
    if (workload === undefined) {
      throw new Error(`Expected --workloads to name ${workloads.map((w) => w.name).join(', ')}, got ${name}`);
    }
    return workload;
  });
  const { quick } = values;
  return {
    quick,
    chosen,
    repeats: Math.ceil(number('repeats', values.repeats ?? (quick ? '1' : '5'))),
    seconds: number('seconds', values.seconds ?? (quick ? '0.02' : '1.5')),
    compileLimit: number('compile-limit', values['compile-limit']),
    corpus: quick ? 50_000 : 4_000_000,
    peers: values['no-peers'] ? [] : peers,
  };
}

/** Starts the peers of one workload and lets each choose its fastest variant; the absent ones are named and left out. */
async function startPeers(workload, threads, options, absent) {
  const started = [];
  for (const peer of options.peers) {
    if (absent.has(peer.name)) continue;
    const side = peer.start(workload, threads, options);
    // A peer that does not start is missed everywhere; one that fails on a workload is missed there.
    let missed = peer.name;
    try {
      const { version, python } = await side.next();
      missed = `${peer.name} on ${workload.name} × ${threads}`;
      const seconds = Math.min(0.7, options.seconds);
      const tuning = await side.ask({ cmd: 'tune', seconds, compileLimit: options.compileLimit });
      started.push({ name: peer.name, version: `${version} (Python ${python})`, side, ...tuning, turns: [] });
    } catch (error) {
      absent.set(missed, error.message);
      console.error(`${missed} is left out: ${error.message}`);
      await side.close();
    }
  }
  return started;
}

/** One workload on one number of workers: A B A B …, each side in its own process, one at a time. */
async function measure(workload, threads, options, absent) {
  // A layer called from JavaScript runs on the thread that calls it.
  const own = workload.kind === 'layer' && threads > 1 ? [] : [ours(workload, threads, options)];
  const sides = own.map((side) => ({ name: 'timernn', side, turns: [] }));
  try {
    for (const entry of sides) {
      entry.system = (await entry.side.next()).system;
      await entry.side.ask({ cmd: 'tune', seconds: options.seconds });
    }
    sides.push(...(await startPeers(workload, threads, options, absent)));
    for (let turn = 0; turn < options.repeats; turn++) {
      for (const entry of sides) entry.turns.push(await entry.side.ask({ cmd: 'measure', seconds: options.seconds }));
    }
  } finally {
    await Promise.all(sides.map(({ side }) => side.close()));
  }
  return { workload, threads, sides: sides.map(({ side: _, ...entry }) => summarise(entry, workload)) };
}

function summarise(entry, workload) {
  const rates = entry.turns.map(({ tokens, seconds }) => tokens / seconds);
  const tokensPerSecond = median(rates);
  const gflops = (tokensPerSecond * flopsPerToken(workload)) / 1e9;
  const of = (pick) => entry.turns.map(pick).filter((value) => value !== undefined);
  const peak = of((turn) => turn.peakGflops);
  const delays = of((turn) => turn.delay);
  return {
    ...entry,
    tokensPerSecond,
    lowest: Math.min(...rates),
    highest: Math.max(...rates),
    gflops,
    peakRss: Math.max(...of((turn) => turn.peakRss)),
    ...(peak.length > 0 ? { peakGflops: median(peak), shareOfPeak: gflops / median(peak) } : {}),
    ...(delays.length > 0
      ? {
          eventLoop: {
            resolution: delays[0].resolution,
            p50: median(delays.map(({ p50 }) => p50)),
            p99: Math.max(...delays.map(({ p99 }) => p99)),
            max: Math.max(...delays.map(({ max }) => max)),
          },
        }
      : {}),
  };
}

async function main() {
  const options = readOptions();
  const absent = new Map();
  const machine = describeMachine();
  const others = watchOthers();
  console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}`);
  const results = [];
  for (const workload of options.chosen) {
    for (const threads of threadCounts) {
      const result = await measure(workload, threads, options, absent);
      if (result.sides.length === 0) continue;
      results.push(result);
      const line = result.sides.map(({ name, tokensPerSecond }) => `${name} ${Math.round(tokensPerSecond)} tokens/s`);
      console.error(`${workload.name} × ${threads}: ${line.join(', ')}`);
    }
  }
  printTables(results, absent);
  machine.othersCores = others();
  if (machine.othersCores > 0.1) {
    const busy = machine.othersCores.toFixed(1);
    console.log(`\nOther programs kept ${busy} cores busy during this run: figures on two threads mean little.`);
  }
  if (options.quick) return;
  const { file, folder } = resultFile(machine);
  mkdirSync(folder, { recursive: true });
  const { chosen, peers: _, ...settings } = options;
  writeFileSync(
    file,
    `${JSON.stringify({ machine, settings, absent: Object.fromEntries(absent), results }, null, 1)}\n`,
  );
  console.log(`\nWritten: ${file}`);
}

main().catch((error) => {
  console.error(`bench: ${error.message}`);
  process.exitCode = 1;
});
