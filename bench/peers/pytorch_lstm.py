"""The variants of the LSTM layer that pytorch.py chooses from (the tanh RNN's are in pytorch_parts.py)."""
import torch


def loop_lstm(x, h, c, wx, wh, b):
    """T×N×D, N×H, N×H -> T×N×H, c; the input product once for the window, then one step at a time."""
    steps, rows, size = x.shape
    pre = torch.addmm(b, x.reshape(-1, size), wx).view(steps, rows, -1)
    out = []
    for t in range(steps):
        i, f, g, o = torch.addmm(pre[t], h, wh).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        out.append(h)
    return torch.stack(out), c


class HandwrittenLSTM(torch.autograd.Function):
    """The same layer with BPTT written out: weight gradients are one product a window, buffers are reused in place."""

    @staticmethod
    def forward(ctx, x, h0, c0, wx, wh, b):
        steps, rows, size = x.shape
        hidden = h0.shape[1]
        gates = torch.addmm(b, x.reshape(-1, size), wx).view(steps, rows, -1)
        hs, cs, ts = (torch.empty(steps, rows, hidden) for _ in range(3))
        h, c = h0, c0
        for t in range(steps):
            z = gates[t].addmm_(h, wh)
            z[:, : 2 * hidden].sigmoid_()
            z[:, 2 * hidden : 3 * hidden].tanh_()
            z[:, 3 * hidden :].sigmoid_()
            i, f, g, o = z.chunk(4, 1)
            c = torch.mul(f, c, out=cs[t]).addcmul_(i, g)
            h = torch.mul(o, torch.tanh(c, out=ts[t]), out=hs[t])
        ctx.save_for_backward(x, h0, c0, wx, wh, gates, hs, cs, ts)
        return hs, cs[-1].clone()

    @staticmethod
    def backward(ctx, dhs, _):
        x, h0, c0, wx, wh, gates, hs, cs, ts = ctx.saved_tensors
        steps, rows, size = x.shape
        back = wh.t().contiguous()
        dz = torch.empty_like(gates)
        dh, dc = torch.zeros_like(h0), torch.zeros_like(c0)
        for t in range(steps - 1, -1, -1):
            i, f, g, o = gates[t].chunk(4, 1)
            di, df, dg, do = dz[t].chunk(4, 1)
            dh.add_(dhs[t])
            dc.add_(dh * o * torch.addcmul(torch.ones(()), ts[t], ts[t], value=-1))
            torch.mul(dh * ts[t], o * (1 - o), out=do)
            torch.mul(dc * g, i * (1 - i), out=di)
            torch.mul(dc * i, torch.addcmul(torch.ones(()), g, g, value=-1), out=dg)
            torch.mul(dc * (cs[t - 1] if t else c0), f * (1 - f), out=df)
            dc.mul_(f)
            torch.mm(dz[t], back, out=dh)
        flat = dz.view(steps * rows, -1)
        before = torch.cat((h0.unsqueeze(0), hs[:-1])).view(steps * rows, -1)
        dx = flat.mm(wx.t()).view_as(x) if ctx.needs_input_grad[0] else None
        return dx, None, None, x.reshape(-1, size).t().mm(flat), before.t().mm(flat), flat.sum(0)
