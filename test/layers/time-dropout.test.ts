/** TimeDropout: what is dropped, what is scaled, and the way back. */
import test from 'ava';
import { Tensor, TimeDropout } from 'timernn/layers';
import { isCode } from '../models/helpers/models.js';

const ones = (...shape: [number, number, number]) =>
  new Tensor(new Float32Array(shape[0] * shape[1] * shape[2]).fill(1), shape);
const shareKept = (ys: Tensor) => ys.data.filter((y) => y !== 0).length / ys.data.length;

test('the share that is asked for drops, and the rest is scaled so that the mean stays', (t) => {
  for (const ratio of [0, 0.1, 0.5, 0.8]) {
    const ys = new TimeDropout({ ratio }).forward(ones(10, 20, 500));
    // Four standard deviations of a share of 100,000.
    t.true(Math.abs(shareKept(ys) - (1 - ratio)) <= 4 * Math.sqrt((ratio * (1 - ratio)) / 1e5), `ratio ${ratio}`);
    const scale = Math.max(...ys.data);
    t.true(Math.abs(scale - 1 / (1 - ratio)) < 2e-4 * scale, `ratio ${ratio}: scaled by ${scale}`);
    t.true(ys.data.every((y) => y === 0 || y === scale));
  }
});

test('another mask at each call and step; the same seed, the same masks', (t) => {
  const [one, two] = [new TimeDropout({ seed: 7 }), new TimeDropout({ seed: 7 })];
  const first = one.forward(ones(2, 3, 64));
  t.deepEqual(first.data, two.forward(ones(2, 3, 64)).data);
  t.notDeepEqual(first.data, one.forward(ones(2, 3, 64)).data);
  t.notDeepEqual(first.data, new TimeDropout({ seed: 8 }).forward(ones(2, 3, 64)).data);
  t.notDeepEqual(first.data.slice(0, 64), first.data.slice(64, 128));
});

test('locked: one mask for all steps of a stream, another for the next stream', (t) => {
  const ys = new TimeDropout({ locked: true }).forward(ones(2, 3, 64)).data;
  for (const step of [1, 2]) t.deepEqual(ys.slice(step * 64, step * 64 + 64), ys.slice(0, 64));
  t.notDeepEqual(ys.slice(192, 256), ys.slice(0, 64));
});

test('backward passes what was kept, scaled as forward did', (t) => {
  const dropout = new TimeDropout({ ratio: 0.3 });
  const ys = dropout.forward(ones(3, 4, 5));
  const dys = new Tensor(
    Float32Array.from({ length: 60 }, (_, i) => i + 1),
    [3, 4, 5],
  );
  const dxs = dropout.backward(dys);
  dxs.data.forEach((dx, i) => {
    t.true(Math.abs(dx - ys.data[i]! * dys.data[i]!) <= 1e-6 * Math.abs(dx), `element ${i}`);
  });
});

test('outside of training everything passes, forward and back', (t) => {
  const dropout = new TimeDropout({ ratio: 0.9 });
  dropout.training = false;
  const xs = ones(2, 2, 8);
  const ys = dropout.forward(xs);
  t.deepEqual(ys.data, xs.data);
  ys.data[0] = 5;
  t.is(xs.data[0], 1, 'what is returned is fresh');
  t.deepEqual(dropout.backward(ys).data, ys.data);
});

test('refuses what it cannot do', (t) => {
  for (const ratio of [1, -0.1, Number.NaN, '0.5' as unknown as number]) {
    t.throws(
      () => new TimeDropout({ ratio }),
      isCode('ERR_TIMERNN_OPTION', /^Expected ratio to be a number of at least 0/),
    );
  }
  t.throws(() => new TimeDropout({ locked: 1 as unknown as boolean }), isCode('ERR_TIMERNN_OPTION', /locked/));
  t.throws(() => new TimeDropout().backward(ones(1, 1, 1)), isCode('ERR_TIMERNN_STATE'));
  const dropout = new TimeDropout();
  dropout.forward(ones(2, 3, 4));
  t.throws(() => dropout.backward(ones(2, 3, 5)), isCode('ERR_TIMERNN_SHAPE', /dys/));
});
