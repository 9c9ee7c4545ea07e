"""A worker: one contestant in a process of its own, told what to do a line at a time.

A line on standard input is a command in JSON, a line on standard output its answer. Whatever a
runtime prints goes to standard error, which the parent keeps as a log.

    {"do": "start", "factory": "benchmarks.engines.pytorch:Forward", "settings": {...},
     "warm": 2, "least": 0.0}       -> {"about": {...}, "calls": 1, "seconds": first call's}
    {"do": "run"}                   -> {"seconds": s}     one turn: ``calls`` calls, per call
    {"do": "save", "path": p}       -> {}                 the result, for others to compare with
    {"do": "compare", "path": p}    -> {"difference": {name: {"max": m, "rms": r}}}
    {"do": "peak"}                  -> {"bytes": peak resident memory of this process}

A factory makes a contestant: an object with ``about`` (a dict), ``run()``, and ``result()``, which
gives what the last run computed as a dict of arrays. ``least`` is the least time of a turn: short
operations are repeated within it. A second start in the same process replaces the contestant.
"""

import gc
import importlib
import json
import math
import os
import resource
import sys
import time
import traceback

import numpy as np


class Commands:
    """What a worker can be told; each method's name is a command."""

    def __init__(self):
        self.contestant, self.calls = None, 1

    def start(self, factory: str, settings: dict, warm: int = 2, least: float = 0.0) -> dict:
        self.contestant, self.calls = None, 1
        gc.collect()
        module, name = factory.split(":")
        self.contestant = getattr(importlib.import_module(module), name)(**settings)
        times = [self.run()["seconds"] for _ in range(max(1, warm))]
        self.calls = min(10**5, max(1, math.ceil(least / max(min(times), 1e-9))))
        return {"about": self.contestant.about, "calls": self.calls, "seconds": times[0]}

    def run(self) -> dict:
        run, calls = self.contestant.run, range(self.calls)
        if self.calls > 1:  # a turn as short as this would measure how threads wake up
            for _ in calls:
                run()
        start = time.perf_counter()
        for _ in calls:
            run()
        return {"seconds": (time.perf_counter() - start) / self.calls}

    def save(self, path: str) -> dict:
        with open(path + ".part", "wb") as file:
            np.savez(file, **self.contestant.result())
        os.replace(path + ".part", path)
        return {}

    def compare(self, path: str) -> dict:
        """Largest and root-mean-square difference, both relative to the reference's rms."""
        mine, differences = self.contestant.result(), {}
        with np.load(path) as reference:
            for name in reference.files:
                theirs = reference[name]
                if name not in mine or mine[name].shape != theirs.shape:
                    shape = mine[name].shape if name in mine else "nothing"
                    raise ValueError(f"{name}: {shape}, the reference has {theirs.shape}")
                error = np.abs(mine[name] - theirs, dtype=np.float64)
                scale = float(np.sqrt(np.mean(theirs.astype(np.float64) ** 2))) or 1.0
                rms = float(np.sqrt(np.mean(error**2)))
                differences[name] = {"max": float(error.max()) / scale, "rms": rms / scale}
        return {"difference": differences}

    def peak(self) -> dict:
        unit = 1 if sys.platform == "darwin" else 1024
        return {"bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    commands = Commands()
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = getattr(commands, command.pop("do"))(**command)
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {str(error).strip() or 'no message'}"}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
