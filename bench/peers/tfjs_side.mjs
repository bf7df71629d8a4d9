/**
 * The TensorFlow.js side: tanh RNN language model and layer on the WASM backend. Gradients are written by hand, since
 * matMul(…, transpose) of this backend takes twelve times as long as transpose and matMul, and tf.grads calls the former;
 * the input product and every weight gradient are one product a window. Same step as the others': global norm, SGD.
 */
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { fill, random } from '../ours/random.mjs';
import { serve, version } from './serve.mjs';

const workload = JSON.parse(process.argv[2]);
const { N, T, D, H, V } = workload;
await tf.setBackend('wasm');
await tf.ready();

let seed = 1;
const weights = (shape, bound) =>
  tf.variable(tf.tensor(fill(new Float32Array(shape.reduce((a, b) => a * b)), bound, seed++), shape));

const rnn = { Wx: weights([D, H], D ** -0.5), Wh: weights([H, H], H ** -0.5), b: weights([H], 0) };

/** xs T·N×D, h0 N×H -> T outputs N×H. */
function forward(xs, h0) {
  const z = tf.split(tf.add(tf.matMul(xs, rnn.Wx), rnn.b), T);
  const hs = [];
  let h = h0;
  for (let t = 0; t < T; t++) {
    h = tf.tanh(tf.add(z[t], tf.matMul(h, rnn.Wh)));
    hs.push(h);
  }
  return hs;
}

/** dhs T·N×H. The gradient stops at the window's edge. */
function backward(dhs, xs, hs, h0) {
  const parts = tf.split(dhs, T);
  const back = tf.transpose(rnn.Wh);
  const dts = [];
  let dh = tf.zeros([N, H]);
  for (let t = T - 1; t >= 0; t--) {
    const slope = tf.sub(1, tf.square(hs[t]));
    dts[t] = tf.mul(tf.add(parts[t], dh), slope);
    dh = tf.matMul(dts[t], back);
  }
  const dt = tf.concat(dts);
  const before = tf.concat([h0, ...hs.slice(0, -1)]);
  return {
    Wx: tf.matMul(tf.transpose(xs), dt),
    Wh: tf.matMul(tf.transpose(before), dt),
    b: tf.sum(dt, 0),
    xs: tf.matMul(dt, tf.transpose(rnn.Wx)),
  };
}

function layer() {
  const xs = tf.tensor2d(fill(new Float32Array(N * T * D), 0.5), [T * N, D]);
  const dhs = tf.tensor2d(fill(new Float32Array(N * T * H), 0.01), [T * N, H]);
  const h0 = tf.zeros([N, H]);
  return () => {
    tf.tidy(() => {
      backward(dhs, xs, forward(xs, h0), h0);
    });
    return N * T;
  };
}

/** Loss and gradients of the softmax head over all rows: dlogits in one expression, no logits kept. */
function head(rows, targets, Wy, by) {
  const probabilities = tf.softmax(tf.add(tf.matMul(rows, Wy), by));
  const at = tf.add(tf.mul(tf.range(0, T * N, 1, 'int32'), tf.scalar(V, 'int32')), targets);
  const picked = tf.gather(tf.reshape(probabilities, [-1]), at);
  const dlogits = tf.div(tf.sub(probabilities, tf.cast(tf.oneHot(targets, V), 'float32')), T * N);
  return {
    loss: tf.neg(tf.mean(tf.log(picked))),
    rows: tf.matMul(dlogits, tf.transpose(Wy)),
    Wy: tf.matMul(tf.transpose(rows), dlogits),
    by: tf.sum(dlogits, 0),
  };
}

function languageModel() {
  const { lr, clip } = workload;
  const params = { ...rnn, W: weights([V, D], 0.1), Wy: weights([H, V], H ** -0.5), by: weights([V], 0) };
  const numbers = random(3);
  const tokens = Int32Array.from({ length: (T + 1) * N }, () => Math.floor(numbers.next().value * V));
  const inputs = tf.tensor1d(tokens.subarray(0, T * N), 'int32');
  const targets = tf.tensor1d(tokens.subarray(N), 'int32');
  let state = tf.zeros([N, H]);

  function window() {
    const xs = tf.gather(params.W, inputs);
    const hs = forward(xs, state);
    const out = head(tf.concat(hs), targets, params.Wy, params.by);
    const d = backward(out.rows, xs, hs, state);
    const dW = tf.scatterND(tf.reshape(inputs, [-1, 1]), d.xs, [V, D]);
    const grads = { Wx: d.Wx, Wh: d.Wh, b: d.b, W: dW, Wy: out.Wy, by: out.by };
    const squares = Object.values(grads).map((grad) => tf.sum(tf.square(grad)));
    const norm = Math.sqrt(tf.addN(squares).dataSync()[0]);
    const step = tf.scalar(lr * Math.min(1, clip / (norm + 1e-6)));
    for (const [name, grad] of Object.entries(grads)) params[name].assign(tf.sub(params[name], tf.mul(grad, step)));
    return hs[T - 1];
  }

  return () => {
    const next = tf.tidy(window);
    state.dispose();
    state = next;
    return N * T;
  };
}

const step = { lm: languageModel, layer }[workload.kind]();
await serve({ version: version('@tensorflow/tfjs-core'), chosen: 'WASM, gradients by hand', step });
