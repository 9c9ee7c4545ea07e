"""Freed memory is kept for the next array, where glibc is there and nobody else decided."""

import os
import platform
import subprocess
import sys

import pytest

GLIBC = sys.platform.startswith("linux") and platform.libc_ver()[0] == "glibc"
FAULTS = """
import resource
import numpy as np
import minifcn.kernels.cpu

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.empty(32 << 20, np.uint8)[:] = 1
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

first = faults()
print(first, sum(faults() for _ in range(5)))
"""


def run(code: str, **variables) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, env=environment | variables, check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.skipif(not GLIBC, reason="only glibc has the setting")
def test_an_array_made_again_touches_no_new_page():
    first, later = map(int, run(FAULTS).split())
    assert first > 10  # 16 huge pages, or 8192 small ones
    assert later < first / 2


def test_a_setting_from_outside_is_respected():
    code = "from minifcn.kernels.cpu.memory import keep_freed_memory as k; print(k())"
    assert run(code, MALLOC_ARENA_MAX="2").strip() == "False"
    assert run(code).strip() == str(GLIBC)
