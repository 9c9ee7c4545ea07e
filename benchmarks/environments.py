"""Which interpreter runs which contestant.

A rival lives in the first of these environments that has its package: the one that the benchmark
was started in, build/peers, build/peers-mnn (``python -m benchmarks.setup`` makes the last two).
minifcn itself always runs in the first.
"""

import functools
import importlib.metadata
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
PEERS, PEERS_MNN = BUILD / "peers", BUILD / "peers-mnn"


class Missing(RuntimeError):
    """A package that no environment has."""


@functools.cache
def python_with(*packages: str) -> str:
    """Path of the first interpreter whose environment has all these distributions.

    Raises Missing, which says what to do.
    """
    for python in (sys.executable, _interpreter(PEERS), _interpreter(PEERS_MNN)):
        if python and set(packages) <= _installed(python):
            return python
    raise Missing(f"{' + '.join(packages)} is not installed (python -m benchmarks.setup)")


def _interpreter(environment: Path) -> str | None:
    for place in ("bin/python", "Scripts/python.exe"):
        if (environment / place).exists():
            return str(environment / place)
    return None


@functools.cache
def _installed(python: str) -> frozenset[str]:
    if python == sys.executable:
        return frozenset(d.name.lower() for d in importlib.metadata.distributions())
    code = "import importlib.metadata as m; print(*{d.name.lower() for d in m.distributions()})"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return frozenset(done.stdout.split())
