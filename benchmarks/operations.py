"""Every operation of the nets but convolution, at its real sizes (FCNs at 500x500, padded by
100), forward and backward, beside the better of PyTorch's two layouts."""

import itertools

from . import line, machine, report, trials
from .layers import summary
from .trials import Case

BOTH = ("forward", "backward")
HEADER = ["operation", "direction", "minifcn ms", "PyTorch ms", "its layout"]
HEADER += ["PyTorch / minifcn", "difference"]

VGG_CHANNELS = [3, 64, 64, 128, 128, 256, 256, 256, *[512] * 6]
VGG_PARAMETERS = [
    *([K, C, 3, 3] for C, K in itertools.pairwise(VGG_CHANNELS)),
    *([4096, 512, 7, 7], [4096, 4096, 1, 1], [21, 4096, 1, 1], [21, 512, 1, 1], [21, 256, 1, 1]),
]
VGG_PARAMETERS += [[shape[0]] for shape in VGG_PARAMETERS]


def pool(name: str, shape, kernel: int, stride: int, padding: int = 0):
    """A row of CASES for a pooling."""
    return (name, {"shape": shape, "kernel": kernel, "stride": stride, "padding": padding})


CASES = [  # (operation, its case): after conv1, in the middle and at the end of VGG-16 first
    ("relu", {"shape": (1, 64, 698, 698)}),
    ("relu", {"shape": (1, 256, 175, 175)}),
    ("relu", {"shape": (1, 4096, 16, 16)}),
    pool("max pool", (1, 64, 698, 698), 2, 2),
    pool("max pool", (1, 256, 175, 175), 2, 2),
    pool("max pool", (1, 512, 44, 44), 2, 2),
    pool("max pool", (1, 96, 173, 173), 3, 2),  # AlexNet
    pool("max pool", (1, 64, 347, 347), 3, 2),  # GoogLeNet
    pool("max pool", (1, 480, 43, 43), 3, 1, 1),  # GoogLeNet, inside an inception
    pool("average pool", (8, 1024, 7, 7), 7, 1),  # GoogLeNet as a classifier
    pool("average pool", (1, 1000, 29, 29), 29, 1),  # SqueezeNet as a classifier
    ("lrn", {"shape": (1, 96, 86, 86), "size": 5}),  # AlexNet, behind its pool
    ("lrn", {"shape": (1, 64, 173, 173), "size": 5}),  # GoogLeNet
    ("lrn", {"shape": (1, 192, 173, 173), "size": 5}),
    ("cross entropy", {"shape": (1, 21, 500, 500)}),
    ("cross entropy", {"shape": (4, 12, 360, 480)}),  # CamVid
    ("softmax", {"shape": (1, 21, 500, 500)}),
    ("upsample", {"shape": (1, 21, 16, 16), "factor": 2}),
    ("upsample", {"shape": (1, 21, 70, 70), "factor": 8}),
    ("upsample", {"shape": (1, 21, 34, 34), "factor": 16}),
    ("upsample", {"shape": (1, 21, 16, 16), "factor": 32}),
    ("crop", {"shape": (1, 21, 568, 568), "offset": (31, 31), "size": (500, 500)}),
    ("cat", {"shapes": [(1, C, 86, 86) for C in (64, 128, 32, 32)]}),  # GoogLeNet 3a
    ("cat", {"shapes": [(4, 64, 118, 158)] * 2}),  # SqueezeNet
    ("add", {"shape": (1, 21, 70, 70)}),
    ("scale", {"shape": (1, 256, 88, 88)}),
    ("dropout", {"shape": (1, 4096, 16, 16)}),
    ("linear", {"N": 1, "I": 9216, "O": 4096}),  # AlexNet's fc6 as a classifier
    ("linear", {"N": 8, "I": 9216, "O": 4096}),
    ("matmul", {"n": 1024}),
]
ACTIONS = [  # what has no gradient
    ("argmax", {"shape": (1, 21, 500, 500)}),
    ("confusion", {"shape": (1, 500, 500), "classes": 21}),
    ("sgd", {"shapes": VGG_PARAMETERS}),
]


def main() -> int:
    parser = line.parser("operations", __doc__)
    parser.add_argument("--only", default="", help="operations with this in their name")
    options = parser.parse_args()
    cases = [
        Case(name(op, case), {"op": op, "direction": direction, "case": case}, "Operation")
        for op, case, directions in (
            *((op, case, BOTH) for op, case in CASES),
            *((op, case, BOTH[:1]) for op, case in ACTIONS),
        )
        for direction in directions
        if options.only in op
    ]
    if not cases:
        parser.error(f"no operation has {options.only!r} in its name")
    facts = machine.facts()
    done = trials.run(cases, options.threads, options.rounds)
    facts |= trials.versions(done)
    text = report.table(HEADER, [_row(trial) for trial in done])
    sections = [
        text,
        summary(done),
        *trials.notes(done),
        f"float32, {options.threads} threads; medians of {options.rounds} interleaved rounds. "
        "PyTorch: the better layout; for sgd the better of its foreach (nchw) and fused "
        "(channels-last) forms. Forward records nothing; backward is the gradient alone, with "
        "respect to every input. Dropout's masks are random, so it is not compared.",
    ]
    print("\n" + "\n\n".join([*sections[:2], *trials.notes(done)]))
    results = {"results": [trial.as_data() for trial in done]}
    report.write(options.name, "Operations", facts, sections, results)
    return int(any("FAILED" in t.note or "failed" in t.note for t in done))


def name(op: str, case: dict) -> str:
    """The operation with its sizes."""
    if op == "sgd":
        count = sum(_size(shape) for shape in case["shapes"])
        return f"sgd {count / 1e6:.0f}M parameters"
    if op == "cat":
        return "cat " + " + ".join("x".join(map(str, shape)) for shape in case["shapes"])
    if op == "linear":
        return f"linear {case['N']}x{case['I']} -> {case['O']}"
    if op == "matmul":
        return f"matmul {case['n']}x{case['n']}"
    window = {"kernel": "kernel", "stride": "stride", "factor": "by", "classes": "classes"}
    rest = [f"{word} {case[key]}" for key, word in window.items() if key in case]
    return " ".join([op, "x".join(map(str, case["shape"])), *rest])


def _size(shape) -> int:
    total = 1
    for n in shape:
        total *= n
    return total


def _row(trial) -> list[str]:
    difference = "-" if trial.difference is None else f"{trial.difference:.1e}"
    return [
        trial.case.name,
        trial.case.settings["direction"],
        report.milliseconds(trial.mine),
        report.milliseconds(trial.best),
        trial.winner,
        report.times(trial.speedup),
        "see below" if trial.note else difference,
    ]


if __name__ == "__main__":
    line.end(main)
