/** State dicts that PyTorch wrote, imported: the logits are those that PyTorch computed (fixtures/make-pytorch-exchange.py). */
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import test from 'ava';
import { type ImportOptions, importPyTorch } from 'timernn';
import { readSafetensors } from '#src/checkpoint/safetensors.js';
import { largestDifference } from '../helpers/compare.js';
import { ownPerplexity, perplexityOf, referenceLogits, type Window } from './helpers/logits.js';

const root = dirname(createRequire(import.meta.url).resolve('timernn/package.json'));
const folder = join(root, 'test', 'fixtures', 'exchange');

interface Golden {
  spec: string;
  options?: ImportOptions;
}

/** The architecture that each file must turn out to have; what tensors cannot tell comes as an option. */
const GOLDENS: Record<string, Golden> = {
  rnn: { spec: 'rnn 6' },
  'rnn-relu-2': { spec: 'rnn 6 relu, rnn 6 relu', options: { activation: 'relu' } },
  lstm: { spec: 'lstm 6' },
  'lstm-2': { spec: 'lstm 6, lstm 6' },
  'gru-2': { spec: 'gru 6, gru 6' },
  'lstm-no-bias': { spec: 'lstm 6' },
  mixed: { spec: 'lstm 8, gru 7, rnn 3' },
  tied: { spec: 'lstm 6, lstm 5, tied', options: { tied: true } },
  'tied-projection': { spec: 'gru 6, tied', options: { tied: true } },
  // Its metadata says which of two names was left out.
  'tied-shared': { spec: 'gru 6, tied' },
  'gru-f16': { spec: 'gru 6' },
  'gru-bf16': { spec: 'gru 6' },
  'lstm-f64': { spec: 'lstm 6' },
};

async function expected(name: string): Promise<{ window: Window; logits: Float32Array }> {
  const { tensors } = await readSafetensors(join(folder, `${name}.expected.safetensors`));
  const tokens = tensors.get('tokens')!;
  const [T, N] = tokens.shape as [number, number];
  const window = { tokens: Array.from(tokens.data as BigInt64Array, Number), T, N };
  return { window, logits: tensors.get('logits')!.data as Float32Array };
}

test('every fixture has a golden', (t) => {
  const names = readdirSync(folder).filter((name) => !name.includes('.expected.'));
  t.deepEqual(names.map((name) => name.replace('.safetensors', '')).sort(), Object.keys(GOLDENS).sort());
});

for (const [name, { spec, options = {} }] of Object.entries(GOLDENS)) {
  test(`${name}: architecture, logits and perplexity as in PyTorch`, async (t) => {
    const model = await importPyTorch(join(folder, `${name}.safetensors`), { vocabulary: 'ids', ...options });
    const { layers, output } = model.spec;
    const words = layers.map((layer) => [layer.cell, layer.size, 'activation' in layer && layer.activation]);
    const shown = [...words.map((parts) => parts.filter(Boolean).join(' ')), ...(output.tied ? ['tied'] : [])];
    t.is(shown.join(', '), spec);
    const { window, logits } = await expected(name);
    const difference = largestDifference(await referenceLogits(model, window), logits);
    t.log(`largest difference of a logit: ${difference.toExponential(1)}`);
    // Ours are in double, PyTorch's in single precision: 7 steps of a few 1e-7 each.
    t.true(difference < 1e-5, `${difference}`);
    for (let n = 0; n < window.N; n++) {
      const [got, want] = [await ownPerplexity(model, window, n), perplexityOf(logits, window, n)];
      t.true(Math.abs(got - want) < 1e-5 * want, `text ${n}: ${got} against ${want}`);
    }
  });
}
