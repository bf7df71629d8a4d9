"""The variants of the recurrent layer and of the softmax head that pytorch.py chooses from. No measuring here."""
import torch
from torch import nn
from torch.nn import functional as F

from pytorch_lstm import HandwrittenLSTM, loop_lstm


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
    """One recurrent layer in the chosen variant; PyTorch's second bias is frozen at zero."""

    def __init__(self, kind, cell, size, hidden):
        super().__init__()
        self.kind, self.cell = kind, cell
        if kind.startswith("nn."):
            self.rnn = (nn.LSTM if cell == "lstm" else nn.RNN)(size, hidden)
            with torch.no_grad():
                self.rnn.bias_hh_l0.zero_()
            self.rnn.bias_hh_l0.requires_grad_(False)
            return
        width = (4 if cell == "lstm" else 1) * hidden
        bound = hidden**-0.5
        self.wx = nn.Parameter(torch.empty(size, width).uniform_(-bound, bound))
        self.wh = nn.Parameter(torch.empty(hidden, width).uniform_(-bound, bound))
        self.b = nn.Parameter(torch.zeros(width))
        loop = loop_lstm if cell == "lstm" else loop_rnn
        self.loop = torch.compile(loop, dynamic=False) if kind == "compile" else loop

    def forward(self, x, state):
        """T×N×D and a tuple of N×H states -> T×N×H and the states after the last step."""
        if self.kind.startswith("nn."):
            # Without oneDNN, nn.LSTM runs PyTorch's own loop over ATen's products.
            with torch.backends.mkldnn.flags(enabled="without" not in self.kind):
                before = tuple(s.unsqueeze(0) for s in state)
                hs, last = self.rnn(x, before if self.cell == "lstm" else before[0])
            return hs, tuple(s[0] for s in (last if self.cell == "lstm" else (last,)))
        weights = (self.wx, self.wh, self.b)
        if self.cell == "lstm":
            run = HandwrittenLSTM.apply if self.kind == "handwritten" else self.loop
            hs, c = run(x, *state, *weights)
            return hs, (hs[-1], c)
        if self.kind == "handwritten":
            hs = HandwrittenRNN.apply(x, *state, *weights)
            return hs, (hs[-1],)
        hs, h = self.loop(x, *state, *weights)
        return hs, (h,)


def zero_state(cell, rows, hidden):
    return tuple(torch.zeros(rows, hidden) for _ in range(2 if cell == "lstm" else 1))
