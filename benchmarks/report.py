"""Tables on the screen, in results/NAME.md and, for programs, in results/NAME.json."""

import json
import os
import sys
from pathlib import Path

from . import machine

RESULTS = Path(__file__).resolve().parent / "results"


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table whose columns also line up as plain text; the first is left-aligned."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]

    def line(cells):
        first, *others = zip(cells, widths, strict=True)
        parts = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        return "| " + " | ".join(parts) + " |"

    rule = "|" + "|".join(
        (":" if i == 0 else "-") + "-" * width + ("-" if i == 0 else ":")
        for i, width in enumerate(widths)
    )
    return "\n".join([line(header), rule + "|", *map(line, rows)])


def write(
    name: str, title: str, facts: dict, sections: list[str], data: dict, folder: Path = RESULTS
) -> None:
    """results/NAME.md and results/NAME.json, or in another folder, each written whole.

    Warns where others used the CPU before or after: such a result is worth little.
    """
    facts = {**facts, "CPU in use by others at the end": machine.in_use()}
    shares = [value for key, value in facts.items() if key.startswith("CPU in use")]
    if any(share.endswith("%") and int(share[:-1]) > 5 for share in shares):
        warning = f"The machine was busy with other work ({', '.join(shares)}): measure again."
        sections = [*sections, warning]
        print(warning, file=sys.stderr)
    lines = [f"# {title}", "", *(f"- {key}: {value}" for key, value in facts.items())]
    text = "\n".join([*lines, "", "\n\n".join(sections), ""])
    _write(folder / f"{name}.md", text)
    _write(folder / f"{name}.json", json.dumps({"facts": facts, **data}, indent=1) + "\n")
    shown = "benchmarks/results" if folder == RESULTS else folder
    print(f"written: {shown}/{name}.md and {name}.json")


def read(name: str) -> dict:
    """What results/NAME.json holds; an empty dict where there is none."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(path.suffix + ".part")
    with open(part, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def milliseconds(seconds: float | None) -> str:
    """Three significant figures."""
    if seconds is None:
        return "-"
    ms = seconds * 1e3
    return f"{ms:.0f}" if ms >= 100 else f"{ms:.3g}" if ms >= 1 else f"{ms:.3f}"


def times(ratio: float | None) -> str:
    """A ratio: "1.52"."""
    return "-" if ratio is None else f"{ratio:.2f}"


def megabytes(size: int | None) -> str:
    """Bytes in units of 10^6."""
    return "-" if size is None else f"{size / 1e6:,.0f}"
