/** What training and questions work on. Refuses to do: anything. */
import type { Layout } from '../memory/layout.js';
import type { ReadWriteLock } from '../models/lock.js';
import type { ModelParts } from '../models/model-file.js';
import type { NativeSpec } from '../native-types.js';

/** What a question is put to: parameters, and the lock that keeps a round away from them meanwhile. */
export interface QuestionTarget {
  spec: NativeSpec;
  layout: Layout;
  params: Float32Array<SharedArrayBuffer>;
  lock: ReadWriteLock;
}

/** What a run trains. */
export interface TrainingTarget extends QuestionTarget {
  /** The model as it is saved; its layout and parameters are those of the target. */
  parts: ModelParts;
}
