/** `timernn score`: the log probability of texts, one a line. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { TimeRNNError } from '../../errors.js';
import { loadLibrary, newCommand, type Register } from '../command.js';
import { UsageError } from '../failures.js';
import { jsonLine, print } from '../output.js';

interface Flags {
  file?: string;
  context?: string;
  json?: boolean;
}

/** Texts from the arguments, else the lines of a file, else of standard input. Empty lines are left out; an empty argument is a mistake. */
async function* texts(args: readonly string[], file: string | undefined): AsyncGenerator<string> {
  if (args.length > 0) {
    yield* args;
    return;
  }
  const input: Readable = file === undefined || file === '-' ? process.stdin : createReadStream(file, 'utf8');
  const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY });
  try {
    for await (const line of lines) if (line !== '') yield line;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === undefined) throw cause;
    throw new TimeRNNError('ERR_TIMERNN_FILE', `Cannot read ${file}: ${message}`, { cause });
  }
}

async function action(modelPath: string, args: string[], flags: Flags): Promise<void> {
  if (args.length > 0 && flags.file !== undefined) {
    throw new UsageError('--file: expected either texts as arguments or a file, got both');
  }
  const { LanguageModel } = await loadLibrary();
  const model = await LanguageModel.load(modelPath);
  const { unit, lineEndId } = model.vocabulary;
  if (!flags.context && lineEndId === undefined) {
    throw new UsageError('--context: expected some text, since this model knows no line end to start from');
  }
  let scored = 0;
  for await (const text of texts(args, flags.file)) {
    const tokens = model.vocabulary.encode(text).length;
    if (tokens === 0) {
      if (args.length === 0) continue;
      throw new UsageError(`texts: expected each to have at least one ${unit}, got ${JSON.stringify(text)}`);
    }
    if (scored++ === 0 && !flags.json) await print(`${'nats'.padStart(12)}  ${`bits/${unit}`.padStart(9)}  text\n`);
    const options = flags.context === undefined ? {} : { context: flags.context };
    const logProbability = await model.logProbability(text, options);
    const bitsPerToken = -logProbability / Math.LN2 / tokens;
    if (flags.json) await print(jsonLine({ text, tokens, unit, logProbability, bitsPerToken }));
    else await print(`${logProbability.toFixed(3).padStart(12)}  ${bitsPerToken.toFixed(3).padStart(9)}  ${text}\n`);
  }
  if (scored === 0) {
    const source = flags.file === undefined || flags.file === '-' ? 'standard input' : flags.file;
    throw new TimeRNNError('ERR_TIMERNN_CORPUS', `Expected a text to score on each line of ${source}, got no texts`);
  }
}

export const score: Register = (program) => {
  newCommand(program, 'score', 'Tell how likely texts are: log probability in nats, and bits a token.', [
    ['score model.safetensors "the white whale" "whale white the"', 'compare two texts'],
    ['score model.safetensors --file lines.txt --json', 'each line of a file, for programs'],
    ['score model.safetensors < lines.txt', 'each line of standard input'],
  ])
    .argument('<model>', 'a saved model (.safetensors)')
    .argument('[texts...]', 'the texts; without any, the lines of --file or of standard input')
    .option('-f, --file <file>', 'a UTF-8 file, one text a line')
    .option('--context <text>', 'text that comes before and does not count (default: the start of a line)')
    .option('--json', 'print one JSON object a line')
    .action(action);
};
