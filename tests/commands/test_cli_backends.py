"""Commands on every backend: what --backend accepts, and what it says where one cannot run."""

import json

import numpy as np
import pytest
from cli_program import NARROW
from PIL import Image

from minifcn import backends, gpu, io
from minifcn.commands import COMMANDS

FEW = ["--iterations", "2", "--batch-size", "2", "--no-flip"]


def read_losses(folder):
    rows = (folder / "log.csv").read_text().splitlines()[1:]
    return [float(row.split(",")[2]) for row in rows if row.split(",")[2]]


def test_every_command_accepts_every_backend(call):
    for command in COMMANDS:
        code, out, _ = call(command.NAME, "--help")
        assert code == 0
        assert "{" + ",".join(backends.NAMES) + "}" in out.replace("\n", "").replace(" ", "")


def test_a_backend_that_cannot_run_is_one_line(error, monkeypatch, scenes, tmp_path):
    monkeypatch.setattr(gpu, "lacks", lambda: "a GPU, which is missing")
    monkeypatch.setattr("minifcn.kernels.cuda.emulator._compiler", lambda: None)
    for name, message in (
        ("cuda", "minifcn: error: the cuda backend needs a GPU, which is missing\n"),
        ("emulated", "minifcn: error: the emulated backend needs a C++ compiler: install g++, or"),
    ):
        options = ["--data", scenes, "--out", tmp_path / "run", "--backend", name]
        code, text = error("train", *options)
        assert code == 1
        assert text.startswith(message)
        assert not (tmp_path / "run").exists()


def test_info_tells_about_the_gpu(call, monkeypatch):
    monkeypatch.setattr(gpu, "describe", lambda: "one of two words")
    assert "\nGPU: one of two words\n" in call("info")[1]


def test_a_run_on_a_device(call, scenes, tmp_path, device):
    """Trained, continued, measured, and used for photographs: as on the processor."""
    pytest.importorskip("onnx")
    results = {}
    for name in ("reference", device):
        folder, out = tmp_path / name, tmp_path / name / "out"
        where = ["--backend", name]
        code, *_ = call("train", "--data", scenes, *NARROW, *FEW, "--out", folder, *where)
        assert code == 0
        assert call("train", "--resume", folder, *where)[0] == 0
        measures = tmp_path / f"{name}.json"
        options = ["--data", scenes, "--limit", "2", "--json", measures]
        assert call("evaluate", folder, *options, *where)[0] == 0
        photo = sorted(scenes.rglob("*.png"))[0]
        assert call("segment", photo, "--weights", folder, "--out", out, *where)[0] == 0
        assert call("export", folder, "--onnx", out / "net.onnx", *where)[0] == 0
        with Image.open(out / f"{photo.stem}.labels.png") as labels:
            results[name] = json.loads(measures.read_text()), np.asarray(labels)
    losses = [read_losses(tmp_path / name) for name in ("reference", device)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    weights = [
        io.load_checkpoint(tmp_path / name / "last.safetensors").model
        for name in ("reference", device)
    ]
    for name, array in weights[0].items():
        np.testing.assert_allclose(weights[1][name], array, atol=2e-3)
    (wanted, labels), (found, same) = results.values()
    assert found["pixel_accuracy"] == pytest.approx(wanted["pixel_accuracy"], abs=0.01)
    assert (labels == same).mean() > 0.99
