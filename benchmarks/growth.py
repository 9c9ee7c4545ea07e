"""How minifcn's time grows: with pixels, with the batch, with threads. Forward of one net, aligned
padding, no peers. The result is written after every case: a run that is cut off keeps what it has.
"""

import statistics

from tqdm import tqdm

from . import line, machine, report
from .exports import case_folder, net_folder
from .process import Worker, WorkerError

HEADER = ["image", "batch", "threads", "ms", "ns / pixel", "/ at 512 x 512", "threads' speed-up"]


def main() -> int:
    parser = line.parser("growth", __doc__)
    parser.set_defaults(rounds=5)
    parser.add_argument("--net", default="fcn8s-vgg16", help="a name that minifcn.models knows")
    parser.add_argument(
        "--sides", nargs="+", type=line.positive, default=[128, 256, 512, 768, 1024, 1536, 2048]
    )
    parser.add_argument("--batches", nargs="+", type=line.positive, default=[1, 2, 4, 8, 16])
    parser.add_argument(
        "--most", type=line.positive, default=2048**2, help="largest batch, in pixels"
    )
    options = parser.parse_args()
    facts = machine.facts()
    net = net_folder(options.net, 21, "aligned")
    work = [
        (side, batch)
        for side in options.sides
        for batch in options.batches
        if side * side * batch <= options.most
    ]
    threads = sorted({1, options.threads})
    results, notes = {}, []
    for side, batch in tqdm(work, unit="case"):
        try:
            medians = _case(net, options, side, batch, threads)
            results.update({(side, batch, n): median for n, median in medians.items()})
        except WorkerError as error:
            notes.append(f"- {side} x {side}, batch {batch}: failed: {error}")
        sections = _write(options, facts, results, notes, threads)
    print("\n" + "\n\n".join(sections))
    return int(bool(notes))


def _write(options, facts: dict, results: dict, notes: list[str], threads: list[int]) -> list[str]:
    """What was measured so far, as files; returns the title and the sections."""
    text = report.table(HEADER, [_row(key, results, threads) for key in results])
    title = f"Growth: {options.net}, aligned padding, forward"
    sections = [text, *(["\n".join(notes)] if notes else []), _verdict(results, threads)]
    sections.append(f"float32; medians of {options.rounds} rounds, thread counts interleaved.")
    data = [
        {"side": side, "batch": batch, "threads": n, "seconds": seconds}
        for (side, batch, n), seconds in results.items()
    ]
    report.write(options.name, title, facts, sections, {"results": data})
    return [title, *sections]


def _case(net, options, side: int, batch: int, threads: list[int]) -> dict[int, float]:
    """Threads -> median seconds; a process for each number of threads, in turns."""
    case = case_folder(net, (side, side), batch)
    common = {"case": str(case), "net": options.net, "classes": 21, "padding": "aligned"}
    workers, seconds = {}, {n: [] for n in threads}
    try:
        for n in threads:
            workers[n] = Worker(f"minifcn {n} threads")
            settings = {**common, "threads": n}
            factory = "benchmarks.engines.minifcn:Forward"
            workers[n].ask("start", factory=factory, settings=settings, least=0.05)
        for _ in range(options.rounds):
            for n, worker in workers.items():
                seconds[n].append(worker.ask("run")["seconds"])
    finally:
        for worker in workers.values():
            worker.close()
        (case / "input.npy").unlink(missing_ok=True)  # up to 50 MB, made again at once
    return {n: statistics.median(times) for n, times in seconds.items()}


def per_pixel(results: dict, side: int, batch: int, n: int) -> float | None:
    """Seconds for a pixel of the batch, None where it was not measured."""
    seconds = results.get((side, batch, n))
    return seconds / (side * side * batch) if seconds else None


def _row(key, results: dict, threads: list[int]) -> list[str]:
    side, batch, n = key
    own, base = per_pixel(results, *key), per_pixel(results, 512, 1, n)
    alone = results.get((side, batch, 1))
    return [
        f"{side} x {side}",
        str(batch),
        str(n),
        report.milliseconds(results[key]),
        f"{own * 1e9:.0f}",
        report.times(own / base if base else None),
        report.times(alone / results[key] if alone and n > 1 else None),
    ]


def _verdict(results: dict, threads: list[int]) -> str:
    """The range of time per pixel from 512 x 512 up, and of the threads' speed-up."""
    most = threads[-1]
    large = [per_pixel(results, *key) for key in results if key[0] >= 512 and key[2] == most]
    parts = []
    if large:
        spread = max(large) / min(large) - 1
        parts.append(f"Time per pixel from 512 x 512 up differs by {spread:.0%}.")
    gains = [
        results[s, b, 1] / t for (s, b, n), t in results.items() if n == most > 1 and s >= 512
    ]
    if gains:
        low, high = min(gains), max(gains)
        parts.append(f"There {most} threads are {low:.2f} to {high:.2f} times as fast as one.")
    return " ".join(parts) or "Nothing of 512 x 512 or more was measured."


if __name__ == "__main__":
    line.end(main)
