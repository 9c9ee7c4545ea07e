"""The .cu files, as the compiler of a GPU sees them: nothing is spilled from its registers."""

import itertools
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from minifcn.kernels.cuda import arrays, emulator, precision, tile

FOLDER = Path(tile.__file__).parent
ARCHITECTURES = "80", "90a"  # of the A100 and of the H100
REALS, LABELS = ("float", "double"), ("unsigned char", "long long")

# What each file is compiled with, but for those that a convolution's tile has a say in
MACROS = {
    "activation.cu": {"real": REALS},
    "bias.cu": {"real": REALS},
    "confusion.cu": {"label_type": LABELS, "prediction_type": LABELS},
    "grouped.cu": {"real": REALS},
    "im2col.cu": {"real": REALS},
    "loss.cu": {"real": REALS, "label_type": LABELS},
    "lrn.cu": {"real": REALS},
    "pool.cu": {"real": REALS, "tap_type": ("unsigned char", "int")},
    "random.cu": {},
    "scores.cu": {"real": REALS, "label_type": LABELS},
    "softmax.cu": {"real": REALS},
    "solver.cu": {"real": REALS},
    "sum.cu": {"real": REALS},
    "turn.cu": {"real": REALS},
    "upsample.cu": {"real": REALS},
}
TILED = "conv.cu", "conv_weight.cu"
HOPPER = {"conv_hopper.cu": {"BN": (64, 128)}, "conv_weight_hopper.cu": {}}  # the newer GPU's
ALL = *TILED, *HOPPER, *MACROS


def cases(file: str):
    """(macros, architectures): everything that a file is compiled with."""
    if file in TILED:
        yield from _tiles()
        return
    macros = (MACROS | HOPPER)[file]
    for values in itertools.product(*macros.values()):
        architectures = ARCHITECTURES[1:] if file in HOPPER else ARCHITECTURES
        yield dict(zip(macros, values, strict=True)), architectures


def _tiles():
    """Those of every product: of all widths on the newer GPU, and on both the widest, which need
    most registers. That of single numbers, where 16 bytes cannot be copied, is a wide one too."""
    before, products, found = precision._chosen, dict(tile._products), {}
    for name, choices in tile.PRODUCTS.items():
        precision.set_precision(name)
        for product, dtype in itertools.product(choices, ("float32", "float64")):
            tile.set_product(name, product)
            x = arrays.empty(64, dtype)
            for columns, run in ((32, 4), (64, 4), (128, 1), (128, 4)):
                one = tile.choose(columns, [x], [run])
                found[one, dtype] = found.get((one, dtype)) or (columns, run) == (128, 4)
    precision._chosen = before
    tile._products.update(products)
    for (one, dtype), both in found.items():
        macros = {**one.macros(dtype), "real": {"float32": "float"}.get(dtype, "double")}
        yield macros, ARCHITECTURES if both else ARCHITECTURES[1:]


def test_every_file_is_compiled_here():
    assert sorted(ALL) == sorted(path.name for path in FOLDER.glob("*.cu"))


EMULATORS = {"device.cuh": {"emulator.h"}, "hopper.cuh": {"emulator_hopper.h"}}


def test_only_files_of_this_folder_are_included():
    """The compiler at run time, NVRTC, has no other; the emulators' are for the CPU."""
    own = {path.name for path in FOLDER.glob("*.cuh")}
    for path in (*FOLDER.glob("*.cu"), *FOLDER.glob("*.cuh")):
        included = re.findall(r"^ *# *include (.*)", path.read_text(), re.MULTILINE)
        allowed = own | EMULATORS.get(path.name, set())
        assert included or path.suffix == ".cuh", path.name
        assert {name.strip().strip('"') for name in included} <= allowed, path.name


@pytest.fixture(scope="module")
def reports():
    """What the compiler says of every case of a file; all begin at once, on all processors."""
    if shutil.which("nvcc") is None:
        pytest.skip("no nvcc")
    with ThreadPoolExecutor(os.cpu_count()) as processors:
        begun = {
            file: [processors.submit(_compile, file, *case) for case in cases(file)]
            for file in ALL
        }
        yield lambda file: [report.result() for report in begun[file]]
        processors.shutdown(cancel_futures=True)


def _compile(file: str, macros, architectures) -> str:
    command = ["nvcc", "-std=c++17", "-fatbin", "-Xptxas", "-v", "-o", os.devnull, file]
    command += [f"-D{name}={value}" for name, value in macros.items()]
    command += [f"-gencode=arch=compute_{one},code=sm_{one}" for one in architectures]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    assert all(f"for 'sm_{one}'" in done.stderr for one in architectures)
    return done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("file", ALL)
def test_nothing_is_spilled(file, reports):
    """Nor kept on a stack, which lies in the memory of the GPU too; and no tensor core waits."""
    kernels = emulator.kernels_of((FOLDER / file).read_text())
    for report in reports(file):
        frames = re.findall(r"properties for (\w+)\n +(.*)", report)
        assert {*kernels} <= {name for name, _ in frames}
        for name, frame in frames:
            assert frame == "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads", name
        assert "serialized" not in report


@pytest.mark.slow
@pytest.mark.parametrize("file", HOPPER)
def test_registers_that_change_hands_are_there(file, reports):
    """A warpgroup that takes more than others gave back would wait for ever."""
    text = (FOLDER / file).read_text()
    threads = int(re.search(r"__launch_bounds__\((\d+),", text).group(1))
    for (macros, _), report in zip(cases(file), reports(file), strict=True):
        narrow = macros.get("BN") == 64
        kept, taken = (_chosen(verb, text, narrow) for verb in ("keep", "take"))
        used = int(re.search(r"Used (\d+) registers", report).group(1))
        assert kept < used < taken
        assert 128 * kept + (threads - 128) * taken <= threads * used
        assert (2 if narrow else 1) * threads * used <= 65536


def _chosen(verb: str, text: str, narrow: bool) -> int:
    """What keep_registers or take_registers is called with: one number, or one for BN = 64 too."""
    numbers = re.search(rf"{verb}_registers<(?:BN == 64 \? (\d+) : )?(\d+)>", text).groups()
    return int(numbers[0] if narrow and numbers[0] else numbers[1])
