/** `timernn inspect`: what a model file holds, from its header alone. Needs no addon. */
import { stat } from 'node:fs/promises';
import { readSafetensorsHeader, type SafetensorsHeader } from '../../checkpoint/safetensors.js';
import { Vocabulary } from '../../data/vocabulary.js';
import type { ModelSpec } from '../../models/types.js';
import { dropoutWords } from '../../recipes/describe.js';
import { newCommand, type Register } from '../command.js';
import { bytes, cellName, count, printable } from '../format.js';
import { jsonLine, print } from '../output.js';

interface Contents {
  file: string;
  bytes: number;
  parameters: number;
  spec?: ModelSpec;
  vocabulary?: { unit: string; size: number; hash: string };
  tensors: { name: string; dtype: string; shape: number[]; bytes: number }[];
  /** Other metadata, as text. */
  metadata: Record<string, string>;
}

function parsed(text: string | undefined): unknown {
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Reads what there is: a safetensors file of another program has tensors and perhaps no spec. */
function contentsOf(file: string, size: number, header: SafetensorsHeader): Contents {
  const metadata = new Map(header.metadata);
  const spec = parsed(metadata.get('spec')) as ModelSpec | undefined;
  const vocabularyJson = parsed(metadata.get('vocabulary'));
  const contents: Contents = { file, bytes: size, parameters: 0, tensors: [], metadata: {} };
  if (spec !== undefined) {
    contents.spec = spec;
    metadata.delete('spec');
  }
  if (vocabularyJson !== undefined) {
    const { unit, size: tokens, hash } = Vocabulary.fromJSON(vocabularyJson);
    contents.vocabulary = { unit, size: tokens, hash };
    metadata.delete('vocabulary');
    // A hash that differs stays in the list, where it can be seen.
    if (metadata.get('vocabularyHash') === hash) metadata.delete('vocabularyHash');
  }
  contents.tensors = header.tensors.map(({ name, dtype, shape, begin, end }) => ({
    name,
    dtype,
    shape,
    bytes: end - begin,
  }));
  contents.parameters = header.tensors
    .filter(({ dtype }) => /^B?F/.test(dtype))
    .reduce((sum, { shape }) => sum + shape.reduce((product, dimension) => product * dimension, 1), 0);
  contents.metadata = Object.fromEntries(metadata);
  return contents;
}

/** The file may come from anywhere: what is not as a spec is shown as absent, never trusted. */
function describeSpec(spec: Partial<ModelSpec> | undefined): string {
  if (typeof spec?.input !== 'object' || !Array.isArray(spec.layers)) return 'none: not a model of timernn';
  const layers = spec.layers.map((layer) => `${cellName(layer)} ${layer?.size}`).join(' → ');
  return `${spec.input?.vocabulary} tokens → embedding ${spec.input?.embedding} → ${layers} → ${spec.output?.kind}${spec.output?.tied === true ? ' (tied)' : ''}`;
}

/** What training drops, from a spec that may say anything; undefined where it drops nothing. */
function describeDrops(spec: Partial<ModelSpec> | undefined): string | undefined {
  if (typeof spec?.input !== 'object' || !Array.isArray(spec.layers)) return undefined;
  const { dropout: inputDropout, wordDropout } = spec.input ?? {};
  const layers = spec.layers.map((layer) => layer ?? {});
  const words = dropoutWords({ model: { inputDropout, wordDropout, layers, dropoutKind: spec.dropoutKind } });
  return words === 'none' ? undefined : words;
}

async function action(path: string, flags: { json?: boolean }): Promise<void> {
  const header = await readSafetensorsHeader(path);
  const contents = contentsOf(path, (await stat(path)).size, header);
  if (flags.json) {
    await print(jsonLine(contents));
    return;
  }
  const { vocabulary, tensors } = contents;
  const drops = describeDrops(contents.spec);
  const lines = [
    `file        ${path}, ${bytes(contents.bytes)}`,
    `model       ${describeSpec(contents.spec)}`,
    ...(drops === undefined ? [] : [`dropout     ${drops}`]),
    `parameters  ${count(contents.parameters)}`,
    ...(vocabulary
      ? [`vocabulary  ${count(vocabulary.size)} tokens, unit ${vocabulary.unit}`, `hash        ${vocabulary.hash}`]
      : []),
    ...Object.entries(contents.metadata).map(([key, value]) => {
      const short = value.length > 80 ? `${value.slice(0, 77)}...` : value;
      return `${key.padEnd(11)} ${short}`;
    }),
    '',
  ];
  const width = Math.max(6, ...tensors.map((tensor) => tensor.name.length));
  lines.push(`${'tensor'.padEnd(width)}  type  ${'bytes'.padStart(9)}  shape`);
  for (const { name, dtype, shape, bytes: size } of tensors) {
    lines.push(
      `${name.padEnd(width)}  ${dtype.padEnd(4)}  ${bytes(size).padStart(9)}  ${shape.join(' × ') || 'scalar'}`,
    );
  }
  await print(`${lines.map(printable).join('\n')}\n`);
}

export const inspect: Register = (program) => {
  newCommand(program, 'inspect', 'Show what a model file holds. Reads its header only.', [
    ['inspect model.safetensors', 'layers, tensors, sizes, vocabulary'],
    ['inspect model.safetensors --json', 'for programs'],
  ])
    .argument('<model>', 'a safetensors file')
    .option('--json', 'print one JSON object')
    .action(action);
};
