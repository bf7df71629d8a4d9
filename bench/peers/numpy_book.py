"""The method of "Deep Learning from Scratch 2" in NumPy, written anew: the NumPy side of the benchmark.

As in the book: every layer has forward and backward, a Time layer calls a one-step layer T times with products of its
own, gradients of the weights are added up step by step, the softmax is the whole one over all N·T rows, the embedding's
gradient is dense. float32 throughout. One process; BLAS threads are pinned by the caller (see numpy.mjs).
Commands on stdin: tune (warms up), measure, quit; one JSON value a line, see pytorch.py.
"""
import argparse
import json
import resource
import sys
import time

import numpy as np

F = np.float32
random = np.random.default_rng(1)


def weights(*shape):
    return (random.standard_normal(shape) / np.sqrt(shape[0])).astype(F)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class RNN:
    """One time step of tanh RNN."""

    gates = 1

    def __init__(self, params):
        self.Wx, self.Wh, self.b = params

    def forward(self, x, state):
        (h,) = state
        self.x, self.h = x, h
        self.out = np.tanh(h @ self.Wh + x @ self.Wx + self.b)
        return (self.out,)

    def backward(self, dstate):
        dt = dstate[0] * (1 - self.out**2)
        return dt @ self.Wx.T, (dt @ self.Wh.T,), (self.x.T @ dt, self.h.T @ dt, dt.sum(0))


class LSTM:
    """One time step of LSTM; the book's gate order f, g, i, o."""

    gates = 4

    def __init__(self, params):
        self.Wx, self.Wh, self.b = params

    def forward(self, x, state):
        h, c = state
        A = x @ self.Wx + h @ self.Wh + self.b
        H = h.shape[1]
        f, g, i, o = sigmoid(A[:, :H]), np.tanh(A[:, H : 2 * H]), sigmoid(A[:, 2 * H : 3 * H]), sigmoid(A[:, 3 * H :])
        c_next = f * c + g * i
        self.kept = x, h, c, f, g, i, o, np.tanh(c_next)
        return o * self.kept[-1], c_next

    def backward(self, dstate):
        x, h, c, f, g, i, o, t = self.kept
        dh, dc = dstate
        ds = dc + dh * o * (1 - t**2)
        df, dg = ds * c * f * (1 - f), ds * i * (1 - g**2)
        di, do = ds * g * i * (1 - i), dh * t * o * (1 - o)
        dA = np.hstack((df, dg, di, do))
        return dA @ self.Wx.T, (dA @ self.Wh.T, ds * f), (x.T @ dA, h.T @ dA, dA.sum(0))


class TimeRecurrent:
    """T steps of a cell; the state is carried from window to window, the gradient stops at the edge."""

    def __init__(self, cell, D, H):
        width = cell.gates * H
        self.cell, self.H = cell, H
        self.params = [weights(D, width), weights(H, width), np.zeros(width, F)]
        self.grads = [np.zeros_like(p) for p in self.params]
        self.state = None

    def forward(self, xs):
        N, T, _ = xs.shape
        if self.state is None:
            self.state = tuple(np.zeros((N, self.H), F) for _ in range(2 if self.cell is LSTM else 1))
        self.layers, hs = [], np.empty((N, T, self.H), F)
        for t in range(T):
            layer = self.cell(self.params)
            self.state = layer.forward(xs[:, t, :], self.state)
            hs[:, t, :] = self.state[0]
            self.layers.append(layer)
        self.shape = xs.shape
        return hs

    def backward(self, dhs):
        dxs = np.empty(self.shape, F)
        dstate = tuple(np.zeros_like(s) for s in self.state)
        for grad in self.grads:
            grad[...] = 0
        for t in reversed(range(len(self.layers))):
            dstate = (dhs[:, t, :] + dstate[0], *dstate[1:])
            dxs[:, t, :], dstate, step = self.layers[t].backward(dstate)
            for grad, part in zip(self.grads, step):
                grad += part
        return dxs


class LanguageModelStep:
    def __init__(self, w):
        self.w = w
        cell = LSTM if w["cell"] == "lstm" else RNN
        self.W = (random.standard_normal((w["V"], w["D"])) / 100).astype(F)
        sizes = [w["D"]] + [w["H"]] * w["layers"]
        self.layers = [TimeRecurrent(cell, a, b) for a, b in zip(sizes, sizes[1:])]
        self.Wy, self.by = weights(w["H"], w["V"]), np.zeros(w["V"], F)
        self.length = 64 * w["T"]
        self.tokens = random.integers(w["V"], size=(w["N"], self.length + 1))
        self.at, self.loss = 0, 0.0

    def head(self, hs, targets):
        rows = hs.reshape(-1, hs.shape[2])
        y = rows @ self.Wy + self.by
        y = np.exp(y - y.max(axis=1, keepdims=True))
        y /= y.sum(axis=1, keepdims=True)
        at = np.arange(len(rows))
        self.loss += -np.log(y[at, targets] + 1e-7).mean()
        y[at, targets] -= 1
        y /= len(rows)
        return (y @ self.Wy.T).reshape(hs.shape), rows.T @ y, y.sum(0)

    def step(self):
        w = self.w
        x = self.tokens[:, self.at : self.at + w["T"]]
        targets = self.tokens[:, self.at + 1 : self.at + w["T"] + 1].reshape(-1)
        self.at = (self.at + w["T"]) % self.length
        hs = self.W[x]
        for layer in self.layers:
            hs = layer.forward(hs)
        dhs, dWy, dby = self.head(hs, targets)
        for layer in reversed(self.layers):
            dhs = layer.backward(dhs)
        dW = np.zeros_like(self.W)
        np.add.at(dW, x.reshape(-1), dhs.reshape(-1, w["D"]))
        params = [self.W, self.Wy, self.by] + [p for layer in self.layers for p in layer.params]
        grads = [dW, dWy, dby] + [g for layer in self.layers for g in layer.grads]
        norm = np.sqrt(sum(float(np.sum(g**2)) for g in grads))
        rate = w["clip"] / (norm + 1e-6)
        for param, grad in zip(params, grads):
            if rate < 1:
                grad *= F(rate)
            param -= F(w["lr"]) * grad
        return x.size


class LayerStep:
    def __init__(self, w):
        self.layer = TimeRecurrent(LSTM if w["cell"] == "lstm" else RNN, w["D"], w["H"])
        self.xs = (random.standard_normal((w["N"], w["T"], w["D"])) * 0.5).astype(F)
        self.dhs = (random.standard_normal((w["N"], w["T"], w["H"])) * 0.01).astype(F)

    def step(self):
        self.layer.state = None
        self.layer.forward(self.xs)
        self.layer.backward(self.dhs)
        return self.xs.shape[0] * self.xs.shape[1]


class GenerateStep:
    """The book's RnnlmGen: one token in, softmax over the vocabulary, np.random.choice."""

    def __init__(self, w):
        self.w = w
        cell = LSTM if w["cell"] == "lstm" else RNN
        self.W = weights(w["V"], w["D"])
        sizes = [w["D"]] + [w["H"]] * w["layers"]
        self.layers = [TimeRecurrent(cell, a, b) for a, b in zip(sizes, sizes[1:])]
        self.Wy, self.by = weights(w["H"], w["V"]), np.zeros(w["V"], F)
        self.token = 0

    def step(self):
        hs = self.W[np.array([[self.token]])]
        for layer in self.layers:
            hs = layer.forward(hs)
        y = hs[0] @ self.Wy + self.by
        p = np.exp(y - y.max()).ravel().astype(np.float64)  # choice checks in double that they add up to one
        self.token = int(random.choice(self.w["V"], p=p / p.sum()))
        return 1


def run_for(step, seconds):
    tokens, start = 0, time.perf_counter()
    while True:
        tokens += step()
        spent = time.perf_counter() - start
        if spent >= seconds:
            return tokens, spent


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--workload", required=True, help="dims as JSON")
    w = json.loads(parser.parse_args().workload)
    side = {"lm": LanguageModelStep, "layer": LayerStep, "step": GenerateStep}[w["kind"]](w)

    def answer(value):
        print(json.dumps(value), flush=True)

    answer({"ready": True, "version": f"{np.__version__} (Python {sys.version.split()[0]})"})
    for line in sys.stdin:
        command = json.loads(line)
        if command["cmd"] == "quit":
            return
        tokens, seconds = run_for(side.step, command["seconds"])
        if command["cmd"] == "tune":
            answer({"chosen": "the book's layers"})
        else:
            rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            answer({"tokens": tokens, "seconds": seconds, "peakRss": rss})


if __name__ == "__main__":
    main()
