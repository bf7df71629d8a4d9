/** What the benchmark says at its end: tables for the terminal and for the markdown file. Refuses to measure. */
import { megabytes, percent, table, times, tokens } from './table.mjs';

/** The workloads over which the project's geometric means go (issue "the engine"). */
const MEAN_OF = ['W1', 'W2', 'W3', 'W4', 'W5', 'W6'];

const ownOf = ({ sides }) => sides.find(({ name }) => name === 'timernn');
const peersOf = ({ sides }) => sides.filter(({ name }) => name !== 'timernn');
const label = ({ workload, threads }) => [workload.name, threads];
const speed = (side) => side?.tokensPerSecond;

/** A peer that is slower on two threads than on one is compared at its best: the fastest with as many threads or fewer. */
function candidates(result, results) {
  return results
    .filter(({ workload, threads }) => workload === result.workload && threads <= result.threads)
    .flatMap((other) => peersOf(other).map((peer) => ({ ...peer, threads: other.threads })));
}

const fastest = (peers) => peers.reduce((best, peer) => (speed(peer) > (speed(best) ?? 0) ? peer : best), undefined);
const bestOf = (result, results) => fastest(candidates(result, results));
const bestNamed = (name) => (result, results) =>
  fastest(candidates(result, results).filter((peer) => peer.name === name));

/** The peer's name, and its threads where they are not the row's. */
function called(peer, threads) {
  return peer && (peer.threads === threads ? peer.name : `${peer.name}, 1 thread`);
}

function ratio(result, peer) {
  return peer === undefined ? undefined : speed(ownOf(result)) / speed(peer);
}

function speeds(results) {
  const head = [
    '',
    'threads',
    'timernn',
    'low–high',
    'GFLOP/s',
    'of FMA peak',
    'best peer',
    'its speed',
    'ratio',
    'RSS',
    "peer's RSS",
  ];
  const rows = results.map((result) => {
    const own = ownOf(result);
    const best = bestOf(result, results);
    const range = `${tokens(own.lowest)}–${tokens(own.highest)}`;
    // A token at a time is bound by memory: see the table of its bandwidth.
    const share = result.workload.kind === 'step' ? undefined : percent(own.shareOfPeak);
    const ours = [tokens(speed(own)), range, own.gflops.toFixed(1), share];
    const theirs = [
      called(best, result.threads),
      tokens(speed(best)),
      times(ratio(result, best)),
      megabytes(own.peakRss),
      megabytes(best?.peakRss),
    ];
    return [...label(result), ...ours, ...theirs];
  });
  return section('Tokens/s (medians), and the best of all peers', table(head, rows));
}

function peerTable(results) {
  const names = [...new Set(results.flatMap((result) => peersOf(result).map(({ name }) => name)))];
  if (names.length === 0) return [];
  const rows = results.map((result) => {
    const cell = (name) => {
      const peer = peersOf(result).find((side) => side.name === name);
      return peer && `${tokens(speed(peer))} (${times(ratio(result, peer))})`;
    };
    return [...label(result), tokens(speed(ownOf(result))), ...names.map(cell)];
  });
  const what = 'Each peer: tokens/s (timernn / peer)';
  return section(what, table(['', 'threads', 'timernn', ...names], rows));
}

function scaling(results) {
  const rows = results.flatMap((result) => {
    const one = results.find(({ workload, threads }) => workload === result.workload && threads === 1);
    if (result.threads !== 2 || one === undefined || result.workload.kind === 'step') return [];
    const [own, alone] = [ownOf(result), ownOf(one)];
    const gain = speed(own) / speed(alone);
    const theirs = peersOf(result).map(({ name, ...peer }) => {
      const before = peersOf(one).find((side) => side.name === name);
      return before && `${name} ${times(speed(peer) / speed(before))}`;
    });
    const probe = own.probeScaling;
    return [
      [
        result.workload.name,
        times(gain),
        times(probe),
        percent(gain / probe),
        theirs.filter(Boolean).join(', ') || undefined,
      ],
    ];
  });
  if (rows.length === 0) return [];
  const head = ['', '2 workers / 1', 'FMA probe, 2 cores / 1', 'of the probe', 'peers, 2 threads / 1'];
  return section('Scaling, beside what two cores give the FMA probe', table(head, rows));
}

function variants(results) {
  const rows = results.flatMap((result) =>
    peersOf(result).map(({ name, stock, chosen, lowest, highest, peakRss }) => {
      const plain = typeof stock === 'number' ? tokens(stock) : undefined;
      return [
        result.workload.name,
        result.threads,
        name,
        plain,
        `${tokens(lowest)}–${tokens(highest)}`,
        megabytes(peakRss),
        chosen,
      ];
    }),
  );
  if (rows.length === 0) return [];
  const head = ['', 'threads', 'peer', 'stock', 'low–high', 'RSS', 'variant'];
  return section('The variants that the peers ran (stock: plain modules, as they come)', table(head, rows));
}

function stepTable(results) {
  const rows = results.flatMap((result) => {
    if (result.workload.kind !== 'step') return [];
    const gigabytes = (side) => side?.gigabytesPerSecond.toFixed(1);
    return [
      [
        ...label(result),
        gigabytes(ownOf(result)),
        called(bestOf(result, results), result.threads),
        gigabytes(bestOf(result, results)),
      ],
    ];
  });
  if (rows.length === 0) return [];
  const head = ['', 'threads', 'timernn', 'best peer', 'its GB/s'];
  return section('A token at a time: weights read, GB/s', table(head, rows));
}

function service(results) {
  const rows = results.flatMap((result) => {
    if (result.workload.kind !== 'lm') return [];
    const { p50, p99, max } = ownOf(result).eventLoop;
    return [[...label(result), ...[p50, p99, max].map((ms) => ms.toFixed(1))]];
  });
  if (rows.length === 0) return [];
  const what = 'Event loop of the training process in ms, at 1 ms resolution (an idle loop shows about 1.1)';
  return section(what, table(['', 'workers', 'p50', 'p99', 'max'], rows));
}

const section = (title, text) => [`## ${title}`, text];

function geometricMean(ratios) {
  return Math.exp(ratios.reduce((sum, value) => sum + Math.log(value), 0) / ratios.length);
}

/** Only over what was measured, and it says over which workloads. */
function means(results, threads) {
  const some = results.filter((result) => MEAN_OF.includes(result.workload.name) && result.threads === threads);
  return Object.entries({ 'the best of all peers': bestOf, 'the best tuned PyTorch': bestNamed('PyTorch') }).flatMap(
    ([what, pick]) => {
      const pairs = some.map((result) => [result, pick(result, results)]).filter(([, peer]) => peer !== undefined);
      if (pairs.length === 0) return [];
      const mean = geometricMean(pairs.map(([result, peer]) => ratio(result, peer)));
      const names = pairs.map(([{ workload }]) => workload.name).join(', ');
      return `Geometric mean, threads ${threads} (${names}): ${times(mean)} × ${what}.`;
    },
  );
}

function versions(results) {
  const seen = new Map(results.flatMap(peersOf).map(({ name, version }) => [name, version]));
  return [...seen].map(([name, version]) => `${name} ${version}`);
}

function notes({ machine, options, absent, results }) {
  const peers = versions(results);
  const lines = [
    `${options.repeats} turns of ${options.seconds} s each, sides taking turns. GFLOP/s: 6 operations a weight and token in training, 2 in W7.`,
    `timernn ${machine.timernn} (${machine.commit ?? 'no commit'})${peers.length > 0 ? `; ${peers.join('; ')}` : ''}.`,
    ...[2, 1].flatMap((threads) => means(results, threads)),
    ...[...absent].map(([name, reason]) => `${name} did not take part: ${reason}`),
  ];
  if (machine.othersCores > 0.1) {
    const busy = machine.othersCores.toFixed(1);
    lines.push(`Other programs kept ${busy} cores busy during this run: figures on two threads mean little.`);
  }
  return lines;
}

/** The whole report as markdown. */
export function report(run) {
  const { machine, results } = run;
  const parts = [speeds, peerTable, scaling, stepTable, service, variants].flatMap((part) => part(results));
  const title = `# Benchmark, ${machine.date.slice(0, 10)}: ${machine.cpu}, ${machine.cores} cores`;
  const about = `${machine.system}, Node ${machine.node}, ${(machine.memory / 2 ** 30).toFixed(0)} GiB`;
  return [
    title,
    about,
    ...parts,
    '## Notes',
    notes(run)
      .map((line) => `- ${line}`)
      .join('\n'),
  ].join('\n\n');
}
