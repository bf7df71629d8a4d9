"""PyTorch's side of bench/characters.mjs: an LSTM character model for so many seconds; prints one JSON line.

    pytorch_characters.py input.txt '{"embedding": 64, "size": 512, ...}'

nn.Embedding, nn.LSTM, nn.Linear and cross-entropy, eager or with the cell and head compiled, whichever is faster in a
trial; Adam (fused where that is faster). State is carried from window to window and starts empty with each epoch, streams
are contiguous, weights start as timernn starts them. Evaluation reads the validation text as one stream.
"""
import json
import math
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

options = json.loads(sys.argv[2])
torch.set_num_threads(options["threads"])
torch.manual_seed(options["seed"])
D, H, N, T = options["embedding"], options["size"], options["streams"], options["window"]


def read(path):
    text = open(path, encoding="utf8", newline="").read()
    ids = {c: i for i, c in enumerate(sorted(set(text)))}
    tokens = torch.tensor([ids[c] for c in text])
    train = math.floor(len(text) * 0.9)
    validation = (len(text) - train) // 2
    return len(ids), tokens[:train], tokens[train : train + validation]


class Model(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, D)
        self.lstm = nn.LSTM(D, H)
        self.out = nn.Linear(H, vocabulary)
        self.dropout = nn.Dropout(options["dropout"])
        with torch.no_grad():
            self.embedding.weight.uniform_(-1, 1)
            self.lstm.weight_ih_l0.uniform_(-(D**-0.5), D**-0.5)
            self.lstm.weight_hh_l0.uniform_(-(H**-0.5), H**-0.5)
            self.lstm.bias_hh_l0.zero_()
            self.lstm.bias_ih_l0.zero_()
            self.lstm.bias_ih_l0[H : 2 * H] = 1
            self.out.weight.uniform_(-(H**-0.5), H**-0.5)
            self.out.bias.zero_()
        self.lstm.bias_hh_l0.requires_grad_(False)

    def forward(self, inputs, state):
        hs, state = self.lstm(self.dropout(self.embedding(inputs)), state)
        return self.out(self.dropout(hs)), state


def zeros(rows):
    return torch.zeros(1, rows, H), torch.zeros(1, rows, H)


class Trainer:
    def __init__(self, vocabulary, train, compiled, fused):
        self.model = Model(vocabulary)
        self.run = torch.compile(self.model) if compiled else self.model
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(parameters, lr=options["learningRate"], fused=fused)
        steps = min(len(train) // N, len(train) - 1 - (N - 1) * (len(train) // N))
        starts = torch.arange(N) * (len(train) // N)
        index = starts[None, :] + torch.arange(steps)[:, None]
        self.inputs, self.targets, self.steps = train[index], train[index + 1], steps
        self.windows = math.ceil(steps / T)
        self.state = zeros(N)

    def window(self, w):
        if w == 0:
            self.state = zeros(N)
        first, last = w * T, min(self.steps, (w + 1) * T)
        logits, state = self.run(self.inputs[first:last], self.state)
        self.state = tuple(s.detach() for s in state)
        loss = F.cross_entropy(logits.flatten(0, 1), self.targets[first:last].flatten())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_([p for p in self.model.parameters() if p.requires_grad], options["clip"])
        self.optimizer.step()
        return (last - first) * N


def speed(trainer, seconds):
    for w in range(3):
        trainer.window(w)
    tokens, start, w = 0, time.perf_counter(), 3
    while time.perf_counter() - start < seconds:
        tokens += trainer.window(w)
        w = (w + 1) % (trainer.windows - 1)
    return tokens / (time.perf_counter() - start)


def main():
    vocabulary, train, validation = read(sys.argv[1])
    trial = min(15, options["seconds"] / 4)
    variants = [(compiled, fused) for compiled in (False, True) for fused in (False, True)]
    speeds = {}
    for variant in variants:
        try:
            torch.manual_seed(options["seed"])
            speeds[variant] = speed(Trainer(vocabulary, train, *variant), trial)
        except Exception as error:  # a variant that does not run here is left out
            print(f"PyTorch, compiled and fused {variant}: {error}", file=sys.stderr)
    best = max(speeds, key=speeds.get)
    torch.manual_seed(options["seed"])
    trainer = Trainer(vocabulary, train, *best)
    epochs = max(1, math.floor(options["seconds"] * speeds[best] / len(train)))
    tokens, spent, done, all_windows = 0, 0.0, 0, epochs * trainer.windows
    for _ in range(epochs):
        for w in range(trainer.windows):
            for group in trainer.optimizer.param_groups:
                group["lr"] = options["learningRate"] * 0.5 * (1 + math.cos(math.pi * done / all_windows))
            start = time.perf_counter()
            tokens += trainer.window(w)
            spent += time.perf_counter() - start
            done += 1
    model = trainer.model.eval()
    total, state = 0.0, zeros(1)
    with torch.inference_mode():
        for first in range(0, len(validation) - 1, 512):
            last = min(first + 512, len(validation) - 1)
            logits, state = model(validation[first:last, None], state)
            total += F.cross_entropy(logits[:, 0], validation[first + 1 : last + 1], reduction="sum").item()
    result = {"side": "PyTorch", "epochs": epochs, "tokens": tokens, "seconds": spent}
    result |= {"nats": total / (len(validation) - 1), "variant": {"compiled": best[0], "fused": best[1]}}
    print(json.dumps(result))


main()
