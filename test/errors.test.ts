import test from 'ava';
import { describe } from '#src/errors.js';

test('values in messages stay short: arrays in arrays are not opened, and circles end', (t) => {
  const circle: unknown[] = [1];
  circle.push(circle);
  t.is(describe(circle), '[1, Array(2)]');
  t.is(describe([[1], 'a', undefined]), '[Array(1), "a", undefined]');
  t.is(describe(new Array(9).fill(0)), 'Array(9)');
});

test('numbers that would read alike are told apart', (t) => {
  t.is(describe(3n), '3n');
  t.is(describe(3), '3');
  t.is(describe('3'), '"3"');
  t.is(describe([3n]), '[3n]');
});
