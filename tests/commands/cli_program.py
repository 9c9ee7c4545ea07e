"""The program in a process of its own, and what the tests of its commands share."""

import os
import subprocess
import sys
from pathlib import Path

NARROW = ["--model", "fcn4s-squeezenet", "--width", "0.1"]


def subprocess_of(*argv, **options):
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-m", "minifcn.cli", *map(str, argv)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, **pipes | options)


def read_csv(path):
    """The rows of log.csv as lists, without the column that measures time."""
    rows = [line.split(",") for line in Path(path).read_text().splitlines()]
    return [row[:4] + row[5:] for row in rows]
