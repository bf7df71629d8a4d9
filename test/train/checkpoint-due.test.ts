/** When a checkpoint is due: in windows, whatever it was asked for in. */
import test from 'ava';
import { CheckpointDue } from '#src/train/checkpoint-due.js';

const never = Number.POSITIVE_INFINITY;

test('seconds: a round is no longer than what is left of them at the speed of late', (t) => {
  const due = new CheckpointDue({ checkpointSeconds: 60, checkpointWindows: never });
  t.is(due.windowsLeft({ done: 0, seconds: 0 }), 32, 'no speed is known yet');
  t.is(due.windowsLeft({ done: 20, seconds: 10 }), 100, '50 s at half a second a window');
  t.is(due.windowsLeft({ done: 20, seconds: 10 }), 100, 'asked again without a round between');
  t.is(due.windowsLeft({ done: 120, seconds: 59 }), 3, 'a window now takes 0.49 s');
  t.false(due.isDue({ done: 120, seconds: 59 }));
  t.is(due.windowsLeft({ done: 123, seconds: 65 }), 1, 'late');
  t.true(due.isDue({ done: 123, seconds: 65 }));
  due.saved({ done: 123, seconds: 65 });
  t.is(due.windowsLeft({ done: 123, seconds: 65 }), 30, '60 s at 2 s a window');
  t.false(due.isDue({ done: 123, seconds: 65 }));
});

test('windows: as many as are left, whatever the speed', (t) => {
  const due = new CheckpointDue({ checkpointSeconds: never, checkpointWindows: 50 });
  t.is(due.windowsLeft({ done: 0, seconds: 0 }), 50);
  t.is(due.windowsLeft({ done: 120, seconds: 1e9 }), 30);
  t.false(due.isDue({ done: 120, seconds: 1e9 }));
  t.true(due.isDue({ done: 150, seconds: 0 }));
});
