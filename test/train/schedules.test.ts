/** Step sizes window by window, against the formulas in the options' documentation. */
import test from 'ava';
import { resolveSchedule } from '#src/train/schedule-options.js';
import { epochFactor, fillRates, type RatePlan, rateAt } from '#src/train/schedules.js';

const factors = (schedule: object, epochs = 8) =>
  Array.from({ length: epochs }, (_, epoch) => epochFactor(resolveSchedule(schedule), epoch));

test('constant, exponential and step: the factor of each epoch', (t) => {
  t.deepEqual(factors({ kind: 'constant' }, 3), [1, 1, 1]);
  t.deepEqual(factors({ kind: 'exponential', factor: 0.5 }, 4), [1, 0.5, 0.25, 0.125]);
  t.deepEqual(factors({ kind: 'step', factor: 0.5 }, 4), [1, 0.5, 0.25, 0.125]);
  t.deepEqual(factors({ kind: 'step', factor: 0.5, from: 4 }), [1, 1, 1, 1, 0.5, 0.25, 0.125, 0.0625]);
  t.deepEqual(factors({ kind: 'step', factor: 0.5, every: 2, from: 3 }), [1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.125]);
  // What depends on held-out text or on windows does not follow from the epoch.
  t.deepEqual(factors({ kind: 'plateau', factor: 0.5 }, 2), [1, 1]);
  t.deepEqual(factors({ kind: 'cosine' }, 2), [1, 1]);
});

/** Rates of epochs of 10 windows of 8 steps, but for the last one of 4. */
function rates(plan: Partial<RatePlan>, room = 12): number[] {
  const edges = Uint32Array.from({ length: room + 1 }, (_, w) => Math.min(76, w * 8));
  const out = new Float64Array(room).fill(Number.NaN);
  fillRates(out, {
    base: 2,
    schedule: { kind: 'constant' },
    warmup: 0,
    epoch: 0,
    epochs: 1,
    done: 0,
    edges,
    windows: 10,
    steps: 76,
    usualSteps: undefined,
    ...plan,
  });
  return [...out];
}

const near = (a: number, b: number) => Math.abs(a - b) < 1e-12;

test('windows that the epoch does not have are zero', (t) => {
  t.deepEqual(rates({}), [...new Array<number>(10).fill(2), 0, 0]);
});

test('warm-up: linear over the windows of the run, whichever epoch they are in', (t) => {
  t.deepEqual(rates({ warmup: 4 }).slice(0, 6), [0.5, 1, 1.5, 2, 2, 2]);
  t.deepEqual(rates({ warmup: 16, epoch: 1, epochs: 2, done: 10 }).slice(0, 7), [1.375, 1.5, 1.625, 1.75, 1.875, 2, 2]);
  t.deepEqual(rates({ warmup: 1 }), rates({}));
});

test('cosine: from the base at the first step of the run to the minimum at its end, through the epochs', (t) => {
  const schedule = { kind: 'cosine', minimum: 0.5 } as const;
  const first = rates({ schedule, epochs: 2 });
  const second = rates({ schedule, epochs: 2, epoch: 1, done: 10 });
  t.is(first[0], 2);
  t.true(near(second[0]!, 1.25), 'half-way');
  const all = [...first.slice(0, 10), ...second.slice(0, 10)];
  t.true(all.every((rate, w) => w === 0 || rate < all[w - 1]!));
  t.true(near(second[9]!, 0.5 + 1.5 * 0.5 * (1 + Math.cos((Math.PI * (76 + 72)) / 152))));
  const warm = rates({ schedule, epochs: 2, warmup: 4 });
  t.true(near(warm[1]!, first[1]! / 2), 'warm-up rises to where the schedule has it');
});

test('drawn windows: in proportion to their steps', (t) => {
  const drawn = rates({ usualSteps: 16 });
  t.deepEqual(drawn.slice(0, 10), [...new Array<number>(9).fill(1), 0.5]);
  const long = rates({ usualSteps: 4, warmup: 2 });
  t.deepEqual(long.slice(0, 3), [2, 4, 4]);
});

test('what is reported does not follow the length that was drawn; what is taken does', (t) => {
  const edges = Uint32Array.of(0, 4, 16, 24);
  const plan = { base: 2, warmup: 0, epoch: 0, epochs: 1, done: 0, edges, windows: 3, steps: 24, usualSteps: 8 };
  const drawn: RatePlan = { ...plan, schedule: { kind: 'constant' } };
  const taken = new Float64Array(3);
  fillRates(taken, drawn);
  t.deepEqual([...taken], [1, 3, 2]);
  t.deepEqual(
    [0, 1, 2].map((w) => rateAt(drawn, w)),
    [2, 2, 2],
  );
});
