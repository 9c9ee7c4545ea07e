"""Measure this machine's peak, and a network's share of it layer by layer.

  minifcn bench
  minifcn bench fcn4s-squeezenet --size 360x480 --batch 4 --backward
  minifcn bench fcn8s-vgg16 --threads 1 --output one-thread.png --json one-thread.json

Prints what the processor can do at most: floating-point operations a second where nothing waits
for memory, and bytes a second from memory. Then, for every convolution, the operations that a
direct algorithm does (GFLOP, a multiply-add is two), the median of its times, and how much of the
peak that is. Winograd's algorithm does a 3x3 convolution with up to 4 times fewer multiplications:
its share is an effective one and may exceed 100%.

The picture is a roofline. Each layer stands at its operations for every byte of input, weights and
output; under the slope it waits for memory, under the level for the multipliers.
"""

import os
from pathlib import Path
from statistics import median

from . import limits, options
from .limits import GIGA

NAME = "bench"
NOTES = """\
GFLOP count a direct convolution's operations. Winograd's algorithm does a 3x3 convolution with up
to 4 times fewer multiplications: its GFLOP/s and share are effective and may exceed 100%.\
"""
REFERENCE = """\
The reference backend is the plain formula in NumPy, the specification and not made for speed; the
peak is what the cpu backend's kernels can reach.\
"""
TENSOR_CORES = """\
Tensor cores multiply float32 rounded to TF32 or bfloat16 faster than the peak, which does without:
shares may exceed 100%. Each layer is waited for; in a row, without that, they are faster.\
"""
EMULATED = "the emulated backend is not made for speed: bench measures cpu, reference and cuda"


def add_arguments(parser) -> None:
    """The options."""
    add = parser.add_argument
    add("model", type=options.model_name, metavar="MODEL", nargs="?", default="fcn8s-vgg16",
        help="a name; see 'minifcn info' (default: fcn8s-vgg16)")  # fmt: skip
    add("--size", type=options.size, default=(500, 500), metavar="HxW", help="default: 500x500")
    add("--batch", type=options.positive, default=1, metavar="N", help="images at once (1)")
    add("--padding", choices=("reference", "aligned"), default="aligned", help="default: aligned")
    add("--backward", action="store_true", help="the gradients of inputs and weights, too")
    add("--rounds", type=options.positive, default=5, metavar="N", help="default: 5")
    add("--output", metavar="FILE", default="bench.png", help="the picture (bench.png)")
    add("--json", metavar="FILE", help="write the numbers to this file too")


def run(arguments) -> int:
    """Measure, print, draw."""
    from tqdm import tqdm

    from .. import backends, io

    _check_files(arguments)
    if backends.current_device() == "emulated":
        raise options.UsageError(EMULATED)
    steps = 3 + (1 + arguments.rounds) * (1 + arguments.backward)
    with tqdm(total=steps, desc="measuring", disable=None, delay=2, leave=False) as bar:
        machine = limits.facts(bar)
        forward, training = _measure(arguments, bar)
        limits.measure(machine, bar)  # again: whatever disturbed the first time may be over
    result = {
        "model": arguments.model,
        "padding": arguments.padding,
        "input": [arguments.batch, 3, *arguments.size],
        "rounds": arguments.rounds,
        "backend": backends.current_backend(),
        "machine": machine,
        **_result(forward, training, machine["peak_gflops"]),
    }
    print("\n".join(_text(result)))
    _draw(arguments.output, result)
    if arguments.json:
        io.write_json(arguments.json, result)
    print("wrote " + ", ".join(filter(None, (arguments.output, arguments.json))))
    return 0


def _check_files(arguments) -> None:
    """Raises UsageError for a file that could not be written: before anything is measured."""
    from matplotlib.figure import Figure

    kinds = Figure().canvas.get_supported_filetypes()
    if os.path.splitext(arguments.output)[1].lower()[1:] not in kinds:
        raise options.UsageError(
            f"{arguments.output}: the suffix must be one of {', '.join(kinds)}"
        )
    for path in filter(None, (arguments.output, arguments.json)):
        if not Path(path).parent.is_dir():
            raise options.UsageError(f"{path}: the folder does not exist")
        if Path(path).is_dir():
            raise options.UsageError(f"{path}: it is a folder")


def _measure(arguments, bar):
    """The rounds: forward passes that record nothing and, where gradients are asked for, others
    that are gone through backwards. Each kind is warmed up by one that does not count."""
    import numpy as np

    from .. import Tensor, models, no_grad
    from ..backends import array_module
    from .layer_times import LayerTimes

    model = models.build(arguments.model, padding=arguments.padding).eval()
    shape = arguments.batch, 3, *arguments.size
    x = Tensor(64 * np.random.default_rng(0).standard_normal(shape, np.float32))
    bar.update()
    forward, training = LayerTimes(model), LayerTimes(model) if arguments.backward else None
    for number in range(1 + arguments.rounds):
        with no_grad():
            forward.run_forward(x)
        bar.update()
        if training:
            scores = training.run_forward(x)
            training.run_backward(scores, array_module(scores.data).ones_like(scores.data))
            model.zero_grad()
            bar.update()
        if number == 0:
            forward.forget()
            training and training.forget()
    return forward, training


def _result(forward, training, peak: float) -> dict:
    """Layers and totals as numbers with their units in their names."""

    def rate(gflop: float, seconds: float) -> dict:
        done = gflop / seconds
        return {"ms": 1e3 * seconds, "gflops": done, "share_of_peak": done / peak}

    layers = [
        {
            "name": layer.name,
            "output": list(layer.shape),
            "window": layer.window,
            "algorithm": layer.algorithm,
            "multiplications_saved": layer.saving,
            "gflop": layer.flops / GIGA,
            "flop_per_byte": layer.intensity,
            "forward": rate(layer.flops / GIGA, median(layer.forward)),
        }
        for layer in forward.layers
    ]
    work, seconds = sum(layer["gflop"] for layer in layers), median(forward.forward)
    total = {"gflop": work, "forward": rate(work, seconds)}
    rest = {"forward": {"ms": 1e3 * forward.rest("forward")}}
    if training:
        for row, layer in zip(layers, training.layers, strict=True):
            row["backward_gflop"] = layer.flops_backward / GIGA
            row["backward"] = rate(row["backward_gflop"], median(layer.backward))
        total["backward_gflop"] = sum(row["backward_gflop"] for row in layers)
        total["backward"] = rate(total["backward_gflop"], median(training.backward))
        rest["backward"] = {"ms": 1e3 * training.rest("backward")}
    return {"layers": layers, "everything_else": rest, "total": total}


def _text(result: dict) -> list[str]:
    """The lines to print."""
    machine, total = result["machine"], result["total"]
    N, C, H, W = result["input"]
    directions = [name for name in ("forward", "backward") if name in total]
    text = [
        *limits.lines(machine),
        "",
        f"{result['model']}, {result['padding']} padding, {N} x {C} x {H} x {W}, "
        f"{result['backend']} backend; median of {result['rounds']}",
        "",
        *_table(result, directions),
        "",
        {"cpu": NOTES, "cuda": TENSOR_CORES}.get(result["backend"], REFERENCE),
        "",
    ]
    for direction in directions:
        done = total[direction]
        text.append(
            f"{direction:8} {done['ms']:,.1f} ms, {1e3 * N / done['ms']:.3g} images/s, "
            f"{done['gflops']:,.0f} effective GFLOP/s, {done['share_of_peak']:.0%} of peak"
        )
    if len(directions) == 2:
        both = sum(total[direction]["ms"] for direction in directions)
        text.append(f"both     {both:,.1f} ms, {1e3 * N / both:.3g} images/s")
    return text


def _table(result: dict, directions: list[str]) -> list[str]:
    """A line a layer, one for everything else, one for the sum."""
    widths = [max(len(row[key]) for row in result["layers"]) for key in ("window", "algorithm")]
    name = max(len("everything else"), *(len(row["name"]) for row in result["layers"]))

    def line(label, row, output="", window="", algorithm=""):
        text = f"{label:{name}}  {output:16}  {window:{widths[0]}}  {algorithm:{widths[1]}}"
        text += f" {row['gflop']:9.3f}" if "gflop" in row else 10 * " "
        for direction in directions:
            done = row[direction]
            text += f" {done['ms']:9.2f}"
            if "gflops" in done:
                text += f" {done['gflops']:8,.1f} {done['share_of_peak']:7.0%}"
        return text.rstrip()

    head = f"{'layer':{name}}  {'output':16}  {'':{widths[0]}}  {'':{widths[1]}} {'GFLOP':>9}"
    for direction in directions:
        unit = "ms" if direction == "forward" else "back ms"
        head += f" {unit:>9} {'GFLOP/s':>8} {'of peak':>7}"
    rows = [
        line(row["name"], row, " x ".join(map(str, row["output"][1:])), row["window"],
             row["algorithm"])
        for row in result["layers"]
    ]  # fmt: skip
    rest, total = result["everything_else"], result["total"]
    return [head, *rows, line("everything else", rest), line("all", total)]


def _draw(path: str, result: dict) -> None:
    """The roofline with the forward pass of every layer."""
    from .. import viz

    machine, layers = result["machine"], result["layers"]
    N, C, H, W = result["input"]
    peak = machine["peak_gflops"]
    points = [
        (row["name"], row["flop_per_byte"], row["forward"]["gflops"],
         f"{row['window'].split()[0]}, {row['algorithm']}")
        for row in layers
    ]  # fmt: skip
    saved = {
        f"{row['multiplications_saved']:.3g} x peak, {row['algorithm']} on {row['window']}": peak
        * row["multiplications_saved"]
        for row in layers
        if row["multiplications_saved"] > 1
    }
    title = (
        f"{result['model']}, {result['padding']} padding, {N} x {C} x {H} x {W}\n"
        f"{limits.title(machine)}"
    )
    viz.draw_roofline(path, points, peak, machine["memory_gb_per_second"], title, saved)
