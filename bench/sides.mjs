/** The sides of the benchmark: ours, and the peers, each in a file of its own. A new peer is one more file and line here. */
import brain from './peers/brain.mjs';
import numpy from './peers/numpy.mjs';
import onednn from './peers/onednn.mjs';
import onnx from './peers/onnx.mjs';
import pytorch from './peers/pytorch.mjs';
import tfjs from './peers/tfjs.mjs';
import { here, Side } from './side.mjs';

export function ours(workload, workers, { corpus, cores }) {
  const argument = JSON.stringify({ workload, workers, corpus });
  return new Side(process.execPath, [here('ours.mjs'), argument], { cpus: cores });
}

/**
 * A peer: `name`; `supports(workload, threads)`, whether it has anything to compare; `start(workload, threads, options)`,
 * which gives a Side that answers the commands described in `ours.mjs`; `restart`, where tuning leaves a process that is
 * not like one that runs the chosen variant alone: then it is started again and told {"cmd":"use", variant}.
 */
export const peers = [pytorch, onednn, onnx, numpy, tfjs, brain];
