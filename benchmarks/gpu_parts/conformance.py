"""The tests on the GPU, those of tests/kernels first, a process for every file, several at once.

A process of its own: a test that breaks the GPU's state, crashes or hangs spoils its own file
alone.
"""

import os
import re
import sys
import time
from pathlib import Path

from ..environments import ROOT
from .child import end, start

FOLDERS = ("kernels", "devices", "functions")  # in tests/
CHOSEN = "cuda and not simulated and not emulated"  # for pytest -k
NOT_ON_A_GPU = ("test_cuda_sources.py",)
FEW = ("test_pool_kernels.py", "test_softmax_kernels.py")  # in a dry run
AT_ONCE = 6
MOST_FAILURES = 15  # of a file; then the others are not worth waiting for
OUTCOME = re.compile(r"^(\S+?\.py::.*?) (PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)\b", re.MULTILINE)
REASON = re.compile(r"^(?:FAILED|ERROR) (\S+?\.py.*?)(?: - (.*))?$", re.MULTILINE)


def run(emulated: bool, until: float, folder: Path) -> list[dict]:
    """A line for every file that has such tests: counts, failures with reasons, seconds."""
    files = []
    for name in FOLDERS:
        found = (ROOT / "tests" / name).glob("test_*.py")
        files += sorted(found, key=lambda file: -file.stat().st_size)
    files = [f for f in files if f.name not in NOT_ON_A_GPU and (f.name in FEW or not emulated)]
    waiting, running, lines = list(files), {}, []
    at_once = max(1, min(AT_ONCE, (os.cpu_count() or 2) // 2))
    try:
        while (waiting or running) and time.time() < until:
            while waiting and len(running) < at_once:
                file = waiting.pop(0)
                running[file] = _begin(file, emulated, folder), time.time()
            time.sleep(0.1)
            for file, (process, begun) in list(running.items()):
                if process.poll() is not None:
                    end(process)
                    del running[file]
                    lines.append(_line(file, process.returncode, time.time() - begun, folder))
    finally:
        for file, (process, begun) in running.items():
            end(process)
            lines.append(_line(file, None, time.time() - begun, folder))
    lines += [{"name": _name(f), "error": "no time left"} for f in waiting]
    return [line for line in lines if line.get("result", {"cases": 1})["cases"]]


def _begin(file: Path, emulated: bool, folder: Path):
    command = [sys.executable, "-m", "pytest", str(file), "-v", "--tb=short", "-rfE"]
    command += ["-k", "emulated" if emulated else CHOSEN, f"--maxfail={MOST_FAILURES}"]
    # Other packages' warnings are not what is tested here, nor are their plugins wanted
    command += ["-W", "default", "-p", "no:cacheprovider", "--color=no"]
    environment = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "300"}
    with open(_log(file, folder), "w") as output:
        return start(command, output, **environment)


def _line(file: Path, code: int | None, seconds: float, folder: Path) -> dict:
    """What a file's log says. code: None for a process that was ended."""
    text = _log(file, folder).read_text(errors="replace")
    outcomes = dict(OUTCOME.findall(text))
    counts = {key.lower(): list(outcomes.values()).count(key) for key in set(outcomes.values())}
    reasons = {name.strip(): reason or "" for name, reason in REASON.findall(text)}
    bad = [name for name, outcome in outcomes.items() if outcome in ("FAILED", "ERROR")]
    failures = {_short(name): reasons.get(name, "")[:300] for name in bad}
    result = {"cases": len(outcomes), **counts, "failures": failures, "code": code}
    line = {"name": _name(file), "result": result, "seconds": round(seconds, 1)}
    if code is None:
        result["cases"] = max(1, result["cases"])
        line["error"] = "out of time"
    elif code not in (0, 1, 5):  # 5: no such test here
        result["cases"] = max(1, result["cases"])
        line["error"] = f"pytest ended with {code}"
    if failures or "error" in line:
        result["log"] = text[-6000:]
    return line


def _name(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"


def _log(file: Path, folder: Path) -> Path:
    return folder / f"tests-{file.parent.name}-{file.stem}.txt"


def _short(name: str) -> str:
    return name.split("tests/")[-1]
