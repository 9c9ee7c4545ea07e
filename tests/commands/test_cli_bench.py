"""minifcn bench: what it counts, prints and writes."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from minifcn import Tensor, backends, geometry, gpu, models, nn, no_grad
from minifcn.commands import limits
from minifcn.commands.layer_times import LayerTimes

SMALL = ["fcn32s-mini", "--size", "64x48", "--rounds", "2"]


@pytest.fixture(autouse=True)
def _brief(monkeypatch, tmp_path):
    """The machine is measured in an instant, and pictures go to an empty folder."""
    from minifcn.kernels.cpu import peak

    most, memory = peak.peak, peak.bandwidth
    monkeypatch.setattr(peak, "peak", lambda: most(seconds=0.005))
    monkeypatch.setattr(peak, "bandwidth", lambda: memory(0.005, 2**22))
    monkeypatch.chdir(tmp_path)
    threads = backends.get_num_threads()
    yield
    backends.set_num_threads(threads)


def rows(out):
    """First words of a table's lines -> the rest of them."""
    lines = out[out.index("layer ") :].split("\n\n")[0].splitlines()
    return {re.split(r"\s{2,}", line)[0]: re.split(r"\s{2,}", line)[1:] for line in lines[1:]}


def test_prints_a_table_and_writes_picture_and_numbers(call, tmp_path):
    code, out, err = call("bench", *SMALL, "--json", "b.json", "--threads", "1")
    assert (code, err) == (0, "")
    assert "1 thread on" in out
    assert re.search(
        r"^float32 peak +[\d,]+ GFLOP/s with 1 thread, [\d,]+ with one core$", out, re.M
    )
    assert re.search(
        r"^memory +read [\d.]+, write [\d.]+, copy [\d.]+ GB/s, arrays of 4 M", out, re.M
    )
    assert "fcn32s-mini, aligned padding, 1 x 3 x 64 x 48, cpu backend; median of 2" in out
    assert "may exceed 100%" in out
    table = rows(out)
    convolutions = [f"conv{i}" for i in range(1, 6)] + ["fc6", "fc7", "score_fr"]
    assert list(table) == [*convolutions, "everything else", "all"]
    assert table["conv1"][:3] == ["24 x 64 x 48", "3x3", "direct"]
    assert out.splitlines()[-1] == "wrote bench.png, b.json"
    with Image.open(tmp_path / "bench.png") as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 400
    result = json.loads((tmp_path / "b.json").read_text())
    assert (result["model"], result["input"], result["rounds"]) == (
        "fcn32s-mini",
        [1, 3, 64, 48],
        2,
    )
    assert result["machine"]["threads"] == 1
    assert [layer["name"] for layer in result["layers"]] == convolutions
    assert "backward" not in result["total"]


def test_numbers_fit_together(call, tmp_path):
    options = ["--batch", "2", "--padding", "reference", "--backward", "--json", "b.json"]
    assert call("bench", *SMALL, *options)[0] == 0
    result = json.loads((tmp_path / "b.json").read_text())
    layers, total, peak = result["layers"], result["total"], result["machine"]["peak_gflops"]
    model = models.build("fcn32s-mini", padding="reference")
    traced = geometry.trace(model, (64, 48), batch=2)
    assert 1e9 * total["gflop"] == pytest.approx(2 * sum(row.macs for row in traced.rows))
    for layer in layers:
        row = traced[layer["name"]]
        assert 1e9 * layer["gflop"] == pytest.approx(2 * row.macs)
        assert layer["output"] == list(row.shape)
        # Nobody wants the gradient of the image
        gradients = 1 if layer["name"] == "conv1" else 2
        assert layer["backward_gflop"] == pytest.approx(gradients * layer["gflop"])
    for direction, work in (("forward", "gflop"), ("backward", "backward_gflop")):
        assert total[work] == pytest.approx(sum(layer[work] for layer in layers))
        assert result["everything_else"][direction]["ms"] > 0
        for row in (*layers, total):
            done = row[direction]
            assert done["gflops"] == pytest.approx(row[work] / done["ms"] * 1e3)
            assert done["share_of_peak"] == pytest.approx(done["gflops"] / peak)


def test_operations_and_bytes_by_hand():
    net = nn.Net()
    net.add("a", nn.Conv2d(4, 6, (3, 5), stride=(2, 1), groups=2))
    net.add("r", nn.ReLU())
    net.add("up", nn.ConvTranspose2d(6, 2, 2, 2, weight_init=nn.init.he_normal))
    net.add("flat", nn.Flatten())
    net.add("fc", nn.Linear(2 * 6 * 10, 5))
    times = LayerTimes(net)
    x = Tensor(np.ones((7, 4, 7, 9), np.float32))
    with no_grad():
        times.run_forward(x)
        times.run_forward(x)
    a, up, fc = times.layers
    assert [layer.name for layer in times.layers] == ["a", "up", "fc"]
    assert [layer.window for layer in times.layers] == ["3x5 /2x1", "2x2 /2", "all"]
    assert a.shape == (7, 6, 3, 5)
    assert a.flops == 2 * 7 * 6 * 3 * 5 * (2 * 3 * 5)
    assert a.bytes == 4 * (7 * 4 * 7 * 9 + 6 * 2 * 3 * 5 + 6 + 7 * 6 * 3 * 5)
    assert up.flops == 2 * 7 * (6 * 3 * 5) * (2 * 2 * 2)
    assert fc.flops == 2 * 7 * 120 * 5
    assert fc.intensity == fc.flops / (4 * (7 * 120 + 120 * 5 + 5 + 7 * 5))
    assert all(len(layer.forward) == 2 for layer in (times, *times.layers))
    assert min(times.forward) > times.rest("forward") > 0
    times.forget()
    assert times.forward == a.forward == []


def test_gradients_are_counted_where_they_are_computed():
    net = nn.Net()
    net.add("a", nn.Conv2d(2, 3, 3))
    net.add("b", nn.Conv2d(3, 4, 1))
    net.add("c", nn.Conv2d(4, 1, 1))
    net["b"].weight.requires_grad = False
    times = LayerTimes(net)
    scores = times.run_forward(Tensor(np.ones((1, 2, 8, 8), np.float32)))
    times.run_backward(scores, np.ones_like(scores.data))
    shares = [layer.flops_backward / layer.flops for layer in times.layers]
    assert shares == [1, 1, 2]
    assert sum(sum(layer.backward) for layer in times.layers) < times.backward[0]


def test_the_algorithm_is_the_one_that_runs(monkeypatch):
    from minifcn.kernels.cpu import conv

    layer = nn.Conv2d(64, 64, 3, padding=1)
    x = Tensor(np.ones((1, 64, 40, 40), np.float32))
    for name, algorithm, saving in (("winograd", "Winograd 4x4", 4), ("direct", "direct", 1)):
        monkeypatch.setattr(conv, "_algorithm", name)
        times = LayerTimes(layer)
        with no_grad():
            times.run_forward(x)
        assert (times.layers[0].algorithm, times.layers[0].saving) == (algorithm, saving)
        assert times.layers[0].flops == 2 * 64 * 64 * 9 * 40 * 40


def test_the_reference_backend(call, tmp_path):
    code, out, _ = call("bench", *SMALL, "--rounds", "1", "--backend", "reference")
    assert code == 0
    assert rows(out)["conv1"][2] == "reference"
    assert "not made for speed" in out
    assert (tmp_path / "bench.png").exists()


def test_the_instruction_set_in_use_is_named(call):
    from minifcn.kernels.cpu import isa

    before = isa.current().name
    try:
        isa.set_isa("portable")
        assert "instructions portable" in call("bench", *SMALL, "--rounds", "1")[1]
    finally:
        isa.set_isa(before)


def test_a_disturbed_measurement_says_so(call, monkeypatch):
    from minifcn.kernels.cpu import peak

    for granted, said in ((0.95, False), (0.6, True)):
        monkeypatch.setattr(peak, "peak", lambda g=granted: peak.Peak(1e9, 2e9, g))
        out = call("bench", *SMALL, "--rounds", "1")[1]
        assert ("Other programs took 40% of the cores" in out) == said


def test_the_limits_of_a_gpu(call, monkeypatch, tmp_path):
    """Those of an H100 by its clocks, above what the processor computed."""
    known = gpu.Limits("NVIDIA H100", 132, 66.9e12, 3.35e12)
    monkeypatch.setattr(gpu, "limits", lambda: known)
    monkeypatch.setattr(backends, "current_device", lambda: "cuda")
    code, out, _ = call("bench", *SMALL, "--json", "b.json", "--backward")
    assert code == 0
    assert out.splitlines()[:3] == [
        "NVIDIA H100: 132 multiprocessors",
        "float32 peak  66,900 GFLOP/s, without tensor cores",
        "memory        3,350 GB/s",
    ]
    result = json.loads((tmp_path / "b.json").read_text())
    layer = result["layers"][0]["forward"]
    assert layer["share_of_peak"] == pytest.approx(layer["gflops"] / 66900)
    assert (tmp_path / "bench.png").exists()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["fcn8-vgg16"], "unknown model 'fcn8-vgg16': did you mean fcn8s-vgg16?"),
        (["--size", "big"], "'big' is no size: HEIGHTxWIDTH"),
        (["--batch", "0"], "'0' is not a whole number of 1 or more"),
        (["--rounds", "x"], "'x' is not a whole number of 1 or more"),
        (["--padding", "none"], "invalid choice: 'none'"),
        (["--output", "bench.bmpp"], "bench.bmpp: the suffix must be one of"),
        (["--output", "no/bench.png"], "no/bench.png: the folder does not exist"),
        (["--json", "no/b.json"], "no/b.json: the folder does not exist"),
        (["--json", "."], ".: it is a folder"),
        (["--backend", "emulated"], "the emulated backend is not made for speed: bench measures"),
    ],
)
def test_wrong_use_is_found_before_anything_is_measured(
    error, argv, message, monkeypatch, tmp_path
):
    monkeypatch.setattr(limits, "facts", lambda bar: pytest.fail("it measures"))
    code, text = error("bench", *argv)
    assert code == 2
    assert message in text
    assert list(tmp_path.iterdir()) == []


def test_without_numba_it_says_so(error, monkeypatch):
    import importlib.util

    with monkeypatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda name: None)
        code, text = error("bench", *SMALL, "--backend", "reference")
    assert code == 1
    assert "needs Numba" in text
