"""Checkpoints: everything comes back exactly, and the old one survives a failed save."""

import errno
import math
import os

import numpy as np
import pytest

from minifcn.io.checkpoint import load_checkpoint, save_checkpoint
from minifcn.io.kinds import WeightsError
from minifcn.io.tensors import load_tensors, save_tensors

rng = np.random.default_rng(0)
MODEL = {
    "conv1_1.weight": rng.random((4, 3, 3, 3), dtype=np.float32),
    "conv1_1.bias": np.zeros(4, np.float32),
    "score_fr.weight": np.array([[np.nan, -0.0, np.inf]]),
    "half": np.array([1.5], np.float16),
}
SOLVER = {"conv1_1.weight": rng.random((4, 3, 3, 3), dtype=np.float32), "step": np.array(7)}


def assert_same(got, wanted):
    assert list(got) == list(wanted)
    for name, array in wanted.items():
        assert (got[name].dtype, got[name].shape) == (array.dtype, array.shape)
        assert got[name].tobytes() == array.tobytes()


def test_round_trip_is_exact(tmp_path):
    info = {
        "epoch": 3,
        "best": {"mean_iu": 0.1 + 0.2, "tiny": 5e-324},
        "rng": np.random.default_rng(5).bit_generator.state,  # integers of 128 bits
        "config": {"name": "fcn8s-vgg16 ü", "steps": [1, 2.5, None, True], "empty": {}},
    }
    model = {n: MODEL[n] for n in sorted(MODEL, key=lambda n: -MODEL[n].itemsize)}
    save_checkpoint(tmp_path / "c", model, SOLVER, info)
    got = load_checkpoint(tmp_path / "c")
    assert_same(got.model, model)
    assert_same({n: got.solver[n] for n in SOLVER}, SOLVER)
    assert got.info == info


def test_a_generator_continues_where_it_was(tmp_path):
    generator = np.random.default_rng(5)
    generator.random(3)
    save_checkpoint(tmp_path / "c", {}, {}, {"rng": generator.bit_generator.state})
    restored = np.random.default_rng()
    restored.bit_generator.state = load_checkpoint(tmp_path / "c").info["rng"]
    np.testing.assert_array_equal(restored.random(5), generator.random(5))


def test_nan_and_infinite_scores_survive(tmp_path):
    save_checkpoint(tmp_path / "c", {}, {}, {"best": math.nan, "low": -math.inf})
    info = load_checkpoint(tmp_path / "c").info
    assert math.isnan(info["best"])
    assert info["low"] == -math.inf


def test_numpy_numbers_and_tuples_become_plain(tmp_path):
    info = {"a": np.float32(0.5), "b": np.int64(3), "c": (1, (2,)), "d": np.bool_(True)}
    save_checkpoint(tmp_path / "c", {}, {}, info)
    got = load_checkpoint(tmp_path / "c").info
    assert got == {"a": 0.5, "b": 3, "c": [1, [2]], "d": True}
    assert [type(v) for v in got.values()] == [float, int, list, bool]


def test_a_checkpoint_is_also_plain_weights(tmp_path):
    save_checkpoint(tmp_path / "c", MODEL, SOLVER, {})
    tensors, _ = load_tensors(tmp_path / "c")
    assert {n for n in tensors if not n.startswith("solver.")} == set(MODEL)


def test_equal_states_give_equal_files(tmp_path):
    for name in "ab":
        save_checkpoint(tmp_path / name, MODEL, SOLVER, {"epoch": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_check_finite_names_the_array(tmp_path):
    with pytest.raises(ValueError, match=r"score_fr\.weight has 2 of 3 values"):
        save_checkpoint(tmp_path / "c", MODEL, SOLVER, {}, check_finite=True)
    with pytest.raises(ValueError, match=r"solver\.v has 1 of 2"):
        save_checkpoint(tmp_path / "c", {}, {"v": np.array([1, np.inf])}, {}, check_finite=True)
    assert not (tmp_path / "c").exists()
    save_checkpoint(tmp_path / "c", {"n": np.arange(3)}, SOLVER, {}, check_finite=True)
    assert_same(load_checkpoint(tmp_path / "c").model, {"n": np.arange(3)})


@pytest.mark.parametrize(
    ("info", "text"),
    [
        ({"a": {"b": [0, {1, 2}]}}, r"info\['a'\]\['b'\]\[1\] is a set"),
        ({"a": np.zeros(3)}, r"info\['a'\] is a ndarray"),
        ({"a": {3: 1}}, r"info\['a'\] has the key 3"),
    ],
)
def test_info_that_would_not_come_back(tmp_path, info, text):
    with pytest.raises(TypeError, match=text):
        save_checkpoint(tmp_path / "c", {}, {}, info)
    assert list(tmp_path.iterdir()) == []


def test_a_model_may_not_use_the_prefix(tmp_path):
    with pytest.raises(ValueError, match=r"solver\.x"):
        save_checkpoint(tmp_path / "c", {"solver.x": np.zeros(1)}, {}, {})


def test_plain_weights_are_no_checkpoint(tmp_path):
    save_tensors(tmp_path / "plain", MODEL)
    with pytest.raises(WeightsError, match="plain: holds weights but not the state"):
        load_checkpoint(tmp_path / "plain")


def test_damaged_state(tmp_path):
    save_tensors(tmp_path / "c", MODEL, {"minifcn.checkpoint": "{"})
    with pytest.raises(WeightsError, match="c: damaged checkpoint state"):
        load_checkpoint(tmp_path / "c")


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failed_save_keeps_the_previous_checkpoint(tmp_path, monkeypatch, call):
    path = tmp_path / "c"
    save_checkpoint(path, MODEL, SOLVER, {"epoch": 1})

    def full(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="the disk is full"):
        save_checkpoint(path, MODEL, SOLVER, {"epoch": 2})
    assert load_checkpoint(path).info == {"epoch": 1}
    assert list(tmp_path.iterdir()) == [path]
