"""What recording costs: a chain of scalar additions, recorded and run backward, beside PyTorch
and an engine as in textbooks (engines/dezero_style.py)."""

from . import line, machine, report
from .contest import Entry, hold, mine, ratio
from .environments import BUILD
from .standings import as_data, failed, label


def main() -> int:
    parser = line.parser("tiny_operations", __doc__)
    parser.set_defaults(rounds=5)
    parser.add_argument("--additions", type=line.positive, default=10**6)
    options = parser.parse_args()
    facts = machine.facts()
    entries = [
        Entry(name, packages, "benchmarks.engines.tiny:Chain", {"engine": name, **_count(options)})
        for name, packages in (
            ("pytorch", ("torch",)),
            ("minifcn", ("minifcn",)),
            ("dezero-style", ("numpy",)),
        )
    ]
    (BUILD / "bench").mkdir(parents=True, exist_ok=True)
    reference = BUILD / "bench" / "tiny.npz"
    results = hold(entries, options.rounds, reference=reference, warm=1)
    own = mine(results)
    rows = [
        [
            label(r) if not r.note else f"{r.name}: {r.note}",
            f"{r.median * 1e6 / options.additions:.3f}" if r.median else "-",
            report.times(ratio(r.median, own)),
            report.megabytes(r.peak),
        ]
        for r in sorted(results, key=lambda r: r.median or float("inf"))
    ]
    text = report.table(["", "microseconds an addition", "/ minifcn", "peak RSS, MB"], rows)
    title = f"{options.additions:,} scalar additions, recorded and run backward"
    print(f"\n{title}\n\n{text}")
    note = f"float32, one thread; medians of {options.rounds} interleaved rounds."
    report.write(options.name, title, facts, [text, note], {"results": as_data(results)})
    return int(failed(results))


def _count(options) -> dict:
    return {"additions": options.additions}


if __name__ == "__main__":
    line.end(main)
