/**
 * A language model as a graph of ONNX operators: Gather, one RNN, LSTM or GRU node a layer, MatMul and Add. Time first, as the
 * recurrent operators have it; the states before and after the window are inputs and outputs.
 * Operators: https://onnx.ai/onnx/operators/. Refuses to do: the encoding (see `onnx-proto.ts`); training.
 */
import type { LayerOptions, ModelSpec } from '../models/types.js';
import { reordered, transposed } from './matrix.js';
import type { GraphNode, Initializer, OnnxModel, ValueInfo } from './onnx-proto.js';

type Graph = OnnxModel['graph'];
type View = (name: string) => Float32Array;

/** Operator, and place of each of its gates in our order: i f g o (LSTM) against i o f c, r z n (GRU) against z r h. */
const OPERATORS = {
  rnn: { operator: 'RNN', gates: [0] },
  lstm: { operator: 'LSTM', gates: [0, 3, 1, 2] },
  gru: { operator: 'GRU', gates: [1, 0, 2] },
} as const;

const DESCRIPTION =
  'tokens: ids, time first. logits: scores of the token after each; softmax makes probabilities of them. h0_in, c0_in, …: ' +
  'states before the first step, zeros for a new text; h0_out, c0_out, …: states after the last one, to be fed back.';

/** The names of a layer's states, without `_in` or `_out`. */
const statesOf = ({ cell }: LayerOptions, l: number) => (cell === 'lstm' ? [`h${l}`, `c${l}`] : [`h${l}`]);

function attributesOf(layer: LayerOptions): NonNullable<GraphNode['attributes']> {
  const size = { hidden_size: layer.size };
  if (layer.cell === 'rnn') return { ...size, activations: [layer.activation === 'relu' ? 'Relu' : 'Tanh'] };
  return layer.cell === 'gru' ? { ...size, linear_before_reset: layer.resetAfter === false ? 0 : 1 } : size;
}

/** W (1×G·H×D), R (1×G·H×H) and B (1×2·G·H): the input's bias, then the recurrent one, zero but for what we keep apart. */
function layerInitializers(layer: LayerOptions, l: number, inputSize: number, view: View): Initializer[] {
  const { size: H } = layer;
  const { gates } = OPERATORS[layer.cell];
  const rows = gates.length * H;
  const own = (name: string) => view(`layers.${l}.${name}`);
  const weight = (name: string, from: number) => () => reordered(transposed(own(name), from, rows), gates);
  const bias = () => {
    const both = new Float32Array(2 * rows);
    both.set(reordered(own('b'), gates));
    // The candidate is the last gate in both orders.
    if (layer.cell === 'gru' && layer.resetAfter !== false) both.set(own('bn'), rows + 2 * H);
    return both;
  };
  return [
    { name: `layers.${l}.W`, shape: [1, rows, inputSize], type: 'float', data: weight('Wx', inputSize) },
    { name: `layers.${l}.R`, shape: [1, rows, H], type: 'float', data: weight('Wh', H) },
    { name: `layers.${l}.B`, shape: [1, 2 * rows], type: 'float', data: bias },
  ];
}

/** The recurrent node; its output has an axis of directions, which goes. An empty name is an input left out. */
function layerNodes(layer: LayerOptions, l: number, input: string): GraphNode[] {
  const states = statesOf(layer, l);
  const weights = ['W', 'R', 'B'].map((name) => `layers.${l}.${name}`);
  return [
    {
      operator: OPERATORS[layer.cell].operator,
      name: `layers.${l}`,
      inputs: [input, ...weights, '', ...states.map((state) => `${state}_in`)],
      outputs: [`layers.${l}.Y`, ...states.map((state) => `${state}_out`)],
      attributes: attributesOf(layer),
    },
    { operator: 'Squeeze', name: `layers.${l}.squeeze`, inputs: [`layers.${l}.Y`, 'directions'], outputs: [`hs${l}`] },
  ];
}

/** From the last layer's outputs to the scores: W, or the projection where there is one and the embedding's table transposed. */
function outputParts(spec: ModelSpec, view: View): { nodes: GraphNode[]; initializers: Initializer[] } {
  const [V, D] = [spec.input.vocabulary, spec.input.embedding];
  const [H, last] = [spec.layers.at(-1)!.size, `hs${spec.layers.length - 1}`];
  const matrix = (name: string, shape: number[]): Initializer => ({
    name,
    shape,
    type: 'float',
    data: () => view(name),
  });
  const projected = spec.output.tied === true && H !== D;
  const nodes: GraphNode[] = [];
  if (projected) {
    const inputs = [last, 'output.projection'];
    nodes.push({ operator: 'MatMul', name: 'projection', inputs, outputs: ['projected'] });
  }
  if (spec.output.tied) {
    nodes.push({ operator: 'Transpose', name: 'tie', inputs: ['embedding.W'], outputs: ['output.W'] });
  }
  const inputs = [projected ? 'projected' : last, 'output.W'];
  nodes.push(
    { operator: 'MatMul', name: 'scores', inputs, outputs: ['scores'] },
    { operator: 'Add', name: 'bias', inputs: ['scores', 'output.b'], outputs: ['logits'] },
  );
  const weights = [
    ...(projected ? [matrix('output.projection', [H, D])] : []),
    ...(spec.output.tied ? [] : [matrix('output.W', [H, V])]),
  ];
  return { nodes, initializers: [...weights, matrix('output.b', [V])] };
}

/** States as the operators have them: one direction, rows of the batch, H. */
function stateInfos({ layers }: ModelSpec, side: 'in' | 'out'): ValueInfo[] {
  return layers.flatMap((layer, l) =>
    statesOf(layer, l).map(
      (state): ValueInfo => ({
        name: `${state}_${side}`,
        type: 'float',
        shape: [1, 'batch', layer.size],
      }),
    ),
  );
}

/** @param view - gives a tensor by its name here; called only when its bytes are wanted */
export function graphOf(spec: ModelSpec, view: View): Graph {
  const { vocabulary: V, embedding: D } = spec.input;
  const output = outputParts(spec, view);
  const inputOf = (l: number) => (l === 0 ? 'xs' : `hs${l - 1}`);
  const sizeBefore = (l: number) => (l === 0 ? D : spec.layers[l - 1]!.size);
  return {
    name: 'timernn',
    description: DESCRIPTION,
    nodes: [
      { operator: 'Gather', name: 'embedding', inputs: ['embedding.W', 'tokens'], outputs: ['xs'] },
      ...spec.layers.flatMap((layer, l) => layerNodes(layer, l, inputOf(l))),
      ...output.nodes,
    ],
    initializers: [
      { name: 'embedding.W', shape: [V, D], type: 'float', data: () => view('embedding.W') },
      ...spec.layers.flatMap((layer, l) => layerInitializers(layer, l, sizeBefore(l), view)),
      { name: 'directions', shape: [1], type: 'int64', data: () => BigInt64Array.of(1n) },
      ...output.initializers,
    ],
    inputs: [{ name: 'tokens', type: 'int64', shape: ['time', 'batch'] }, ...stateInfos(spec, 'in')],
    outputs: [{ name: 'logits', type: 'float', shape: ['time', 'batch', V] }, ...stateInfos(spec, 'out')],
  };
}
