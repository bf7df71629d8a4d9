/** `timernn evaluate`: perplexity of a model on a text file. */
import { readSafetensorsHeader } from '../../checkpoint/safetensors.js';
import type { Corpus } from '../../data/corpus.js';
import { TimeRNNError } from '../../errors.js';
import { DYNAMIC_DEFAULTS } from '../../models/dynamic-defaults.js';
import type { LanguageModel } from '../../models/language-model.js';
import type { DynamicOptions } from '../../models/types.js';
import { PRECISIONS } from '../../sessions/precisions.js';
import type { Precision } from '../../sessions/types.js';
import { loadLibrary, newCommand, type Register } from '../command.js';
import { countUnknown, loadCorpus, MANY_UNKNOWN } from '../corpus.js';
import { UsageError } from '../failures.js';
import { bits, bitsUnit, bytes, count, perplexity, tokenNoun } from '../format.js';
import { choiceOption, integerOption, numberOption } from '../options.js';
import { jsonLine, print } from '../output.js';

interface Flags {
  streams: number;
  dynamic?: boolean;
  dynamicLearningRate?: number;
  dynamicWindow?: number;
  dynamicClip?: number;
  precision?: Precision;
  json?: boolean;
}

/** @throws UsageError for the numbers of dynamic evaluation without it */
function dynamicOptions(flags: Flags): DynamicOptions | undefined {
  const { dynamicLearningRate: learningRate, dynamicWindow: window, dynamicClip: clip } = flags;
  const options: DynamicOptions = {
    ...(learningRate === undefined ? {} : { learningRate }),
    ...(window === undefined ? {} : { window }),
    ...(clip === undefined ? {} : { clip }),
  };
  if (flags.dynamic && flags.streams !== 1) {
    throw new UsageError(`--streams: expected 1 with --dynamic, got "${flags.streams}"`);
  }
  if (flags.dynamic) return options;
  const stray = { learningRate: 'learning-rate', window: 'window', clip: 'clip' }[Object.keys(options)[0] ?? ''];
  if (stray !== undefined) throw new UsageError(`--dynamic-${stray}: expected it together with --dynamic`);
  return undefined;
}

/** What the text's perplexity is with packed weights, and how much memory those take. */
interface Packed {
  perplexity: number;
  weightBytes: number;
}

/** The same measurement with the precision's weights and with float32's, in the same way. */
async function compare(
  model: LanguageModel,
  corpus: Corpus,
  precision: Precision,
  streams: number,
): Promise<{ value: number; float32: Packed; weightBytes: number }> {
  const measure = async (of: Precision): Promise<Packed> => {
    const predictor = await model.predictor({ precision: of });
    const { weightBytes } = predictor;
    return { perplexity: await predictor.perplexity(corpus, { streams }), weightBytes };
  };
  const float32 = await measure('float32');
  const own = precision === 'float32' ? float32 : await measure(precision);
  return { value: own.perplexity, float32, weightBytes: own.weightBytes };
}

/** Loads the model; where its file is none and the text's file is one, says so. */
async function loadModel(path: string, text: string): Promise<LanguageModel> {
  const { LanguageModel } = await loadLibrary();
  try {
    return await LanguageModel.load(path);
  } catch (error) {
    if (!(error instanceof TimeRNNError) || error.code !== 'ERR_TIMERNN_FORMAT') throw error;
    const swapped = await readSafetensorsHeader(text).then(
      () => true,
      () => false,
    );
    if (!swapped) throw error;
    throw new TimeRNNError(error.code, `${error.message}; are the arguments swapped? The model comes first`, {
      cause: error,
    });
  }
}

function warnOfUnknown(unknown: number, length: number, noun: string): void {
  if (unknown <= length * MANY_UNKNOWN) return;
  const share = `${((100 * unknown) / length).toFixed(0)} %`;
  process.stderr.write(
    `Warning: ${share} of the ${noun} are not in the model's vocabulary; all of them count as one token, <unk>, so the ` +
      'perplexity says little about this text.\n',
  );
}

function precisionLine(precision: Precision, { value, float32, weightBytes }: Awaited<ReturnType<typeof compare>>) {
  const change = (100 * (value - float32.perplexity)) / float32.perplexity;
  const signed = `${change < 0 ? '−' : '+'}${Math.abs(change).toFixed(3)} %`;
  return (
    `precision   ${precision}: ${signed} against float32 (${perplexity(float32.perplexity)}); ` +
    `weights ${bytes(weightBytes)} for ${bytes(float32.weightBytes)}\n`
  );
}

async function action(modelPath: string, file: string, flags: Flags): Promise<void> {
  const dynamic = dynamicOptions(flags);
  if (flags.precision !== undefined && dynamic !== undefined) {
    throw new UsageError('--precision: expected it without --dynamic, whose weights change as it reads');
  }
  const model = await loadModel(modelPath, file);
  const { vocabulary } = model;
  const corpus = await loadCorpus(file, { vocabulary });
  const started = performance.now();
  const compared =
    flags.precision === undefined ? undefined : await compare(model, corpus, flags.precision, flags.streams);
  const options = { streams: flags.streams, ...(dynamic === undefined ? {} : { dynamic }) };
  const value = compared?.value ?? (await model.perplexity(corpus, options));
  const seconds = (performance.now() - started) / 1000;
  const loss = Math.log(value);
  const unknown = countUnknown(corpus);
  const noun = tokenNoun(vocabulary.unit);
  warnOfUnknown(unknown, corpus.length, noun);
  if (flags.json) {
    const { unit } = vocabulary;
    const measured = {
      perplexity: value,
      loss,
      bitsPerToken: bits(loss),
      unit,
      tokens: corpus.length,
      unknown,
      seconds,
    };
    await print(
      jsonLine({
        ...measured,
        ...(dynamic === undefined ? {} : { dynamic: { ...DYNAMIC_DEFAULTS, ...dynamic } }),
        ...(compared === undefined
          ? {}
          : { precision: flags.precision, weightBytes: compared.weightBytes, float32: compared.float32 }),
      }),
    );
    return;
  }
  await print(`perplexity  ${perplexity(value)}${dynamic === undefined ? '' : ', with dynamic evaluation'}\n`);
  if (compared !== undefined) await print(precisionLine(flags.precision!, compared));
  await print(`${bitsUnit(vocabulary.unit).padEnd(11)} ${bits(loss).toFixed(4)}\n`);
  await print(`length      ${count(corpus.length)} ${noun}, ${count(unknown)} of them not in the vocabulary\n`);
  if (compared === undefined) await print(`speed       ${count((corpus.length - 1) / seconds)} ${noun}/s\n`);
}

export const evaluate: Register = (program) => {
  newCommand(program, 'evaluate', 'Measure the perplexity of a model on a text; every token counts once.', [
    ['evaluate model.safetensors held-out.txt', 'perplexity and bits per character'],
    ['evaluate model.safetensors big.txt --streams 16', 'faster: 16 parts side by side, each from an empty state'],
    ['evaluate model.safetensors held-out.txt --dynamic', 'the weights follow the text as it is read'],
    ['evaluate model.safetensors held-out.txt --precision int8', 'what serving with int8 weights costs'],
    ['evaluate model.safetensors held-out.txt --json', 'for programs'],
  ])
    .argument('<model>', 'a saved model (.safetensors)')
    .argument('<file>', 'a UTF-8 text')
    .addOption(integerOption('--streams <n>', 'parts of the text read side by side', { default: 1 }))
    .option('--dynamic', 'learn from each window after it was measured; the model file stays as it is')
    .addOption(
      numberOption(
        '--dynamic-learning-rate <x>',
        `step size of --dynamic (default: ${DYNAMIC_DEFAULTS.learningRate})`,
        { above: 0 },
      ),
    )
    .addOption(
      integerOption('--dynamic-window <n>', `steps of a window of --dynamic (default: ${DYNAMIC_DEFAULTS.window})`),
    )
    .addOption(
      numberOption('--dynamic-clip <norm>', `largest gradient norm of --dynamic (default: ${DYNAMIC_DEFAULTS.clip})`, {
        min: 0,
      }),
    )
    .addOption(
      choiceOption('--precision <p>', 'measure with packed weights of this precision, against float32', PRECISIONS),
    )
    .option('--json', 'print one JSON object')
    .action(action);
};
