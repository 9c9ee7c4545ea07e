"""What a result depends on: the machine, its settings, the versions, the moment."""

import datetime
import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
import time

from .environments import ROOT

SETTINGS = ("OPENBLAS_CORETYPE", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "MINIFCN_BACKEND")


def facts() -> dict[str, str]:
    """Name -> value, in the order in which a report prints them."""
    packages = ("minifcn", "numpy", "numba", "llvmlite")
    return {
        "command": command(),
        "date": datetime.datetime.now().isoformat(" ", "minutes"),
        "commit": commit(),
        "CPU": cpu_model(),
        "cores": str(usable_cores()),
        "CPU in use by others at the start": in_use(),
        **{name: os.environ.get(name, "not set") for name in SETTINGS},
        "Python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def command() -> str:
    """The command line as one would type it again."""
    module = sys.modules["__main__"].__spec__
    start = f"python -m {module.name}" if module else sys.argv[0]
    return shlex.join([*start.split(), *sys.argv[1:]])


def commit() -> str:
    """The commit of the working tree, and whether the tree differs from it."""
    git = ["git", "-C", str(ROOT)]
    done = subprocess.run(
        [*git, "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def cpu_model() -> str:
    """Name of the CPU with what it has for vectors."""
    model, flags = platform.processor() or platform.machine(), set()
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                key, _, value = line.partition(":")
                if key.strip() == "model name":
                    model = value.strip()
                elif key.strip() == "flags":
                    flags = set(value.split())
    except OSError:
        pass
    wide = next((f for f in ("avx512f", "avx2", "asimd") if f in flags), "")
    return f"{model} ({wide})" if wide else model


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_memory() -> int | None:
    """Bytes that processes may still take without swapping; None where it cannot be told."""
    try:
        with open("/proc/meminfo") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def version(package: str) -> str:
    """Version of a package in this environment."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def in_use(seconds: float = 1.0) -> str:
    """Share of all cores that was busy while this process slept: "3%". Whoever else computes
    spoils a benchmark, and not evenly: engines whose threads wait for each other suffer most."""
    before = _ticks()
    time.sleep(seconds)
    after = _ticks()
    if before is None or after is None or after[1] == before[1]:
        return "unknown"
    return f"{(after[0] - before[0]) / (after[1] - before[1]):.0%}"


def _ticks() -> tuple[int, int] | None:
    """(busy, all) clock ticks of all cores since the machine started."""
    try:
        with open("/proc/stat") as file:
            ticks = [int(n) for n in file.readline().split()[1:9]]
    except OSError:
        return None
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)  # 3 and 4: idle, waiting for a disk
