"""Make the environments of the rivals: ``python -m benchmarks.setup``.

The versions are those of the ``peers`` extra in setup.cfg. MNN wants an older protobuf than onnx
does, so it gets an environment of its own. Everything lies under build/, which git ignores.
"""

import argparse
import configparser
import subprocess
import sys
import venv
from pathlib import Path

from .environments import PEERS, PEERS_MNN, ROOT, _interpreter

EXPORTERS = ("onnx", "onnxscript")  # what PyTorch's ONNX export needs


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.setup", description=__doc__)
    parser.add_argument(
        "--without", nargs="*", default=[], metavar="PACKAGE", help="leave these rivals out"
    )
    options = parser.parse_args()
    without = {name.lower() for name in options.without}
    pins = [pin for pin in peer_pins() if pin.split("==")[0].lower() not in without]
    alone = [pin for pin in pins if pin.lower().startswith("mnn==")]
    together = [pin for pin in pins if pin not in alone]
    for folder, packages in ((PEERS, [*together, *EXPORTERS]), (PEERS_MNN, alone)):
        if packages and (code := install(folder, packages)):
            print(f"benchmarks.setup: pip failed in {folder.relative_to(ROOT)}", file=sys.stderr)
            return code
    return 0


def peer_pins() -> list[str]:
    """The requirements of the peers extra: "torch==2.13.0", ..."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config["options.extras_require"]["peers"].split()


def install(folder: Path, packages: list[str]) -> int:
    """One pip call, so that pip fits all versions to each other; returns its exit code."""
    print(f"{folder.relative_to(ROOT)}: {' '.join(packages)}", flush=True)
    if _interpreter(folder) is None:
        venv.create(folder, with_pip=True)
    command = [_interpreter(folder), "-m", "pip", "install", "--quiet", *packages]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
