"""The GPU that this machine has or lacks: what it is, what it can do at most, what is missing."""

import importlib.util
import sys
from functools import cache
from typing import NamedTuple

INSTALL = 'pip install "minifcn[cuda12]", or "minifcn[cuda13]" where nvidia-smi says CUDA 13'


def synchronize() -> None:
    """Wait until the GPU has done all that it was told to; before a clock is read, say. Without
    one there is nothing to wait for."""
    if "cupy" in sys.modules and not lacks():
        sys.modules["cupy"].cuda.get_current_stream().synchronize()


def memory_held() -> int:
    """Bytes that CuPy's pool holds. It gives nothing back by itself, so that this is the most that
    was in use at once, and what lay idle between; recorded work has pools of its own."""
    import cupy

    return cupy.get_default_memory_pool().total_bytes()


class Limits(NamedTuple):
    """What a GPU can do at most, by its clocks: float32 operations a second, a multiply-add being
    two, without tensor cores; and bytes a second from its memory."""

    name: str
    multiprocessors: int
    flops: float
    bytes: float


def limits() -> Limits:
    """Those of the GPU that cuda computes on."""
    import cupy

    device = cupy.cuda.Device()
    facts = cupy.cuda.runtime.getDeviceProperties(device.id)
    number = device.attributes  # clocks in kHz, the memory's bus in bits
    count = number["MultiProcessorCount"]
    lanes = 64 if (facts["major"], facts["minor"]) in ((7, 0), (7, 2), (7, 5), (8, 0)) else 128
    flops = 2e3 * count * lanes * number["ClockRate"]
    memory = 2e3 * number["MemoryClockRate"] * number["GlobalMemoryBusWidth"] / 8
    return Limits(facts["name"].decode(), count, flops, memory)


def describe() -> str:
    """The GPU: its name, memory and compute capability, and CUDA's version; or what is missing."""
    if lacks():
        return f"none in use: cuda needs {lacks()}"
    import cupy

    runtime = cupy.cuda.runtime
    facts = runtime.getDeviceProperties(cupy.cuda.Device().id)
    made, driver = (
        f"{version // 1000}.{version % 1000 // 10}"
        for version in (runtime.runtimeGetVersion(), runtime.driverGetVersion())
    )
    return (
        f"{facts['name'].decode()}, {facts['totalGlobalMem'] / 2**30:.0f} GiB, compute capability "
        f"{facts['major']}.{facts['minor']}, CUDA {made} (the driver's: {driver})"
    )


@cache
def lacks() -> str | None:
    """What CUDA needs and does not find here, and how to get it; None where it can run."""
    if not importlib.util.find_spec("cupy"):
        return f"CuPy: {INSTALL}"
    try:
        import cupy

        if not cupy.cuda.runtime.driverGetVersion():
            return "an NVIDIA driver and finds none: is there an NVIDIA GPU in this machine?"
        cupy.cuda.runtime.getDeviceCount()  # raises where there is none
        cupy.cuda.nvrtc.getVersion()
    except Exception as error:
        text = " ".join(str(error).split())
        if "NoDevice" in text:
            return "an NVIDIA GPU, and the driver finds none that it may use"
        if "InsufficientDriver" in text:
            return f"a newer NVIDIA driver, or an older CuPy: {INSTALL}"
        if "nvrtc" in text.lower():
            return f"NVRTC, CUDA's compiler, which CuPy does not find: {INSTALL}"
        return f"CuPy, which cannot be used here: {text[:200]}"
    return None
