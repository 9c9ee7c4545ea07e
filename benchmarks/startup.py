"""Seconds from the start of a process to its first result: a convolution, a forward pass, and a
training step, minifcn on a fresh install and later, beside PyTorch.

Every number is a process of its own: interpreter, libraries, the weights (minifcn draws them,
PyTorch reads them), what has to be compiled, memory touched for the first time, and the result.
"Fresh" means with empty caches of compiled code, "later" with those that the fresh process left.
"""

import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from . import line, machine, report
from .contest import Entry
from .environments import Missing
from .process import Worker, WorkerError
from .training_step import training_case, training_entries

WORK = {
    "convolution": ("operations", "Convolution"),
    "forward": ("", "Forward"),
    "training step": ("", "TrainingStep"),
}
LAYER = {"direction": "forward", "C": 64, "K": 64, "size": 125, "kernel": 3}
LAYER |= {"stride": 1, "padding": 1, "groups": 1, "batch": 1}
COMPILING = ("minifcn", "pytorch-compiled")  # engines that leave compiled code on disk
CACHES = ("NUMBA_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR")
QUIET = 60  # seconds to wait for processes that an engine left behind


def main() -> int:
    parser = line.parser("startup", __doc__)
    parser.set_defaults(rounds=3)
    line.add_net(parser)
    options = parser.parse_args()
    options.peers, options.classes = ["pytorch", "pytorch-compiled"], 21
    facts = machine.facts()
    case = training_case(options.net, options.size, 1, options.padding, options.classes)
    entries = training_entries(case, options)
    seconds: dict[str, dict[str, list[float]]] = {}
    notes: list[str] = []
    with tqdm(total=options.rounds * len(WORK) * len(entries), unit="start") as bar:
        for _ in range(options.rounds):
            for work, (module, kind) in WORK.items():
                for entry in entries:
                    bar.set_description(f"{entry.name}, {work}")
                    try:
                        for name, time_taken in _starts(_for_work(entry, module, kind), facts):
                            row = seconds.setdefault(name, {})
                            row.setdefault(work, []).append(time_taken)
                    except (Missing, WorkerError) as error:
                        notes.append(f"{entry.name}, {work}: {error}")
                    bar.update()
    rows = [[name, *(_cell(row.get(work)) for work in WORK)] for name, row in seconds.items()]
    text = report.table(["seconds to the first", *WORK], rows)
    H, W = options.size
    title = f"Starting: {options.net}, 1 x 3 x {H} x {W}, {options.padding} padding"
    print("\n\n".join([f"\n{title}", text, *notes]))
    note = (
        f"float32, {options.threads} threads; medians of {options.rounds}. "
        + __doc__.split("\n\n", 1)[1].strip().replace("\n", " ")
        + " The convolution: 64 to 64 channels, 3x3, 125 x 125. The training step: gradients "
        "without dropout, then a whole step."
    )
    report.write(options.name, title, facts, [text, *notes, note], {"results": seconds})
    return int(bool(notes))


def _for_work(entry: Entry, module: str, kind: str) -> Entry:
    """The entry with another contestant of its engine."""
    engine = entry.factory.split(":")[0]
    if not module:
        return replace(entry, factory=f"{engine}:{kind}")
    settings = {"threads": entry.settings["threads"], **LAYER}
    if "layout" in entry.settings:
        settings["layout"] = "nchw"
    return replace(entry, factory=f"{engine}_{module}:{kind}", settings=settings)


def _starts(entry: Entry, facts: dict):
    """(row's name, seconds) of a process with empty caches and, where it leaves something in
    them, of another one."""
    with tempfile.TemporaryDirectory(prefix="minifcn-startup-", ignore_cleanup_errors=True) as tmp:
        caches = {name: str(Path(tmp) / name) for name in CACHES}
        turns = ("fresh", "later") if entry.name in COMPILING else ("",)
        for turn in turns:
            _wait_until_quiet()
            start = time.perf_counter()
            name = f"{entry.name}, {turn}" if turn else entry.name
            with Worker(f"{name} startup", entry.packages, entry.environment | caches) as worker:
                about = worker.ask(
                    "start", factory=entry.factory, settings=entry.settings, warm=1
                )["about"]
                yield name, time.perf_counter() - start
            facts[entry.name] = f"{about['version']}, {about['threads']} threads"


def _wait_until_quiet() -> None:
    """Until nobody else uses the CPU, but not for ever."""
    end = time.monotonic() + QUIET
    while time.monotonic() < end:
        share = machine.in_use()
        if not share.endswith("%") or int(share[:-1]) <= 5:
            return


def _cell(seconds: list[float] | None) -> str:
    return f"{statistics.median(seconds):.1f}" if seconds else "-"


if __name__ == "__main__":
    line.end(main)
