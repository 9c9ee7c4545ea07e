"""A whole image against its patches, forward and with gradients: minifcn alone, in turns.

The paper's section 3.1: AlexNet gives a grid of 10x10 outputs of a 500x500 image "more than five
times" as fast as 100 outputs of 227x227 patches.
"""

import statistics
import time

import numpy as np
from tqdm import tqdm

from . import line, machine, report

HEADER = ["", "forward, ms", "/ whole", "with gradients, ms", "/ whole"]


def main() -> int:
    parser = line.parser("patches", __doc__)
    parser.set_defaults(rounds=5)
    parser.add_argument("--net", default="alexnet", help="a classifier of minifcn.models")
    parser.add_argument("--grid", type=line.positive, default=10, help="outputs along each side")
    parser.add_argument("--batch", type=line.positive, default=20, help="patches at once")
    options = parser.parse_args()
    import minifcn as mf

    mf.set_num_threads(options.threads)
    facts = machine.facts()
    net = mf.models.convolutionalize(mf.models.build(options.net)).eval()
    made_for = mf.models.build(options.net).input_shape
    stride = int(mf.geometry.trace(net, made_for[1:]).rows[-1].axes[0].stride)
    side = made_for[1] + stride * (options.grid - 1)
    image = np.random.default_rng(0).standard_normal((1, 3, side, side), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(image[0], made_for[1:], axis=(1, 2))
    patches = windows[:, ::stride, ::stride].transpose(1, 2, 0, 3, 4).reshape(-1, *made_for)
    count = len(patches)
    ways = {
        "whole image": [image],
        f"patches, {options.batch} at once": np.array_split(patches, -(-count // options.batch)),
        "patches, one by one": np.array_split(patches, count),
    }
    seconds = {name: ([], []) for name in ways}
    for _ in tqdm(range(options.rounds + 1), unit="round"):
        for name, batches in ways.items():
            for which, run in enumerate((_forward, _backward)):
                started = time.perf_counter()
                for batch in batches:
                    run(mf, net, batch)
                seconds[name][which].append(time.perf_counter() - started)
    # The first round compiles and fills caches
    medians = {n: [statistics.median(t[1:]) for t in both] for n, both in seconds.items()}
    base = medians["whole image"]
    rows = [
        [
            name,
            report.milliseconds(forward),
            report.times(forward / base[0]),
            report.milliseconds(both),
            report.times(both / base[1]),
        ]
        for name, (forward, both) in medians.items()
    ]
    text = report.table(HEADER, rows)
    title = f"{options.net}: {options.grid}x{options.grid} outputs of a {side}x{side} image"
    note = (
        f"{options.threads} threads, float32; medians of {options.rounds} interleaved rounds. "
        f"{count} patches of {made_for[1]}x{made_for[2]}, {stride} pixels apart."
    )
    print(f"\n{title}\n\n{text}\n\n{note}")
    report.write(options.name, title, facts, [text, note], {"seconds": medians})
    return 0


def _forward(mf, net, batch) -> None:
    with mf.no_grad():
        net(mf.Tensor(batch))


def _backward(mf, net, batch) -> None:
    for parameter in net.parameters():
        parameter.grad = None
    output = net(mf.Tensor(batch))
    output.backward(np.ones(output.shape, np.float32))


if __name__ == "__main__":
    line.end(main)
