"""Forward pass of one net, minifcn beside every peer."""

from . import line, machine, report
from .contest import Result, hold
from .standings import as_data, failed, standings, verdict


def main() -> int:
    parser = line.parser("forward", __doc__)
    line.add_net(parser)
    parser.add_argument("--batch", type=line.positive, default=1)
    parser.add_argument("--classes", type=line.positive, default=21)
    parser.add_argument(
        "--peers",
        type=line.peers,
        default="all",
        help=f"all, none, or some of {', '.join(line.PEERS)}; the first of them is the judge",
    )
    parser.add_argument("--memory", action="store_true", help="show each process's peak memory")
    options = parser.parse_args()
    facts = machine.facts()
    results = contest(
        options.net,
        options.size,
        options.batch,
        options.padding,
        options.classes,
        options.peers,
        options.threads,
        options.rounds,
    )
    H, W = options.size
    title = f"{options.net}, {options.batch} x 3 x {H} x {W}, {options.padding} padding: forward"
    text = standings(results, options.memory)
    print(f"\n{title}\n\n{text}\n\n{verdict(results)}")
    note = f"float32; medians of {options.rounds} interleaved rounds."
    sections = [text, verdict(results), note]
    report.write(options.name, title, facts, sections, {"results": as_data(results)})
    return int(failed(results))


def contest(net, size, batch, padding, classes, peers, threads, rounds) -> list[Result]:
    """The contest of one net; also what ``nets`` calls for each."""
    entries, missing, case = line.forward_entries(
        net, size, batch, padding, classes, peers, threads
    )
    results = hold(entries, rounds, reference=case / "reference.npz")
    skipped = [Result(name, note=f"skipped: {why}") for name, why in missing.items()]
    return results + skipped


if __name__ == "__main__":
    line.end(main)
