/** What held-out losses lead to: the trigger of the average, plateaus, the end of a run. Pure functions of the losses. */
import test from 'ava';
import { type JudgeRules, judge, triggersAverage } from '#src/train/judge.js';
import { initialState } from '#src/train/state.js';

const RULES: JudgeRules = {
  schedule: { kind: 'constant' },
  learningRate: 1,
  averageFrom: undefined,
  patience: Number.POSITIVE_INFINITY,
};
const PLATEAU = { kind: 'plateau', factor: 0.5, patience: 1, threshold: 0, restore: true, minimum: 0 } as const;

/** Judges epoch after epoch, 10 windows each, until the run ends. */
function run(losses: readonly number[], rules: Partial<JudgeRules>) {
  const state = initialState();
  const seen: { best: boolean; restore: boolean; factor: number; averageFrom: number | null }[] = [];
  for (const loss of losses) {
    if (state.ended) break;
    state.done += 10;
    const verdict = judge(state, { ...RULES, ...rules }, loss);
    seen.push({ ...verdict, factor: state.judgement.plateau.factor, averageFrom: state.averageFrom });
    state.epoch++;
  }
  return { state, seen };
}

test('the trigger: above the lowest of all checks but the last n', (t) => {
  // The checks before; the newest; n; whether.
  t.false(triggersAverage([], 5, 1));
  t.false(triggersAverage([5], 9, 1), 'there is no check that is n before');
  t.true(triggersAverage([5, 6], 5.5, 1));
  t.false(triggersAverage([5, 4], 4.5, 1), 'the last n do not count, even if they are lower');
  t.false(triggersAverage([5, 4], 5, 1), 'not lower, not higher: no trigger');
  t.false(triggersAverage([5, 4, 3], 4.5, 2));
  t.true(triggersAverage([5, 4, 3], 4.5, 1));
  t.true(triggersAverage([3, 5, 5, 5, 5, 5], 3.1, 5));
  t.false(triggersAverage([3, 5, 5, 5, 5], 3.1, 5));
});

test('averaging starts once, at the window where the trigger was', (t) => {
  const { seen } = run([5, 4, 4.5, 4.6, 9, 3], { averageFrom: { patience: 2 } });
  t.deepEqual(
    seen.map(({ averageFrom }) => averageFrom),
    [null, null, null, null, 50, 50],
  );
});

test('a step that was asked for is left alone by the losses', (t) => {
  const state = initialState();
  state.averageFrom = 7;
  for (const loss of [1, 2, 3, 4]) judge(state, { ...RULES, averageFrom: { step: 7 } }, loss);
  t.is(state.averageFrom, 7);
});

test('best: no epoch before was better', (t) => {
  const { seen, state } = run([5, 4, 4.5, 4, 3], {});
  t.deepEqual(
    seen.map(({ best }) => best),
    [true, true, false, true, true],
  );
  t.deepEqual(state.judgement.best, { loss: 3, epoch: 4 });
  t.deepEqual(state.judgement.losses, [5, 4, 4.5, 4, 3]);
});

test('a plateau: lower after an epoch that is not better, back to the best parameters', (t) => {
  const { seen } = run([5, 4, 4.5, 4.2, 3], { schedule: PLATEAU });
  t.deepEqual(
    seen.map(({ factor }) => factor),
    [1, 1, 0.5, 0.25, 0.25],
  );
  t.deepEqual(
    seen.map(({ restore }) => restore),
    [false, false, true, true, false],
  );
  const stays = run([5, 6], { schedule: { ...PLATEAU, restore: false } });
  t.like(stays.seen[1], { factor: 0.5, restore: false });
});

test('a plateau with patience: that many epochs in a row, counted anew after each step', (t) => {
  const { seen } = run([5, 6, 4, 6, 6, 6, 6], { schedule: { ...PLATEAU, patience: 2 } });
  t.deepEqual(
    seen.map(({ factor }) => factor),
    [1, 1, 1, 1, 0.5, 0.5, 0.25],
  );
});

test('a plateau with a threshold: better by a share of the loss, or it does not count', (t) => {
  const { seen } = run([5, 4.9, 4.0], { schedule: { ...PLATEAU, threshold: 0.1 } });
  t.deepEqual(
    seen.map(({ factor }) => factor),
    [1, 0.5, 0.5],
  );
  // A little better is still best: there is nothing to go back to.
  t.like(seen[1], { best: true, restore: false });
});

test('a plateau ends the run once the step size is below the minimum', (t) => {
  const { seen, state } = run([5, 6, 6, 6, 6], { schedule: { ...PLATEAU, minimum: 0.2 } });
  t.is(seen.length, 4);
  t.true(state.ended);
  t.is(state.judgement.plateau.factor, 0.125);
});

test('patience: ends the run after that many epochs in a row without a better loss; an equal one is none', (t) => {
  t.is(run([5, 6, 6, 6], { patience: 2 }).seen.length, 3);
  t.is(run([5, 6, 4, 4, 6, 3], { patience: 2 }).seen.length, 5);
  t.false(run([5, 6, 4, 6, 3], { patience: 2 }).state.ended);
});
