/** The lock between a round and everything else: order is told by events, not by time. */
import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import fc from 'fast-check';
import { ReadWriteLock } from '#src/models/lock.js';

/** A body that begins when it is let in and ends when it is told to. */
function held(lock: ReadWriteLock, kind: 'read' | 'write', log: string[], name: string) {
  let end: () => void = () => {};
  const released = new Promise<void>((resolve) => {
    end = resolve;
  });
  const done = lock[kind](async () => {
    log.push(`${name} in`);
    await released;
    log.push(`${name} out`);
  });
  return { end, done };
}

test('readers share, a writer is alone, and nobody overtakes', async (t) => {
  const lock = new ReadWriteLock();
  const log: string[] = [];
  const [r1, r2] = [held(lock, 'read', log, 'r1'), held(lock, 'read', log, 'r2')];
  const w = held(lock, 'write', log, 'w');
  const r3 = held(lock, 'read', log, 'r3');
  const w2 = held(lock, 'write', log, 'w2');
  await turn();
  t.deepEqual(log.splice(0), ['r1 in', 'r2 in'], 'a reader behind a waiting writer waits: writers do not starve');
  r1.end();
  await turn();
  t.deepEqual(log.splice(0), ['r1 out'], 'the writer waits for the last reader');
  r2.end();
  await turn();
  t.deepEqual(log.splice(0), ['r2 out', 'w in']);
  w.end();
  await turn();
  t.deepEqual(log.splice(0), ['w out', 'r3 in'], 'nor do readers');
  r3.end();
  await turn();
  t.deepEqual(log.splice(0), ['r3 out', 'w2 in']);
  w2.end();
  await Promise.all([r1.done, r2.done, w.done, r3.done, w2.done]);
});

test('results and errors come through, and errors release', async (t) => {
  const lock = new ReadWriteLock();
  const mine = new Error('mine');
  for (const kind of ['read', 'write'] as const) {
    t.is(await lock[kind](async () => 7), 7);
    t.is(await t.throwsAsync(lock[kind](() => Promise.reject(mine))), mine);
    const sync = lock[kind](() => {
      throw mine;
    });
    t.is(await t.throwsAsync(sync), mine);
  }
  t.is(await lock.write(async () => 'free'), 'free');
});

test('any mixture: everybody gets in once, never a writer with another', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ write: fc.boolean(), turns: fc.nat(3), fails: fc.boolean() }), { maxLength: 30 }),
      async (plan) => {
        const lock = new ReadWriteLock();
        let [readers, writers, entered] = [0, 0, 0];
        let clash = false;
        const runs = plan.map(({ write, turns, fails }) =>
          lock[write ? 'write' : 'read'](async () => {
            entered++;
            if (write) writers++;
            else readers++;
            for (let i = 0; i < turns; i++) await Promise.resolve();
            clash ||= writers > 1 || (writers === 1 && readers > 0);
            if (write) writers--;
            else readers--;
            if (fails) throw new Error('fails');
          }),
        );
        await Promise.allSettled(runs);
        return !clash && entered === plan.length;
      },
    ),
    { numRuns: 50 },
  );
  t.pass(); // fc.assert above throws where the property fails
});
