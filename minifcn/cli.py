"""The command line: parses, calls, prints."""

import argparse
import os
import sys

from . import commands
from .backends import NAMES

PROGRAM = "minifcn"


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 1 where the run failed, 2 for wrong usage, 130
    where it was interrupted."""
    arguments = parser().parse_args(argv)
    try:
        code = arguments.run(arguments) or 0
        sys.stdout.flush()  # a pipe that was closed shall be found out here, not at exit
        return code
    except KeyboardInterrupt:
        print(f"\n{PROGRAM}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes at exit
        return 1
    except Exception as error:
        if arguments.traceback:
            raise
        text = " ".join(str(error).split()) or type(error).__name__
        print(f"{PROGRAM}: error: {text}", file=sys.stderr)
        return 2 if isinstance(error, commands.UsageError) else 1


class OneLineParser(argparse.ArgumentParser):
    """A parser whose errors are one line, like all others here; --help has the usage."""

    def error(self, message: str):
        self.exit(2, f"{self.prog}: error: {message} (see '{self.prog} --help')\n")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = OneLineParser(
        prog=PROGRAM,
        description="Fully convolutional networks for semantic segmentation, from scratch.",
        epilog=f"'{PROGRAM} COMMAND --help' explains each command.",
    )
    from . import __version__

    top.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    subparsers = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in commands.COMMANDS:
        help_, description = command.__doc__.split("\n\n", 1)
        sub = subparsers.add_parser(
            command.NAME,
            help=" ".join(help_.split()),
            description=help_ + "\n\n" + description.rstrip(),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(sub)
        common = sub.add_argument_group("common options")
        common.add_argument(
            "--backend", choices=NAMES,
            help="where it is computed (default: cpu): by Numba, by NumPy alone (reference), on a "
            "GPU (cuda), or by the GPU's kernels on the processor (emulated, slow)",
        )  # fmt: skip
        common.add_argument("--threads", type=int, metavar="N", help="default: all cores")
        common.add_argument(
            "--traceback", action="store_true", help="show where an error came from"
        )
        sub.set_defaults(run=lambda arguments, command=command: _run(command, arguments))
    return top


def _run(command, arguments) -> int | None:
    from . import backends

    if arguments.backend:
        backends.use_backend(arguments.backend)
    if arguments.threads is not None:
        if arguments.threads < 1:
            raise commands.UsageError(f"--threads must be 1 or more; got {arguments.threads}")
        backends.set_num_threads(arguments.threads)
    return command.run(arguments)


if __name__ == "__main__":
    sys.exit(main())
