/** The options of `npm run bench`, checked. */
import { parseArgs } from 'node:util';
import { peers } from './sides.mjs';
import { workloads } from './workloads.mjs';

/** Cores that every side may use. */
const CORES = 2;

/** @throws Error that names the option, what was expected and what was given */
export function positive(name, text) {
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value)))
    throw new Error(`Expected --${name} to be a positive number, got ${text}`);
  return value;
}

/** A model that is served to many sessions, as `parseArgs` takes it: for the benchmarks with HTTP and without. */
export const SERVED = {
  sessions: { type: 'string', default: '1000' },
  cell: { type: 'string', default: 'rnn' },
  size: { type: 'string', default: '512' },
  vocabulary: { type: 'string', default: '96' },
  precision: { type: 'string', default: 'float32' },
  'top-k': { type: 'string', default: '1' },
  lanes: { type: 'string' },
};

/** The entries of a list by their names, upper or lower case. */
export function choose(option, text, list) {
  return text.split(',').map((name) => {
    const entry = list.find((candidate) => candidate.name.toLowerCase() === name.trim().toLowerCase());
    if (entry !== undefined) return entry;
    throw new Error(`Expected --${option} to name ${list.map((each) => each.name).join(', ')}, got ${name}`);
  });
}

export function readOptions() {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      workloads: { type: 'string' },
      peers: { type: 'string' },
      repeats: { type: 'string' },
      seconds: { type: 'string' },
      'no-peers': { type: 'boolean', default: false },
      'compile-limit': { type: 'string', default: '90' },
    },
  });
  const { quick } = values;
  const some = values.peers === undefined ? peers : choose('peers', values.peers, peers);
  return {
    quick,
    cores: CORES,
    chosen: values.workloads === undefined ? workloads : choose('workloads', values.workloads, workloads),
    repeats: Math.ceil(positive('repeats', values.repeats ?? (quick ? '1' : '5'))),
    seconds: positive('seconds', values.seconds ?? (quick ? '0.02' : '1.5')),
    compileLimit: positive('compile-limit', values['compile-limit']),
    corpus: quick ? 50_000 : 4_000_000,
    peers: values['no-peers'] ? [] : some,
  };
}
