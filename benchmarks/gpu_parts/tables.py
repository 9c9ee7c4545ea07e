"""Every section's results as tables. A section is a list of lines (see child.py)."""

from ..report import table, times
from .place import TOLERANCES

NOMINAL = {"copy": 3000.0, "product tf32": 400.0}  # of an H100, where nothing was measured


def text_of(section: str, lines: list[dict], ceilings: dict[str, float]) -> str:
    """A section's tables, then what failed."""
    good = [line for line in lines if "result" in line]
    parts = [TABLES[section](good, ceilings)] if good else []
    bad = [f"{line['name']}: {line['error']}" for line in lines if "error" in line]
    for line in good:
        for name, one in line["result"].get("contestants", {}).items():
            if "error" in one:
                bad.append(f"{line['name']}, {name}: {one['error']}")
            elif one.get("how", "").startswith("one by one: "):
                bad.append(f"{line['name']}, {name}: not recorded, timed {one['how']}")
    if bad:
        parts.append("\n".join(["Not measured, or otherwise than meant:", "", *_list(bad)]))
    return "\n\n".join(parts) or "Nothing was measured."


def ceilings_of(lines: list[dict]) -> dict[str, float]:
    """What was measured: "copy" in GB/s, "product tf32" in TFLOP/s, the best of both libraries."""
    found = {}
    for line in lines:
        unit = "GB/s" if line["name"].startswith("copy") else "TFLOP/s"
        rates = [one[unit] for one in _contestants(line).values() if unit in one]
        if rates:
            found[line["name"]] = max(rates)
    return found


def _contestants(line: dict) -> dict:
    return line.get("result", {}).get("contestants", {})


def ms_of(line: dict, name: str) -> float | None:
    """A contestant's median, None where there is none."""
    return _contestants(line).get(name, {}).get("ms")


def best(line: dict, start: str, *names: str) -> tuple[str, float] | tuple[None, None]:
    """(name, ms) of the fastest whose name starts so, or of these names, if any are given."""
    found = [
        (one["ms"], name)
        for name, one in _contestants(line).items()
        if "ms" in one and (name in names if names else name.startswith(start))
    ]
    return min(found)[::-1] if found else (None, None)


def best_tf32(line: dict) -> float | None:
    """Our fastest TF32 product of a layer, in ms."""
    return best(line, "", "ours tf32", "ours wgmma")[1]


def ratio(theirs: float | None, mine: float | None) -> float | None:
    """How many times as fast as they we are."""
    return theirs / mine if theirs and mine else None


def _environment(lines, ceilings) -> str:
    return "\n".join(f"- {key}: {value}" for key, value in lines[0]["result"].items())


def _compile(lines, ceilings) -> str:
    result = lines[0]["result"]
    seconds = result["seconds"]
    text = f"{len(seconds)} files compiled by {result['processes']} processes"
    if seconds:
        slowest = max(seconds, key=seconds.get)
        text += f"; the slowest took {seconds[slowest]} s: {slowest}"
    return "\n".join([f"{text}.", *_list(f"{k}: {v[:400]}" for k, v in result["failed"].items())])


def _kernels(lines, ceilings) -> str:
    first, *rest = lines if lines[0]["name"] == "all kernels" else [{"result": {}}, *lines]
    cells, used = {}, []
    for line in rest:
        kernel, _, precision = line["name"].rpartition(", ")
        result = line["result"]
        mark = "" if result["ok"] else " WRONG"
        cells.setdefault(kernel, {})[precision] = f"{result['error']:.1e}{mark}"
        used += [precision] if precision not in used else []
    rows = [[kernel, *(row.get(p, "") for p in used)] for kernel, row in cells.items()]
    most = ", ".join(f"{p} {TOLERANCES[p]:g}" for p in used)
    text = table(["kernel", *used], rows)
    text += f"\n\n||error|| / ||reference in float64||; at most, in this order: {most}."
    if first["result"].get("unchecked"):
        text += f" Not checked: {', '.join(first['result']['unchecked'])}."
    return text


def _tests(lines, ceilings) -> str:
    kinds = ("passed", "failed", "error", "skipped", "xfail")
    rows, failures = [], []
    for line in lines:
        counts = [str(line["result"].get(kind, 0)) for kind in kinds]
        rows.append([line["name"], *counts, f"{line['seconds']:.0f}"])
        failures += [f"{name}: {why}" for name, why in line["result"]["failures"].items()]
    return "\n\n".join([table(["file", *kinds, "s"], rows), "\n".join(_list(failures))]).strip()


def _ceilings(lines, ceilings) -> str:
    rows = []
    for line in lines:
        unit = "GB/s" if line["name"].startswith("copy") else "TFLOP/s"
        cells = [_number(_contestants(line).get(n, {}).get(unit)) for n in ("CuPy", "PyTorch")]
        rows.append([line["name"], *cells, unit])
    return table(["", "CuPy", "PyTorch", ""], rows)


def _layers(lines, ceilings) -> str:
    peak, rows = ceilings.get("product tf32", NOMINAL["product tf32"]), []
    for line in lines:
        tf32, wgmma = ms_of(line, "ours tf32"), ms_of(line, "ours wgmma")
        mine = best_tf32(line)
        theirs, strict = ms_of(line, "PyTorch tf32"), ms_of(line, "PyTorch float32")
        fma, x3 = ms_of(line, "ours fma"), ms_of(line, "ours tf32x3")
        rate = line["result"]["flops"] * 1e-9 / mine if mine else None
        error = _contestants(line).get("ours tf32", {}).get("difference")
        rows.append([
            line["name"], f"{line['result']['flops'] / 1e9:.2f}", _ms(tf32), _ms(wgmma),
            _ms(theirs), times(ratio(theirs, mine)), _number(rate),
            _share(rate, peak), _ms(fma), _ms(x3), _ms(strict),
            times(ratio(strict, best(line, "", "ours fma", "ours tf32x3")[1])),
            f"{error:.0e}" if error is not None else "-",
        ])  # fmt: skip
    header = ["layer", "GFLOP", "tf32 ms", "wgmma ms", "PyTorch ms", "ratio", "TFLOP/s"]
    header += ["of cuBLAS", "fma ms", "tf32x3 ms", "PyTorch ms", "ratio", "error"]
    return table(header, rows) + (
        f"\n\nBatch 1. TF32 first, then strict float32. Ratio: PyTorch's time over our best. Of "
        f"cuBLAS: of the {peak:.0f} TFLOP/s of a large TF32 product. Error: of ours in TF32, "
        "relative to PyTorch's float32."
    )


def _memory(lines, ceilings) -> str:
    peak, rows = ceilings.get("copy", NOMINAL["copy"]), []
    for line in lines:
        mine, theirs = ms_of(line, "ours"), ms_of(line, "PyTorch")
        nbytes = line["result"]["bytes"]
        rate = nbytes * 1e-6 / mine if mine else None
        rows.append([
            line["name"], f"{nbytes / 1e6:.1f}", _ms(mine), _number(rate), _share(rate, peak),
            _ms(theirs), times(ratio(theirs, mine)),
        ])  # fmt: skip
    header = ["kernel", "MB", "ms", "GB/s", "of the copy", "PyTorch ms", "ratio"]
    return table(header, rows) + (
        f"\n\nMB: the least that must move. Of the copy: of the {peak:.0f} GB/s of a copy on the "
        "GPU, bytes read and written. PyTorch's gradients of normalisation, loss and upsampling "
        "go through autograd, and its parts of relu_bias_grad and upsample_cross_entropy are "
        "several kernels."
    )


def _nets(lines, ceilings) -> str:
    rows, results = [], []
    for line in lines:
        if "mode" not in line["result"]:
            results.append(f"{line['name']}: {_net_results(line['result'])}")
            continue
        one = _contestants(line)
        name, captured = best(line, "ours captured")
        by = (name or "-").removeprefix("ours captured ")
        cells = [ms_of(line, n) for n in ("ours", "PyTorch", "PyTorch captured")]
        rows.append([
            line["name"], _ms(cells[0]), _ms(captured), by, _ms(cells[1]), _ms(cells[2]),
            times(ratio(cells[1], cells[0])), times(ratio(cells[2], captured)),
            *(_gigabytes(one.get(n, {}).get("bytes")) for n in ("ours", name, "PyTorch")),
        ])  # fmt: skip
    header = ["net", "ours ms", "captured ms", "by", "PyTorch ms", "captured ms", "ratio"]
    header += ["captured", "ours GB", "captured GB", "PyTorch GB"]
    parts = [table(header, rows)] if rows else []
    if results:
        title = "Relative errors, PyTorch's float32 being right:"
        parts.append("\n".join([title, "", *_list(results)]))
    return "\n\n".join(parts)


def _net_results(result: dict) -> str:
    def shown(x):
        if isinstance(x, dict):
            own = {k: v for k, v in x.items() if k != "compared"}
            return "(" + ", ".join(f"{k} {shown(v)}" for k, v in own.items()) + ")"
        return f"{x:.1e}" if isinstance(x, float) else str(x)

    return "; ".join(
        f"{what}: " + ", ".join(f"{name} {shown(value)}" for name, value in values.items())
        for what, values in result.items()
    )


def _tiles(lines, ceilings) -> str:
    parts = []
    for direction in dict.fromkeys(line["result"]["direction"] for line in lines):
        mine = [line for line in lines if line["result"]["direction"] == direction]
        names = list(dict.fromkeys(n for line in mine for n in _contestants(line)))
        rows = []
        for name in names:
            rates = [_contestants(line).get(name, {}).get("TFLOP/s") for line in mine]
            if any(rates):
                rows.append([name, *map(_number, rates)])
        rows.sort(key=lambda row: -sum(float(c) for c in row[1:] if c != "-"))
        header = [f"{direction}, TFLOP/s", *(line["result"]["layer"] for line in mine)]
        parts.append(table(header, rows))
    return "\n\n".join(parts)


def _compiled(lines, ceilings) -> str:
    names = ("PyTorch compiled", "PyTorch compiled captured", "PyTorch captured")
    rows = []
    for line in lines:
        _, mine = best(line, "ours captured")
        theirs = [ms_of(line, n) for n in names]
        least = min((t for t in theirs if t), default=None)
        rows.append([line["name"], *map(_ms, theirs), _ms(mine), times(ratio(least, mine))])
    return table(["net", *names, "ours captured", "ratio"], rows)


def _list(items) -> list[str]:
    return [f"- {item}" for item in items]


def _ms(ms: float | None) -> str:
    if ms is None:
        return "-"
    return f"{ms:.0f}" if ms >= 100 else f"{ms:.3g}" if ms >= 1 else f"{ms:.4f}"


def _number(x: float | None) -> str:
    return "-" if x is None else f"{x:.0f}" if x >= 100 else f"{x:.1f}"


def _share(rate: float | None, peak: float) -> str:
    return "-" if rate is None else f"{rate / peak:.0%}"


def _gigabytes(size: int | None) -> str:
    return "-" if size is None else f"{size / 1e9:.2f}"


TABLES = {
    "environment": _environment,
    "compile": _compile,
    "kernels": _kernels,
    "tests": _tests,
    "ceilings": _ceilings,
    "layers": _layers,
    "memory": _memory,
    "nets": _nets,
    "tiles": _tiles,
    "compiled": _compiled,
}
