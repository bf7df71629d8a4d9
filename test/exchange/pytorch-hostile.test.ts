/** Files that are no models of PyTorch, or not the one that they say: each is refused with one sentence, none crashes. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { exportPyTorch, type ImportOptions, importPyTorch, TimeRNNError, Vocabulary } from 'timernn';
import { type LoadedTensor, readSafetensors, writeSafetensors } from '#src/checkpoint/safetensors.js';
import { folderOf, isCode } from '../models/helpers/models.js';
import { randomModel } from './helpers/models.js';

type Tensors = Map<string, Pick<LoadedTensor, 'shape' | 'data'>>;
type Metadata = Map<string, string>;

/** What `exportPyTorch` writes of a small model, changed, imported. */
async function changed(
  t: ExecutionContext,
  change: (tensors: Tensors, metadata: Metadata) => void,
  { options, tied = false }: { options?: ImportOptions | undefined; tied?: boolean } = {},
) {
  const path = join(await folderOf(t), 'p.safetensors');
  await exportPyTorch(randomModel([{ cell: 'lstm', size: 4 }], { V: 9, D: 3, tied }), path);
  const { tensors, metadata } = await readSafetensors(path);
  change(tensors, metadata);
  await writeSafetensors(
    path,
    [...tensors].map(([name, { shape, data }]) => ({ name, shape, data })),
    metadata,
  );
  return importPyTorch(path, options);
}

const floats = (...shape: number[]) => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.5) });
const at = (tensors: Tensors, name: string) => tensors.get(name)!.data as Float32Array;

interface Refused {
  change: (tensors: Tensors, metadata: Metadata) => void;
  says: RegExp;
  options?: ImportOptions;
  tied?: boolean;
  code?: TimeRNNError['code'];
}

const REFUSED: Record<string, Refused> = {
  'an activation for a cell that has none to choose': {
    change: () => {},
    options: { activation: 'relu' },
    says: /activation to be left out, since .* says it itself \(a lstm, which has none to choose\), got "relu"/,
    code: 'ERR_TIMERNN_OPTION',
  },
  'no encoder': { change: (x) => x.delete('encoder.weight'), says: /the tensor encoder\.weight \(V×D\), got none/ },
  'no decoder': { change: (x) => x.delete('decoder.weight'), says: /the tensor decoder\.weight \(9×4\), got none/ },
  'no recurrent layer': {
    change: (x) => {
      for (const name of [...x.keys()]) if (name.startsWith('rnn.')) x.delete(name);
    },
    says: /a tensor rnn\.weight_ih_l0 or rnns\.0\.weight_ih_l0, got neither/,
  },
  'half a layer': {
    change: (x) => x.delete('rnn.weight_hh_l0'),
    says: /the tensor rnn\.weight_hh_l0 \(G·H×H\), got none/,
  },
  'one bias of two': { change: (x) => x.delete('rnn.bias_hh_l0'), says: /the tensor rnn\.bias_hh_l0 \(16\), got none/ },
  'a layer with a hole before it': {
    change: (x) => x.set('rnn.weight_ih_l2', floats(16, 4)),
    says: /only tensors of an embedding .*, got a tensor "rnn\.weight_ih_l2"/,
  },
  'a tensor too many': { change: (x) => x.set('hidden', floats(2)), says: /only tensors of .*, got a tensor "hidden"/ },
  'both forms of names': {
    change: (x) => x.set('rnns.0.weight_ih_l0', floats(16, 3)),
    says: /got a tensor "rnns\.0\.weight_ih_l0"/,
  },
  'gates of no cell': {
    change: (x) => x.set('rnn.weight_hh_l0', floats(8, 4)),
    says: /rnn\.weight_hh_l0 as H×H \(nn\.RNN\), 3·H×H \(nn\.GRU\) or 4·H×H \(nn\.LSTM\), got 8×4/,
  },
  'no units': { change: (x) => x.set('rnn.weight_hh_l0', floats(0, 0)), says: /rnn\.weight_hh_l0 as .*, got 0×0/ },
  'a matrix of one axis': {
    change: (x) => x.set('encoder.weight', floats(27)),
    says: /encoder\.weight as V×D, got 27/,
  },
  'a scalar': { change: (x) => x.set('encoder.weight', floats()), says: /encoder\.weight as V×D, got a scalar/ },
  'a bias of another length': {
    change: (x) => x.set('rnn.bias_ih_l0', floats(15)),
    says: /rnn\.bias_ih_l0 as 16, got 15/,
  },
  'input weights of another size': {
    change: (x) => x.set('rnn.weight_ih_l0', floats(16, 5)),
    says: /rnn\.weight_ih_l0 as 16×3, got 16×5/,
  },
  'a decoder of another vocabulary': {
    change: (x) => x.set('decoder.weight', floats(8, 4)),
    says: /decoder\.weight as 9×4, got 8×4/,
  },
  'a decoder bias of another vocabulary': {
    change: (x) => x.set('decoder.bias', floats(8)),
    says: /decoder\.bias as 9, got 8/,
  },
  integers: {
    change: (x) => x.set('decoder.bias', { shape: [9], data: new Int32Array(9) }),
    says: /decoder\.bias as one of F32, F64, F16, BF16, got I32/,
  },
  'two directions': {
    change: (x) => x.set('rnn.weight_ih_l0_reverse', floats(16, 3)),
    says: /layers that read in one direction, got rnn\.weight_ih_l0_reverse/,
  },
  'a projected LSTM': {
    change: (x) => x.set('rnn.weight_hr_l0', floats(2, 4)),
    says: /an nn\.LSTM without proj_size, got rnn\.weight_hr_l0/,
  },
  NaN: {
    change: (x) => {
      at(x, 'rnn.weight_hh_l0')[7] = Number.NaN;
    },
    says: /weights in rnn\.weight_hh_l0 that are finite as 32-bit floats, got NaN at index 7/,
  },
  'a double that is too large': {
    change: (x) => x.set('decoder.bias', { shape: [9], data: new Float64Array(9).fill(1e300) }),
    says: /weights in decoder\.bias that are finite as 32-bit floats, got 1e\+300 at index 0/,
  },
  'biases whose sum is too large': {
    change: (x) => {
      at(x, 'rnn.bias_ih_l0')[3] = 3e38;
      at(x, 'rnn.bias_hh_l0')[3] = 3e38;
    },
    says: /weights in rnn\.bias_ih_l0 \+ rnn\.bias_hh_l0 that are finite as 32-bit floats, got Infinity at index 3/,
  },
  'a projection in a model that is not tied': {
    change: (x) => x.set('projection.weight', floats(3, 4)),
    says: /projection\.weight only in a tied model, got one in a model that nobody called tied/,
  },
  'a tied model without its projection': {
    change: (x) => x.delete('projection.weight'),
    tied: true,
    says: /the tensor projection\.weight \(3×4\), got none/,
  },
  'a tied model whose tables differ': {
    change: (x) => {
      at(x, 'decoder.weight')[5] = 2;
    },
    tied: true,
    says: /equal encoder\.weight and decoder\.weight, as the model is tied, got \S+ and 2 at index 5; with tied false/,
  },
  'a spec of another model': {
    change: (x) => {
      x.set('rnn.weight_hh_l0', floats(12, 4));
      x.set('rnn.weight_ih_l0', floats(12, 3));
      for (const bias of ['ih', 'hh']) x.set(`rnn.bias_${bias}_l0`, floats(12));
    },
    says: /a spec of its tensors in its metadata \(9 tokens → embedding 3 → gru 4\), got 9 tokens → embedding 3 → lstm 4/,
  },
  'a spec that is none': {
    change: (_, metadata) => metadata.set('spec', '{}'),
    code: 'ERR_TIMERNN_SPEC',
    says: /Expected input to be an object/,
  },
  'a spec that is no JSON': {
    change: (_, metadata) => metadata.set('spec', '{'),
    says: /JSON in its metadata entry "spec"/,
  },
  'a version to come': {
    change: (_, metadata) => metadata.set('version', '2'),
    says: /the version 1 of timernn\.pytorch, got "2"/,
  },
  'a vocabulary with another hash': {
    change: (_, metadata) => metadata.set('vocabularyHash', 'x'),
    says: /the vocabulary hash [\da-f]{64}, got "x"/,
  },
  'no vocabulary': {
    change: (_, metadata) => metadata.clear(),
    code: 'ERR_TIMERNN_VOCABULARY',
    says: /a vocabulary of 9 tokens for .*, got none: its metadata has none, so pass one, or "ids"/,
  },
  'a vocabulary of another size': {
    change: () => {},
    options: { vocabulary: Vocabulary.ofSize(10) },
    code: 'ERR_TIMERNN_VOCABULARY',
    says: /a vocabulary of 9 tokens, as many as .* has rows in its embedding, got 10/,
  },
  'too many layers': {
    change: (x, metadata) => {
      metadata.clear();
      for (const name of [...x.keys()]) if (name.startsWith('rnn.')) x.delete(name);
      x.set('decoder.weight', floats(9, 1));
      for (let l = 0; l < 70; l++) {
        x.set(`rnn.weight_ih_l${l}`, floats(1, l === 0 ? 3 : 1));
        x.set(`rnn.weight_hh_l${l}`, floats(1, 1));
      }
    },
    options: { vocabulary: 'ids' },
    code: 'ERR_TIMERNN_SPEC',
    says: /layers to be an array of 1 to 64 layers/,
  },
};

for (const [what, { change, says, code = 'ERR_TIMERNN_FORMAT', ...rest }] of Object.entries(REFUSED)) {
  test(`refused: ${what}`, async (t) => {
    const error = await t.throwsAsync(changed(t, change, rest), isCode(code, says));
    t.false(error.message.includes('\n'));
  });
}

test('options that are no options are refused before the file is looked at', async (t) => {
  for (const [options, says] of [
    [{ vocabulary: 'words' }, /Expected vocabulary to be a Vocabulary or "ids", got "words"/],
    [{ activation: 'gelu' }, /Expected activation to be "tanh" or "relu", got "gelu"/],
    [{ tied: 'yes' }, /Expected tied to be true or false, got "yes"/],
    [{ vocab: 1 }, /options of importPyTorch to be among vocabulary, activation, tied, got "vocab"/],
  ] as const) {
    await t.throwsAsync(importPyTorch('no-such-file', options as never), isCode('ERR_TIMERNN_OPTION', says));
  }
  await t.throwsAsync(importPyTorch('no-such-file'), isCode('ERR_TIMERNN_FILE', /no such file/));
});

test('what options decide: the activation, tied or not, bare ids', async (t) => {
  const relu = await changed(
    t,
    (x, metadata) => {
      metadata.clear();
      for (const name of [...x.keys()]) if (name.startsWith('rnn.')) x.delete(name);
      x.set('rnn.weight_ih_l0', floats(4, 3));
      x.set('rnn.weight_hh_l0', floats(4, 4));
    },
    { options: { activation: 'relu', vocabulary: 'ids' } },
  );
  t.deepEqual(relu.spec.layers, [{ cell: 'rnn', size: 4, activation: 'relu' }]);
  t.is(relu.vocabulary.unit, 'token');
  const untied = (x: Tensors) => {
    x.delete('projection.weight');
    x.set('decoder.weight', floats(9, 4));
  };
  const { spec } = await changed(t, untied, { tied: true, options: { tied: false } });
  t.deepEqual(spec.output, { kind: 'softmax' });
  // Without either name, the one table serves both.
  const lone = await changed(t, (x) => x.delete('decoder.weight'), { tied: true });
  t.deepEqual(lone.spec.output, { kind: 'softmax', tied: true });
});

test('a truncated file is refused wherever it is cut', async (t) => {
  const path = join(await folderOf(t), 'p.safetensors');
  await exportPyTorch(randomModel([{ cell: 'gru', size: 4 }], { V: 9, D: 3 }), path);
  const bytes = await readFile(path);
  for (let length = 0; length < bytes.length; length += 97) {
    await writeFile(path, bytes.subarray(0, length));
    await t.throwsAsync(importPyTorch(path), isCode('ERR_TIMERNN_FORMAT'));
  }
});

test('fuzz: tensors of any names and shapes make a model or a TimeRNNError', async (t) => {
  const path = join(await folderOf(t), 'p.safetensors');
  const own = ['encoder.weight', 'decoder.weight', 'decoder.bias', 'projection.weight', 'rnn.weight_ih_l0'];
  const names = [...own, 'rnn.weight_hh_l0', 'rnn.bias_ih_l0', 'rnn.bias_hh_l0', 'rnns.0.weight_ih_l0', '__proto__'];
  const shape = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 });
  const files = fc.dictionary(fc.constantFrom(...names), shape, { minKeys: 1 });
  let models = 0;
  await fc.assert(
    fc.asyncProperty(files, fc.option(fc.boolean(), { nil: undefined }), async (shapes, tied) => {
      const tensors = Object.entries(shapes).map(([name, dims]) => ({ name, ...floats(...dims) }));
      await writeSafetensors(path, tensors);
      try {
        await importPyTorch(path, { vocabulary: 'ids', ...(tied === undefined ? {} : { tied }) });
        models++;
      } catch (error) {
        if (!(error instanceof TimeRNNError)) throw error;
      }
    }),
    { numRuns: 300 },
  );
  t.pass(`${models} of them were models`);
});
