/**
 * Which part of a step a stack belongs to, by the names of functions in native/. The names that count are those of the
 * design, one for each part; what a kernel is called does not matter.
 */

/** Parts of the compute, in the order of the table. */
export const CATEGORIES = [
  'input product',
  'recurrent product',
  'weight gradients',
  'head',
  'elementwise',
  'embedding',
  'layout',
  'other',
];

/**
 * The first that fits decides. `depth`: how many functions from the leaf are looked at, where not the whole stack;
 * `skip`: the runner times it itself.
 */
const RULES = [
  {
    part: 'skip',
    pattern:
      /\bbarrier\b|reduce_gradients|sum_and_square|Runner::(reduce|update)|\bupdate_(sgd|momentum|scaled|adam|average)/,
  },
  { part: 'head', pattern: /SoftmaxHead|softmax_/ },
  // Of the layers; the head’s count as head. Calls at the end of a function leave no frame, so what calls them stands for them.
  { part: 'weight gradients', pattern: /WeightWork|weight_gradients|(multiply|pack)_outer|gemm_outer|Runner::help/ },
  {
    part: 'elementwise',
    depth: 1,
    pattern: /(tanh|sigmoid|exp|relu|lstm|gru\w*)_(inplace|forward|backward)|column_sums/,
  },
  { part: 'input product', pattern: /\binput_(product|gradients)\b/ },
  { part: 'recurrent product', pattern: /StepProduct/ },
  // Gathering rows, and clearing and scattering the embedding's gradient.
  { part: 'embedding', depth: 2, pattern: /embedding_|Replica::(gather|forward_layers|backward_layers)/ },
  // A layer alone turns its arrays to time-major and back.
  { part: 'layout', depth: 3, pattern: /layer_(forward|backward)|time_major|batch_major/ },
];

/** A matrix product below a cell whose caller's name was inlined. */
const PRODUCT = /gemm|\bpack\b|pack_|transpose|openblas|cblas/;

/** Functions that are on the stack of every sample within a window or a layer's call. */
const COMPUTE = /Replica::(train_window|weight_part)|Runner::help|layer_(forward|backward)/;

/** @returns undefined for what is no part of the compute: JavaScript, waiting, reduction, update */
export function categoryOf(stack) {
  if (!stack.some((name) => COMPUTE.test(name))) return undefined;
  const rule = RULES.find(({ pattern, depth }) => stack.slice(0, depth).some((name) => pattern.test(name)));
  if (rule !== undefined) return rule.part === 'skip' ? undefined : rule.part;
  return stack.some((name) => PRODUCT.test(name)) ? 'recurrent product' : 'other';
}
