"""Every distinct convolution of VGG-16, AlexNet and GoogLeNet at a 500x500 image, all three
directions, beside the better of PyTorch's two layouts."""

from . import line, machine, report, trials
from .layer_tables import NETS, distinct

DIRECTIONS = ("forward", "grad input", "grad weight")
HEADER = ["layer", "direction", "GFLOP", "minifcn ms", "PyTorch ms", "its layout"]
HEADER += ["PyTorch / minifcn", "minifcn GFLOP/s", "share of peak", "difference"]


def main() -> int:
    parser = line.parser("layers", __doc__)
    parser.add_argument("--nets", nargs="+", choices=tuple(NETS), default=list(NETS))
    parser.add_argument("--directions", nargs="+", choices=DIRECTIONS, default=list(DIRECTIONS))
    parser.add_argument("--only", default="", help="layers with this in a name: conv1_2, 3a/3x3")
    parser.add_argument("--batch", type=line.positive, default=1)
    options = parser.parse_args()
    layers = {
        layer: names
        for layer, names in distinct(options.nets).items()
        if any(options.only in name for name in names)
    }
    cases = [
        trials.Case(
            f"{names[0]}: {layer}",
            {"direction": direction, "batch": options.batch, **layer.settings()},
            "Convolution",
        )
        for layer, names in layers.items()
        for direction in options.directions
        if direction != "grad input" or layer.C != 3  # nobody wants the image's gradient
    ]
    if not cases:
        parser.error(f"no layer has {options.only!r} in its name")
    facts = machine.facts()
    flops = {f"{names[0]}: {layer}": layer.flops(options.batch) for layer, names in layers.items()}
    peak = trials.peak(options.threads)
    done = trials.run(cases, options.threads, options.rounds)
    facts |= trials.versions(done)
    rows = [_row(trial, flops[trial.case.name], peak) for trial in done]
    text = report.table(HEADER, rows)
    peak_text = f"{peak / 1e9:.0f} GFLOP/s" if peak else "not measured"
    also = [f"{layer}: {', '.join(names)}" for layer, names in layers.items() if len(names) > 1]
    sections = [
        text,
        summary(done),
        *trials.notes(done),
        f"float32, batch {options.batch}, {options.threads} threads; medians of {options.rounds} "
        f"interleaved rounds. Peak of {options.threads} threads, measured in registers: "
        f"{peak_text}. GFLOP are a direct convolution's, whatever the algorithm: Winograd's share "
        "can exceed 100%. PyTorch: the better layout, each direction on its own. Difference: the "
        "largest, relative to the root mean square of PyTorch's result.",
        *(["Layers of one geometry: " + "; ".join(also) + "."] if also else []),
    ]
    print("\n" + "\n\n".join([*sections[:2], *trials.notes(done)]))
    data = {"peak": peak, "results": [trial.as_data() for trial in done]}
    report.write(options.name, "Convolution layers", facts, sections, data)
    return int(any("FAILED" in t.note or "failed" in t.note for t in done))


def _row(trial, flops: int, peak: float | None) -> list[str]:
    rate = flops / trial.mine if trial.mine else None
    difference = "-" if trial.difference is None else f"{trial.difference:.1e}"
    return [
        trial.case.name,
        trial.case.settings["direction"],
        f"{flops / 1e9:.2f}",
        report.milliseconds(trial.mine),
        report.milliseconds(trial.best),
        trial.winner,
        report.times(trial.speedup),
        f"{rate / 1e9:.0f}" if rate else "-",
        f"{rate / peak:.0%}" if rate and peak else "-",
        "see below" if trial.note else difference,
    ]


def summary(done: list[trials.Trial]) -> str:
    """How many cases are won, the worst and the sum."""
    ratios = [(t.speedup, t.case) for t in done if t.speedup is not None]
    if not ratios:
        return "No comparison: minifcn or PyTorch is missing."
    slower = sum(speedup < 1 for speedup, _ in ratios)
    worst, case = min(ratios, key=lambda pair: pair[0])
    direction = case.settings.get("direction", "")
    ours = sum(t.mine for t in done if t.speedup is not None)
    theirs = sum(t.best for t in done if t.speedup is not None)
    return (
        f"{len(ratios)} cases; minifcn is slower in {slower}; the lowest ratio is {worst:.2f} "
        f"({case.name}, {direction}). All together: minifcn {ours * 1e3:,.0f} ms, PyTorch "
        f"{theirs * 1e3:,.0f} ms, ratio {theirs / ours:.2f}."
    )


if __name__ == "__main__":
    line.end(main)
