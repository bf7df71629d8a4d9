/** Offsets: on cache lines, in order, never overlapping. */
import test from 'ava';
import fc from 'fast-check';
import { allocateFloats, viewsOf } from '#src/memory/arena.js';
import { LINE, planLayout } from '#src/memory/layout.js';
import { native } from '#src/native.js';

const tables = fc.array(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 0, maxLength: 3 }), { maxLength: 12 });

test('every tensor starts on a cache line of its own, none overlaps, and nothing is lost', (t) => {
  fc.assert(
    fc.property(tables, (shapes) => {
      const table = shapes.map((shape, i) => ({ name: `t${i}`, shape }));
      const layout = planLayout(table);
      let end = 0;
      let count = 0;
      for (const [i, { name, shape, offset, length }] of layout.placements.entries()) {
        const product = shapes[i]!.reduce((a, b) => a * b, 1);
        if (name !== `t${i}` || shape !== shapes[i] || length !== product) return false;
        if (offset % LINE !== 0 || offset < end || offset >= end + LINE || layout.offsets[i] !== offset) return false;
        end = offset + length;
        count += length;
      }
      return layout.length >= end && layout.length % LINE === 0 && layout.parameterCount === count;
    }),
  );
  t.is(LINE * Float32Array.BYTES_PER_ELEMENT, 64);
});

test('an empty table takes no memory', (t) => {
  t.like(planLayout([]), { offsets: [], length: 0, parameterCount: 0 });
});

test('views: each tensor has its part of the arena, and no two share an element', (t) => {
  const spec = {
    input: { kind: 'tokens' as const, vocabulary: 11, embedding: 3 },
    layers: [
      { cell: 'rnn', size: 5 },
      { cell: 'rnn', size: 4 },
    ],
    output: { kind: 'softmax' as const },
  };
  const layout = planLayout(native.tensorTable(spec));
  const arena = allocateFloats(layout.length);
  const views = viewsOf(arena, layout);
  let mark = 0;
  for (const view of views.values()) view.fill(++mark);
  mark = 0;
  for (const [name, view] of views) {
    mark++;
    t.true(
      view.every((value) => value === mark),
      name,
    );
    t.is(view.buffer, arena.buffer);
    t.is(view.byteOffset % 64, arena.byteOffset % 64);
  }
  const sizes = 11 * 3 + (3 * 5 + 5 * 5 + 5) + (5 * 4 + 4 * 4 + 4) + 4 * 11 + 11;
  t.is(layout.parameterCount, sizes);
  t.is(arena.filter((value) => value !== 0).length, sizes);
});
