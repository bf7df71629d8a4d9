/** Measures one workload: every side in a process of its own, warmed up, then A B A B … on all thread counts. */
import { ours } from './sides.mjs';
import { flopsPerToken, threadCounts, weightsPerToken } from './workloads.mjs';

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Starts a peer on one workload and lets it choose its fastest variant. @throws where it does not run */
async function startPeer(peer, workload, threads, options) {
  let side;
  let version;
  try {
    side = await peer.start(workload, threads, options);
    ({ version } = await side.next());
    const seconds = Math.min(0.7, options.seconds);
    const { compileLimit } = options;
    const { variant, ...tuning } = await side.ask({ cmd: 'tune', seconds, compileLimit });
    if (peer.restart && !options.quick) {
      await side.close();
      side = await peer.start(workload, threads, options);
      await side.next();
      await side.ask({ cmd: 'use', variant, seconds, compileLimit });
    }
    return { name: peer.name, version, side, chosen: tuning.chosen, stock: tuning.stock, tried: tuning.tried };
  } catch (error) {
    await side?.close();
    throw Object.assign(error, { started: version !== undefined });
  }
}

async function startOurs(workload, threads, options) {
  const side = ours(workload, threads, options);
  try {
    const { system } = await side.next();
    await side.ask({ cmd: 'tune', seconds: options.seconds });
    return { name: 'timernn', side, system };
  } catch (error) {
    await side.close();
    throw error;
  }
}

/** Our side and the peers on one number of threads; a peer that does not run is named in `absent` and left out. */
async function startAll(workload, threads, options, absent) {
  const sides = [await startOurs(workload, threads, options)];
  for (const peer of options.peers) {
    if (absent.has(peer.name) || !peer.supports(workload, threads)) continue;
    try {
      sides.push(await startPeer(peer, workload, threads, options));
    } catch (error) {
      // A peer that does not start at all is missed everywhere; one that fails on a workload is missed there.
      const missed = error.started ? `${peer.name} on ${workload.name} × ${threads}` : peer.name;
      absent.set(missed, error.message);
      console.error(`${missed} is left out: ${error.message}`);
    }
  }
  return sides.map((entry) => ({ ...entry, threads, turns: [] }));
}

/** @returns one result for each number of threads */
export async function measure(workload, options, absent) {
  const sides = [];
  try {
    for (const threads of threadCounts) sides.push(...(await startAll(workload, threads, options, absent)));
    for (let turn = 0; turn < options.repeats; turn++) {
      for (const entry of sides) entry.turns.push(await entry.side.ask({ cmd: 'measure', seconds: options.seconds }));
    }
  } finally {
    await Promise.all(sides.map(({ side }) => side.close()));
  }
  return threadCounts.map((threads) => ({
    workload,
    threads,
    sides: sides.filter((entry) => entry.threads === threads).map((entry) => summarise(entry, workload)),
  }));
}

function summarise({ side: _, threads, ...entry }, workload) {
  const rates = entry.turns.map(({ tokens, seconds }) => tokens / seconds);
  const tokensPerSecond = median(rates);
  const gflops = (tokensPerSecond * flopsPerToken(workload)) / 1e9;
  return {
    ...entry,
    tokensPerSecond,
    lowest: Math.min(...rates),
    highest: Math.max(...rates),
    gflops,
    // One stream reads every weight once a token; a window reads them once for all its rows.
    ...(workload.kind === 'step'
      ? {
          gigabytesPerSecond: (tokensPerSecond * (entry.turns[0].bytesPerToken ?? 4 * weightsPerToken(workload))) / 1e9,
        }
      : {}),
    peakRss: Math.max(...entry.turns.map(({ peakRss }) => peakRss)),
    ...peakOf(entry.turns, gflops),
    ...delayOf(entry.turns),
  };
}

/** The FMA peak is measured by our side alone, before each turn. */
export function peakOf(turns, gflops) {
  if (turns[0].peakGflops === undefined) return {};
  // The highest: a host that puts two virtual cores on one for a moment makes the probe lower, never higher.
  const peakGflops = Math.max(...turns.map((turn) => turn.peakGflops));
  const peakGflopsOfOne = Math.max(...turns.map((turn) => turn.peakGflopsOfOne));
  const probeScaling = peakGflops / peakGflopsOfOne;
  return { peakGflops, peakGflopsOfOne, probeScaling, shareOfPeak: gflops / peakGflops };
}

function delayOf(turns) {
  if (turns[0].delay === undefined) return {};
  const delays = turns.map(({ delay }) => delay);
  return {
    eventLoop: {
      resolution: delays[0].resolution,
      p50: median(delays.map(({ p50 }) => p50)),
      p99: Math.max(...delays.map(({ p99 }) => p99)),
      max: Math.max(...delays.map(({ max }) => max)),
    },
  };
}
