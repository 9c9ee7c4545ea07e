"""A net's files for every runtime, made once and kept under build/bench/.

    build/bench/nets/NAME-PADDING-K/          net.json, weights.npz            (netfile.py)
        HxW-bN/  input.npy, net.onnx, net.mnn, net.ncnn.param, net.ncnn.bin

The ONNX file is exported from the PyTorch twin; OpenVINO and ONNX Runtime read it, MNN and ncnn
convert it. All sizes are fixed in it, which lets every runtime plan as well as it can. ncnn takes
one image at a time, so its file is always for a batch of 1. Fixed upsampling is a transposed
convolution in groups, one for every channel, which is the faster form (measured) for all but
ncnn: ncnn gets the dense form, five times faster there.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from .environments import BUILD, ROOT, Missing, python_with

NETS = BUILD / "bench" / "nets"


class ExportError(RuntimeError):
    """An export that failed; one line."""


def net_folder(net: str, classes: int = 21, padding: str = "reference") -> Path:
    """The folder of a net, up to date: built by minifcn in a process of its own."""
    folder = NETS / f"{net}-{padding}-{classes}"
    arguments = [net, "--classes", str(classes), "--padding", padding, "--out", str(folder)]
    _call([sys.executable, "-m", "benchmarks.netfile", *arguments], f"making {net}")
    return folder


def case_folder(net: Path, size: tuple[int, int], batch: int) -> Path:
    """The folder of a net at one size, with its input: an image of noise in -120 ... 130."""
    folder = net / f"{size[0]}x{size[1]}-b{batch}"
    folder.mkdir(exist_ok=True)
    if not (folder / "input.npy").exists():
        rng = np.random.default_rng(5)
        image = rng.uniform(-120, 130, (batch, 3, *size)).astype(np.float32)
        np.save(folder / "input.npy", image)
    return folder


def prepare(case: Path, runtimes: set[str]) -> dict[str, str]:
    """Make the files that these runtimes read; returns runtime -> why there is none."""
    missing = {}
    for runtime in sorted(runtimes & MAKERS.keys()):
        try:
            MAKERS[runtime](case)
        except (ExportError, Missing) as error:
            missing[runtime] = str(error)
    return missing


def onnx(case: Path, dense: bool = False) -> Path:
    """net.onnx or dense.onnx, exported in the environment that has torch and onnx."""
    path = case / ("dense.onnx" if dense else "net.onnx")
    if not path.exists():
        command = [python_with("torch", "onnx"), "-m", "benchmarks.exports", str(case)]
        _call([*command, *(["--dense"] if dense else [])], "exporting to ONNX")
    return path


def mnn(case: Path) -> Path:
    """net.mnn. The converter is called without its command-line wrapper, which would install and
    load a reporting package."""
    path = case / "net.mnn"
    if not path.exists():
        python, part = python_with("mnn"), case / "part.mnn"
        arguments = ["MNNConvert", "-f", "ONNX", "--modelFile", str(onnx(case))]
        arguments += ["--MNNModel", str(part), "--bizCode", "biz"]
        code = f"import _tools; _tools.mnnconvert({arguments!r})"
        _call([python, "-c", code], "converting to MNN", part)
        os.replace(part, path)
    return path


def ncnn(case: Path) -> Path:
    """net.ncnn.param and net.ncnn.bin, with weights in float32 (pnnx halves them by default)."""
    path = case / "net.ncnn.param"
    if not path.exists():
        size = case.name.split("-")[0]
        single = case_folder(case.parent, tuple(map(int, size.split("x"))), 1)
        if single != case:
            ncnn(single)
            for name in ("net.ncnn.bin", "net.ncnn.param"):
                os.symlink(single / name, case / name)
            return path
        python, work = python_with("pnnx"), case / "pnnx"
        work.mkdir(exist_ok=True)
        files = {"ncnnparam": "net.ncnn.param", "ncnnbin": "net.ncnn.bin"}
        rest = ("pnnxparam", "pnnxbin", "pnnxpy", "pnnxonnx", "ncnnpy")
        outputs = [f"{key}={work / files.get(key, key)}" for key in (*files, *rest)]
        tool = Path(python).parent / "pnnx"
        shape = f"inputshape=[1,3,{size.replace('x', ',')}]"
        command = [str(tool), str(onnx(case, dense=True)), shape, "fp16=0", *outputs]
        _call(command, "converting to ncnn", work / "net.ncnn.param")
        for name in ("net.ncnn.bin", "net.ncnn.param"):
            os.replace(work / name, case / name)
        for leftover in (*work.iterdir(), case / "dense.pnnxsim.onnx", case / "dense.onnx"):
            leftover.unlink(missing_ok=True)
        work.rmdir()
    return path


MAKERS = {"onnxruntime": onnx, "openvino": onnx, "mnn": mnn, "ncnn": ncnn}


def _call(command: list[str], what: str, result: Path | None = None) -> None:
    """Run a program from the repository's root; ExportError with its last line if it fails."""
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode or (result is not None and not result.exists()):
        last = (done.stdout.strip().splitlines() or ["it printed nothing"])[-1]
        raise ExportError(f"{what} failed ({done.returncode}): {last}")


def main() -> None:
    """Export one case to ONNX (runs in the environment of torch and onnx)."""
    import torch

    from .torch_twin import Twin

    parser = argparse.ArgumentParser(prog="python -m benchmarks.exports", description=__doc__)
    parser.add_argument("case", type=Path, help="a folder with input.npy, inside a net's folder")
    parser.add_argument("--dense", action="store_true", help="upsampling as a dense convolution")
    options = parser.parse_args()
    case, name = options.case, "dense.onnx" if options.dense else "net.onnx"
    twin = Twin(case.parent, options.dense).eval()
    image = torch.from_numpy(np.load(case / "input.npy"))
    part = case / "part.onnx"
    with torch.no_grad():
        torch.onnx.export(
            *(twin, (image,), str(part)),
            **{"input_names": ["data"], "output_names": ["score"]},
            **{"opset_version": 17, "dynamo": False},
        )
    os.replace(part, case / name)


if __name__ == "__main__":
    main()
