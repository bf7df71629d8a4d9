/**
 * `timernn serve`: a model behind HTTP, until SIGTERM or Ctrl-C.
 * Refuses to do: listening where others can reach it without a token, unless it is told that this is meant.
 */
import { readFile } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import type { Command } from 'commander';
import { TimeRNNError } from '../../errors.js';
import { resolveLimits, servedLanes } from '../../serve/options.js';
import type { ServiceLimits } from '../../serve/types.js';
import { PRECISIONS } from '../../sessions/precisions.js';
import type { Precision } from '../../sessions/types.js';
import { loadLibrary, newCommand, type Register } from '../command.js';
import { EXIT, UsageError } from '../failures.js';
import { count } from '../format.js';
import { listenForInterrupts } from '../interrupt.js';
import { choiceOption, integerOption, numberOption } from '../options.js';

const LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];

interface Flags extends ServiceLimits {
  host: string;
  port: number;
  tokenFile?: string;
  insecure?: boolean;
  precision: Precision;
  lanes?: number;
  threads?: number;
  maxBatch?: number;
  maxWait?: number;
  maxQueue?: number;
  requestTimeout: number;
  connectionTimeout: number;
  trustProxy?: string;
  metrics: boolean;
  logLevel: string;
}

const LIMITS = [
  'bodyLimit',
  'maxText',
  'maxTokens',
  'maxLength',
  'maxTopK',
  'maxSessions',
  'sessionTtl',
  'maxWaiting',
  'maxConcurrent',
  'rateLimit',
  'rateBurst',
  'drainTimeout',
] as const satisfies (keyof ServiceLimits)[];
const PREDICTOR = ['precision', 'lanes', 'threads', 'maxBatch', 'maxWait', 'maxQueue'] as const;

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));

/** The options that were given, under the same names. */
function pick<K extends keyof Flags>(flags: Flags, names: readonly K[]): Partial<Pick<Flags, K>> {
  const given = names.filter((name) => flags[name] !== undefined).map((name) => [name, flags[name]]);
  return Object.fromEntries(given) as Partial<Pick<Flags, K>>;
}

/** Tokens, one a line, of the file; else of TIMERNN_TOKEN. */
async function readTokens(file: string | undefined, env = process.env): Promise<string[]> {
  if (file === undefined) return env.TIMERNN_TOKEN ? [env.TIMERNN_TOKEN] : [];
  const text = await readFile(file, 'utf8').catch((cause: Error) => {
    throw new TimeRNNError('ERR_TIMERNN_FILE', `Cannot read ${file}: ${cause.message}`, { cause });
  });
  const tokens = text.split(/\r?\n/).filter((line) => line !== '');
  if (tokens.length > 0) return tokens;
  throw new UsageError(`--token-file: expected a token on the first line of ${file}, got an empty file`);
}

function checkReach({ host, insecure }: Flags, tokens: readonly string[]): void {
  if (isLoopback(host) || tokens.length > 0 || insecure) return;
  throw new UsageError(
    `--host: expected a loopback address or a token (--token-file, TIMERNN_TOKEN), got "${host}" without one; --insecure allows it`,
  );
}

const say = (text: string): void => void process.stderr.write(`timernn serve: ${text}\n`);

async function action(modelPath: string, flags: Flags): Promise<void> {
  const token = await readTokens(flags.tokenFile);
  checkReach(flags, token);
  const { loadFastify, startServer } = await import('../../serve/server.js');
  await loadFastify();
  const { LanguageModel } = await loadLibrary();
  const model = await LanguageModel.load(modelPath);
  const interrupts = listenForInterrupts(({ signalName }) => say(`${signalName}: finishing what runs`));
  const predictor = model.predictor({ lanes: servedLanes(), ...pick(flags, PREDICTOR) });
  const packed = predictor.then(
    () => undefined,
    (error: unknown) => error,
  );
  const { host, port, logLevel, requestTimeout, connectionTimeout, trustProxy, metrics } = flags;
  const limits = pick(flags, LIMITS);
  const server = await startServer({
    service: { predictor, limits, metrics, ...(token.length > 0 && { token }) },
    ...{ host, port, logLevel, requestTimeout, connectionTimeout },
    ...(trustProxy !== undefined && { trustProxy }),
  });
  // The line that scripts wait for: connections are taken from here on, answers come once the model is packed.
  say(`listening on ${server.url}`);
  const failure = await packed;
  if (failure === undefined) {
    say(`ready: ${count(model.parameterCount)} parameters, ${flags.precision}${token.length > 0 ? '' : ', no token'}`);
    await untilAborted(interrupts.signal);
  }
  await server.close();
  await (await predictor.catch(() => undefined))?.close();
  interrupts.dispose();
  if (failure !== undefined) throw failure;
  // The ordinary end of a service, whichever signal asked for it.
  process.exitCode = EXIT.ok;
}

function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((done) => signal.addEventListener('abort', () => done(), { once: true }));
}

const defaults = resolveLimits({});

function addLimits(command: Command): Command {
  const { bodyLimit, maxText, maxTokens, maxLength, maxTopK, maxSessions, sessionTtl } = defaults;
  return command
    .addOption(integerOption('--max-sessions <n>', 'sessions at a time', { default: maxSessions }))
    .addOption(
      numberOption('--session-ttl <s>', 'seconds that an idle session is kept', { above: 0, default: sessionTtl }),
    )
    .addOption(integerOption('--body-limit <bytes>', 'size of a request', { default: bodyLimit }))
    .addOption(integerOption('--max-text <n>', 'characters of one text', { default: maxText }))
    .addOption(integerOption('--max-tokens <n>', 'tokens that one request may have read', { default: maxTokens }))
    .addOption(integerOption('--max-length <n>', 'tokens that one request may generate', { default: maxLength }))
    .addOption(integerOption('--max-top-k <n>', 'next tokens that one answer may list', { default: maxTopK }))
    .addOption(integerOption('--max-concurrent <n>', 'requests at work', { default: defaults.maxConcurrent }))
    .addOption(
      numberOption('--rate-limit <n>', 'requests a second of one client; 0: no limit', {
        min: 0,
        default: defaults.rateLimit,
      }),
    )
    .addOption(
      numberOption('--rate-burst <n>', 'requests at once of one client (default: twice --rate-limit)', { min: 1 }),
    );
}

function addHttp(command: Command): Command {
  return command
    .addOption(integerOption('--port <n>', 'port; 0 takes a free one', { min: 0, max: 65_535, default: 8080 }))
    .option('--host <address>', 'address to listen on; others than loopback need a token', '127.0.0.1')
    .option('--token-file <file>', 'bearer tokens that requests need, one a line (or one in TIMERNN_TOKEN)')
    .option('--insecure', 'listen on any address without a token')
    .option('--trust-proxy <addresses>', 'proxies, separated by commas, whose x-forwarded-for is believed')
    .addOption(
      numberOption('--request-timeout <s>', 'seconds in which a request has to arrive', { above: 0, default: 30 }),
    )
    .addOption(
      numberOption('--connection-timeout <s>', 'seconds after which a connection where nothing moves is closed', {
        above: 0,
        default: 120,
      }),
    )
    .addOption(
      numberOption('--drain-timeout <s>', 'seconds to finish what runs after SIGTERM', {
        min: 0,
        default: defaults.drainTimeout,
      }),
    )
    .option('--no-metrics', 'leave out /metrics')
    .addOption(choiceOption('--log-level <level>', 'what is logged to standard output, as JSON', LEVELS, 'info'));
}

function addPredictor(command: Command): Command {
  return command
    .addOption(choiceOption('--precision <type>', 'how weights are kept', PRECISIONS, 'float32'))
    .addOption(integerOption('--max-batch <n>', 'sessions in one batch (default: 64)'))
    .addOption(numberOption('--max-wait <ms>', 'milliseconds to wait for a fuller batch (default: 0)', { min: 0 }))
    .addOption(integerOption('--max-queue <n>', 'requests that may wait for a batch (default: 16384)'))
    .addOption(
      integerOption('--lanes <n>', 'batches that run at the same time (default: all cores but one, at most 3)'),
    )
    .addOption(integerOption('--threads <n>', 'threads that share one batch (default: 1)'));
}

export const serve: Register = (program) => {
  const command = newCommand(program, 'serve', 'Answer over HTTP: scores, next tokens, text, sessions.', [
    ['serve model.safetensors', 'on http://127.0.0.1:8080'],
    ['serve model.safetensors --port 0 --log-level warn', 'on a free port, quietly'],
    ['serve model.safetensors --host 0.0.0.0 --token-file token', 'for others, with a token'],
    ['serve model.safetensors --precision int8 --max-sessions 50000', 'smaller, for many'],
  ]).argument('<model>', 'a saved model (.safetensors)');
  addLimits(addPredictor(addHttp(command))).action(action);
};
