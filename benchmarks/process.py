"""The parent's end of a worker: start it, ask it, stop it between its turns."""

import json
import os
import signal
import subprocess

from .environments import BUILD, ROOT, python_with

LOGS = BUILD / "bench" / "logs"


class WorkerError(RuntimeError):
    """A worker that answered with an error or died; one line."""


class Worker:
    """A process that runs ``benchmarks.worker`` in the environment that has these packages.

    Between its turns it is stopped (SIGSTOP): threads of a runtime that spin while they wait take
    no time from the others, and every runtime keeps its own settings.
    """

    def __init__(self, name: str, packages: tuple[str, ...] = (), environment: dict | None = None):
        LOGS.mkdir(parents=True, exist_ok=True)
        self.log = LOGS / f"{name.replace(' ', '-').replace('/', '-')}.log"
        command = [python_with(*packages), "-m", "benchmarks.worker"]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def ask(self, do: str, **command) -> dict:
        """Continue the worker, have it do one thing, stop it again. Raises WorkerError."""
        try:
            self._signal("SIGCONT")
            self.process.stdin.write(json.dumps({"do": do, **command}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise WorkerError(f"died with exit code {self.process.wait()} ({self._where()})")
        self._signal("SIGSTOP")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(f"{answer['error'].splitlines()[0]} ({self._where()})")
        return answer

    def close(self) -> None:
        """End the process."""
        if self.process.poll() is None:
            self._signal("SIGCONT")
            self.process.stdin.close()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def _signal(self, name: str) -> None:
        number = getattr(signal, name, None)  # Windows has neither
        if number is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def _where(self) -> str:
        return f"log: {self.log.relative_to(ROOT)}"
