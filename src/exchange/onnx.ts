/** A model as an ONNX file, for any program that runs such files. Refuses to do: reading one; files above 2 GB. */
import { writeFileAtomic } from '../checkpoint/atomic-write.js';
import { version } from '../cli/version.js';
import { viewsOf } from '../memory/arena.js';
import type { LanguageModel } from '../models/language-model.js';
import type { ModelParts } from '../models/model-file.js';
import { filePath } from '../options.js';
import { expectModel } from './checks.js';
import { graphOf } from './onnx-graph.js';
import { encodeOnnx } from './onnx-proto.js';

/**
 * Of ONNX 1.9 (2021), the first in which all operators of the graph have the form that they have here; newer runtimes take
 * it, too.
 */
const OPSET = 14;
const IR_VERSION = 7;

/** @throws ERR_TIMERNN_SPEC, ERR_TIMERNN_FILE */
export async function writeOnnx(path: string, { spec, vocabulary, layout, params }: ModelParts): Promise<void> {
  const views = viewsOf(params, layout);
  const chunks = encodeOnnx({
    irVersion: IR_VERSION,
    opset: OPSET,
    producer: { name: 'timernn', version: version() },
    metadata: {
      spec: JSON.stringify(spec),
      vocabulary: JSON.stringify(vocabulary),
      vocabularyHash: vocabulary.hash,
    },
    graph: graphOf(spec, (name) => views.get(name)!),
  });
  await writeFileAtomic(path, chunks);
}

/**
 * Writes a model as an ONNX file, whole or not at all. Input `tokens`: int64 ids, time×batch. Output `logits`: time×batch×V, the
 * scores of the token after each. States go in and out by layer, 1×batch×H: `h0_in` and `h0_out`, for an LSTM `c0_in` and `c0_out`
 * besides; zeros begin a text. The architecture and the vocabulary are in the file's metadata.
 *
 * @param path - the name of a file, or its `file:` URL
 * @throws ERR_TIMERNN_OPTION; ERR_TIMERNN_SPEC for a model of 2 GB or more, which is protobuf's limit; ERR_TIMERNN_FILE
 * @example
 * ```ts
 * import { exportOnnx, LanguageModel, Vocabulary } from 'timernn';
 * const vocabulary = Vocabulary.fromText('the whale', { unit: 'char' });
 * const model = new LanguageModel({ vocabulary, embedding: 8, layers: [{ cell: 'lstm', size: 16 }] });
 * await exportOnnx(model, 'whale.onnx');
 * ```
 */
export async function exportOnnx(model: LanguageModel, path: string | URL): Promise<void> {
  const file = filePath(path);
  await expectModel(model).readParts((parts) => writeOnnx(file, parts));
}
