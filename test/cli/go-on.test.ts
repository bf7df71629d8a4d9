/** The command that an interrupted `timernn train` prints, and what it says of the model that is left. */
import test from 'ava';
import type { TrainFlags, Typed } from '#src/cli/train/flags.js';
import { goOnCommand, rawModelRemark } from '#src/cli/train/go-on.js';
import type { ReportEpoch } from '#src/report/types.js';

const long = (name: string) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** A command of which these options were typed. */
const typing = (typed: Partial<TrainFlags>): Typed =>
  ({
    options: Object.keys(typed).map((name) => ({ attributeName: () => name, long: long(name) })),
    getOptionValueSource: (name: string) => (name in typed ? 'cli' : 'default'),
  }) as unknown as Typed;

const EPOCH: ReportEpoch = { epoch: 1, tokens: 1, loss: 1, learningRate: 1, tokensPerSecond: 1, seconds: 1 };

const defaults = { epochs: 5, heldOut: 0.1, out: 'm.safetensors', seed: 1 } as TrainFlags;

/** @param heldOut losses of the epochs that are done; nothing where they were not measured */
function goOn(typed: Partial<TrainFlags>, epochsDone: number, heldOut: number[] = []): string {
  const epochs = Array.from({ length: epochsDone }, (_, e) => ({
    ...EPOCH,
    ...(heldOut[e] === undefined ? {} : { heldOutLoss: heldOut[e] }),
  }));
  const done = { epochsDone, updatesDone: 100 * epochsDone, epochs };
  return goOnCommand('b.txt', { ...defaults, ...typed }, typing(typed), done)!.replace(/^.*--epochs/, '--epochs');
}

test('the rate follows from the base and the epochs that are done, not from the last window', (t) => {
  t.is(goOn({ learningRate: 2 }, 3), '--epochs 2 --learning-rate 1.458');
  t.is(goOn({ randomWindows: true }, 1), '--epochs 4 --learning-rate 0.9 --random-windows');
  t.is(goOn({ optimizer: 'adam', decay: 1 }, 2), '--epochs 3 --learning-rate 0.001 --optimizer adam --decay 1');
  t.is(goOnCommand('b.txt', defaults, typing({}), { epochsDone: 5, updatesDone: 500, epochs: [] }), undefined);
});

test('each schedule goes on at the height that it had', (t) => {
  t.is(goOn({ schedule: 'constant', learningRate: 2 }, 3), '--epochs 2 --learning-rate 2 --schedule constant');
  const cosine = (1 + Math.cos((2 * Math.PI) / 5)).toPrecision(6);
  t.is(goOn({ schedule: 'cosine', learningRate: 2 }, 2), `--epochs 3 --learning-rate ${cosine} --schedule cosine`);
});

test('a plateau goes on at what the held-out losses have led to, also right after a bad epoch and in a warm-up', (t) => {
  const plateau: Partial<TrainFlags> = { schedule: 'plateau', learningRate: 20, decay: 0.5 };
  const words = (epochs: number, rate: number) =>
    `--epochs ${epochs} --learning-rate ${rate} --schedule plateau --decay 0.5`;
  t.is(goOn(plateau, 3, [5, 4, 3]), words(2, 20));
  t.is(goOn(plateau, 3, [5, 4, 4]), words(2, 10), 'as good is not better');
  t.is(goOn(plateau, 4, [5, 6, 5.5, 4]), words(1, 5), 'the best counts, not the one before');
  t.is(
    goOn({ schedule: 'plateau', warmup: 150 }, 1, [5]),
    '--epochs 4 --learning-rate 1 --schedule plateau --warmup 50',
  );
  t.is(goOn({ schedule: 'plateau' }, 2, [5, 6]), '--epochs 3 --learning-rate 0.25 --schedule plateau');
});

test('a warm-up begins again, over the windows that are left of it', (t) => {
  t.is(goOn({ warmup: 150 }, 1), '--epochs 4 --learning-rate 0.9 --warmup 50');
  t.is(goOn({ warmup: 150 }, 2), '--epochs 3 --learning-rate 0.81 --warmup 0');
});

test('an average begins where it would have, counted from the new start', (t) => {
  t.is(goOn({ averageFrom: 450 }, 4), '--epochs 1 --learning-rate 0.6561 --average-from 50');
  t.is(goOn({ averageFrom: 300 }, 4), '--epochs 1 --learning-rate 0.6561 --average-from 0');
  const word = '--epochs 1 --learning-rate 0.6561 --average-from non-monotonic';
  t.is(goOn({ averageFrom: 'non-monotonic' }, 4), word);
});

test('a seed that was typed goes on', (t) => {
  t.is(goOn({ seed: 7 }, 0), '--epochs 5 --learning-rate 1 --seed 7');
});

test('where the model is not what the run was for, that is said', (t) => {
  const remark = (more: Partial<TrainFlags>, best?: string) => rawModelRemark({ ...defaults, ...more }, best);
  t.is(remark({}), undefined);
  t.is(remark({ run: 'r' }, 'r/best.safetensors'), undefined, 'it is what the run was for');
  t.regex(remark({ keepBest: true })!, /not the best on held-out text, .* with --run .* the best model so far\.$/);
  t.regex(remark({ patience: 2, optimizer: 'asgd' })!, /not the best on held-out text/);
  t.regex(remark({ schedule: 'plateau' })!, /not the best on held-out text, and the command below starts afresh/);
  t.regex(remark({ schedule: 'plateau', averageFrom: 9 })!, /not their average, /, 'which does not go back');
  t.regex(remark({ averageFrom: 9 })!, /not their average, /);
  t.regex(remark({ optimizer: 'asgd', heldOut: 0 })!, /not their average, .* to the same result\.$/);
  const recorded = { keepBest: true, run: 'r' };
  t.regex(remark(recorded, 'r/best.safetensors')!, /last window, not the best .*; the best so far is in r\/best\./);
  t.regex(remark(recorded)!, /not the best on held-out text, which comes when the run ends\.$/);
  t.regex(remark({ optimizer: 'asgd', run: 'r' }, 'r/best.safetensors')!, /not their average; the best so far is in r/);
});
