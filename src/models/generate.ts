/**
 * Text from a model, token by token, and the probability of a given text. Runs on the libuv pool.
 * Refuses to do: many streams at once (a later part of the library batches them).
 */
import type { Vocabulary } from '../data/vocabulary.js';
import { describe, expectInteger, TimeRNNError } from '../errors.js';
import { native } from '../native.js';
import { checkNames, checkSignal } from '../options.js';
import type { QuestionTarget } from '../train/target.js';
import type { GenerateOptions, LogProbabilityOptions } from './types.js';

/** Tokens of one trip to the pool: few at first, so that the first piece comes at once. */
const LARGEST_TRIP = 16;
/** Tokens read (a prompt, a text to score) in one trip; the signal is looked at in between, and a round may start. */
const READ_TRIP = 1024;
/** Temperatures beyond this cannot be told apart, and the weight of an excluded token (score −3.4e38) is still 0. */
const HOTTEST = 1e20;

const GENERATE_NAMES: readonly string[] = [
  'prompt',
  'length',
  'temperature',
  'topK',
  'seed',
  'allowUnknown',
  'signal',
] satisfies (keyof GenerateOptions)[];
const SCORE_NAMES: readonly string[] = ['context', 'signal'] satisfies (keyof LogProbabilityOptions)[];

/** Integers up to 2⁵³ − 1 are exact, so every seed is another sequence. */
export function checkSeed(seed: unknown): bigint {
  return BigInt(expectInteger('seed', seed, 0, Number.MAX_SAFE_INTEGER));
}

/**
 * Tokens of the text that comes before. Where nothing is given, the line end stands for "nothing came before"; a
 * vocabulary without one has a space, or `<unk>`, which no text trains, so that it is a neutral start.
 */
export function leadIn(vocabulary: Vocabulary, name: string, text: string | undefined): Uint32Array {
  if (text !== undefined && typeof text !== 'string') {
    throw new TimeRNNError('ERR_TIMERNN_OPTION', `Expected ${name} to be a string, got ${describe(text)}`);
  }
  const tokens = text === undefined ? new Uint32Array() : vocabulary.encode(text);
  if (tokens.length > 0) return tokens;
  const { lineEndId, unknownId, unit } = vocabulary;
  const space = unit === 'char' ? vocabulary.idOf(' ') : undefined;
  return Uint32Array.of(lineEndId ?? space ?? unknownId ?? 0);
}

/**
 * Turns tokens into pieces of text that can be joined with nothing between them.
 *
 * @param previous - the last token of the prompt; undefined where there was none
 */
export function pieceMaker(vocabulary: Vocabulary, previous: number | undefined): (token: number) => string {
  const { unit, lineEndId } = vocabulary;
  let last = previous ?? lineEndId;
  return (token) => {
    const text = vocabulary.decode([token]);
    const space = unit !== 'char' && token !== lineEndId && last !== lineEndId;
    last = token;
    return space ? ` ${text}` : text;
  };
}

function temperatureOf(value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) {
    throw new TimeRNNError(
      'ERR_TIMERNN_OPTION',
      `Expected temperature to be a finite number of at least 0, got ${describe(value)}`,
    );
  }
  return Math.min(value, HOTTEST);
}

/** The tokens that are never sampled. */
function excluded(vocabulary: Vocabulary, allowUnknown: unknown): Uint32Array {
  if (typeof allowUnknown !== 'boolean') {
    throw new TimeRNNError(
      'ERR_TIMERNN_OPTION',
      `Expected allowUnknown to be true or false, got ${describe(allowUnknown)}`,
    );
  }
  return Uint32Array.from(allowUnknown || vocabulary.unknownId === undefined ? [] : [vocabulary.unknownId]);
}

/** See {@link LanguageModel.generate}. Options are checked when it is called, not at the first piece. */
export function generateText(
  target: QuestionTarget,
  vocabulary: Vocabulary,
  options: GenerateOptions,
): AsyncGenerator<string, void, undefined> {
  checkNames(options, GENERATE_NAMES, 'generate');
  const length = expectInteger('length', options.length ?? 200, 0);
  const topK = expectInteger('topK', options.topK ?? 0, 0);
  const temperature = temperatureOf(options.temperature ?? 1);
  const seed = checkSeed(options.seed ?? 1);
  const signal = checkSignal(options.signal);
  const prompt = leadIn(vocabulary, 'prompt', options.prompt);
  const exclude = excluded(vocabulary, options.allowUnknown ?? false);
  const sample = { temperature, topK, seed, exclude };
  const last = options.prompt ? prompt.at(-1) : undefined;
  return generatePieces(target, pieceMaker(vocabulary, last), { prompt, length, sample, signal });
}

interface Plan {
  prompt: Uint32Array;
  length: number;
  sample: { temperature: number; topK: number; seed: bigint; exclude: Uint32Array };
  signal: AbortSignal | undefined;
}

async function* generatePieces(
  { spec, layout, params, lock }: QuestionTarget,
  piece: (token: number) => string,
  { prompt, length, sample, signal }: Plan,
): AsyncGenerator<string, void, undefined> {
  const stepper = new native.Stepper(spec, layout.offsets);
  const go = (input: Uint32Array, count: number, position: number) => {
    signal?.throwIfAborted();
    return lock.read(() => stepper.generate({ params, input, count, position, ...sample }));
  };
  let read = 0;
  for (; prompt.length - read > READ_TRIP; read += READ_TRIP) await go(prompt.slice(read, read + READ_TRIP), 0, 0);
  let input = prompt.slice(read);
  let trip = 1;
  for (let position = 0; position < length; ) {
    const count = Math.min(trip, length - position);
    const tokens = await go(input, count, position);
    for (const token of tokens) {
      signal?.throwIfAborted();
      yield piece(token);
    }
    position += count;
    input = new Uint32Array();
    trip = Math.min(LARGEST_TRIP, trip * 2);
  }
}

/** See {@link LanguageModel.logProbability}. */
export async function scoreText(
  { spec, layout, params, lock }: QuestionTarget,
  vocabulary: Vocabulary,
  text: string,
  options: LogProbabilityOptions,
): Promise<number> {
  checkNames(options, SCORE_NAMES, 'logProbability');
  const signal = checkSignal(options.signal);
  if (typeof text !== 'string') {
    throw new TimeRNNError('ERR_TIMERNN_OPTION', `Expected text to be a string, got ${describe(text)}`);
  }
  const before = leadIn(vocabulary, 'context', options.context);
  const scored = vocabulary.encode(text);
  const stepper = new native.Stepper(spec, layout.offsets);
  const all = new Uint32Array(before.length + scored.length);
  all.set(before);
  all.set(scored, before.length);
  let total = 0;
  // Trips overlap by one token, the last input. The context's own probability is computed and left out.
  for (let at = 0; at < all.length - 1; ) {
    signal?.throwIfAborted();
    const edge = at < before.length - 1 ? before.length - 1 : all.length - 1;
    const end = Math.min(at + READ_TRIP, edge);
    const sum = await lock.read(() => stepper.score({ params, tokens: all.slice(at, end + 1) }));
    if (at >= before.length - 1) total += sum;
    at = end;
  }
  return total;
}
