"""Everything that is measured on an NVIDIA GPU, in one command of less than eight minutes.

    python -m benchmarks.gpu
    python -m benchmarks.gpu --only layers,nets --seconds 200 --out FOLDER
    python -m benchmarks.gpu --emulated

The kernels are checked, then timed: convolutions beside cuDNN, memory-bound kernels beside the
bandwidth of a copy, whole nets beside PyTorch: one by one, recorded into CUDA graphs, compiled.
Every section runs in processes of its own, with an end to its time: what crashes, hangs or fails
costs that case alone, and what was measured is written after each section. Times are medians of
interleaved rounds, by device events.

--emulated: a dry run on the CPU with tiny sizes, through all code but CUDA graphs and compilers,
which writes nothing into the repository. Its numbers mean nothing.
"""

import argparse
import contextlib
import io
import os
import shutil
import sys
import time
from pathlib import Path

from . import line, machine, report
from .environments import BUILD, ROOT
from .gpu_parts import conformance
from .gpu_parts.child import run_section
from .gpu_parts.summary import summary, wrong_products
from .gpu_parts.tables import ceilings_of, text_of
from .gpu_parts.worker import Options

# Section -> (title, most seconds, most seconds of one case), in the order of need
SECTIONS = {
    "environment": ("Environment", 40, 40),
    "compile": ("Compiling the convolutions", 90, 90),
    "kernels": ("Kernels against the reference", 75, 20),
    "ceilings": ("Ceilings", 40, 40),
    "nets": ("Nets", 120, 75),
    "layers": ("Convolution layers", 100, 45),
    "memory": ("Memory-bound kernels", 50, 40),
    "tests": ("Tests of the kernels", 110, 110),
    "tiles": ("Tiles", 60, 40),
    "compiled": ("PyTorch's compiler", 150, 100),
}
WORK = BUILD / "bench" / "gpu"  # logs, and files on the way


def main() -> int:
    options = _options()
    if options.emulated and options.seconds is None:
        options.seconds = 900
    until = time.time() + (options.seconds or 440)
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    _prepare_environment()
    facts, sections = _facts(), {}
    for name in options.only:
        title, most, patience = SECTIONS[name]
        begun = time.time()
        limit = until if options.emulated else min(until, begun + most)
        try:
            sections[name] = _run(name, options, limit, 600 if options.emulated else patience)
        except Exception as error:
            sections[name] = [{"name": name, "error": f"{type(error).__name__}: {error}"}]
        if name == "kernels":  # what hangs or is wrong is not timed
            options.without = wrong_products(sections[name])
        ceilings = ceilings_of(sections.get("ceilings", []))
        print(f"\n## {title} ({time.time() - begun:.0f} s)\n", flush=True)
        print(_text(name, sections[name], ceilings), flush=True)
        _write(options, facts, sections)
    print(f"\n## Summary\n\n{summary(sections, ceilings_of(sections.get('ceilings', [])))}")
    if options.emulated:
        print("\nA dry run on the CPU: these numbers mean nothing.")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", type=_names, default=list(SECTIONS), metavar="NAME,NAME",
                        help=f"of the sections {', '.join(SECTIONS)}")  # fmt: skip
    parser.add_argument("--cases", type=lambda text: text.split(","), default=[], metavar="PARTS",
                        help="only cases with one of these in their names")  # fmt: skip
    parser.add_argument("--rounds", type=line.positive, help="turns of every contestant (5)")
    parser.add_argument("--seconds", type=line.positive, help="for all together (440)")
    parser.add_argument("--out", type=Path, help="where to write gpu.md and gpu.json")
    parser.add_argument("--emulated", action="store_true", help="a dry run on the CPU")
    parser.set_defaults(without=[])
    return parser.parse_args()


def _names(text: str) -> list[str]:
    chosen = text.split(",")
    if unknown := [name for name in chosen if name not in SECTIONS]:
        known = ", ".join(SECTIONS)
        raise argparse.ArgumentTypeError(f"unknown {unknown[0]!r}; there are {known}")
    return [name for name in SECTIONS if name in chosen]


def _run(name: str, options, limit: float, patience: float) -> list[dict]:
    """A section's lines."""
    if time.time() >= limit:
        return [{"name": name, "error": "no time left"}]
    if name == "tests":
        return conformance.run(options.emulated, limit, WORK)
    rounds = options.rounds or (1 if options.emulated else 5)
    settings = Options(options.emulated, rounds, limit, str(WORK), options.cases, options.without)
    return run_section(name, settings, patience, WORK)


def _text(name: str, lines: list[dict], ceilings: dict) -> str:
    try:
        return text_of(name, lines, ceilings)
    except Exception as error:  # the numbers are in gpu.json all the same
        return f"No table: {type(error).__name__}: {error}"


def _write(options, facts: dict, sections: dict) -> None:
    """gpu.md and gpu.json with what there is."""
    if options.emulated and not options.out:
        return
    folder = options.out or report.RESULTS
    ceilings = ceilings_of(sections.get("ceilings", []))
    parts = [
        f"## {SECTIONS[name][0]}\n\n{_text(name, lines, ceilings)}"
        for name, lines in sections.items()
    ]
    parts.insert(0, f"## Summary\n\n{summary(sections, ceilings)}")
    title = "On a GPU" if not options.emulated else "A dry run on the CPU: numbers mean nothing"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.redirect_stdout(io.StringIO()):
            report.write("gpu", title, facts, parts, {"sections": sections}, folder)
    except Exception as error:
        print(f"nothing written: {type(error).__name__}: {error}", file=sys.stderr)


def _facts() -> dict[str, str]:
    try:
        return machine.facts()
    except Exception as error:  # no git, say
        return {"command": machine.command(), "machine": f"not known: {error}"}


def _prepare_environment() -> None:
    """What all processes find in their environment: minifcn, and a folder for compiled kernels.

    That folder is new every time: CuPy does not see when a header changes. Where minifcn is not
    installed, a folder of links stands in for the installation.
    """
    os.environ["CUPY_CACHE_DIR"] = str(WORK / "compiled")
    if _installed():
        return
    package = WORK / "packages" / "minifcn"
    package.mkdir(parents=True)
    for entry in (ROOT / "minifcn").iterdir():
        (package / entry.name).symlink_to(entry)
    (package / "kernels").symlink_to(ROOT / "kernels")
    paths = str(package.parent), str(ROOT), os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    os.environ["PYTHONSAFEPATH"] = "1"  # the folder that we are in would come first


def _installed() -> bool:
    try:
        import minifcn.kernels  # noqa: F401
    except ImportError:
        return False
    return True


if __name__ == "__main__":
    line.end(main)
