"""The last words: what was right, the ceilings, and the goals."""

import statistics

from ..report import table, times
from .tables import NOMINAL, best, best_tf32, ratio

LARGE = 4e9  # operations of a layer from which on it counts as large
GOALS = {"net": 1.0, "layer": 0.70, "memory": 0.80}


def summary(sections: dict[str, list[dict]], ceilings: dict[str, float]) -> str:
    """All sections in a few lines."""
    rows = _net_rows(sections)
    rows += _layer_rows(sections, ceilings) + _memory_rows(sections, ceilings)
    lines = [*_correctness(sections), _ceilings_line(ceilings)]
    goals = table(["goal", "wanted", "measured", "reached"], rows) if rows else "No goal measured."
    return "\n".join([*lines, "", goals])


def wrong_products(lines) -> list[str]:
    """Products of which the kernels' section says that a convolution failed or was wrong."""
    wrong = set()
    for line in lines:
        kernel, _, product = line["name"].rpartition(", ")
        right = line.get("result", {}).get("ok") or line.get("error") == "no time left"
        if kernel.startswith("conv2d") and not right:
            wrong.add(product)
    return sorted(wrong)


def _correctness(sections) -> list[str]:
    lines = []
    checks = [line for line in sections.get("kernels", []) if "ok" in line.get("result", {})]
    broken = [line["name"] for line in sections.get("kernels", []) if "error" in line]
    if checks or broken:
        wrong = [line["name"] for line in checks if not line["result"]["ok"]] + broken
        lines.append(
            f"Kernels against the reference: {len(checks) + len(broken)} checks, {len(wrong)} "
            f"wrong{': ' if wrong else ''}{'; '.join(wrong[:12])}"
        )
    tests = [line["result"] for line in sections.get("tests", []) if "result" in line]
    if tests:
        kinds = ("passed", "failed", "error", "skipped")
        counts = (f"{sum(t.get(kind, 0) for t in tests)} {kind}" for kind in kinds)
        lines.append("Tests: " + ", ".join(counts))
        failed = [name for t in tests for name in t["failures"]]
        lines += [f"- {name}" for name in failed[:12]]
    for name, section in sections.items():
        bad = [line for line in section if "error" in line]
        if bad:
            first = f"{bad[0]['name']}: {bad[0]['error']}"
            lines.append(f"{name}: {len(bad)} cases failed, first {first}")
    return lines


def _ceilings_line(ceilings) -> str:
    known = {**NOMINAL, **ceilings}
    said = ", ".join(f"{name} {known[name]:.0f}" for name in known)
    missing = "" if NOMINAL.keys() <= ceilings.keys() else " (some not measured: nominal ones)"
    return f"Ceilings, GB/s and TFLOP/s: {said}{missing}"


def _net_rows(sections) -> list[list[str]]:
    """PyTorch's fastest form over our fastest, for every net, size and precision."""
    compiled = {line["name"]: line for line in sections.get("compiled", [])}
    rows = []
    for line in sections.get("nets", []):
        about = line.get("result", {})
        if "mode" not in about:
            continue
        mine, theirs = best(line, "ours"), best(line, "PyTorch")
        if about["precision"] == "tf32":  # the compiler was asked for that alone
            other = compiled.get(f"{about['net']}: {about['mode']}", {})
            theirs = min((theirs, best(other, "PyTorch compiled")), key=lambda t: t[1] or 1e9)
        by = f"{times(ratio(theirs[1], mine[1]))} ({theirs[0]} / {mine[0]})"
        rows.append(_row(f"{line['name']}: ratio", GOALS["net"], by, ratio(theirs[1], mine[1])))
    return rows


def _layer_rows(sections, ceilings) -> list[list[str]]:
    """The large layers' shares of cuBLAS's rate in TF32, for each direction."""
    peak, shares = ceilings.get("product tf32", NOMINAL["product tf32"]), {}
    for line in sections.get("layers", []):
        result = line.get("result")
        if not result or result["flops"] < LARGE:
            continue
        ms = best_tf32(line)
        if ms:
            rate = 1e-9 * result["flops"] / ms
            shares.setdefault(result["direction"], {})[result["layer"]] = rate / peak
    return [_spread(f"large layers, {d}", GOALS["layer"], found) for d, found in shares.items()]


def _memory_rows(sections, ceilings) -> list[list[str]]:
    """The memory-bound kernels' shares of the copy's rate."""
    peak, shares = ceilings.get("copy", NOMINAL["copy"]), {}
    for line in sections.get("memory", []):
        _, ms = best(line, "ours")
        if ms:
            shares[line["name"]] = 1e-6 * line["result"]["bytes"] / ms / peak
    return [_spread("memory-bound kernels", GOALS["memory"], shares)] if shares else []


def _spread(what: str, wanted: float, shares: dict[str, float]) -> list[str]:
    """One row of many shares: the least, the middle, how many reach the goal."""
    least = min(shares, key=shares.get)
    reached = sum(share >= wanted for share in shares.values())
    said = f"median {statistics.median(shares.values()):.0%}, least {shares[least]:.0%} ({least})"
    return [what, f"{wanted:.0%}", said, f"{reached} of {len(shares)}"]


def _row(what: str, wanted: float, said: str, measured: float | None) -> list[str]:
    reached = "-" if measured is None else "yes" if measured >= wanted else "no"
    return [what, f"{wanted:.2f}", said, reached]
