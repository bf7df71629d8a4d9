/**
 * The table of docs/exchange.md: the largest difference of a logit between a trained model and what other programs make of its
 * export, by cell, depth and length.
 *
 *   TIMERNN_PYTHON=python3 node scripts/test.mjs test/exchange/differences.test.ts      without it, onnxruntime alone
 */
import { join } from 'node:path';
import test from 'ava';
import { exportOnnx, exportPyTorch } from 'timernn';
import { readSafetensors, writeSafetensors } from '#src/checkpoint/safetensors.js';
import { nativeCell } from '#src/models/spec.js';
import { largestDifference } from '../helpers/compare.js';
import { charCorpus, folderOf, newModel, train } from '../models/helpers/models.js';
import { documented, python, runPython } from './helpers/docs.js';
import { ownPerplexity, perplexityOf, referenceLogits, steps, type Window } from './helpers/logits.js';
import { CELL_VARIANTS } from './helpers/models.js';
import { openOnnx } from './helpers/onnx.js';

const LENGTHS = [1, 35, 500];
const N = 4;
/**
 * Of the largest logit, which is near 10: 1e-5 was asked for. A logit is a sum of 64 products that is rounded at each, to 6e-8 of
 * its size; measured are at most 5e-7 of the largest.
 */
const SHARE = 1e-6;

const corpus = charCorpus(20_001);
const longest: Window = {
  tokens: Array.from({ length: LENGTHS.at(-1)! * N }, (_, i) => corpus.tokens[(i % N) * 5_000 + Math.floor(i / N)]!),
  T: LENGTHS.at(-1)!,
  N,
};

const LOGITS = `
import torch
from safetensors.torch import load_file
with torch.no_grad():
    save_file({"logits": Model("p.safetensors")(load_file("tokens.safetensors")["tokens"])}, "logits.safetensors")
`;

async function ofPyTorch(folder: string): Promise<Float32Array> {
  const data = BigInt64Array.from(longest.tokens, BigInt);
  await writeSafetensors(join(folder, 'tokens.safetensors'), [{ name: 'tokens', shape: [longest.T, N], data }]);
  await runPython(folder, documented('python every-model') + LOGITS);
  const { tensors } = await readSafetensors(join(folder, 'logits.safetensors'));
  return tensors.get('logits')!.data as Float32Array;
}

for (const layer of CELL_VARIANTS) {
  for (const depth of [1, 2]) {
    const name = nativeCell(layer);
    test(`${name}, ${depth} of 64 units, trained`, async (t) => {
      const layers = Array.from({ length: depth }, () => ({ ...layer, size: 64 }));
      const model = newModel(corpus, { embedding: 32, layers });
      await train(model, corpus, { streams: 8, window: 32, epochs: 3, optimizer: 'adam', learningRate: 0.005 });
      const folder = await folderOf(t);
      await exportOnnx(model, join(folder, 'm.onnx'));
      const onnx = await openOnnx(join(folder, 'm.onnx'));
      const reference = await referenceLogits(model, longest);
      const torch = python !== undefined && name !== 'gru-reset-before';
      if (torch) await exportPyTorch(model, join(folder, 'p.safetensors'));
      const theirs = torch ? await ofPyTorch(folder) : undefined;
      for (const T of LENGTHS) {
        const window = steps(longest, 0, T);
        const end = reference.length / (longest.T / T);
        const want = reference.subarray(0, end);
        const { logits } = await onnx.run(window);
        const runtime = largestDifference(logits, want);
        const pytorch = theirs && largestDifference(theirs.subarray(0, end), want);
        const largest = want.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
        const cells = [name, depth, T, largest.toFixed(1), runtime.toExponential(1), pytorch?.toExponential(1) ?? '–'];
        t.log(`| ${cells.join(' | ')} |`);
        const tolerance = SHARE * Math.max(largest, 10);
        t.true(runtime < tolerance, `onnxruntime, T ${T}: ${runtime}`);
        if (pytorch !== undefined) t.true(pytorch < tolerance, `PyTorch, T ${T}: ${pytorch}`);
        if (T === 1) continue;
        const [got, own] = [perplexityOf(logits, window, 0), await ownPerplexity(model, window, 0)];
        t.true(Math.abs(got - own) < 1e-5 * own, `perplexity ${got} against ${own}`);
      }
    });
  }
}
