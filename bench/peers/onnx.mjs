/** onnxruntime-node on the model that `exportOnnx` writes: one stream, a token at a time. */
import { here, Side } from '../side.mjs';

export default {
  name: 'onnxruntime-node',
  supports: ({ kind }) => kind === 'step',
  start: (workload, threads, { cores }) =>
    new Side(process.execPath, [here('peers/onnx_side.mjs'), JSON.stringify({ ...workload, threads })], {
      cpus: cores,
    }),
};
