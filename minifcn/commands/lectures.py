"""Make slides of the tutorials, or check that they can be made.

  minifcn lectures build
  minifcn lectures build -o slides 03 04
  minifcn lectures check

Each tutorial NN_topic.ipynb becomes one HTML file that needs no network: its marked cells are the
slides, with speaker notes (key s), an overview (o), both colour schemes (d) and a print view (p);
the key ? shows all keys. index.html is the list of them. With numbers, only these are made, and no
index.
"""

import argparse

from .options import UsageError

NAME = "lectures"
OUT = "build/lectures"


def add_arguments(parser) -> None:
    """The two actions, and the options of each."""
    actions = parser.add_subparsers(
        title="actions", metavar="ACTION", dest="action", required=True
    )
    for name, help_ in (("build", "write the slides"), ("check", "read all of it, write nothing")):
        action = actions.add_parser(name, help=help_, description=f"Slides: {help_}.")
        add = action.add_argument
        add("numbers", nargs="*", type=_number, metavar="NN", help="default: all tutorials")
        add("--tutorials", default="tutorials", metavar="DIR",
            help="the folder of NN_topic.ipynb (default: tutorials)")  # fmt: skip
        if name == "build":
            add("-o", "--out", default=OUT, metavar="DIR", help=f"default: {OUT}")
        add("--traceback", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def run(arguments) -> int:
    """Read, render, write, and say what there is."""
    from ..lectures import build

    out = arguments.out if arguments.action == "build" else None
    if out == "":
        raise UsageError("--out is empty")
    built = build(arguments.tutorials, out, arguments.numbers)
    for page in built.pages:
        size = len(page.html.encode()) / 1e3
        print(f"{page.lecture.page}: {page.slides} slides, {size:.0f} kB")
    if out is not None:
        print(f"{out}: {len(built.files)} files")
    return 0


def _number(text: str) -> str:
    if not (text.isascii() and text.isdigit() and len(text) <= 2):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of a tutorial, such as 03")
    return text.zfill(2)
