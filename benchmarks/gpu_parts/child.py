"""The parent's end of a section: a process that is watched, and started again where it dies."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from ..environments import ROOT
from .worker import Options, finished

LIVES = 6  # processes of a section, at most
GRACE = 12.0  # seconds after a section's end in which its last case may end too


def run_section(section: str, options: Options, patience: float, folder: Path) -> list[dict]:
    """All cases' lines (see worker.py), each with "name" and "result" or "error".

    patience: seconds that a case may take. A process that dies, breaks the GPU's state or says
    nothing for so long is ended, the case that it was at counts as failed, and another goes on.
    """
    log = folder / f"{section}.jsonl"
    log.unlink(missing_ok=True)
    command = [sys.executable, "-m", "benchmarks.gpu_parts.worker", section, str(log)]
    for life in range(LIVES):
        before = _size(log)
        with open(folder / f"{section}.txt", "w" if life == 0 else "a") as output:
            process = start([*command, json.dumps(asdict(options))], output)
            why = _watch(process, log, patience, options.until + GRACE)
        if why == "":
            break
        print(f"{section}: {why}: {_tail(folder / f'{section}.txt')}", file=sys.stderr)
        if time.time() > options.until or (_size(log) == before and life > 0):
            break
        _bury(log, why)
    _bury(log, "ended before its time")
    return [{"name": line.pop("end"), **line} for line in finished(log)]


def start(command: list[str], output, **environment) -> subprocess.Popen:
    """A process of its own group, from the repository's root."""
    return subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
    )


def end(process: subprocess.Popen) -> None:
    """End a process and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _watch(process, log: Path, patience: float, until: float) -> str:
    """Wait for the end; "" if that was a good one, else what happened."""
    size, last = _size(log), time.time()
    try:
        while process.poll() is None:
            time.sleep(0.1)
            now = time.time()
            if _size(log) != size:
                size, last = _size(log), now
            if now - last > patience:
                return f"a case took more than {patience:.0f} s"
            if now > until:
                return "out of time"
    finally:
        end(process)
    code = process.returncode
    return "" if code == 0 else f"the process ended with {code}"


def _bury(log: Path, why: str) -> None:
    """Say of the case that has not ended why it will not."""
    dead = [line for line in finished(log) if line.get("error") == "died"]
    with open(log, "a") as file:
        for line in dead:
            file.write("\n" + json.dumps({"end": line["end"], "error": why}) + "\n")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _tail(path: Path, most: int = 300) -> str:
    text = path.read_text(errors="replace").strip()
    return " ".join(text[-most:].split())
