"""Many small contests in a row: minifcn against PyTorch in both layouts, one case after another.

Each engine keeps its process for all cases. A case is set up, warmed up and compared in every
process, then the turns go round; a turn repeats its operation for at least LEAST seconds, and has
done so once before the clock starts.
"""

from dataclasses import dataclass

from tqdm import tqdm

from .contest import MINE, Entry, Result, fastest_peer, judge, mine, ratio
from .environments import BUILD, Missing
from .process import Worker, WorkerError

LEAST = 0.01
RIVALS = {"pytorch nchw": "nchw", "pytorch channels-last": "channels-last"}
# Forward sums of up to 25,000 products in another order, or by Winograd: of the output's rms
TOLERANCE = 1e-3


@dataclass
class Case:
    """A name, the contestants' settings, and the name of their class."""

    name: str
    settings: dict
    kind: str


@dataclass
class Trial:
    """A case with what came of it."""

    case: Case
    results: list[Result]

    @property
    def mine(self) -> float | None:
        return mine(self.results)

    @property
    def best(self) -> float | None:
        return fastest_peer(self.results)

    @property
    def speedup(self) -> float | None:
        """The best peer's time over minifcn's: above 1, minifcn is faster."""
        return ratio(self.best, self.mine)

    @property
    def winner(self) -> str:
        """The layout that was best for the peer."""
        name = next((r.name for r in self.results if r.median == self.best and r.seconds), "-")
        return RIVALS.get(name, "-")

    @property
    def difference(self) -> float | None:
        return next((r.difference for r in self.results if r.name == MINE), None)

    @property
    def note(self) -> str:
        return "; ".join(f"{r.name} {r.note}" for r in self.results if r.note)

    def as_data(self) -> dict:
        """For the JSON file."""
        times = {r.name: {"median": r.median, "seconds": r.seconds} for r in self.results}
        about = {"name": self.case.name, "speedup": self.speedup, "note": self.note}
        return {**about, "difference": self.difference, "times": times}


def entries(threads: int) -> list[Entry]:
    """The contestants, PyTorch's contiguous layout first: it is the judge."""
    engine = "benchmarks.engines.pytorch_operations"
    rivals = [
        Entry(name, ("torch",), engine, {"threads": threads, "layout": layout})
        for name, layout in RIVALS.items()
    ]
    own = Entry(MINE, ("minifcn",), "benchmarks.engines.minifcn_operations", {"threads": threads})
    return [rivals[0], own, *rivals[1:]]


def run(cases: list[Case], threads: int, rounds: int) -> list[Trial]:
    """Hold all trials. Who cannot take part at all is noted in each."""
    workers: dict[str, Worker] = {}
    trials = []
    try:
        for case in tqdm(cases, unit="case"):
            trials.append(_trial(case, entries(threads), workers, rounds))
    finally:
        for worker in workers.values():
            worker.close()
    return trials


def _trial(case: Case, contestants, workers: dict, rounds: int) -> Trial:
    reference = BUILD / "bench" / "case.npz"
    reference.parent.mkdir(parents=True, exist_ok=True)
    reference.unlink(missing_ok=True)
    results = [Result(entry.name) for entry in contestants]
    for entry, result in zip(contestants, results, strict=True):
        try:
            if entry.name not in workers:
                workers[entry.name] = Worker(entry.name, entry.packages)
            started = workers[entry.name].ask(
                "start",
                factory=f"{entry.factory}:{case.kind}",
                settings={**case.settings, **entry.settings},
                least=LEAST,
            )
            result.about, result.first = started["about"], started["seconds"]
            judge(workers[entry.name], result, reference)
            if result.difference is not None and not result.difference <= TOLERANCE:
                result.note = f"FAILED: differs by {result.difference:.1e} of the rms"
        except Missing as error:
            result.note = f"skipped: {error}"
        except WorkerError as error:
            result.note = f"failed: {error}"
            workers.pop(entry.name).close()
    for _ in range(rounds):
        for result in results:
            if not result.note:
                result.seconds.append(workers[result.name].ask("run")["seconds"])
    return Trial(case, results)


def versions(trials: list[Trial]) -> dict[str, str]:
    """Contestant -> version and threads, for a report's facts."""
    about = {r.name: r.about for trial in trials for r in trial.results if r.about}
    return {name: f"{a['version']}, {a['threads']} threads" for name, a in about.items()}


def notes(trials: list[Trial]) -> list[str]:
    """What went wrong, as one section of a report; nothing where all went well."""
    lines = [
        f"- {trial.case.name}, {trial.case.settings['direction']}: {trial.note}"
        for trial in trials
        if trial.note
    ]
    return ["\n".join(lines)] if lines else []


def peak(threads: int) -> float | None:
    """Measured floating-point operations a second, None where it cannot be measured."""
    try:
        with Worker("peak") as worker:
            flops = worker.ask(
                "start", factory="benchmarks.peak:Peak", settings={"threads": threads}
            )["about"]["flops"]
            return flops / min(worker.ask("run")["seconds"] for _ in range(50))
    except WorkerError:
        return None
