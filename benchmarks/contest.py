"""A contest: everybody does the same work, in turns, and proves that it is the same work.

All contestants are started and warmed up first. Then they run round by round, A B C ... A B C ...,
so that a slow minute of the machine is everybody's. What is reported is the median. The judge
(PyTorch, eager) goes first: its result is what the others' are compared with.
"""

import statistics
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from .environments import Missing
from .machine import available_memory
from .process import Worker, WorkerError

MINE = "minifcn"


@dataclass
class Entry:
    """Who takes part: a name, the packages that its environment must have, what it runs."""

    name: str
    packages: tuple[str, ...]
    factory: str
    settings: dict
    environment: dict = field(default_factory=dict)


@dataclass
class Result:
    """What became of an entry. ``note`` says why there are no seconds; difference is the largest
    one, relative to the judge's root mean square."""

    name: str
    seconds: list[float] = field(default_factory=list)
    first: float | None = None
    about: dict = field(default_factory=dict)
    difference: float | None = None
    peak: int | None = None
    note: str = ""

    @property
    def median(self) -> float | None:
        return statistics.median(self.seconds) if self.seconds else None


def hold(
    entries: list[Entry],
    rounds: int,
    *,
    reference: Path | None = None,
    tolerance: float = 1e-3,
    measure: str = "max",
    least: float = 0.0,
    warm: int = 2,
) -> list[Result]:
    """Run a contest; the first entry is the judge.

    reference: where the judge's result is kept (None: nobody is compared). tolerance: the largest
    difference allowed, ``measure`` "max" or "rms". Where memory is too small for all at once they
    take part in groups, minifcn in each of them.
    """
    if reference:
        reference.unlink(missing_ok=True)
    results = {entry.name: Result(entry.name) for entry in entries}
    mine = next((entry for entry in entries if entry.name == MINE), None)
    waiting = list(entries)
    while waiting:
        group = {}
        later = waiting[0] is not entries[0] and mine is not None and mine not in waiting
        if later and not results[MINE].note:
            _start(mine, results[MINE], group, reference, tolerance, measure, least, warm)
        try:
            strangers = 0
            while waiting and (strangers == 0 or _room(results.values())):
                entry = waiting.pop(0)
                result = results[entry.name]
                strangers += entry is not mine
                tqdm.write(f"  starting {entry.name}")
                _start(entry, result, group, reference, tolerance, measure, least, warm)
            _take_turns(group, results, rounds)
        finally:
            for worker in group.values():
                worker.close()
    return list(results.values())


def _start(entry, result, group, reference, tolerance, measure, least, warm) -> None:
    worker = None
    try:
        worker = Worker(entry.name, entry.packages, entry.environment)
        started = worker.ask(
            "start", factory=entry.factory, settings=entry.settings, warm=warm, least=least
        )
        result.about, result.first = started["about"], started["seconds"]
        if reference:
            judge(worker, result, reference, measure)
            if result.difference is not None and not result.difference <= tolerance:
                raise WorkerError(f"FAILED: differs by {result.difference:.1e} of the rms")
        result.peak = worker.ask("peak")["bytes"]
    except Missing as error:
        result.note = f"skipped: {error}"
    except WorkerError as error:
        result.note = f"failed: {error}" if "FAILED" not in str(error) else str(error)
        worker.close()
    else:
        group[entry.name] = worker


def judge(worker: Worker, result: Result, reference: Path, measure: str = "max") -> None:
    """Compare with the reference, or become it where there is none yet."""
    if not reference.exists():
        worker.ask("save", path=str(reference))
        return
    differences = worker.ask("compare", path=str(reference))["difference"]
    result.difference = max((d[measure] for d in differences.values()), default=None)


def _take_turns(group: dict[str, Worker], results: dict[str, Result], rounds: int) -> None:
    with tqdm(total=rounds * len(group), leave=False, unit="turn") as bar:
        for _ in range(rounds):
            for name, worker in group.items():
                bar.set_description(name)
                if not results[name].note:
                    try:
                        results[name].seconds.append(worker.ask("run")["seconds"])
                    except WorkerError as error:
                        results[name].note = f"failed: {error}"
                bar.update()
    for name, worker in group.items():
        if not results[name].note:
            results[name].peak = worker.ask("peak")["bytes"]


def _room(results) -> bool:
    """Whether one more contestant, as large as the largest so far, would fit into memory."""
    largest = max((result.peak or 0 for result in results), default=0)
    available = available_memory()
    return available is None or available > 1.5 * largest + 10**9


def fastest_peer(results: list[Result]) -> float | None:
    """Median of the fastest contestant that is not minifcn."""
    medians = [r.median for r in results if r.median is not None and r.name != MINE and not r.note]
    return min(medians, default=None)


def mine(results: list[Result]) -> float | None:
    """minifcn's median."""
    return next((r.median for r in results if r.name == MINE and not r.note), None)


def ratio(a: float | None, b: float | None) -> float | None:
    """a / b, None where either is missing."""
    return a / b if a is not None and b else None
