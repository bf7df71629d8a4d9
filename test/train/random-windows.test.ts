/** Where windows begin and end: every step once, drawn lengths as documented, the same for the same seed and epoch. */
import test from 'ava';
import fc from 'fast-check';
import { fillEdges, mostSteps, mostWindows, type WindowRule } from '#src/train/windows.js';

function lengthsOf(rule: WindowRule, epoch = 0): number[] {
  const edges = new Uint32Array(mostWindows(rule) + 1).fill(7);
  const windows = fillEdges(edges, rule, epoch);
  const cut = [...edges.subarray(0, windows + 1)];
  if (cut[0] !== 0 || cut[windows] !== rule.steps) throw new Error(`from ${cut[0]} to ${cut[windows]}`);
  if (edges.subarray(windows).some((edge) => edge !== rule.steps)) throw new Error('what is left is not filled');
  return cut.slice(1).map((edge, w) => edge - cut[w]!);
}

const rule = (steps: number, window: number, random: boolean, seed = 1n): WindowRule => ({
  steps,
  window,
  random,
  seed,
});

test('fixed windows: all alike, the last one shorter', (t) => {
  t.deepEqual(lengthsOf(rule(20, 8, false)), [8, 8, 4]);
  t.deepEqual(lengthsOf(rule(16, 8, false)), [8, 8]);
  t.deepEqual(lengthsOf(rule(3, 8, false), 5), [3]);
  t.is(mostSteps(rule(20, 8, false)), 8);
});

test('drawn windows: never shorter than 5 nor longer than window + 20, but for what is left at the end', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 4000 }),
      fc.integer({ min: 5, max: 90 }),
      fc.integer({ min: 0, max: 1000 }),
      fc.bigInt({ min: 0n, max: 2n ** 53n - 1n }),
      (steps, window, epoch, seed) => {
        const lengths = lengthsOf(rule(steps, window, true, seed), epoch);
        const last = lengths.pop()!;
        const before = lengths.at(-1);
        return (
          lengths.every((length) => length >= 5 && length <= window + 20) &&
          last >= 1 &&
          last <= window + 20 &&
          // A short rest stands alone only where it would have made the window before it too long.
          (last >= 5 || before === undefined || before + last > window + 20)
        );
      },
    ),
  );
  t.pass(); // fc.assert above throws where the property fails
});

test('drawn lengths: 95 % around the window, 5 % around half of it, with a deviation of 5', (t) => {
  const lengths = lengthsOf(rule(3_500_000, 70, true));
  const short = lengths.filter((length) => length < 53);
  const usual = lengths.filter((length) => length >= 53);
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const deviation = (values: number[]) => Math.sqrt(mean(values.map((value) => (value - mean(values)) ** 2)));
  // 50,000 draws: the standard errors are 0.001 of the share, 0.023 and 0.1 of the means.
  t.true(Math.abs(short.length / lengths.length - 0.05) < 0.004, `${short.length} of ${lengths.length}`);
  t.true(Math.abs(mean(usual) - 69.5) < 0.1, 'rounded down: half a step below the mean');
  t.true(Math.abs(mean(short) - 34.5) < 0.5);
  t.true(Math.abs(deviation(usual) - 5) < 0.1);
});

test('the same lengths for the same seed and epoch, others for others', (t) => {
  const one = lengthsOf(rule(3000, 35, true), 3);
  t.deepEqual(lengthsOf(rule(3000, 35, true), 3), one);
  t.notDeepEqual(lengthsOf(rule(3000, 35, true), 4), one);
  t.notDeepEqual(lengthsOf(rule(3000, 35, true, 2n), 3), one);
});
