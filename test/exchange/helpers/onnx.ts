/** Runs exported ONNX files with onnxruntime. */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { Window } from './logits.js';

/** States by name without `_in` or `_out`. */
export type States = ReadonlyMap<string, Float32Array>;

/** An opened file. */
export interface OnnxModel {
  inputs: readonly string[];
  outputs: readonly string[];
  /** Logits T×N×V and the states after; from empty states where none are given. */
  run(window: Window, states?: States): Promise<{ logits: Float32Array; states: States }>;
}

/** The size of a state's last axis; `tokens` has none. */
function stateSizes(session: InferenceSession): Map<string, number> {
  const sizes = session.inputMetadata.map((info) => {
    const shape = 'shape' in info ? info.shape : [];
    return [info.name, Number(shape[2])] as const;
  });
  return new Map(sizes.filter(([name]) => name !== 'tokens'));
}

export async function openOnnx(path: string): Promise<OnnxModel> {
  const session = await InferenceSession.create(path, { intraOpNumThreads: 1, interOpNumThreads: 1 });
  const sizes = stateSizes(session);
  return {
    inputs: session.inputNames,
    outputs: session.outputNames,
    async run({ tokens, T, N }, before) {
      const feeds: Record<string, Tensor> = {
        tokens: new Tensor('int64', BigInt64Array.from(tokens, BigInt), [T, N]),
      };
      for (const [name, size] of sizes) {
        const state = before?.get(name.replace(/_in$/, '')) ?? new Float32Array(N * size);
        feeds[name] = new Tensor('float32', state, [1, N, size]);
      }
      const results = await session.run(feeds);
      const floats = (name: string) => results[name]!.data as Float32Array;
      const after = session.outputNames.filter((name) => name !== 'logits');
      return {
        logits: floats('logits'),
        states: new Map(after.map((name) => [name.replace(/_out$/, ''), floats(name)])),
      };
    },
  };
}
