"""The three steps that pytorch.py measures: a training step, a layer alone, one token at a time. No measuring here."""
import torch
from torch import nn
from torch.nn import functional as F

from pytorch_parts import Cell, HandwrittenHead, plain_head, zero_state

CHUNK_FLOATS = 1 << 20  # logits of one chunk: 4 MB, a part of the last-level cache


class LanguageModelStep:
    """A training step of embedding -> recurrent layers -> affine -> softmax cross-entropy."""

    def __init__(self, w, variant, seed=1):
        torch.manual_seed(seed)
        self.w, self.variant = w, variant
        kind = variant["update"]
        self.embedding = nn.Embedding(w["V"], w["D"], sparse="sparse" in kind)
        sizes = [w["D"]] + [w["H"]] * w["layers"]
        self.cells = nn.ModuleList(Cell(variant["cell"], w["cell"], a, b) for a, b in zip(sizes, sizes[1:]))
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
        self.state = [zero_state(w["cell"], w["N"], w["H"]) for _ in self.cells]
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
            self.state[i] = tuple(s.detach() for s in last)
        self.loss += self.head(hs, target)
        with torch.no_grad():
            self.update()
        return x.numel()


class LayerStep:
    """Forward and backward of the layer alone: gradients of the weights and of the inputs, no update."""

    def __init__(self, w, variant, seed=1):
        torch.manual_seed(seed)
        self.w = w
        self.cell = Cell(variant["cell"], w["cell"], w["D"], w["H"])
        self.x = torch.randn(w["T"], w["N"], w["D"]).mul_(0.5).requires_grad_()
        self.state = zero_state(w["cell"], w["N"], w["H"])
        self.dhs = torch.randn(w["T"], w["N"], w["H"]).mul_(0.01)

    def step(self):
        self.x.grad = None
        for p in self.cell.parameters():
            p.grad = None
        hs, _ = self.cell(self.x, self.state)
        hs.backward(self.dhs)
        return self.w["T"] * self.w["N"]


def one_step_rnn(x, h, wx, wh, b):
    return torch.tanh(torch.addmm(torch.addmm(b, x, wx), h, wh)), None


def one_step_lstm(x, h, c, wx, wh, b):
    i, f, g, o = torch.addmm(torch.addmm(b, x, wx), h, wh).chunk(4, 1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


class GenerateStep:
    """One stream: feed a token, score the vocabulary, sample the next at temperature 1. Nothing is recorded."""

    TOKENS = 8  # a step of the measuring loop

    def __init__(self, w, variant, seed=1):
        torch.manual_seed(seed)
        self.w, self.variant = w, variant
        self.embedding = nn.Embedding(w["V"], w["D"])
        sizes = [w["D"]] + [w["H"]] * w["layers"]
        kind = variant["cell"] if variant["cell"].startswith("nn.") else "loop"
        self.cells = [Cell(kind, w["cell"], a, b) for a, b in zip(sizes, sizes[1:])]
        self.out = nn.Linear(w["H"], w["V"])
        one = one_step_lstm if w["cell"] == "lstm" else one_step_rnn
        self.one = torch.compile(one, dynamic=False) if variant["cell"] == "compile" else one
        self.head = torch.compile(self.score, dynamic=False) if variant["head"] == "compile" else self.score
        self.state = [zero_state(w["cell"], 1, w["H"]) for _ in self.cells]
        self.token = torch.zeros(1, dtype=torch.long)

    def score(self, h):
        if self.variant["head"] == "matrix-vector":
            logits = torch.addmv(self.out.bias, self.out.weight, h[0]).unsqueeze(0)
        else:
            logits = F.linear(h, self.out.weight, self.out.bias)
        return torch.softmax(logits, 1)

    def feed(self):
        h = self.embedding(self.token)
        for i, cell in enumerate(self.cells):
            if cell.kind.startswith("nn."):
                hs, self.state[i] = cell(h.unsqueeze(0), self.state[i])
                h = hs[0]
            else:
                h, c = self.one(h, *self.state[i], cell.wx, cell.wh, cell.b)
                self.state[i] = (h,) if c is None else (h, c)
        self.token = torch.multinomial(self.head(h), 1)[0]

    def step(self):
        with torch.inference_mode():
            for _ in range(self.TOKENS):
                self.feed()
        return self.TOKENS


STEPS = {"lm": LanguageModelStep, "layer": LayerStep, "step": GenerateStep}
