"""Peak resident memory of forward and of a training step, minifcn beside PyTorch.

Every number is the largest resident set of a fresh process over its whole life (getrusage's
ru_maxrss): interpreter, libraries, weights, the first call and two more. The processes run one
after another.
"""

from argparse import Namespace

from tqdm import tqdm

from . import line, machine, report
from .environments import Missing
from .process import Worker, WorkerError
from .training_step import training_case, training_entries

WORK = {"forward": "Forward", "training step": "TrainingStep"}


def main() -> int:
    parser = line.parser("memory", __doc__)
    parser.set_defaults(rounds=2)
    line.add_net(parser)
    options = parser.parse_args()
    facts = machine.facts()
    case = training_case(options.net, options.size, 1, options.padding, 21)
    settings = Namespace(**vars(options), classes=21, peers=list(line.TORCH))
    entries = training_entries(case, settings)
    measured: dict[str, dict[str, int | str]] = {}
    with tqdm(total=len(entries) * len(WORK), unit="process") as bar:
        for work, kind in WORK.items():
            for entry in entries:
                bar.set_description(f"{entry.name}, {work}")
                row = measured.setdefault(entry.name, {})
                row[work] = _peak(entry, kind, options.rounds, facts)
                bar.update()
    rows = [[name, *(_cell(row[work]) for work in WORK)] for name, row in measured.items()]
    text = report.table(["peak RSS, MB", *WORK], rows)
    H, W = options.size
    title = f"Memory: {options.net}, 1 x 3 x {H} x {W}, {options.padding} padding"
    print(f"\n{title}\n\n{text}")
    note = "float32. MB are 10^6 bytes. " + __doc__.split("\n\n", 1)[1].strip().replace("\n", " ")
    report.write(options.name, title, facts, [text, note], {"results": measured})
    return int(any(str(v).startswith("failed") for row in measured.values() for v in row.values()))


def _peak(entry, kind: str, rounds: int, facts: dict) -> int | str:
    factory = entry.factory.split(":")[0] + ":" + kind
    settings = dict(entry.settings)
    try:
        with Worker(f"{entry.name} memory", entry.packages, entry.environment) as worker:
            about = worker.ask("start", factory=factory, settings=settings, warm=1)["about"]
            facts[entry.name] = f"{about['version']}, {about['threads']} threads"
            for _ in range(rounds):
                worker.ask("run")
            return worker.ask("peak")["bytes"]
    except Missing as error:
        return f"skipped: {error}"
    except WorkerError as error:
        return f"failed: {error}"


def _cell(value: int | str) -> str:
    return value if isinstance(value, str) else report.megabytes(value)


if __name__ == "__main__":
    line.end(main)
