/** The batcher, with engines that answer when the test says so: order, batches, back-pressure, signals, closing. */
import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import type { NativeBatch, NativeEngine } from '#src/native-inference.js';
import { Batcher } from '#src/sessions/batcher.js';
import type { Request } from '#src/sessions/request.js';

/** Adds 1 to every state, and holds each batch until it is let go. */
class Engine implements NativeEngine {
  batches: { batch: NativeBatch; go: (error?: Error) => void }[] = [];
  run(batch: NativeBatch): Promise<void> {
    return new Promise((resolve, reject) => {
      const go = (error?: Error) => {
        if (error !== undefined) return reject(error);
        batch.finite.fill(1);
        for (const [i, x] of batch.states.entries()) batch.states[i] = x + 1;
        resolve();
      };
      this.batches.push({ batch, go });
    });
  }
  runSync(): void {}
}

const request = (value: number): Request => ({
  ask: 'nothing',
  tokens: Uint32Array.of(0),
  state: Float32Array.of(value),
});

function setUp(options: { lanes?: number; maxBatch?: number; maxQueue?: number; maxWait?: number } = {}) {
  const { lanes = 1, ...rest } = options;
  const engines = Array.from({ length: lanes }, () => new Engine());
  const batcher = new Batcher(engines, { vocabulary: 10, maxBatch: 4, maxWait: 0, maxQueue: 100, ...rest });
  return { batcher, engines, engine: engines[0]! };
}

/** The first request of its first batch. */
const first = ({ batches }: Engine) => batches[0]!.batch.states[0]!;
const statesOf = ({ batches }: Engine) => batches.map(({ batch }) => [...batch.states]);

test('what is asked in one turn of the event loop shares a batch; what comes meanwhile is the next one, in order', async (t) => {
  const { batcher, engine } = setUp();
  const first = [1, 2].map((x) => batcher.ask(request(x)));
  await turn();
  const later = [3, 4, 5, 6, 7].map((x) => batcher.ask(request(x)));
  await turn();
  t.deepEqual(batcher.stats, { queued: 5, running: 2, requests: 0, batches: 0, tokens: 0, refused: 0, cancelled: 0 });
  engine.batches[0]!.go();
  await Promise.all(first);
  await turn();
  engine.batches[1]!.go();
  await Promise.all(later.slice(0, 4));
  await turn();
  engine.batches[2]!.go();
  await Promise.all(later);
  t.deepEqual(statesOf(engine), [[2, 3], [4, 5, 6, 7], [8]]);
  t.deepEqual(batcher.stats, { queued: 0, running: 0, requests: 7, batches: 3, tokens: 7, refused: 0, cancelled: 0 });
});

test('lanes run at the same time', async (t) => {
  const { batcher, engines } = setUp({ lanes: 2, maxBatch: 2 });
  const asked = [1, 2, 3, 4, 5].map((x) => batcher.ask(request(x)));
  await turn();
  t.deepEqual(
    engines.map(({ batches }) => batches.length),
    [1, 1],
  );
  for (const { batches } of engines) batches[0]!.go();
  await Promise.all(asked.slice(0, 4));
  await turn();
  engines.find(({ batches }) => batches.length === 2)!.batches[1]!.go();
  await Promise.all(asked);
  t.is(batcher.stats.batches, 3);
});

test('a full queue refuses, and takes again when there is room', async (t) => {
  const { batcher, engine } = setUp({ maxBatch: 1, maxQueue: 2 });
  const running = batcher.ask(request(1));
  await turn();
  const waiting = [batcher.ask(request(2)), batcher.ask(request(3))];
  await t.throwsAsync(batcher.ask(request(4)), {
    code: 'ERR_TIMERNN_OVERLOADED',
    message: /at most 2 requests to wait/,
  });
  t.is(batcher.stats.refused, 1);
  engine.batches[0]!.go();
  await running;
  await turn();
  const again = batcher.ask(request(5));
  for (const i of [1, 2, 3]) {
    await turn();
    engine.batches[i]!.go();
    await turn();
  }
  await Promise.all([...waiting, again]);
  t.deepEqual(statesOf(engine), [[2], [3], [4], [6]]);
});

test('a large batch is answered over several turns of the event loop; a signal in between still takes its request back', async (t) => {
  const { batcher, engine } = setUp({ maxBatch: 64 });
  const requests = Array.from({ length: 40 }, (_, i) => request(i));
  const controller = new AbortController();
  const order: (number | string)[] = [];
  const asked = requests.map((each, i) =>
    batcher.ask(each, i === 39 ? controller.signal : undefined).then(() => order.push(i)),
  );
  await turn();
  engine.batches[0]!.go();
  await asked[0];
  t.is(order.length, 4);
  setImmediate(() => order.push('somebody else'));
  controller.abort(new Error('away'));
  await t.throwsAsync(asked[39]!, { message: 'away' });
  await Promise.all(asked.slice(0, 39));
  t.true(order.indexOf('somebody else') < order.length - 1);
  t.is(engine.batches.length, 1);
  t.deepEqual(
    requests.map(({ state }) => state[0]),
    requests.map((_, i) => (i === 39 ? i : i + 1)),
  );
});

test('while a batch is answered its lane runs the next full one, and leaves one that is not full to those who ask again', async (t) => {
  const { batcher, engine } = setUp({ maxBatch: 8 });
  const ask = (count: number) => Array.from({ length: count }, (_, i) => batcher.ask(request(i)));
  const asked = ask(16);
  await turn();
  const again = asked[5]!.then(() => batcher.ask(request(100)));
  engine.batches[0]!.go();
  await asked[0];
  t.is(batcher.stats.running, 4);
  await turn();
  t.is(engine.batches.length, 2);
  const late = batcher.ask(request(50));
  await Promise.all(asked.slice(0, 8));
  engine.batches[1]!.go();
  await asked[8];
  t.is(engine.batches.length, 2);
  await Promise.all(asked);
  await turn();
  t.deepEqual(statesOf(engine)[2], [100, 50]);
  engine.batches[2]!.go();
  await Promise.all([late, again]);
  t.deepEqual(
    { ...batcher.stats },
    { queued: 0, running: 0, requests: 18, batches: 3, tokens: 18, refused: 0, cancelled: 0 },
  );
});

test('answers that nobody could be told yet hold the next batch back', async (t) => {
  const { batcher, engines } = setUp({ lanes: 3, maxBatch: 8 });
  const asked = Array.from({ length: 32 }, (_, i) => batcher.ask(request(i)));
  await turn();
  const running = () => engines.flatMap(({ batches }) => batches);
  for (const { batches } of [...engines].sort((a, b) => first(a) - first(b))) batches[0]!.go();
  await asked[0];
  t.is(running().length, 3);
  await asked[20];
  t.is(running().length, 4);
  for (const { batches } of engines) batches[1]?.go();
  await Promise.all(asked);
  t.is(batcher.stats.batches, 4);
});

test('a signal takes a request out of the queue, or its answer away; the state is as it was', async (t) => {
  const { batcher, engine } = setUp({ maxBatch: 1 });
  const [one, two, three] = [new AbortController(), new AbortController(), new AbortController()];
  const requests = [request(1), request(2), request(3)];
  const running = batcher.ask(requests[0]!, one.signal);
  await turn();
  const queued = batcher.ask(requests[1]!, two.signal);
  const kept = batcher.ask(requests[2]!, three.signal);
  two.abort(new Error('two'));
  one.abort(new Error('one'));
  await t.throwsAsync(running, { message: 'one' });
  await t.throwsAsync(queued, { message: 'two' });
  t.is(batcher.stats.queued, 1);
  engine.batches[0]!.go();
  await turn();
  await turn();
  engine.batches[1]!.go();
  await kept;
  three.abort(new Error('too late'));
  t.deepEqual(statesOf(engine), [[2], [4]]);
  t.deepEqual(
    requests.map(({ state }) => state[0]),
    [1, 2, 4],
  );
  t.is(batcher.stats.cancelled, 2);
  await t.throwsAsync(batcher.ask(request(5), AbortSignal.abort(new Error('before'))), { message: 'before' });
});

test('a batch that fails rejects its requests and no others', async (t) => {
  const { batcher, engine } = setUp({ maxBatch: 2 });
  const asked = [1, 2, 3].map((x) => batcher.ask(request(x)));
  await turn();
  engine.batches[0]!.go(new Error('broken'));
  await t.throwsAsync(asked[0]!, { message: 'broken' });
  await t.throwsAsync(asked[1]!, { message: 'broken' });
  await turn();
  engine.batches[1]!.go();
  await t.notThrowsAsync(asked[2]!);
});

test('a request whose scores are not finite is rejected alone', async (t) => {
  const { batcher, engine } = setUp();
  const requests = [request(1), request(2)];
  const asked = requests.map((each) => batcher.ask(each));
  await turn();
  const { batch, go } = engine.batches[0]!;
  go();
  batch.finite[0] = 0;
  await t.throwsAsync(asked[0]!, { code: 'ERR_TIMERNN_NOT_FINITE' });
  await t.notThrowsAsync(asked[1]!);
  t.deepEqual(
    requests.map(({ state }) => state[0]),
    [1, 3],
  );
});

test('maxWait: a lone request waits for others, a full batch does not', async (t) => {
  const { batcher, engine } = setUp({ maxBatch: 2, maxWait: 30_000 });
  const first = batcher.ask(request(1));
  await turn();
  await turn();
  t.is(engine.batches.length, 0);
  const second = batcher.ask(request(2));
  await turn();
  t.deepEqual(statesOf(engine), [[1, 2]]);
  engine.batches[0]!.go();
  await Promise.all([first, second]);
  const short = setUp({ maxWait: 1 });
  const alone = short.batcher.ask(request(5));
  while (short.engine.batches.length === 0) await turn();
  short.engine.batches[0]!.go();
  await t.notThrowsAsync(alone);
});

test('hurry: what waits for others goes at once, and later requests, too', async (t) => {
  const { batcher, engine } = setUp({ maxBatch: 2, maxWait: 30_000 });
  const first = batcher.ask(request(1));
  await turn();
  t.is(engine.batches.length, 0);
  batcher.hurry();
  t.is(engine.batches.length, 1);
  engine.batches[0]!.go();
  await first;
  const second = batcher.ask(request(2));
  await turn();
  engine.batches[1]!.go();
  await t.notThrowsAsync(second);
});

test('what was taken back leaves the queue at once, and its room to others', async (t) => {
  const { batcher, engine } = setUp({ maxBatch: 1, maxQueue: 3 });
  const running = batcher.ask(request(0));
  await turn();
  for (let i = 0; i < 10; i++) {
    const controller = new AbortController();
    const asked = batcher.ask(request(i), controller.signal);
    controller.abort(new Error('away'));
    await t.throwsAsync(asked, { message: 'away' });
  }
  const kept = [4, 5, 6].map((x) => batcher.ask(request(x)));
  t.is(batcher.stats.queued, 3);
  for (const i of [0, 1, 2, 3]) {
    engine.batches[i]!.go();
    await turn();
    await turn();
  }
  await Promise.all([running, ...kept]);
  t.deepEqual(statesOf(engine), [[1], [5], [6], [7]]);
});
