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

AXES = {
    "cell": ["nn.RNN", "loop", "handwritten", "compile"],
    "head": ["full", "chunked", "handwritten", "compile"],
    "update": ["SGD foreach", "SGD fused", "by hand", "by hand, sparse embedding gradient"],
}
CHUNK_FLOATS = 1 << 20  # logits of one chunk: 4 MB, a part of the last-level cache


def loop_rnn(x, h, wx, wh, b):
    """T×N×D, N×H -> T×N×H; the input product once for the window, then one step at a time."""
    steps, rows, size = x.shape
    pre = torch.addmm(b, x.reshape(-1, size), wx).view(steps, rows, -1)
    out = []
    for t in range(steps):
        h = torch.tanh(torch.addmm(pre[t], h, wh))
        out.append(h)
    return torch.stack(out), h


class HandwrittenRNN(torch.autograd.Function):
    """The same layer with BPTT written out: what a careful user of PyTorch reaches without leaving Python."""

    @staticmethod
    def forward(ctx, x, h0, wx, wh, b):
        steps, rows, size = x.shape
        hs = torch.addmm(b, x.reshape(-1, size), wx).view(steps, rows, -1)
        h = h0
        for t in range(steps):
            h = hs[t].addmm_(h, wh).tanh_()
        ctx.save_for_backward(x, h0, wx, wh, hs)
        return hs

    @staticmethod
    def backward(ctx, dhs):
        x, h0, wx, wh, hs = ctx.saved_tensors
        steps, rows, size = x.shape
        back = wh.t().contiguous()
        slope = torch.addcmul(torch.ones((), dtype=hs.dtype), hs, hs, value=-1)
        dt = torch.empty_like(hs)
        dh = torch.zeros_like(h0)
        for t in range(steps - 1, -1, -1):
            torch.mul(dh.add_(dhs[t]), slope[t], out=dt[t])
            torch.mm(dt[t], back, out=dh)
        flat = dt.view(steps * rows, -1)
        before = torch.cat((h0.unsqueeze(0), hs[:-1])).view(steps * rows, -1)
        dx = flat.mm(wx.t()).view_as(x) if ctx.needs_input_grad[0] else None
        return dx, None, x.reshape(-1, size).t().mm(flat), before.t().mm(flat), flat.sum(0)


class HandwrittenHead(torch.autograd.Function):
    """Affine and softmax cross-entropy with one pass less over the logits, in two buffers that are kept."""

    @staticmethod
    def forward(ctx, rows, weight, bias, target, logits, probs):
        torch.addmm(bias, rows, weight.t(), out=logits)
        torch.softmax(logits, 1, out=probs)
        picked = probs.gather(1, target.unsqueeze(1))
        ctx.save_for_backward(rows, weight, target, picked)
        ctx.probs = probs
        return -picked.clamp_min(1e-38).log().mean()

    @staticmethod
    def backward(ctx, dout):
        rows, weight, target, picked = ctx.saved_tensors
        dlogits = ctx.probs.scatter_(1, target.unsqueeze(1), picked - 1)
        scale = dout / len(rows)
        # The mean's 1/rows goes into the small results instead of into the logits.
        return dlogits.mm(weight).mul_(scale), dlogits.t().mm(rows).mul_(scale), dlogits.sum(0).mul_(scale), None, None, None


def plain_head(rows, weight, bias, target):
    return F.cross_entropy(F.linear(rows, weight, bias), target)


class Cell(nn.Module):
    """One tanh RNN layer in the chosen variant; nn.RNN's second bias is frozen at zero."""

    def __init__(self, kind, size, hidden):
        super().__init__()
        self.kind = kind
        if kind == "nn.RNN":
            self.rnn = nn.RNN(size, hidden)
            with torch.no_grad():
                self.rnn.bias_hh_l0.zero_()
            self.rnn.bias_hh_l0.requires_grad_(False)
        else:
            bound = hidden**-0.5
            self.wx = nn.Parameter(torch.empty(size, hidden).uniform_(-bound, bound))
            self.wh = nn.Parameter(torch.empty(hidden, hidden).uniform_(-bound, bound))
            self.b = nn.Parameter(torch.zeros(hidden))
            self.loop = torch.compile(loop_rnn, dynamic=False) if kind == "compile" else loop_rnn

    def forward(self, x, h):
        if self.kind == "nn.RNN":
            hs, last = self.rnn(x, h.unsqueeze(0))
            return hs, last[0]
        if self.kind == "handwritten":
            hs = HandwrittenRNN.apply(x, h, self.wx, self.wh, self.b)
            return hs, hs[-1]
        return self.loop(x, h, self.wx, self.wh, self.b)


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
