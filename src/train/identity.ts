/**
 * What determines the result of a run: the model, the corpora and the options, as plain data that is written down and
 * compared when the run goes on. Refuses to do: what may differ (workers, reports, where and how often it is recorded).
 */
import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Corpus } from '../data/corpus.js';
import { TimeRNNError } from '../errors.js';
import type { Placement } from '../memory/layout.js';
import type { Origin } from '../models/model-file.js';
import type { ModelSpec } from '../models/types.js';
import type { AverageFrom } from './optimizer-options.js';
import type { ResolvedOptions } from './options.js';
import { namedRateFactors } from './rate-factors.js';
import type { TrainingTarget } from './target.js';

/** Tokens that are hashed at once: a few milliseconds, during which nothing else runs. */
const SLICE = 2 ** 19;

/** A corpus, as it is recognised. */
export interface CorpusIdentity {
  tokens: number;
  /** Of the token ids as little-endian 32-bit integers, in hex. */
  sha256: string;
}

/** What determines the result. */
export interface RunIdentity {
  spec: ModelSpec;
  vocabularyHash: string;
  corpus: CorpusIdentity;
  heldOut?: CorpusIdentity;
  /** Every option that counts, defaults filled in. */
  options: Record<string, unknown> & { epochs: number; optimizer: { averageFrom?: AverageFrom } };
}

/** Recognises a corpus. @throws the signal's reason */
export async function identifyCorpus({ tokens }: Corpus, signal?: AbortSignal): Promise<CorpusIdentity> {
  const hash = createHash('sha256');
  // Node's hashes are specified for unshared memory only.
  const copy = new Uint32Array(Math.min(SLICE, tokens.length));
  for (let at = 0; at < tokens.length; at += SLICE) {
    const slice = tokens.subarray(at, at + SLICE);
    copy.set(slice);
    hash.update(copy.subarray(0, slice.length));
    await turn();
    signal?.throwIfAborted();
  }
  return { tokens: tokens.length, sha256: hash.digest('hex') };
}

function optionsOf(options: ResolvedOptions, shards: number, tensors: readonly Placement[]): RunIdentity['options'] {
  const { heldOut, optimizer } = options;
  const { weightDecay = 0, ...numbers } = optimizer.native;
  return {
    epochs: options.epochs,
    streams: options.streams,
    window: options.window,
    shards,
    // Two functions cannot be compared: that it is the same one is the caller's word.
    learningRate: options.learningRateIsFunction ? 'a function' : options.learningRate(0),
    schedule: options.schedule,
    warmup: options.warmup,
    optimizer: { ...numbers, ...(optimizer.averageFrom && { averageFrom: optimizer.averageFrom }) },
    weightDecay,
    ...(options.rateFactors && { rateFactors: namedRateFactors(options.rateFactors, tensors) }),
    clip: options.clip,
    clipValue: options.clipValue,
    activationPenalty: options.activationPenalty,
    temporalPenalty: options.temporalPenalty,
    randomWindows: options.randomWindows,
    seed: Number(options.seed),
    ...(heldOut && {
      heldOutStreams: heldOut.streams,
      keepBest: heldOut.keepBest,
      patience: Number.isFinite(heldOut.patience) ? heldOut.patience : 'none',
    }),
  };
}

/** @param shards - how many there are */
export async function identifyRun(
  { parts, layout }: TrainingTarget,
  corpus: Corpus,
  options: ResolvedOptions,
  shards: number,
): Promise<RunIdentity> {
  const { heldOut, signal } = options;
  return {
    spec: parts.spec,
    vocabularyHash: parts.vocabulary.hash,
    corpus: await identifyCorpus(corpus, signal),
    ...(heldOut && { heldOut: await identifyCorpus(heldOut.corpus, signal) }),
    options: optionsOf(options, shards, layout.placements),
  };
}

const shown = (value: unknown): string => (value === undefined ? 'none' : JSON.stringify(value));

/** The first place at which two values differ: a path from `field` on, and what is there. */
function firstDifference(field: string, recorded: unknown, asked: unknown): [string, unknown, unknown] {
  const open = (value: unknown) => (value !== null && typeof value === 'object' ? (value as object) : undefined);
  const [before, now] = [open(recorded), open(asked)];
  if (before === undefined || now === undefined) return [field, recorded, asked];
  for (const key of new Set([...Object.keys(before), ...Object.keys(now)])) {
    const [a, b] = [before[key as never] as unknown, now[key as never] as unknown];
    if (isDeepStrictEqual(a, b)) continue;
    const step = Array.isArray(now) ? `[${key}]` : /^\w+$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
    return firstDifference(`${field}${step}`, a, b);
  }
  return [field, recorded, asked];
}

/** @param field - may be an object: what is named is the first field in it that differs */
function different(field: string, directory: string, recorded: unknown, asked: unknown): TimeRNNError {
  const [path, before, now] = firstDifference(field, recorded, asked);
  return new TimeRNNError(
    'ERR_TIMERNN_OPTION',
    `Expected ${path} to be as in the run that goes on in ${directory}, ${shown(before)}, got ${shown(now)}; ` +
      'put it back, or choose a new directory',
  );
}

/** Nobody can tell from two hashes what differs, only that it is the text. */
function differentCorpus(
  field: string,
  directory: string,
  recorded: CorpusIdentity | undefined,
  asked: CorpusIdentity | undefined,
): TimeRNNError {
  const text = (corpus: CorpusIdentity | undefined) =>
    corpus ? `${corpus.tokens} tokens with SHA-256 ${corpus.sha256?.slice(0, 12)}` : 'none';
  return new TimeRNNError(
    'ERR_TIMERNN_OPTION',
    `Expected ${field} to be as in the run that goes on in ${directory}, ${text(recorded)}, got ${text(asked)}: the text ` +
      'or its split differs; pass those of the run, or choose a new directory',
  );
}

/** Whether the step sizes are laid out over all epochs, so that more of them would be another run. */
export const hasFixedLength = ({ options }: Pick<RunIdentity, 'options'>): boolean =>
  (options.schedule as { kind?: unknown } | undefined)?.kind === 'cosine';

/** More epochs are a longer run of the same kind, unless the step sizes are laid out over all of them. */
function checkEpochs(directory: string, recorded: RunIdentity['options'], asked: RunIdentity['options']): void {
  const fits = hasFixedLength({ options: asked }) ? asked.epochs === recorded.epochs : asked.epochs >= recorded.epochs;
  if (!fits) throw different('epochs', directory, recorded.epochs, asked.epochs);
}

/**
 * A model that was drawn otherwise is not the one that the run is of, even where a checkpoint would replace its
 * parameters: where there is none yet, the run would be another one without a word. Loaded or trained parameters cannot
 * be told apart, so those are the caller's word.
 *
 * @param recorded - where the weights of the run came from; undefined where nobody knows
 * @throws ERR_TIMERNN_OPTION
 */
export function expectSameOrigin(directory: string, recorded: Origin | undefined, asked: Origin): void {
  if (recorded?.kind !== 'drawn' || asked.kind !== 'drawn') return;
  for (const name of ['seed', 'initialRange', 'initialMemory'] as const) {
    if (recorded[name] !== asked[name]) throw different(`the model's ${name}`, directory, recorded[name], asked[name]);
  }
}

/**
 * @param recorded - of the run that is to go on
 * @throws ERR_TIMERNN_OPTION naming what differs; more epochs do not
 */
export function expectSameRun(directory: string, recorded: RunIdentity, asked: RunIdentity): void {
  for (const [field, name] of [
    ['spec', "the model's spec"],
    ['vocabularyHash', "the hash of the model's vocabulary"],
  ] as const) {
    if (!isDeepStrictEqual(recorded[field], asked[field])) {
      throw different(name, directory, recorded[field], asked[field]);
    }
  }
  for (const field of ['corpus', 'heldOut'] as const) {
    if (!isDeepStrictEqual(recorded[field], asked[field])) {
      throw differentCorpus(field, directory, recorded[field], asked[field]);
    }
  }
  const names = new Set([...Object.keys(recorded.options), ...Object.keys(asked.options)]);
  for (const name of names) {
    if (name === 'epochs') continue;
    const [before, now] = [recorded.options[name], asked.options[name]];
    if (!isDeepStrictEqual(before, now)) throw different(name, directory, before, now);
  }
  checkEpochs(directory, recorded.options, asked.options);
}
