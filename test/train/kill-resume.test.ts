/**
 * Processes that are killed while they train, wherever that hits them, also while they write: the run goes on to the bits
 * of one that nobody stopped. TIMERNN_KILLS says how many times a run is killed.
 */
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { digest, folderOf, newModel } from '../models/helpers/models.js';
import { corpus, metricsOf, RECIPES, record, text } from './helpers/recorded.js';

const child = fileURLToPath(new URL('./helpers/killed-child.js', import.meta.url));
const KILLS = Number(process.env.TIMERNN_KILLS ?? 6);
/** Long enough that no run ends before its last kill: at least 13 reports an epoch, and a kill lets about six pass. */
const EPOCHS = 6 + KILLS;
/** A process that hangs is killed for good; the limit says nothing about speed. */
const HUNG = 120_000;

interface Ended {
  reports: number;
  digest: string | undefined;
  signal: NodeJS.Signals | null;
  stderr: string;
}

/** Starts the run, or goes on; kills it `delay` ms after its `after`-th report, unless it has ended by then. */
async function train(recipe: string, directory: string, workers: number, after: number, delay: number): Promise<Ended> {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const running = spawn(process.execPath, [child, recipe, directory, String(workers), String(EPOCHS)], {
    env,
    timeout: HUNG,
  });
  let stderr = '';
  running.stderr.setEncoding('utf8').on('data', (piece: string) => {
    stderr += piece;
  });
  const closed = new Promise<NodeJS.Signals | null>((resolve, reject) => {
    running.on('error', reject);
    running.on('close', (_code, signal) => resolve(signal));
  });
  let reports = 0;
  let found: string | undefined;
  // A process that was killed does not read.
  running.stdin.on('error', () => undefined);
  for await (const line of createInterface({ input: running.stdout })) {
    running.stdin.write('\n');
    if (line.startsWith('digest ')) found = line.slice('digest '.length);
    else if (++reports === after) setTimeout(() => running.kill('SIGKILL'), delay);
  }
  return { reports, digest: found, signal: await closed, stderr };
}

const ONE = () => 1;
const TWO = () => 2;
const IN_TURN = (start: number) => 1 + (start % 2);
const RUNS: [recipe: string, words: string, workers: (start: number) => number][] = [
  ['averaged', '1 worker', ONE],
  ['averaged', '2 workers', TWO],
  ['averaged', '1 and 2 workers in turn', IN_TURN],
  ['adam', '1 and 2 workers in turn', IN_TURN],
];

for (const [recipe, words, workers] of RUNS) {
  test(`${recipe} killed ${KILLS} times, ${words}`, async (t) => {
    const { shape, options } = RECIPES[recipe]!;
    const straight = newModel(corpus, shape);
    await record(straight, text, { ...options, epochs: EPOCHS, workers: 1 });
    const directory = join(await folderOf(t), 'run');
    const moments: string[] = [];
    for (let kill = 0; kill < KILLS; kill++) {
      const [after, delay] = [randomInt(1, 6), randomInt(0, 12)];
      const ended = await train(recipe, directory, workers(kill), after, delay);
      moments.push(`${after} reports and ${delay} ms: ${ended.reports} reports`);
      t.is(ended.stderr, '', moments.join('; '));
      t.is(ended.signal, 'SIGKILL', `${moments.join('; ')}: every kill has to hit a run that goes on`);
    }
    const last = await train(recipe, directory, workers(KILLS), Number.POSITIVE_INFINITY, 0);
    t.log(moments.join('; '));
    t.is(last.signal, null, last.stderr);
    t.is(last.digest, await digest(straight), moments.join('; '));
    t.deepEqual(
      (await metricsOf(directory)).map(({ epoch }) => epoch),
      Array.from({ length: EPOCHS }, (_, epoch) => epoch + 1),
    );
  });
}
