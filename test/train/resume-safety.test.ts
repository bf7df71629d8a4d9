/** Going on, or trying to, loses nothing: the model in memory, checkpoints that are sound, files of somebody else. */
import { access, appendFile, mkdir, readdir, readFile, readlink, rm, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { LanguageModel, type TrainOptions } from 'timernn';
import { readSafetensors, type TensorInput, writeSafetensors } from '#src/checkpoint/safetensors.js';
import { native } from '#src/native.js';
import { digest, folderOf, isCode, loadedModel, newModel } from '../models/helpers/models.js';
import {
  begun,
  checkpointsOf,
  corpus,
  goOn,
  metricsOf,
  newest,
  record,
  SHORT,
  straight,
  text,
  warningsOf,
} from './helpers/recorded.js';

/** Rewrites a checkpoint, whole but with other content. */
async function rewrite(path: string, edit: (all: Map<string, TensorInput>, metadata: Map<string, string>) => void) {
  const { tensors, metadata } = await readSafetensors(path);
  const all = new Map([...tensors].map(([name, { shape, data }]) => [name, { name, shape, data } as TensorInput]));
  edit(all, metadata);
  await writeSafetensors(path, [...all.values()], metadata);
}

test('a resume that fails leaves the model as it was', async (t) => {
  const directory = await begun(t, 1);
  const { path } = await newest(directory);
  await rewrite(path, (all) => {
    const { data } = all.get('states.0')!;
    data[0] = Number.NaN;
  });
  // Loaded, since a model that is drawn with another seed is refused before anything is read.
  const model = await loadedModel(corpus, { seed: 5 });
  const before = await digest(model);
  await t.throwsAsync(goOn(directory, {}, model), isCode('ERR_TIMERNN_FORMAT', /finite numbers in states\.0/));
  t.is(await digest(model), before);
});

test('a checkpoint of another run, or one that cannot be read now, is not put aside', async (t) => {
  const directory = await begun(t);
  const { path } = await newest(directory);
  const whole = await readFile(path);
  await rewrite(path, (_, metadata) => {
    metadata.set('identity', metadata.get('identity')!.replace('"seed":1', '"seed":2'));
  });
  const names = await checkpointsOf(directory);
  await t.throwsAsync(goOn(directory), isCode('ERR_TIMERNN_FORMAT', /a checkpoint of this run, got one of another/));
  t.deepEqual(await checkpointsOf(directory), names);
  // A folder stands for what the system refuses to read: it says nothing of what was written there.
  await writeFile(path, whole);
  await mkdir(join(directory, 'checkpoints', '0000009999.safetensors'));
  await t.throwsAsync(goOn(directory), isCode('ERR_TIMERNN_FILE', /0000009999\.safetensors/));
  t.deepEqual(await checkpointsOf(directory), [...names, '0000009999.safetensors']);
  await rm(join(directory, 'checkpoints', '0000009999.safetensors'), { recursive: true });
  t.true(await goOn(directory));
});

test('a folder that holds no run: files of somebody else stay, or the run is refused', async (t) => {
  const directory = await begun(t);
  await rm(directory, { recursive: true });
  await mkdir(directory);
  const foreign = ['.notes.tmp', '.notes.0123456789ab.tmp', 'notes.txt'];
  for (const name of foreign) await writeFile(join(directory, name), name);
  for (const name of ['metrics.jsonl', 'best.safetensors']) {
    const path = join(directory, name);
    await writeFile(path, '{"step":1}\n');
    for (const resume of [false, true]) {
      await t.throwsAsync(
        record(newModel(corpus), text, { ...SHORT, run: { directory, resume } }),
        isCode('ERR_TIMERNN_OPTION', RegExp(`none of the files of one, got .*${name} without a run\\.json$`)),
      );
    }
    t.is(await readFile(path, 'utf8'), '{"step":1}\n');
    t.deepEqual((await readdir(directory)).sort(), [...foreign, name].sort());
    await unlink(path);
  }
  await record(newModel(corpus), text, { ...SHORT, epochs: 1, run: { directory } });
  for (const name of foreign) t.is(await readFile(join(directory, name), 'utf8'), name);
});

test('without run.json a cosine is still one over as many epochs; other schedules may go on longer', async (t) => {
  const cosine: TrainOptions = { schedule: { kind: 'cosine' } };
  const directory = await begun(t, 3, cosine);
  const file = join(directory, 'run.json');
  await unlink(file);
  await t.throwsAsync(
    goOn(directory, { ...cosine, epochs: 4 }),
    isCode('ERR_TIMERNN_FORMAT', /to have steps laid out over 4 epochs, got steps over 3$/),
  );
  await t.throwsAsync(access(file), undefined, 'what was refused leaves no record');
  t.true(await goOn(directory, cosine));
  const constant = await begun(t);
  await unlink(join(constant, 'run.json'));
  t.true(await goOn(constant, { epochs: 4 }));
  t.is((await metricsOf(constant)).length, 4);
});

test('run.json says which products were used; others are a warning, none recorded is none', async (t) => {
  const directory = await begun(t);
  const path = join(directory, 'run.json');
  const content = await readFile(path, 'utf8');
  const { isa, gemm } = native.systemInfo();
  t.like((JSON.parse(content) as { machine: object }).machine, { isa, gemm });
  await writeFile(path, content.replace(/"gemm": ".*"/, '"gemm": "another"'));
  const warnings = await warningsOf(directory, () => goOn(directory));
  t.deepEqual(
    warnings.map(({ code }) => code),
    ['TIMERNN_RUN_MACHINE'],
  );
  t.regex(warnings[0]!.message, RegExp(`started with another kernels and goes on with ${gemm}:`));
  await writeFile(path, content.replace(/,\s*"gemm": ".*"/, ''));
  t.deepEqual(await warningsOf(directory, () => goOn(directory)), []);
});

test('run.json says where the weights came from: drawn, loaded, or trained before', async (t) => {
  const folder = await folderOf(t);
  const originOf = async (name: string, model: LanguageModel) => {
    const directory = join(folder, name);
    await record(model, text, { ...SHORT, epochs: 1, run: { directory } });
    return (JSON.parse(await readFile(join(directory, 'run.json'), 'utf8')) as { initialWeights: unknown })
      .initialWeights;
  };
  const { vocabulary } = corpus;
  const model = new LanguageModel({
    vocabulary,
    embedding: 8,
    layers: [{ cell: 'rnn', size: 8 }],
    seed: 7,
    initialRange: 0.1,
    initialMemory: 0.9,
  });
  t.deepEqual(await originOf('drawn', model), { kind: 'drawn', seed: 7, initialRange: 0.1, initialMemory: 0.9 });
  t.deepEqual(await originOf('again', model), { kind: 'trained' });
  t.deepEqual(await originOf('default', newModel(corpus)), { kind: 'drawn', seed: 1, initialRange: 'by the layer' });
  const path = join(folder, 'model.safetensors');
  await model.save(path);
  t.deepEqual(await originOf('loaded', await LanguageModel.load(path)), { kind: 'loaded' });
});

test('a model that is drawn otherwise than the run is refused, with and without a checkpoint', async (t) => {
  const directory = await begun(t);
  const others = () => [
    { model: newModel(corpus, { seed: 5 }), message: /^Expected the model's seed to be as in the run .*, 1, got 5/ },
    {
      model: newModel(corpus, { more: { initialRange: 0.1 } }),
      message: /^Expected the model's initialRange to be as in the run .*, "by the layer", got 0\.1/,
    },
    {
      model: newModel(corpus, { more: { initialMemory: 0.5 } }),
      message: /^Expected the model's initialMemory to be as in the run .*, none, got 0\.5/,
    },
  ];
  for (const { model, message } of others()) {
    await t.throwsAsync(goOn(directory, {}, model), isCode('ERR_TIMERNN_OPTION', message));
  }
  await rm(join(directory, 'checkpoints'), { recursive: true });
  for (const { model, message } of others()) {
    const before = await digest(model);
    await t.throwsAsync(goOn(directory, {}, model), isCode('ERR_TIMERNN_OPTION', message));
    t.is(await digest(model), before);
  }
});

test('a run whose checkpoints are gone starts anew, and says so', async (t) => {
  const directory = await begun(t);
  await rm(join(directory, 'checkpoints'), { recursive: true });
  const model = newModel(corpus);
  const warnings = await warningsOf(directory, () => goOn(directory, {}, model));
  t.deepEqual(
    warnings.map(({ code }) => code),
    ['TIMERNN_RUN_WITHOUT_CHECKPOINT'],
  );
  t.is(await digest(model), await straight());
  t.is((await metricsOf(directory)).length, 3);
  t.deepEqual(await warningsOf(directory, () => goOn(directory)), []);
});

test('a lock of another container of the same machine is not taken over', async (t) => {
  const directory = await begun(t);
  const lock = join(directory, 'lock');
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => undefined);
  const namespace = await readlink('/proc/self/ns/pid').catch(() => undefined);
  if (boot === undefined || namespace === undefined) {
    t.pass('this system does not tell');
    return;
  }
  const holder = (start: string, namespace: string) =>
    JSON.stringify({ pid: 2 ** 22 + 7, start, namespace, token: 'x' });
  await writeFile(lock, holder(`${boot.trim()} 1`, 'pid:[1]'));
  await t.throwsAsync(
    goOn(directory),
    isCode('ERR_TIMERNN_BUSY', /of another container; stop it, wait, or .*, or remove .*lock once it has ended$/),
  );
  // Before the machine was started again, or among the processes that can be seen: dead is dead.
  for (const stale of [holder('another-start 1', 'pid:[1]'), holder(`${boot.trim()} 1`, namespace)]) {
    await writeFile(lock, stale);
    const training = newModel(corpus).train(text, { ...SHORT, run: { directory, resume: true } });
    await t.notThrowsAsync(training.next(), stale);
    await training.return();
  }
});

test('half a line at the end of the metrics is cut, also where run.json is gone', async (t) => {
  const directory = await begun(t);
  await unlink(join(directory, 'run.json'));
  await appendFile(join(directory, 'metrics.jsonl'), '{"epoch":2,"tok');
  await goOn(directory);
  t.is((await metricsOf(directory)).length, 3);
});
