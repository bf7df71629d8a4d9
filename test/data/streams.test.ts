import test from 'ava';
import fc from 'fast-check';
import { TimeRNNError } from 'timernn';
import { defaultStreams, planShards, planStreams } from '#src/data/streams.js';

const isCode = (code: string) => ({ instanceOf: TimeRNNError, code });

test('two streams of 1,000 tokens start at x0 and x500', (t) => {
  t.deepEqual(planStreams(1000, 2, 10), { starts: Uint32Array.of(0, 500), steps: 499, windows: 50 });
});

test('steps end where the last stream runs out of targets', (t) => {
  t.deepEqual(planStreams(1001, 2, 500), { starts: Uint32Array.of(0, 500), steps: 500, windows: 1 });
  t.deepEqual(planStreams(10, 3, 2), { starts: Uint32Array.of(0, 3, 6), steps: 3, windows: 2 });
  t.deepEqual(planStreams(2, 1, 64), { starts: Uint32Array.of(0), steps: 1, windows: 1 });
  t.deepEqual(planStreams(5, 4, 1), { starts: Uint32Array.of(0, 1, 2, 3), steps: 1, windows: 1 });
});

test('property: streams stay in the corpus, never overlap, and use all but fewer than N + N tokens', (t) => {
  const corpora = fc
    .integer({ min: 2, max: 100_000 })
    .chain((length) =>
      fc.tuple(fc.constant(length), fc.integer({ min: 1, max: length - 1 }), fc.integer({ min: 1, max: 200 })),
    );
  fc.assert(
    fc.property(corpora, ([length, streams, window]) => {
      const { starts, steps, windows } = planStreams(length, streams, window);
      const stride = Math.floor(length / streams);
      const last = starts[streams - 1]! + steps; // index of the very last target
      return (
        starts.every((start, i) => start === i * stride) &&
        steps >= 1 &&
        steps <= stride &&
        steps >= stride - 1 &&
        last < length &&
        (windows - 1) * window < steps &&
        windows * window >= steps
      );
    }),
  );
  t.pass(); // fc.assert above throws where the property fails
});

test('corpora that cannot feed the streams', (t) => {
  for (const length of [0, 1]) {
    const expected = { ...isCode('ERR_TIMERNN_CORPUS'), message: RegExp(`at least 2 tokens .*got ${length}$`) };
    t.throws(() => planStreams(length, 1, 1), expected);
  }
  const message = 'Expected streams to be at most 9 for a corpus of 10 tokens, got 10';
  t.throws(() => planStreams(10, 10, 1), { ...isCode('ERR_TIMERNN_CORPUS'), message });
  t.throws(() => planStreams(10, 1000, 1), isCode('ERR_TIMERNN_CORPUS'));
  t.is(planStreams(10, 9, 1).steps, 1);
});

test('numbers out of range', (t) => {
  for (const [streams, window] of [
    [0, 1],
    [1, 0],
    [1.5, 1],
    [1, Number.NaN],
    ['2', 1],
  ] as [number, number][]) {
    t.throws(() => planStreams(100, streams, window), { ...isCode('ERR_TIMERNN_OPTION'), message: /streams|window/ });
  }
});

test('shards: the smallest power of two ≥ N/16, but two where there are two streams', (t) => {
  const counts = [1, 2, 3, 16, 20, 32, 33, 64, 65, 128, 1000].map((streams) => planShards(streams).length);
  t.deepEqual(counts, [1, 2, 2, 2, 2, 2, 4, 4, 8, 8, 64]);
  t.deepEqual(planShards(20), [10, 10]);
  t.deepEqual(planShards(7, 3), [3, 2, 2]);
  t.deepEqual(planShards(3, 3), [1, 1, 1]);
  t.deepEqual(planShards(5, 1), [5]);
});

test('property: shards are even, none is empty, the larger ones come first', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4096 }), fc.option(fc.integer({ min: 1, max: 64 })), (streams, wanted) => {
      const rows = planShards(streams, wanted === null ? undefined : Math.min(wanted, streams));
      const sum = rows.reduce((a, b) => a + b, 0);
      return (
        sum === streams &&
        rows.at(-1)! >= 1 &&
        rows[0]! - rows.at(-1)! <= 1 &&
        rows.every((n, i) => !i || n <= rows[i - 1]!)
      );
    }),
  );
  t.pass(); // fc.assert above throws where the property fails
});

test('shards out of range', (t) => {
  t.throws(() => planShards(2, 3), { ...isCode('ERR_TIMERNN_OPTION'), message: /shards .*\(2\), got 3/ });
  for (const shards of [0, -1, 1.5, Number.NaN]) t.throws(() => planShards(4, shards), isCode('ERR_TIMERNN_OPTION'));
  t.throws(() => planShards(0), isCode('ERR_TIMERNN_OPTION'));
});

test('the default number of streams: 32, or as many as have a whole window each', (t) => {
  t.deepEqual(
    [2, 64, 65, 129, 1000, 2048, 2049, 1e9].map((length) => defaultStreams(length, 64)),
    [1, 1, 1, 2, 15, 31, 32, 32],
  );
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 5000 }), fc.integer({ min: 1, max: 200 }), (length, window) => {
      const { steps } = planStreams(length, defaultStreams(length, window), window);
      return steps >= Math.min(window, length - 1);
    }),
  );
});
