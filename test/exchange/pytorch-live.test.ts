/**
 * The Python of docs/exchange.md under a real PyTorch: models loaded there, trained a step there, and brought back.
 *
 *   TIMERNN_PYTHON=python3 node scripts/test.mjs test/exchange/pytorch-live.test.ts      needs torch and safetensors
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { exportPyTorch, importPyTorch, type LanguageModel, type LayerOptions } from 'timernn';
import { readSafetensors, writeSafetensors } from '#src/checkpoint/safetensors.js';
import { largestDifference } from '../helpers/compare.js';
import { digest, folderOf } from '../models/helpers/models.js';
import { documented, python, runPython } from './helpers/docs.js';
import { ownPerplexity, perplexityOf, referenceLogits, type Window } from './helpers/logits.js';
import { MIXED, nameOf, PYTORCH_VARIANTS, randomModel, randomWindow } from './helpers/models.js';

// Skipped without one: PyTorch is no npm package, and a fresh machine has none. The committed goldens hold the import to
// PyTorch's figures everywhere.
const live = python === undefined ? test.skip : test;
const reason = python === undefined ? ' (skipped: TIMERNN_PYTHON names no Python with torch)' : '';
/** Both compute in single precision over 12 steps, the reference in double. */
const TOLERANCE = 1e-5;

/** A folder for each model, with its export and the tokens. */
async function prepare(folder: string, models: readonly LanguageModel[]): Promise<Window[]> {
  return Promise.all(
    models.map(async (model, i) => {
      const window = randomWindow(model, 12, 3, i + 1);
      const own = join(folder, String(i));
      await mkdir(own);
      await exportPyTorch(model, join(own, 'model-pytorch.safetensors'));
      const data = BigInt64Array.from(window.tokens, BigInt);
      await writeSafetensors(join(own, 'tokens.safetensors'), [{ name: 'tokens', shape: [window.T, window.N], data }]);
      return window;
    }),
  );
}

async function outcome(folder: string, i: number, name: string): Promise<Float32Array> {
  const { tensors } = await readSafetensors(join(folder, String(i), 'outcome.safetensors'));
  return tensors.get(name)!.data as Float32Array;
}

live(`ten lines load a model of one module: the same logits${reason}`, async (t) => {
  const stacks: LayerOptions[][] = PYTORCH_VARIANTS.flatMap((layer) => [[layer], [layer, layer]]);
  const models = stacks.map((layers) => randomModel(layers));
  const folder = await folderOf(t);
  const windows = await prepare(folder, models);
  const body = documented('python ten-lines').replace(/^/gm, '    ');
  await runPython(
    folder,
    `import os, torch
from safetensors.torch import load_file, save_file
for i in range(${models.length}):
    os.chdir(str(i))
    tokens = load_file("tokens.safetensors")["tokens"]
${body}
    save_file({"logits": logits.detach()}, "outcome.safetensors")
    os.chdir("..")
`,
  );
  for (const [i, model] of models.entries()) {
    const difference = largestDifference(await outcome(folder, i, 'logits'), await referenceLogits(model, windows[i]!));
    t.log(`${nameOf(stacks[i]!)}: ${difference.toExponential(1)}`);
    t.true(difference < TOLERANCE, `${nameOf(stacks[i]!)}: ${difference}`);
  }
});

/** Loads, computes, takes one step of SGD on the cross-entropy, computes again, saves. */
const STEP = `
import os, torch
from safetensors.torch import load_file
for i in range(COUNT):
    os.chdir(str(i))
    tokens = load_file("tokens.safetensors")["tokens"]
    model = Model("model-pytorch.safetensors")
    before = model(tokens)
    loss = nn.functional.cross_entropy(before[:-1].flatten(0, 1), tokens[1:].flatten())
    loss.backward()
    torch.optim.SGD(model.parameters(), lr=0.5).step()
    save_file({"before": before.detach(), "after": model(tokens).detach()}, "outcome.safetensors")
    model.save("back.safetensors")
    os.chdir("..")
`;

live(`every model: loaded, trained one step in PyTorch and brought back${reason}`, async (t) => {
  const layers: LayerOptions[][] = [...PYTORCH_VARIANTS.map((layer) => [layer, layer]), MIXED];
  const stacks = layers.flatMap((stack) => [
    { stack, tied: false },
    { stack, tied: true },
  ]);
  const models = stacks.map(({ stack, tied }) => randomModel(stack, { tied }));
  const folder = await folderOf(t);
  const windows = await prepare(folder, models);
  await runPython(folder, documented('python every-model') + STEP.replace('COUNT', String(models.length)));
  for (const [i, model] of models.entries()) {
    const window = windows[i]!;
    const name = `${nameOf(stacks[i]!.stack)}${stacks[i]!.tied ? ', tied' : ''}`;
    const [before, after] = [await outcome(folder, i, 'before'), await outcome(folder, i, 'after')];
    const there = largestDifference(before, await referenceLogits(model, window));
    const back = await importPyTorch(join(folder, String(i), 'back.safetensors'));
    const here = largestDifference(after, await referenceLogits(back, window));
    t.log(`${name}: ${there.toExponential(1)} there, ${here.toExponential(1)} back`);
    t.true(there < TOLERANCE && here < TOLERANCE, `${name}: ${there} there, ${here} back`);
    t.deepEqual(back.spec, model.spec);
    t.is(back.vocabulary.hash, model.vocabulary.hash);
    t.not(await digest(back), await digest(model), 'the step changed it');
    const [own, theirs] = [await ownPerplexity(back, window, 1), perplexityOf(after, window, 1)];
    t.true(Math.abs(own - theirs) < TOLERANCE * theirs, `${name}: perplexity ${own} against ${theirs}`);
  }
});
