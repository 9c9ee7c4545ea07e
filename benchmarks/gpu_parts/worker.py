"""One section of ``python -m benchmarks.gpu``, in a process of its own.

    python -m benchmarks.gpu_parts.worker SECTION LOG OPTIONS

LOG gets a line of JSON before and after every case: {"begin": name}, {"end": name, "result": ...}
or {"end": name, "error": ...}. Whoever reads it knows at which case a process died; started again
with the same LOG the section goes on behind that. OPTIONS is JSON: see ``Options``.

A section is a module with ``cases(place, options)``, which yields (name, function of nothing that
returns what JSON can hold).
"""

import importlib
import json
import os
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

SECTIONS = {
    "environment": "environment",
    "compile": "compiling",
    "kernels": "checks",
    "ceilings": "ceilings",
    "layers": "layers",
    "memory": "memory_bound",
    "nets": "nets",
    "tiles": "tiles",
    "compiled": "compiled",
}
BROKEN = 3  # exit code: the GPU answers this process no more


@dataclass
class Options:
    """What a section is told. until: the time (of time.time) at which no case may begin."""

    emulated: bool = False
    rounds: int = 5
    until: float = float("inf")
    folder: str = "build/bench/gpu"  # for files on the way
    cases: list[str] = field(default_factory=list)  # parts of names; none: all cases
    without: list[str] = field(default_factory=list)  # products (place.PRODUCTS) that were wrong


def finished(log: Path) -> list[dict]:
    """The lines of all cases that ended, and of the one that did not (with "died")."""
    lines = []
    for text in log.read_text().splitlines() if log.exists() else []:
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:  # cut off
            continue
    ended = [line for line in lines if "end" in line]
    names = {line["end"] for line in ended}
    died = [{"end": n, "error": "died"} for n in _begun(lines) if n not in names]
    return ended + died


def _begun(lines) -> list[str]:
    return [line["begin"] for line in lines if "begin" in line]


def main() -> int:
    section, log, options = sys.argv[1], Path(sys.argv[2]), Options(**json.loads(sys.argv[3]))
    os.environ["MINIFCN_BACKEND"] = "reference"  # for nets in the making: it compiles nothing
    from .place import place_for
    from .timing import brief

    done = {line["end"] for line in finished(log)}
    module = importlib.import_module(f".{SECTIONS[section]}", __package__)
    place = place_for(options)
    with open(log, "a") as file:

        def say(**line):
            file.write(json.dumps(line) + "\n")
            file.flush()

        for name, case in module.cases(place, options):
            if name in done or (options.cases and not any(c in name for c in options.cases)):
                continue
            if time.time() > options.until:
                say(end=name, error="no time left")
                continue
            say(begin=name)
            begun = time.time()
            try:
                result = case()
                say(end=name, result=result, seconds=round(time.time() - begun, 2))
            except Exception as error:
                text = traceback.format_exc()
                print(f"{section}: {name}: {brief(error)}", file=sys.stderr, flush=True)
                say(end=name, error=brief(error), traceback=text[-4000:])
            broken = place.broken()
            if broken:
                print(f"{section}: after {name} the GPU fails: {broken}", file=sys.stderr)
                return BROKEN
            place.free()
    return 0


if __name__ == "__main__":
    sys.exit(main())
