"""What a machine can do at most: measured of a processor, from its clocks of a GPU."""

import platform

GIGA = 1e9
DISTURBED = "Other programs took {:.0%} of the cores meanwhile: measure again when they are done."


def facts(bar) -> dict:
    """Of what computes, as numbers with their units in their names. Where Numba is missing, this
    says so."""
    from .. import backends

    if backends.current_device():
        found = _gpu()
        bar.update()
        return found
    threads = backends.get_num_threads()
    from ..kernels.cpu import isa
    from ..kernels.cpu.threads import usable_cores

    found = {
        "processor": _processor(),
        "cores": usable_cores(),
        "threads": threads,
        "instructions": isa.current().name,
    }
    measure(found, bar)
    return found


def measure(machine: dict, bar) -> None:
    """Into the facts of a processor: the higher of what they hold and what is measured now."""
    if "threads" in machine:
        _measure_processor(machine)
    bar.update()


def _measure_processor(machine: dict) -> None:
    from ..kernels.cpu import peak

    most, memory = peak.peak(), peak.bandwidth()
    machine["memory_array_mib"] = memory.size / 2**20
    machine["cores_granted"] = max(machine.get("cores_granted", 0.0), most.granted)
    for key, value in (
        ("peak_gflops_one_core", most.core),
        ("peak_gflops", most.threads),
        ("memory_read_gb_per_second", memory.read),
        ("memory_write_gb_per_second", memory.write),
        ("memory_copy_gb_per_second", memory.copy),
        ("memory_gb_per_second", memory.best),
    ):
        machine[key] = max(machine.get(key, 0.0), value / GIGA)


def lines(machine: dict) -> list[str]:
    """The facts as text."""
    if "threads" not in machine:
        return [
            f"{machine['processor']}: {machine['multiprocessors']} multiprocessors",
            f"float32 peak  {machine['peak_gflops']:,.0f} GFLOP/s, without tensor cores",
            f"memory        {machine['memory_gb_per_second']:,.0f} GB/s",
        ]
    read, write, copy = (
        f"{name} {machine[f'memory_{name}_gb_per_second']:.1f}"
        for name in ("read", "write", "copy")
    )
    threads, granted = _threads(machine), machine["cores_granted"]
    return [
        f"{machine['processor']}: {threads} on {machine['cores']} cores, instructions "
        f"{machine['instructions']}",
        f"float32 peak  {machine['peak_gflops']:,.0f} GFLOP/s with {threads}, "
        f"{machine['peak_gflops_one_core']:,.0f} with one core",
        f"memory        {read}, {write}, {copy} GB/s, arrays of "
        f"{machine['memory_array_mib']:.0f} MiB",
        *([DISTURBED.format(1 - granted)] if granted < 0.9 else []),
    ]


def title(machine: dict) -> str:
    """In a few words."""
    if "threads" not in machine:
        return machine["processor"]
    return f"{machine['processor']}, {_threads(machine)}, {machine['instructions']}"


def _threads(machine: dict) -> str:
    return f"{machine['threads']} thread{'s' if machine['threads'] > 1 else ''}"


def _gpu() -> dict:
    from .. import gpu

    found = gpu.limits()
    return {
        "processor": found.name,
        "multiprocessors": found.multiprocessors,
        "peak_gflops": found.flops / GIGA,
        "memory_gb_per_second": found.bytes / GIGA,
    }


def _processor() -> str:
    """Its name, as exactly as the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown processor"
