/**
 * A process of its own for what would hurt the test runner's: how it ends, which threads it leaves, how much memory it
 * takes. `node child.js <scenario>` prints one line of JSON.
 */
import { Corpus } from 'timernn';
import { RoundPool } from '#src/pool/round-pool.js';
import { charCorpus, newModel } from '../../models/helpers/models.js';
import { call, dyingWorker, tinyRun } from '../../pool/helpers/runs.js';
import { threadCount, warmLibuv } from '../../pool/helpers/threads.js';

const corpus = charCorpus(20_000);
const options = { streams: 4, window: 8, shards: 3, workers: 3, reportEvery: 20, epochs: 1000 };

const reasonOf = async (body: () => Promise<unknown>): Promise<string> => {
  try {
    await body();
    return 'none';
  } catch (error) {
    return String((error as { code?: string }).code ?? (error as Error).message);
  }
};

/** Threads before and during a run that `body` starts and ends, and after it. */
async function counted(body: (during: () => void) => Promise<unknown>) {
  await warmLibuv();
  const before = threadCount();
  let most = before;
  const reason = await reasonOf(() =>
    body(() => {
      most = Math.max(most, threadCount());
    }),
  );
  return { reason, started: most - before, left: threadCount() - before };
}

const scenarios: Record<string, () => Promise<unknown>> = {
  /** Leaves the loop. */
  leave: () =>
    counted(async (during) => {
      for await (const { window } of newModel(corpus).train(corpus, options)) {
        during();
        if (window >= 60) break;
      }
    }),

  /** Aborts while a round runs. */
  abort: () =>
    counted(async (during) => {
      const controller = new AbortController();
      const { signal } = controller;
      for await (const _ of newModel(corpus).train(corpus, { ...options, signal, reportEvery: 500 })) {
        during();
        setImmediate(() => controller.abort(new Error('the reason')));
      }
    }),

  /** The consumer throws in the loop's body. */
  consumer: () =>
    counted(async (during) => {
      for await (const _ of newModel(corpus).train(corpus, options)) {
        during();
        throw new RangeError('the consumer');
      }
    }),

  /** A corpus that turns bad under the run. */
  token: () =>
    counted(async (during) => {
      const tokens = new Uint32Array(new SharedArrayBuffer(4 * 4000));
      const bad = Corpus.fromTokens(tokens, { vocabularySize: 10 });
      for await (const _ of newModel(bad).train(bad, options)) {
        during();
        tokens[777] = 10;
      }
    }),

  /** A thread that dies in a round. */
  dead: () =>
    counted(async (during) => {
      const pool = new RoundPool({ run: await tinyRun('exit'), workers: 3, entry: dyingWorker });
      try {
        await pool.prepare();
        during();
        await pool.round(call);
      } finally {
        await pool.close();
      }
    }),

  /** Ends while rank 0 waits in native code for a rank that never comes. */
  async exit() {
    const pool = new RoundPool({ run: await tinyRun('hang'), workers: 2, entry: dyingWorker });
    await pool.prepare();
    void pool.round(call);
    // Rank 0 is inside once its thread has taken the task; two turns of messages are enough for either case to be met.
    setTimeout(() => process.exit(7), 50);
    await new Promise(() => {});
  },

  /** Ends in the middle of a training round. */
  async exitTraining() {
    const run = newModel(corpus).train(corpus, { ...options, reportEvery: 1_000_000 });
    await run.next();
    void run.next();
    setImmediate(() => process.exit(7));
    await new Promise(() => {});
  },

  /** An error that nobody catches, in the middle of a round. */
  async uncaught() {
    const run = newModel(corpus).train(corpus, options);
    await run.next();
    void run.next();
    setImmediate(() => {
      throw new Error('nobody catches this');
    });
    await new Promise(() => {});
  },

  /** Iterators that were made and never used hold nothing. */
  async unused() {
    const model = newModel(corpus);
    await warmLibuv();
    const before = threadCount();
    model.train(corpus, options);
    model.generate();
    return { started: threadCount() - before };
  },

  /** Memory after thousands of windows, in one run and in many short ones. */
  async memory() {
    const model = newModel(corpus);
    const settle = () => {
      (globalThis as { gc?: () => void }).gc?.();
      return process.memoryUsage().rss / 2 ** 20;
    };
    let windows = 0;
    let warm = 0;
    for await (const _ of model.train(corpus, { ...options, workers: 2, reportEvery: 10, epochs: 10 })) {
      windows += 10;
      if (windows === 1000) warm = settle();
    }
    const long = settle();
    for (let i = 0; i < 5; i++)
      for await (const _ of model.train(corpus, { ...options, reportEvery: 1000, epochs: 1 }));
    const short = settle();
    for (let i = 0; i < 40; i++) {
      await model.perplexity(corpus, { streams: 20 });
      for await (const _ of model.generate({ length: 200, seed: i }));
      await model.logProbability('the whale and the sea', { context: 'said ' });
    }
    return { windows, warm, long, short, asked: settle() };
  },
};

const scenario = scenarios[process.argv[2] ?? ''];
if (scenario === undefined) throw new Error('no such scenario');
console.log(JSON.stringify(await scenario()));
