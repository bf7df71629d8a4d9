/** `timernn export`: a saved model as a file for other programs. */
import { stat } from 'node:fs/promises';
import { loadLibrary, newCommand, type Register } from '../command.js';
import { checkWritable, expectOther } from '../files.js';
import { bytes } from '../format.js';
import { choiceOption } from '../options.js';
import { jsonLine, print } from '../output.js';

interface Flags {
  format: 'pytorch' | 'onnx';
  json?: boolean;
}

async function action(modelPath: string, out: string, { format, json }: Flags): Promise<void> {
  const { LanguageModel, exportOnnx, exportPyTorch } = await loadLibrary();
  await expectOther(modelPath, out);
  await checkWritable('<out>', out);
  const model = await LanguageModel.load(modelPath);
  await (format === 'onnx' ? exportOnnx : exportPyTorch)(model, out);
  const { size } = await stat(out);
  if (json) await print(jsonLine({ file: out, format, bytes: size, parameters: model.parameterCount }));
  else await print(`wrote ${out}, ${bytes(size)}\n`);
}

export const exportModel: Register = (program) => {
  newCommand(program, 'export', 'Write a model for other programs: PyTorch, or any that runs ONNX files.', [
    ['export --format pytorch model.safetensors model-pytorch.safetensors', 'names and layouts of PyTorch'],
    ['export --format onnx model.safetensors model.onnx', 'one graph, states in and out'],
  ])
    .argument('<model>', 'a saved model (.safetensors)')
    .argument('<out>', 'the file to write; one that is there is replaced')
    .addOption(choiceOption('--format <name>', 'what to write', ['pytorch', 'onnx']).makeOptionMandatory())
    .option('--json', 'print one JSON object')
    .action(action);
};
