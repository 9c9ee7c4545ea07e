"""Forward of every net of minifcn.models, alone and in a batch, beside every peer.

Resumable: a contest whose result is in results/nets.json is not held again (--fresh does).
"""

import shutil
import subprocess
import sys

from . import line, machine, report
from .environments import ROOT
from .exports import net_folder
from .forward import contest
from .standings import as_data


def main() -> int:
    parser = line.parser("nets", __doc__)
    parser.set_defaults(rounds=5)
    parser.add_argument("--nets", nargs="+", help="only these nets (default: all)")
    parser.add_argument("--size", type=line.size, default=(500, 500), metavar="HxW")
    parser.add_argument("--batches", nargs="+", type=line.positive, default=[1, 8])
    parser.add_argument("--padding", choices=("reference", "aligned"), default="reference")
    parser.add_argument("--peers", type=line.peers, default="all", help="as for forward")
    parser.add_argument("--fresh", action="store_true", help="forget what was measured before")
    parser.add_argument("--keep", action="store_true", help="keep the exported files (30 GB)")
    options = parser.parse_args()
    facts = machine.facts()
    results = {} if options.fresh else report.read(options.name).get("results", {})
    nets = options.nets or known_nets()
    H, W = options.size
    wrong = False
    for net in nets:
        for batch in options.batches:
            key = f"{net}, {batch} x 3 x {H} x {W}, {options.padding}, {options.threads} threads"
            if key in results and not options.fresh:
                print(f"{key}: kept")
                continue
            print(key)
            settings = (net, options.size, batch, options.padding, 21, options.peers)
            held = contest(*settings, options.threads, options.rounds)
            wrong |= any(r.note and not r.note.startswith("skipped") for r in held)
            results[key] = {"date": facts["date"], "entries": as_data(held)}
            _write(options, facts, results)
        if not options.keep:
            shutil.rmtree(net_folder(net, 21, options.padding), ignore_errors=True)
    _write(options, facts, results)
    print("\n" + table(results))
    return int(wrong)


def known_nets() -> list[str]:
    """minifcn.models.names(), asked in a process of its own: the parent stays small."""
    code = "import minifcn as mf; print(*mf.models.names())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def table(results: dict) -> str:
    """A row a contest: minifcn, every peer, and the fastest peer against minifcn."""
    header = ["net", "minifcn ms", *line.PEERS, "fastest peer", "fastest peer / minifcn"]
    rows = []
    for key, result in results.items():
        medians = {e["name"]: e["median"] for e in result["entries"] if not e["note"]}
        own = medians.pop("minifcn", None)
        best = min(medians, key=medians.get, default="-")
        rows.append(
            [
                key,
                report.milliseconds(own),
                *(report.milliseconds(medians.get(name)) for name in line.PEERS),
                best,
                report.times(medians[best] / own if own and best in medians else None),
            ]
        )
    return report.table(header, rows)


def _write(options, facts: dict, results: dict) -> None:
    notes = [
        f"- {key}: {entry['name']} {entry['note']}"
        for key, result in results.items()
        for entry in result["entries"]
        if entry["note"]
    ]
    for result in results.values():
        for entry in result["entries"]:
            if about := entry["about"]:
                facts[entry["name"]] = f"{about['version']}, {about['threads']} threads"
    sections = [
        table(results),
        *(["\n".join(notes)] if notes else []),
        f"float32; medians of interleaved rounds, {options.rounds} in the last run; ms for the "
        "whole batch. ncnn takes a batch image by image.",
    ]
    report.write(options.name, "Every net, forward", facts, sections, {"results": results})


if __name__ == "__main__":
    line.end(main)
