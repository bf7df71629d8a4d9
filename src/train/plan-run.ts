/**
 * The shared memory of a run: everything that a worker touches is in here. Refuses to do: filling it, but for where the
 * streams start.
 */
import type { Corpus } from '../data/corpus.js';
import { planShards, planStreams } from '../data/streams.js';
import { TimeRNNError } from '../errors.js';
import { allocateFloats, expectRoom } from '../memory/arena.js';
import type { ModelSpec } from '../models/types.js';
import { native } from '../native.js';
import type { NativeRegularization, NativeRun } from '../native-training.js';
import type { ResolvedOptimizer } from './optimizer-options.js';
import type { ResolvedOptions } from './options.js';
import type { TrainingTarget } from './target.js';
import { fillEdges, mostSteps, mostWindows, type WindowRule } from './windows.js';

/** What workers are given; the arenas that a checkpoint keeps are known to lie in shared memory. */
export interface SharedRun extends NativeRun {
  slots: Float32Array<SharedArrayBuffer>[];
  states: Float32Array<SharedArrayBuffer>[];
}

/** A run's memory, and what its parts are. */
export interface RunPlan {
  run: SharedRun;
  rule: WindowRule;
  /** Names of `run.slots`, in order. */
  slotNames: string[];
  /** A copy of the parameters that were best on held-out text; only where something asks for them later. */
  best: Float32Array<SharedArrayBuffer> | undefined;
}

function sharedWords<T>(make: new (buffer: SharedArrayBuffer) => T, bytes: number): T {
  return new make(new SharedArrayBuffer(bytes));
}

/** What training adds to the model; undefined where it adds nothing, so that nothing is computed for it. */
function regularizationOf(spec: ModelSpec, options: ResolvedOptions): NativeRegularization | undefined {
  const plan: NativeRegularization = {
    seed: options.seed,
    input: spec.input.dropout ?? 0,
    words: spec.input.wordDropout ?? 0,
    layers: spec.layers.map(({ dropout }) => dropout ?? 0),
    weights: spec.layers.map(({ weightDrop }) => weightDrop ?? 0),
    locked: spec.dropoutKind === 'locked',
    activation: options.activationPenalty,
    temporal: options.temporalPenalty,
  };
  const all = [plan.input, plan.words, ...plan.layers, ...plan.weights, plan.activation, plan.temporal];
  return all.some((rate) => rate > 0) ? plan : undefined;
}

/** Whether somebody asks for the best parameters after the epoch they are of. */
function keepsBest({ heldOut, schedule }: ResolvedOptions): boolean {
  return heldOut !== undefined && (heldOut.keepBest || (schedule.kind === 'plateau' && schedule.restore));
}

function slotNamesOf({ native: { name }, averageFrom }: ResolvedOptimizer): string[] {
  const entry = native.optimizers().find((optimizer) => optimizer.name === name);
  if (entry === undefined) {
    throw new TimeRNNError('ERR_TIMERNN_INTERNAL', `Expected the addon to have the optimizer ${name}, got none`);
  }
  return averageFrom === undefined ? entry.slots : [...entry.slots, 'average'];
}

/** Arenas and states, all zero. */
function allocateRun(
  { spec, layout, params }: TrainingTarget,
  sizes: {
    shardRows: number[];
    work: { floats: number; places: number };
    slots: number;
    longest: number;
    windows: number;
    drops: boolean;
  },
) {
  const { shardRows, work, slots, longest, windows, drops } = sizes;
  const packed = native.packedFloats(spec);
  const doubles = native.scratchDoubles(layout.length, shardRows.length);
  return {
    ...(packed > 0 && { packed: allocateFloats(packed) }),
    ...(work.floats > 0 && { work: Array.from({ length: work.places }, () => allocateFloats(work.floats)) }),
    spec,
    params,
    offsets: layout.offsets,
    grads: shardRows.map(() => allocateFloats(layout.length)),
    states: shardRows.map((rows) => allocateFloats(native.stateSize(spec, rows))),
    touched: shardRows.map((rows) =>
      sharedWords(Uint32Array, native.touchedWords(spec, rows, longest) * Uint32Array.BYTES_PER_ELEMENT),
    ),
    shardRows,
    window: longest,
    edges: sharedWords(Uint32Array, (windows + 1) * Uint32Array.BYTES_PER_ELEMENT),
    rates: sharedWords(Float64Array, windows * Float64Array.BYTES_PER_ELEMENT),
    slots: Array.from({ length: slots }, () => allocateFloats(layout.length)),
    ...(drops && { dropped: allocateFloats(layout.length) }),
    control: sharedWords(Int32Array, native.controlInts() * Int32Array.BYTES_PER_ELEMENT),
    scratch: sharedWords(Float64Array, doubles * Float64Array.BYTES_PER_ELEMENT),
  };
}

/** Lays out the shared memory of a run. @throws ERR_TIMERNN_CORPUS, or ERR_TIMERNN_OPTION where it does not fit */
export function planRun(target: TrainingTarget, corpus: Corpus, options: ResolvedOptions): RunPlan {
  const { spec, layout, parts } = target;
  const streams = planStreams(corpus.length, options.streams, options.window);
  const { window, randomWindows: random, seed } = options;
  const rule: WindowRule = { steps: streams.steps, window, random, seed };
  const shardRows = planShards(options.streams, options.shards);
  const slotNames = slotNamesOf(options.optimizer);
  const regularization = regularizationOf(parts.spec, options);
  const drops = regularization?.weights.some((share) => share > 0) ?? false;
  const arenas = shardRows.length + slotNames.length + Number(drops) + Number(keepsBest(options));
  const longest = mostSteps(rule);
  const work = {
    floats: native.workFloats(spec, Math.max(...shardRows), Math.min(longest, streams.steps)),
    places: Math.min(options.workers, shardRows.length),
  };
  // All of them together: each alone may fit where a thousand do not.
  const floats = arenas * layout.length + native.stateSize(spec, options.streams) + work.floats * work.places;
  expectRoom(floats, 'gradients of all shards');
  const starts = sharedWords(Uint32Array, streams.starts.byteLength);
  starts.set(streams.starts);
  const sizes = { shardRows, work, slots: slotNames.length, longest, windows: mostWindows(rule), drops };
  const run: SharedRun = {
    ...allocateRun(target, sizes),
    tokens: corpus.tokens,
    streamStarts: starts,
    streamSteps: streams.steps,
    optimizer: options.optimizer.native,
    averages: options.optimizer.averageFrom !== undefined,
    ...(options.rateFactors && { rateFactors: options.rateFactors }),
    ...(regularization && { regularization }),
  };
  // Whatever reads the edges before the first epoch finds an epoch there.
  fillEdges(run.edges, rule, 0);
  return { run, rule, slotNames, best: keepsBest(options) ? allocateFloats(layout.length) : undefined };
}
