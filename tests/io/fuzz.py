"""Damaged files, thousands of them, for every reader of weights.

    python tests/io/fuzz.py                          20,000 files for each reader, in minutes
    python tests/io/fuzz.py --reader caffemodel --count 500 --seed 3

A sound file is damaged at random: bits flipped, bytes and lengths (up to 2^63) written over, parts
cut out, doubled, moved, taken from another sound file, the end cut off. A reader must either read
it or raise WeightsError; in a second, in 200 MB more than it had, and without crashing. It works
in a process of its own whose memory is limited, so that a crash is counted and the rest goes on.
What failed is kept in --keep FOLDER. Exit code 1 where anything did.
"""

import argparse
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import numpy as np
from mutations import damaged

SEED, COUNT = 20, 20_000
SECONDS, MEMORY = 1.0, 200 << 20
STUCK = 3  # seconds after which a reader is killed


class Reader:
    """A reader with sound files to damage. read(path) returns the arrays it found."""

    def __init__(self, suffix: str, samples: Callable, read: Callable):
        self.suffix, self.samples, self.read = suffix, samples, read


def _safetensors(folder: Path) -> Iterator[Path]:
    from minifcn.io import save_checkpoint, save_tensors

    rng = np.random.default_rng(0)
    arrays = {"a.weight": rng.random((3, 2, 1, 2), np.float32), "b": np.arange(5)}
    save_tensors(folder / "plain", arrays, {"about": "a text"})
    half = {"h": rng.random(6).astype(np.float16)}
    save_checkpoint(folder / "checkpoint", half, {"m": np.zeros(3)}, {"model": {"name": "x"}})
    yield from (folder / "plain", folder / "checkpoint")


def _caffemodel(folder: Path) -> Iterator[Path]:
    import caffe_messages as messages

    net, rng = messages.classes()["NetParameter"], np.random.default_rng(0)
    weight = {"data": rng.random(54).tolist()}
    new = weight | {"shape": {"dim": [2, 3, 3, 3]}}
    old = weight | {"num": 2, "channels": 3, "height": 3, "width": 3}
    doubles = {"double_data": [0.5, -1.0], "shape": {"dim": [2]}, "diff": [1.0] * 4}
    layers = [{"name": "conv1", "type": "Convolution", "blobs": [new, doubles]}]
    layers += [{"name": "relu1", "type": "ReLU", "bottom": ["conv1"], "top": ["conv1"]}]
    v1 = [{"name": "conv1", "type": messages.V1_CONVOLUTION, "blobs": [old]}]
    for name, message in (("new", net(name="n", layer=layers)), ("old", net(name="n", layers=v1))):
        (folder / name).write_bytes(message.SerializeToString())
        yield folder / name


def _prototxt(folder: Path) -> Iterator[Path]:
    import prototxt

    from minifcn import models, nn

    with nn.init.without_values():
        nets = [(models.build("lenet"), True), (models.build("fcn16s-mini", 2), False)]
        texts = [prototxt.definition(net, v1).replace("CLASSES", "2") for net, v1 in nets]
    loss = 'layer { name: "l" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "l" }'
    for i, text in enumerate([*texts, texts[1] + loss]):
        (folder / str(i)).write_text(text)
        yield folder / str(i)


def _pytorch(folder: Path) -> Iterator[Path]:
    from pytorch_writer import Call, tensor, write_legacy, write_zip

    rng = np.random.default_rng(0)
    array = rng.random((2, 3, 2, 1), np.float32)
    state = {"a.weight": tensor(array), "a.bias": tensor(np.arange(4), shape=(2,), offset=1)}
    nested = {"epoch": 3, "state_dict": {**state, "half": tensor(np.ones(3, np.float16))}}
    hostile = {"a": tensor(array), "b": Call("os.mkdir", str(folder / "ran"))}
    for i, value in enumerate((state, nested, hostile)):
        yield write_zip(folder / f"zip{i}", value, (2, 4, 2)[i])
        yield write_legacy(folder / f"legacy{i}", value)


def _keras(folder: Path) -> Iterator[Path]:
    import h5py
    from keras_files import BIAS, DENSE, KERNEL, keras2, keras3, plain

    layers = {"conv": plain("conv", KERNEL, BIAS), "fc": plain("fc", DENSE)}
    with h5py.File(folder / "two", "w") as file:
        keras2(file, layers)
    with h5py.File(folder / "packed", "w") as file:
        keras2(file, layers, chunks=True, compression="gzip")
    with h5py.File(folder / "three", "w") as file:
        keras3(file, {"layers/conv": ("conv", [KERNEL, BIAS])})
    yield from (folder / name for name in ("two", "packed", "three"))


def _read_weights(path: Path) -> dict:
    from minifcn.io import load_weights

    return load_weights(path).arrays


def _read_definition(path: Path) -> dict:
    """Built without values: a short text may rightly ask for large layers."""
    from minifcn import nn
    from minifcn.io import load_definition

    with nn.init.without_values():
        return load_definition(path).net.state_dict() and {}


def _read(module: str, name: str) -> Callable[[Path], dict]:
    """The reader itself: ``load_weights`` would refuse most files for their first bytes."""

    def read(path):
        import importlib

        return getattr(importlib.import_module(f"minifcn.io.{module}"), name)(path)

    return read


def _read_keras(path: Path) -> dict:
    """``load_keras`` with a fork of this process for its child, which would take 0.15 s to start:
    the same program reads the file, under the same limits."""
    from minifcn.io import keras

    with mock.patch.object(keras, "_child_process", _forked):
        return keras.load_keras(path)


def _forked(path: str, output) -> tuple[int, bytes]:
    from minifcn.io import keras_child

    with tempfile.TemporaryFile() as errors:
        child = os.fork()
        if child == 0:
            os.dup2(output.fileno(), 1)
            signal.alarm(0)
            sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - until the process ends
            text = keras_child.reason(path)
            if text:
                os.write(errors.fileno(), text.encode())
            else:
                sys.stdout.flush()
            os._exit(1 if text else 0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        errors.seek(0)
        return status, errors.read()


def _read_tensors(path: Path) -> dict:
    from minifcn.io import load_tensors

    return load_tensors(path, mapped=True)[0]


def _text(folder: Path) -> Iterator[Path]:
    (folder / "text").write_text("text")
    yield folder / "text"


def _misbehave(path: Path) -> dict:
    """A reader that goes wrong as it is told, but for the sound file; for test_fuzz.py."""
    from minifcn.io import WeightsError

    way = os.environ["FUZZ_MISBEHAVE"] if path.read_bytes() != b"text" else "0"
    if way == "1":
        raise WeightsError(f"{path}: refused")
    if way == "2":
        raise WeightsError("no name")
    if way == "3":
        raise KeyError(way)
    if way == "4":
        return {"a": np.zeros(MEMORY // 4)}
    if way in "57":
        time.sleep(1.2 * SECONDS if way == "5" else 100)
    if way == "6":
        os.abort()
    return {"a": np.ones(3)}


READERS = {
    "safetensors": Reader(".safetensors", _safetensors, _read_tensors),
    "weights": Reader(".safetensors", _safetensors, _read_weights),
    "caffemodel": Reader(".caffemodel", _caffemodel, _read("caffe", "load_caffemodel")),
    "prototxt": Reader(".prototxt", _prototxt, _read_definition),
    "pytorch": Reader(".pth", _pytorch, _read("pytorch", "load_pytorch")),
    "keras": Reader(".h5", _keras, _read_keras),
}
ALL = READERS | {"misbehaving": Reader("", _text, _misbehave)}


def attempt(read: Callable, path: Path) -> tuple[str, str]:
    """("read" | "refused" | what is wrong, details) of one file."""
    from minifcn.io import WeightsError

    started = time.perf_counter()
    try:
        arrays = read(path)
        with np.errstate(all="ignore"):
            for array in arrays.values():
                array.sum()  # every value is there
        outcome, details = "read", ""
    except WeightsError as error:
        text = str(error)
        sound = text.startswith(f"{path}: ") and "\n" not in text
        outcome, details = ("refused", text) if sound else ("an error that is no sentence", text)
    except MemoryError:
        outcome, details = f"more than {MEMORY >> 20} MB", traceback.format_exc()
    except Exception as error:
        outcome, details = f"another error: {type(error).__name__}", traceback.format_exc()
    seconds = time.perf_counter() - started
    if seconds > SECONDS:
        outcome, details = "too slow", f"{seconds:.1f} s; {details}"
    return outcome, details


def _work(reader: str, seed: int, first: int, last: int, folder: str, pipe) -> None:
    """Files first to last - 1 of a reader; sends (number, outcome, details) of each."""
    read, suffix = ALL[reader].read, ALL[reader].suffix
    samples = [path.read_bytes() for path in sorted(Path(folder, "samples").iterdir())]
    path = Path(folder, f"damaged{suffix}")
    for sample in samples:  # imports what there is to import, before memory is limited
        path.write_bytes(sample)
        attempt(read, path)
    with open("/proc/self/statm") as file:
        most = int(file.read().split()[0]) * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    for number in range(first, last):
        rng = np.random.default_rng((seed, number))
        content = damaged(samples[number % len(samples)], samples, rng)
        path.unlink()  # an array of the file before may still be mapped
        path.write_bytes(content)
        pipe.send((number, None, None))
        signal.alarm(STUCK)
        outcome = attempt(read, path)
        signal.alarm(0)
        pipe.send((number, *outcome))
    pipe.send(None)


def fuzz(
    reader: str, count: int, seed: int = SEED, keep: Path | None = None, show=None
) -> Counter:
    """Outcome -> number of damaged files. keep: a folder for those that failed; show(number) is
    called after each."""
    outcomes, number = Counter(), 0
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "samples").mkdir()
        for sample in ALL[reader].samples(Path(folder, "samples")):
            assert attempt(ALL[reader].read, sample)[0] in ("read", "refused"), sample
        while number < count:
            ours, theirs = context.Pipe(duplex=False)
            arguments = reader, seed, number, count, folder, theirs
            child = context.Process(target=_work, args=arguments)
            child.start()
            theirs.close()
            begun = number
            try:
                while (message := ours.recv()) is not None:
                    begun, outcome, details = message
                    if outcome is None:
                        continue
                    _note(outcomes, reader, begun, outcome, details, folder, keep)
                    number = begun + 1
                    if show:
                        show(number)
            except EOFError:
                child.join()
                crash = f"crashed or stuck (exit code {child.exitcode})"
                _note(outcomes, reader, begun, crash, "", folder, keep)
                number = begun + 1
            child.join()
            if message is None:
                break
    return outcomes


def _note(outcomes, reader, number, outcome, details, folder, keep) -> None:
    outcomes[outcome] += 1
    if keep and outcome not in ("read", "refused"):
        keep.mkdir(parents=True, exist_ok=True)
        suffix = ALL[reader].suffix
        content = Path(folder, f"damaged{suffix}").read_bytes()
        (keep / f"{reader}{number}{suffix}").write_bytes(content)
        (keep / f"{reader}{number}.txt").write_text(f"{outcome}\n{details}")


def main() -> int:
    from tqdm import tqdm

    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--reader", choices=READERS, nargs="+", default=list(READERS))
    parser.add_argument("--count", type=int, default=COUNT, help=f"default: {COUNT}")
    parser.add_argument("--seed", type=int, default=SEED, help=f"default: {SEED}")
    parser.add_argument("--keep", type=Path, help="where to keep files that failed")
    options = parser.parse_args()
    failed = False
    for reader in options.reader:
        started = time.perf_counter()
        with tqdm(total=options.count, desc=reader, disable=None, leave=False) as bar:
            show = lambda number, bar=bar: bar.update(number - bar.n)  # noqa: E731
            found = fuzz(reader, options.count, options.seed, options.keep, show)
        wrong = sum(n for outcome, n in found.items() if outcome not in ("read", "refused"))
        failed |= wrong > 0
        parts = ", ".join(f"{n:,} {outcome}" for outcome, n in found.most_common())
        seconds = time.perf_counter() - started
        print(f"{reader}: {sum(found.values()):,} files, seed {options.seed}: {parts}; "
              f"{seconds:.0f} s", flush=True)  # fmt: skip
    return int(failed)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    sys.exit(main())
