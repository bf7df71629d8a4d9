"""The PyTorch side of the benchmark: one workload, one thread count, one process.

Reads one JSON command a line on stdin and answers with one JSON line on stdout, so that the caller can take turns
between the sides while each stays warm:

    {"cmd": "tune", "seconds": 1, "compileLimit": 90}   tries every variant, keeps the fastest
    {"cmd": "use", "variant": {...}, "seconds": 1, "compileLimit": 90}  builds and warms up this one alone
    {"cmd": "measure", "seconds": 1.5}                  -> {"tokens": ..., "seconds": ...}
    {"cmd": "quit"}

What is tuned: the recurrent layer (nn.RNN or nn.LSTM, the latter also without oneDNN; an explicit loop, eager and compiled; backward written by hand, with dWh one
product a window), the head (all logits at once; in chunks that stay in the cache; by hand, in buffers that are kept;
compiled) and the update (SGD foreach, fused, by hand, by hand with a sparse gradient of the embedding). Every variant
does the same step: forward over the window, truncated backward, clip by global norm, SGD update, state carried.
It refuses to use anything below float32.
Environment that must be set before start (threads, pinning, allocator) is the caller's part: see pytorch.mjs.
"""
import argparse
import json
import resource
import signal
import sys
import time

import torch

from pytorch_steps import STEPS

HEADS = {
    "lm": ["full", "chunked", "handwritten", "compile"],
    "step": ["linear", "matrix-vector", "compile"],
}
UPDATES = ["SGD foreach", "SGD fused", "by hand", "by hand, sparse embedding gradient"]


def axes_of(w):
    """What can be chosen for a workload; the first value of each axis is what the stock modules give."""
    cells = ["nn.RNN"] if w["cell"] == "rnn" else ["nn.LSTM", "nn.LSTM without oneDNN"]
    if w["kind"] == "step":
        return {"cell": [*cells, "by hand", "compile"], "head": HEADS["step"]}
    axes = {"cell": [*cells, "loop", "handwritten", "compile"]}
    return axes if w["kind"] == "layer" else {**axes, "head": HEADS["lm"], "update": UPDATES}


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
        side = STEPS[w["kind"]](w, variant)
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
        for value in values:
            candidate = {**variant, axis: value}
            label = describe(candidate)
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
    stock = tried[describe({name: values[0] for name, values in axes.items()})]
    return best_side, {"chosen": describe(variant), "variant": variant, "stock": stock, "tried": tried}


def describe(variant):
    return " + ".join(variant.values())


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
    axes = axes_of(w)
    if options.stock:
        axes = {name: values[:1] for name, values in axes.items()}
    side = None

    def answer(value):
        print(json.dumps(value), flush=True)

    answer({"ready": True, "version": f"{torch.__version__} (Python {sys.version.split()[0]})"})
    for line in sys.stdin:
        command = json.loads(line)
        try:
            if command["cmd"] == "quit":
                return
            if command["cmd"] == "tune":
                side, found = tune(w, command["seconds"], command["compileLimit"], axes)
                answer(found)
            elif command["cmd"] == "use":
                side = build(w, command["variant"], command["compileLimit"])
                run_for(side.step, command["seconds"])
                answer({})
            else:
                tokens, seconds = run_for(side.step, command["seconds"])
                rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
                answer({"tokens": tokens, "seconds": seconds, "peakRss": rss})
        except Exception as error:
            answer({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()
