"""README's commands are commands, its code runs, and its paths exist."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from minifcn.cli import parser

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def lines(*starts: str) -> list[str]:
    return [line for _, body in BLOCKS for line in body.splitlines() if line.startswith(starts)]


def test_the_first_two_commands_install_and_show():
    assert lines("pip install")[:2] == [
        "pip install -e . && minifcn demo",
        'pip install -e ".[test]" && pytest -n 2',
    ]


@pytest.mark.parametrize(
    "line", [*lines("minifcn "), "minifcn demo", "minifcn summary fcn8s-vgg16"]
)
def test_every_command_is_one(line):
    arguments = parser().parse_args(shlex.split(line)[1:])
    assert callable(arguments.run)


def test_the_code_runs():
    (code,) = (body for language, body in BLOCKS if language == "python")
    rng = np.random.default_rng(0)
    names = {
        "images": rng.standard_normal((1, 3, 33, 47), dtype=np.float32),
        "labels": rng.integers(0, 21, (1, 33, 47)),
    }
    exec(code, names)
    assert np.isclose(names["loss"].item(), np.log(21))  # score layers start at zero
    assert names["model"]["score_fr"].bias.data.any()  # and have made a step


def test_every_path_exists():
    linked = re.findall(r"\]\(([^)#]+)\)", README)
    listed = re.findall(r"`((?:minifcn|kernels|benchmarks)/[\w/.]*)`", README)
    assert len(linked) >= 2
    assert len(listed) >= 8
    for path in linked + listed:
        assert (ROOT / path).exists(), path
