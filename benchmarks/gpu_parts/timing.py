"""Contests on a GPU: every contestant warmed up, then all in turns, timed by device events.

A launch takes Python some ten microseconds, more than many kernels last. So the calls of a short
contestant are recorded into a CUDA graph and replayed: what is timed is the GPU. Where recording
fails they are timed one by one, and the result says so.
"""

import contextlib
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

MOST = 300  # replays of a turn
CALLS = 4  # of a graph, at least


@dataclass
class Entry:
    """A contestant: ``function(i)`` does its work once, with the i-th set of inputs.

    ours: whether it works with CuPy. graph: whether it may be recorded. calls: of a graph; else as
    many as there are sets.
    """

    function: Callable
    ours: bool
    graph: bool = True
    calls: int | None = None


def contest(place, entries: dict[str, Entry], seconds: float, sets: int = 1) -> dict[str, dict]:
    """name -> {"ms": median of the turns, "turns", "how"}, or {"error"} of who failed.

    seconds: about so long all turns take. sets: calls i and i + sets use the same inputs.
    """
    results, runners = {}, {}
    for name, entry in entries.items():
        try:
            runners[name] = _runner(place, entry, sets)
        except Exception as error:
            results[name] = {"error": brief(error)}
            if place.broken():
                raise
    share = seconds / (place.rounds * max(1, len(runners)))
    replays = {}
    for name, runner in runners.items():
        once = 0.0 if place.emulated else min(runner.seconds(1), runner.seconds(1))
        replays[name] = int(min(MOST, max(1, share / once))) if once else 1
    turns = {name: [] for name in runners}
    for _ in range(place.rounds):
        for name, runner in runners.items():
            turns[name].append(runner.seconds(replays[name]) / replays[name] / runner.calls)
    for name, seconds_each in turns.items():
        ms = [1e3 * s for s in seconds_each]
        how = runners[name].how
        results[name] = {"ms": statistics.median(ms), "turns": ms, "how": how}
    return {name: results[name] for name in entries}


def brief(error: BaseException, most: int = 300) -> str:
    """An error in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:most]


def _runner(place, entry: Entry, sets: int):
    if place.emulated:
        return Clock(entry.function)
    kinds = (CupyGraph, CupyLoop) if entry.ours else (TorchGraph, TorchLoop)
    if entry.graph:
        try:
            return kinds[0](entry.function, entry.calls or max(CALLS, sets))
        except Exception as error:
            if place.broken():
                raise
            why = brief(error, 120)
    runner = kinds[1](entry.function, sets)
    runner.how = f"one by one: {why}" if entry.graph else "one by one"
    return runner


class Clock:
    """The dry run: a wall clock around one call."""

    how, calls = "wall clock", 1

    def __init__(self, function):
        self.function = function
        function(0)

    def seconds(self, times: int) -> float:
        begun = time.perf_counter()
        for _ in range(times):
            self.function(0)
        return time.perf_counter() - begun


class CupyLoop:
    """Calls one after another, between two events on the current stream."""

    def __init__(self, function, calls: int):
        import cupy

        self.function, self.calls, self.how = function, calls, "one by one"
        self.events = cupy.cuda.Event(), cupy.cuda.Event()
        for i in range(max(2, calls)):
            function(i)
        cupy.cuda.get_current_stream().synchronize()

    def seconds(self, times: int) -> float:
        import cupy

        stream = cupy.cuda.get_current_stream()
        self.events[0].record(stream)
        for _ in range(times):
            self.once(stream)
        self.events[1].record(stream)
        self.events[1].synchronize()
        return 1e-3 * cupy.cuda.get_elapsed_time(*self.events)

    def once(self, stream) -> None:
        for i in range(self.calls):
            self.function(i)


class CupyGraph(CupyLoop):
    """The same calls, recorded. Each has results of its own, in a pool of the graph's own."""

    def __init__(self, function, calls: int):
        import cupy

        self.calls, self.how = calls, "graph"
        self.events = cupy.cuda.Event(), cupy.cuda.Event()
        cupy.cuda.runtime.deviceSynchronize()
        pool, stream = cupy.cuda.MemoryPool(), cupy.cuda.Stream(non_blocking=True)
        with stream, cupy.cuda.using_allocator(pool.malloc):
            for _ in range(2):  # kernels are compiled, memory is taken
                kept = [function(i) for i in range(calls)]
                del kept
            stream.synchronize()
            stream.begin_capture()
            try:
                self.kept = [function(i) for i in range(calls)]
            except BaseException:
                with contextlib.suppress(Exception):
                    stream.end_capture()
                raise
            self.graph = stream.end_capture()
        self.pool, self.stream = pool, stream

    def seconds(self, times: int) -> float:
        with self.stream:
            return super().seconds(times)

    def once(self, stream) -> None:
        self.graph.launch(stream)


class TorchLoop:
    """PyTorch's calls one after another."""

    def __init__(self, function, calls: int):
        import torch

        self.function, self.calls, self.how = function, calls, "one by one"
        self.events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
        for i in range(max(2, calls)):
            function(i)
        torch.cuda.synchronize()

    def seconds(self, times: int) -> float:
        self.events[0].record()
        for _ in range(times):
            self.once()
        self.events[1].record()
        self.events[1].synchronize()
        return 1e-3 * self.events[0].elapsed_time(self.events[1])

    def once(self) -> None:
        for i in range(self.calls):
            self.function(i)


class TorchGraph(TorchLoop):
    """The same calls, recorded, as PyTorch's manual says: warm-up on a stream beside."""

    def __init__(self, function, calls: int):
        import torch

        self.calls, self.how = calls, "graph"
        self.events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
        torch.cuda.synchronize()
        beside = torch.cuda.Stream()
        with torch.cuda.stream(beside):
            for _ in range(3):
                for i in range(min(calls, 2)):
                    function(i)
        torch.cuda.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.kept = [function(i) for i in range(calls)]
        torch.cuda.synchronize()

    def once(self) -> None:
        self.graph.replay()
