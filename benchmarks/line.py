"""What the commands have in common: their options, the entries of a contest, the end."""

import argparse
import sys

from .contest import Entry
from .exports import ExportError, case_folder, net_folder, prepare

PEERS = ("pytorch", "pytorch-cl", "pytorch-compiled", "onnxruntime", "openvino", "ncnn", "mnn")
TORCH = {
    "pytorch": {"layout": "nchw"},
    "pytorch-cl": {"layout": "channels-last"},
    "pytorch-compiled": {"layout": "channels-last", "compiled": True},
}
# A pool of compiler processes would compete with the others' turns
COMPILER = {"TORCHINDUCTOR_COMPILE_THREADS": "1"}


def parser(name: str, about: str) -> argparse.ArgumentParser:
    """A command's parser with the options that all commands have."""
    made = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=about,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    made.add_argument("--threads", type=positive, default=2, help="threads of every engine")
    made.add_argument("--rounds", type=positive, default=7, help="turns of every contestant")
    made.add_argument("--name", default=name, help="the result is results/NAME.md and .json")
    return made


def add_net(made: argparse.ArgumentParser) -> None:
    """The options that name one net and the image it is given."""
    made.add_argument("--net", default="fcn8s-vgg16", help="a name that minifcn.models knows")
    made.add_argument("--size", type=size, default=(500, 500), metavar="HxW")
    made.add_argument("--padding", choices=("reference", "aligned"), default="reference")


def positive(text: str) -> int:
    """A whole number, 1 or more."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def size(text: str) -> tuple[int, int]:
    """HEIGHTxWIDTH in pixels: "500x500"."""
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdigit() and int(part) for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not HEIGHTxWIDTH")
    return int(parts[0]), int(parts[1])


def peers(text: str) -> list[str]:
    """Names from PEERS with commas between, "all", or "none"."""
    if text in ("all", "none"):
        return list(PEERS) if text == "all" else []
    names = text.split(",")
    if unknown := [name for name in names if name not in PEERS]:
        raise argparse.ArgumentTypeError(f"unknown {unknown[0]!r}; there are {', '.join(PEERS)}")
    return names


def forward_entries(net: str, hw, batch: int, padding: str, classes: int, names, threads: int):
    """(entries, runtime -> why it cannot take part, case folder), all files made."""
    case = case_folder(net_folder(net, classes, padding), hw, batch)
    missing = prepare(case, set(names))
    mine = {"net": net, "classes": classes, "padding": padding}
    entries = []
    for name in names:
        if name in missing:
            continue
        settings = {"case": str(case), "threads": threads, **TORCH.get(name, {})}
        engine = "pytorch" if name in TORCH else name
        package = "torch" if name in TORCH else name
        factory = f"benchmarks.engines.{engine}:Forward"
        entries.append(Entry(name, (package,), factory, settings, COMPILER))
    own = {"case": str(case), "threads": threads, **mine}
    entries.insert(1, Entry("minifcn", ("minifcn",), "benchmarks.engines.minifcn:Forward", own))
    return entries, missing, case


def end(run) -> None:
    """Run a command's main; a known failure is one line on standard error and exit code 1."""
    try:
        sys.exit(run())
    except KeyboardInterrupt:
        sys.exit("interrupted")
    except ExportError as error:
        sys.exit(f"{sys.argv[0].rsplit('/', 1)[-1]}: {error}")
