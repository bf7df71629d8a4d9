"""The PyTorch side of the benchmark: one workload, one thread count, one process.

Reads one JSON command a line on stdin and answers with one JSON line on stdout, so that the caller can take turns
between the sides while each stays warm:

    {"cmd": "tune", "seconds": 1, "compileLimit": 90}   tries every variant, keeps the fastest
    {"cmd": "measure", "seconds": 1.5}                  -> {"tokens": ..., "seconds": ...}
    {"cmd": "quit"}

What is tuned: the recurrent layer (nn.RNN; an explicit loop, eager and compiled; backward written by hand, with dWh one
product a window), the head (all logits at once; in chunks that stay in the cache; by hand, in buffers that are kept;
compiled) and the update (SGD foreach, fused, by hand, by hand with a sparse gradient of the embedding). Every variant
does the same step: forward over the window, truncated backward, clip by global norm, SGD update, state carried.
It refuses to use anything below float32.
Environment that must be set before start (threads, pinning, allocator) is the caller's part: see bench/sides.mjs.
"""
import argparse
import json
import os
import resource
import signal
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

from pytorch_parts import Cell, HandwrittenHead, plain_head

AXES = {
    "cell": ["nn.RNN", "loop", "handwritten", "compile"],
    "head": ["full", "chunked", "handwritten", "compile"],
    "update": ["SGD foreach", "SGD fused", "by hand", "by hand, sparse embedding gradient"],
}
CHUNK_FLOATS = 1 << 20  # logits of one chunk: 4 MB, a part of the last-level cache


class LanguageModelStep:
    """A training step of embedding -> tanh RNN layers -> affine -> softmax cross-entropy."""

    def __init__(self, w, variant, seed=1):
        torch.manual_seed(seed)
        self.w, self.variant = w, variant
        kind = variant["update"]
        self.embedding = nn.Embedding(w["V"], w["D"], sparse="sparse" in kind)
        sizes = [w["D"]] + [w["H"]] * w["layers"]
        self.cells = nn.ModuleList(Cell(variant["cell"], a, b) for a, b in zip(sizes, sizes[1:]))
        self.out = nn.Linear(w["H"], w["V"])
        modules = nn.ModuleList([self.embedding, self.cells, self.out])
        self.params = [p for p in modules.parameters() if p.requires_grad]
        self.optimiser = None
        if kind.startswith("SGD"):
            fused = kind == "SGD fused"
            self.optimiser = torch.optim.SGD(self.params, lr=w["lr"], foreach=not fused, fused=fused)
        # Time first, as nn.RNN likes it: a window is then one contiguous slice.
        self.length = 64 * w["T"]
        self.tokens = torch.randint(w["V"], (self.length + 1, w["N"]))
        self.at = 0
        self.state = [torch.zeros(w["N"], w["H"]) for _ in self.cells]
        self.loss = torch.zeros(())
        self.plain = torch.compile(plain_head, dynamic=False) if variant["head"] == "compile" else plain_head
        if variant["head"] == "handwritten":
            self.buffers = [torch.empty(w["N"] * w["T"], w["V"]) for _ in range(2)]

    def head(self, hs, target):
        rows = hs.reshape(-1, hs.shape[-1])
        if self.variant["head"] != "chunked":
            if self.variant["head"] == "handwritten":
                loss = HandwrittenHead.apply(rows, self.out.weight, self.out.bias, target, *self.buffers)
            else:
                loss = self.plain(rows, self.out.weight, self.out.bias, target)
            loss.backward()
            return loss.detach()
        cut = rows.detach().requires_grad_()
        total = torch.zeros(())
        chunk = max(1, CHUNK_FLOATS // self.w["V"])
        for a in range(0, len(cut), chunk):
            part = F.cross_entropy(self.out(cut[a : a + chunk]), target[a : a + chunk], reduction="sum") / len(cut)
            part.backward()
            total += part.detach()
        rows.backward(cut.grad)
        return total

    def update(self):
        w = self.w
        if self.optimiser is not None:
            torch.nn.utils.clip_grad_norm_(self.params, w["clip"], foreach=True)
            self.optimiser.step()
            return
        dense, sparse = [], None
        for p in self.params:
            if p.grad.is_sparse:
                sparse = (p, p.grad.coalesce())
            else:
                dense.append(p)
        grads = [p.grad for p in dense]
        every = grads + ([sparse[1].values()] if sparse else [])
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(every)))
        # The scale goes into the step instead of into the gradients: one pass over them less.
        step = -w["lr"] * min(1.0, w["clip"] / (norm.item() + 1e-6))
        torch._foreach_add_(dense, grads, alpha=step)
        if sparse:
            sparse[0].index_add_(0, sparse[1].indices()[0], sparse[1].values(), alpha=step)

    def step(self):
        steps = self.w["T"]
        x = self.tokens[self.at : self.at + steps]
        target = self.tokens[self.at + 1 : self.at + steps + 1].reshape(-1)
        self.at = (self.at + steps) % self.length
        for p in self.params:
            p.grad = None
        hs = self.embedding(x)
        for i, cell in enumerate(self.cells):
            hs, last = cell(hs, self.state[i])
            self.state[i] = last.detach()
        self.loss += self.head(hs, target)
        with torch.no_grad():
            self.update()
        return x.numel()


class LayerStep:
    """Forward and backward of the layer alone: gradients of the weights and of the inputs, no update."""

    def __init__(self, w, variant, seed=1):
        torch.manual_seed(seed)
        self.w = w
        self.cell = Cell(variant["cell"], w["D"], w["H"])
        self.x = torch.randn(w["T"], w["N"], w["D"]).mul_(0.5).requires_grad_()
        self.h = torch.zeros(w["N"], w["H"])
        self.dhs = torch.randn(w["T"], w["N"], w["H"]).mul_(0.01)

    def step(self):
        self.x.grad = None
        for p in self.cell.parameters():
            p.grad = None
        hs, _ = self.cell(self.x, self.h)
        hs.backward(self.dhs)
        return self.w["T"] * self.w["N"]


def run_for(step, seconds):
    tokens, start = 0, time.perf_counter()
    while True:
        tokens += step()
        spent = time.perf_counter() - start
        if spent >= seconds:
            return tokens, spent


class TooSlow(Exception):
    pass


def build(w, variant, limit):
    """Builds a variant and warms it up; raises TooSlow where that takes longer than limit seconds."""

    def ring(*_):
        raise TooSlow(f"not ready after {limit} s")

    signal.signal(signal.SIGALRM, ring)
    signal.alarm(max(1, int(limit)))
    try:
        side = (LanguageModelStep if w["kind"] == "lm" else LayerStep)(w, variant)
        for _ in range(3):
            side.step()
        return side
    finally:
        signal.alarm(0)


def tune(w, seconds, limit, axes):
    """Coordinate by coordinate: a variant replaces the best so far where it is faster (best of two tries).

    The first variant of each axis is what the stock modules give; its speed is reported apart as "stock".
    """
    variant = {name: values[0] for name, values in axes.items()}
    tried, best, best_side = {}, 0.0, None
    for axis, values in axes.items():
        if w["kind"] == "layer" and axis != "cell":
            continue
        for value in values:
            candidate = {**variant, axis: value}
            label = describe(w, candidate)
            if label in tried:
                continue
            try:
                side = build(w, candidate, limit)
                runs = (run_for(side.step, seconds) for _ in range(2))
                rate = max(tokens / spent for tokens, spent in runs)
            except Exception as error:  # a variant that does not run here is reported, not fatal
                tried[label] = f"failed: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
                continue
            tried[label] = round(rate)
            if rate > best:
                best, best_side, variant = rate, side, candidate
    if best_side is None:
        raise RuntimeError(f"no variant ran: {tried}")
    stock = tried[describe(w, {name: values[0] for name, values in axes.items()})]
    return best_side, {"chosen": describe(w, variant), "stock": stock, "tried": tried}


def describe(w, variant):
    names = [variant["cell"]] if w["kind"] == "layer" else [variant[a] for a in AXES]
    return " + ".join(names)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--workload", required=True, help="dims as JSON")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--stock", action="store_true", help="stock modules only: nn.RNN, full softmax, dense, foreach")
    options = parser.parse_args()
    w = json.loads(options.workload)
    torch.set_num_threads(options.threads)
    torch.set_num_interop_threads(1)
    torch.set_float32_matmul_precision("highest")
    torch.set_flush_denormal(True)
    axes = {name: values[:1] for name, values in AXES.items()} if options.stock else AXES
    side = None

    def answer(value):
        print(json.dumps(value), flush=True)

    answer({"ready": True, "version": torch.__version__, "python": sys.version.split()[0], "pid": os.getpid()})
    for line in sys.stdin:
        command = json.loads(line)
        try:
            if command["cmd"] == "quit":
                return
            if command["cmd"] == "tune":
                side, found = tune(w, command["seconds"], command["compileLimit"], axes)
                answer(found)
            else:
                tokens, seconds = run_for(side.step, command["seconds"])
                rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
                answer({"tokens": tokens, "seconds": seconds, "peakRss": rss})
        except Exception as error:
            answer({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
