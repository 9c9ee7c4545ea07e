"""Training step of one net: forward, summed loss, backward, momentum SGD, beside PyTorch.

Labels are random, one pixel in ten ignored (255). Before the timed steps everybody does one
forward and backward pass without dropout; its loss and gradients are compared.
"""

from pathlib import Path

import numpy as np

from . import line, machine, report
from .contest import Entry, hold
from .exports import case_folder, net_folder
from .standings import as_data, failed, standings, verdict

# Root-mean-square difference of any gradient, relative to PyTorch's. A gradient passes through
# every ReLU and every maximum twice; a value that rounding moves across one of those edges sends
# a whole gradient elsewhere, so single numbers may differ more than those of a forward pass.
TOLERANCE = 1e-2


def main() -> int:
    parser = line.parser("training_step", __doc__)
    line.add_net(parser)
    parser.add_argument("--batch", type=line.positive, default=1)
    parser.add_argument("--classes", type=line.positive, default=21)
    parser.add_argument(
        "--camvid",
        action="store_true",
        help="fcn4s-squeezenet, batch 4, 360x480, 12 classes, aligned padding, results/"
        "training_step_camvid; the five options above do not count",
    )
    parser.add_argument(
        "--peers", type=line.peers, default=",".join(line.TORCH), help="of the three PyTorch ones"
    )
    parser.add_argument("--memory", action="store_true", help="show each process's peak memory")
    options = parser.parse_args()
    if options.camvid:
        options.net, options.batch, options.size = "fcn4s-squeezenet", 4, (360, 480)
        options.classes, options.padding = 12, "aligned"
        options.name += "_camvid" if options.name == "training_step" else ""
    facts = machine.facts()
    case = training_case(
        options.net, options.size, options.batch, options.padding, options.classes
    )
    entries = training_entries(case, options)
    reference = case / "gradients.npz"
    results = hold(
        entries, options.rounds, reference=reference, tolerance=TOLERANCE, measure="rms"
    )
    H, W = options.size
    title = f"{options.net}, {options.batch} x 3 x {H} x {W}, {options.padding} padding: training"
    text = standings(results, options.memory)
    print(f"\n{title}\n\n{text}\n\n{verdict(results)}")
    note = (
        f"float32; medians of {options.rounds} interleaved rounds; {options.classes} classes. "
        "Difference: the largest root mean square among the loss and the gradients, relative."
    )
    sections = [text, verdict(results), note]
    report.write(options.name, title, facts, sections, {"results": as_data(results)})
    return int(failed(results))


def training_case(net: str, size, batch: int, padding: str, classes: int) -> Path:
    """The case's folder, with labels."""
    case = case_folder(net_folder(net, classes, padding), size, batch)
    if not (case / "labels.npy").exists():
        rng = np.random.default_rng(7)
        labels = rng.integers(0, classes, (batch, *size), dtype=np.uint8)
        labels[rng.random(labels.shape) < 0.1] = 255
        np.save(case / "labels.npy", labels)
    return case


def training_entries(case: Path, options) -> list[Entry]:
    """minifcn after the first of PyTorch's forms, which is the judge."""
    common = {"case": str(case), "threads": options.threads}
    entries = [
        Entry(
            name,
            ("torch",),
            "benchmarks.engines.pytorch:TrainingStep",
            {**common, **line.TORCH[name]},
            line.COMPILER,
        )
        for name in options.peers
        if name in line.TORCH
    ]
    mine = {"net": options.net, "classes": options.classes, "padding": options.padding}
    factory = "benchmarks.engines.minifcn:TrainingStep"
    entries.insert(1, Entry("minifcn", ("minifcn",), factory, {**common, **mine}))
    return entries


if __name__ == "__main__":
    line.end(main)
