"""The GPU, the driver, the libraries."""

import subprocess

from ..machine import version

QUERY = "name,driver_version,memory.total,clocks.sm,clocks.max.sm,clocks.mem,power.limit"
PACKAGES = ("cupy-cuda13x", "cupy-cuda12x", "numba-cuda", "triton")


def cases(place, options):
    """One case: a dictionary of facts."""
    yield "facts", lambda: _facts(place)


def _facts(place) -> dict[str, str]:
    import numpy
    import torch

    facts = {"PyTorch": torch.__version__, "NumPy": numpy.__version__}
    facts |= {name: version(name) for name in PACKAGES if version(name) != "not installed"}
    for about in (_emulated,) if place.emulated else (_cupy, _torch, _smi):
        try:
            facts |= about()
        except Exception as error:
            facts[about.__name__.strip("_")] = f"not known: {error}"
    return facts


def _emulated() -> dict[str, str]:
    return {"GPU": "none: emulated on the CPU"}


def _cupy() -> dict[str, str]:
    import cupy

    runtime = cupy.cuda.runtime
    device = runtime.getDeviceProperties(0)
    return {
        "GPU": device["name"].decode(),
        "compute capability": f"{device['major']}.{device['minor']}",
        "multiprocessors": str(device["multiProcessorCount"]),
        "memory": f"{device['totalGlobalMem'] / 1e9:.1f} GB",
        "second cache": f"{device['l2CacheSize'] / 1e6:.1f} MB",
        "shared memory of a block": f"{device.get('sharedMemPerBlockOptin', 0) / 1024:.0f} KB",
        "CUDA, of the driver": _dotted(runtime.driverGetVersion()),
        "CUDA, of CuPy": _dotted(runtime.runtimeGetVersion()),
        "NVRTC": ".".join(map(str, cupy.cuda.nvrtc.getVersion())),
        "CuPy": cupy.__version__,
    }


def _torch() -> dict[str, str]:
    import torch

    cudnn = torch.backends.cudnn.version()
    return {"CUDA, of PyTorch": str(torch.version.cuda), "cuDNN": str(cudnn)}


def _smi() -> dict[str, str]:
    command = ["nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    values = done.stdout.strip().splitlines()[0].split(", ")
    pairs = zip(QUERY.split(","), values, strict=False)
    return {f"nvidia-smi {key}": value for key, value in pairs}


def _dotted(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"
