"""A contest's results as a table: who, how long, against minifcn and the fastest peer."""

from . import report
from .contest import Result, fastest_peer, mine, ratio


def standings(results: list[Result], memory: bool = False) -> str:
    """Fastest first; contestants without a time last, with the reason."""
    best, own = fastest_peer(results), mine(results)
    header = ["", "ms", "/ minifcn", "/ fastest peer", "first ms", "max difference", "threads"]
    rows = []
    for result in sorted(results, key=lambda r: r.median or float("inf")):
        if result.note:
            rows.append([f"{result.name}: {result.note}", *["-"] * (len(header) - 1)])
            continue
        difference = "reference" if result.difference is None else f"{result.difference:.1e}"
        rows.append(
            [
                label(result),
                report.milliseconds(result.median),
                report.times(ratio(result.median, own)),
                report.times(ratio(result.median, best)),
                report.milliseconds(result.first),
                difference,
                str(result.about.get("threads", "-")),
            ]
        )
    if memory:
        peaks = {label(r): report.megabytes(r.peak) for r in results}
        header.append("peak RSS, MB")
        for row in rows:
            row.append(peaks.get(row[0], "-"))
    return report.table(header, rows)


def verdict(results: list[Result]) -> str:
    """One sentence: how many times faster than the fastest peer."""
    best, own = fastest_peer(results), mine(results)
    if best is None or own is None:
        return "No comparison: minifcn or every peer is missing."
    name = next(label(r) for r in results if r.median == best)
    return f"minifcn {report.milliseconds(own)} ms; fastest peer {name} " + (
        f"{report.milliseconds(best)} ms, {best / own:.2f} times as long."
    )


def label(result: Result) -> str:
    """The contestant's name with its version."""
    version = result.about.get("version", "")
    return f"{result.name} {version}".strip()


def as_data(results: list[Result]) -> list[dict]:
    """For the JSON file."""
    return [
        {
            "name": r.name,
            "about": r.about,
            "median": r.median,
            "seconds": r.seconds,
            "first": r.first,
            "difference": r.difference,
            "peak": r.peak,
            "note": r.note,
        }
        for r in results
    ]


def failed(results: list[Result]) -> bool:
    """Whether a contestant broke down or computed something else (skipped ones did not)."""
    return any(r.note and not r.note.startswith("skipped") for r in results)
