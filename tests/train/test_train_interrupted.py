"""Runs that are cut off: what is on the disk stays sound, and continuing gives the same run."""

import errno
import os

import numpy as np
import pytest
from small_runs import SPEC, Squares, assert_same_weights, log_rows, trainer, weights

from minifcn import data, rng, train, use_backend
from minifcn.backends import device_of
from minifcn.io import WeightsError, load_checkpoint
from minifcn.train import trainer as loop


@pytest.fixture(autouse=True, scope="module")
def _no_pictures():
    """Drawn at the end of every run, and looked at elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train.Trainer, "draw", lambda self: None)
        yield


class Interrupting:
    """A transform that flips, and is interrupted at its n-th call."""

    def __init__(self, n, error=KeyboardInterrupt):
        self.left, self.error, self.flip = n, error, data.HorizontalFlip()

    def __call__(self, image, label, generator):
        self.left -= 1
        if self.left == 0:
            raise self.error
        return self.flip(image, label, generator)


class InterruptingSquares(Squares):
    """A validation set that is interrupted at its n-th picture."""

    def __init__(self, n):
        super().__init__(2, seed=9)
        self.left = n

    def __getitem__(self, i):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return super().__getitem__(i)


def cut_off(folder, *, at=None, during_validation=None, workers=0, **options):
    """A run that ends with Ctrl-C at its at-th image or, while validating, at that picture."""
    transform = Interrupting(at) if at else data.HorizontalFlip()
    if during_validation:
        options["validation"] = InterruptingSquares(during_validation)
    run = trainer(folder, loader={"transform": transform, "workers": workers}, **options)
    with pytest.raises(KeyboardInterrupt):
        run.fit()
    return run


def assert_same_run(one, other):
    assert log_rows(one) == log_rows(other)
    for name in ("last.safetensors", "best.safetensors"):
        mine, theirs = load_checkpoint(one / name), load_checkpoint(other / name)
        assert_same_weights(mine.model, theirs.model)
        assert_same_weights(mine.solver, theirs.solver)
        assert mine.info == theirs.info
        assert (one / name).read_bytes() == (other / name).read_bytes()


# Five images, three batches an epoch: images 1 to 5 are those of epoch 1, and so on.
CUTS = {
    "in the first epoch": {"at": 3},
    "at the start of the second": {"at": 6},
    "in the second epoch": {"at": 9},
    "in the third epoch": {"at": 12},
    "on the reading thread": {"at": 9, "workers": 1},
    "while validating first": {"during_validation": 1},
    "while validating second": {"during_validation": 4},
    "while validating at the end": {"during_validation": 5},
}
OPTIONS = {
    "adam": {},
    "momentum": {"solver": train.Solver, "lr": 1e-4, "accumulate": 2, "iterations": 5},
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folders of runs that nothing interrupted, by the name of their options."""
    folders = {name: tmp_path_factory.mktemp(name) for name in OPTIONS}
    for name, folder in folders.items():
        trainer(folder, **OPTIONS[name]).fit()
    return folders


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("every_iteration", [False, True], ids=["epochs", "iterations"])
@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_interrupted_and_continued_is_as_if_nothing_had_been(
    tmp_path, monkeypatch, whole, cut, every_iteration, name
):
    if every_iteration:
        monkeypatch.setattr(loop, "SAVE_SECONDS", -1)
    cut_off(tmp_path, **cut, **OPTIONS[name])
    resumed = trainer(tmp_path, seed=5, resume=True, **OPTIONS[name])  # the seed is not used
    assert resumed.iteration < resumed.iterations
    assert resumed.fit() is not None
    assert_same_run(tmp_path, whole[name])


def test_on_a_device_too(tmp_path, device):
    """To the bit: nothing there depends on which thread comes first."""
    with use_backend(device):
        trainer(tmp_path / "whole").fit()
        cut_off(tmp_path / "cut", at=9)
        resumed = trainer(tmp_path / "cut", seed=5, resume=True)
        assert {device_of(p.data) for p in resumed.model.parameters()} == {device}
        resumed.fit()
    assert_same_run(tmp_path / "cut", tmp_path / "whole")


@pytest.mark.parametrize("way", ["to the device", "from the device"])
def test_a_run_goes_on_on_another_backend(tmp_path, whole, device, way):
    names = ("cpu", device) if way == "to the device" else (device, "cpu")
    with use_backend(names[0]):
        cut_off(tmp_path, at=9)
    with use_backend(names[1]):
        resumed = trainer(tmp_path, seed=5, resume=True)
        assert {device_of(p.data) or "cpu" for p in resumed.model.parameters()} == {names[1]}
        resumed.fit()
    rows, wanted = log_rows(tmp_path), log_rows(whole["adam"])
    assert [row["lr"] for row in rows] == [row["lr"] for row in wanted]
    losses = [[float(row["loss"]) for row in run if row["loss"]] for run in (rows, wanted)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_cut_off_twice_within_an_epoch(tmp_path, monkeypatch, whole):
    monkeypatch.setattr(loop, "SAVE_SECONDS", -1)
    cut_off(tmp_path, at=4)
    assert load_checkpoint(tmp_path / "last.safetensors").info["loader"]["position"] == 1
    cut_off(tmp_path, at=8, resume=True)  # the images 3 to 10
    state = load_checkpoint(tmp_path / "last.safetensors").info
    assert (state["iteration"], state["loader"]["epoch"], state["loader"]["position"]) == (5, 1, 2)
    trainer(tmp_path, resume=True).fit()
    assert_same_run(tmp_path, whole["adam"])


def test_after_ctrl_c_the_last_checkpoint_is_that_of_the_last_epoch(tmp_path):
    cut_off(tmp_path / "cut", at=9)
    assert load_checkpoint(tmp_path / "cut" / "last.safetensors").info["iteration"] == 3
    model, _ = train.load_model(tmp_path / "cut" / "last.safetensors")
    again = cut_off(tmp_path / "again", at=6)  # before anything of the second epoch is learned
    assert_same_weights(weights(model), weights(again.model))
    assert not [path for path in (tmp_path / "cut").iterdir() if path.name.endswith(".tmp")]


def test_a_run_stopped_before_its_first_epoch_can_be_continued(tmp_path):
    cut_off(tmp_path, at=1)
    assert load_checkpoint(tmp_path / "last.safetensors").info["iteration"] == 0
    assert trainer(tmp_path, resume=True).fit() is not None


def test_a_finished_run_continues_with_nothing(tmp_path):
    trainer(tmp_path, iterations=3).fit()
    before = (tmp_path / "last.safetensors").read_bytes(), log_rows(tmp_path)
    trainer(tmp_path, iterations=3, resume=True).fit()
    assert ((tmp_path / "last.safetensors").read_bytes(), log_rows(tmp_path)) == before


def test_a_checkpoint_holds_all_of_the_state(tmp_path):
    run = trainer(tmp_path, iterations=4)
    run.fit()
    state = load_checkpoint(tmp_path / "last.safetensors")
    assert state.info["model"] == SPEC.as_dict()
    assert state.info["loader"] == {"seed": 0, "epoch": 1, "position": 1}
    assert state.info["rng"] == rng.get_state()
    assert_same_weights(state.solver, run.solver.state_dict())
    assert state.solver["steps"] == [4]


def test_another_net_is_not_continued(tmp_path):
    trainer(tmp_path, iterations=1).fit()
    other = train.ModelSpec(SPEC.name, SPEC.class_names, "aligned", 0.1, "fixed", SPEC.palette)
    with pytest.raises(ValueError, match="a checkpoint of another net"):
        trainer(tmp_path, spec=other, resume=True)
    with pytest.raises(ValueError, match="does not fit this net and solver"):
        trainer(tmp_path, solver=train.Solver, resume=True)


def test_a_damaged_checkpoint_is_named(tmp_path):
    trainer(tmp_path, iterations=1).fit()
    last = tmp_path / "last.safetensors"
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(WeightsError, match=r"last\.safetensors: damaged"):
        trainer(tmp_path, iterations=1, resume=True)


def test_a_log_cut_in_the_middle_of_a_line_is_mended(tmp_path, whole):
    cut_off(tmp_path, at=9)
    log = tmp_path / "log.csv"
    log.write_bytes(log.read_bytes() + b"2,1.6")
    trainer(tmp_path, resume=True).fit()
    assert_same_run(tmp_path, whole["adam"])


def poisoned(iteration, total):
    """A schedule whose fifth step ruins every weight."""
    return np.nan if iteration == 4 else 1.0


def test_a_loss_that_is_no_number_ends_the_run_and_not_its_checkpoint(tmp_path):
    run = trainer(tmp_path, schedule=poisoned)
    message = "the loss is nan at iteration 6, learning rate 0.001: try a lower one"
    with pytest.raises(train.TrainingError, match=message):
        run.fit()
    state = load_checkpoint(tmp_path / "last.safetensors")
    assert state.info["iteration"] == 3
    assert all(np.isfinite(array).all() for array in state.model.values())
    assert [row["iteration"] for row in log_rows(tmp_path)] == ["1", "2", "3", "3", "4", "5"]


def test_weights_that_are_no_numbers_do_not_replace_a_checkpoint(tmp_path):
    # The fifth step is the last of its epoch: no loss is computed before the checkpoint.
    run = trainer(tmp_path, schedule=poisoned, loader={"dataset": Squares(9)}, validation=None)
    assert run.steps_per_epoch == 5
    with pytest.raises(train.TrainingError, match=r"not finite at iteration 5, .* lower one"):
        run.fit()
    state = load_checkpoint(tmp_path / "last.safetensors")
    assert state.info["iteration"] == 0
    assert all(np.isfinite(array).all() for array in state.model.values())


def test_a_full_disk_leaves_the_older_checkpoint(tmp_path, monkeypatch, whole):
    run = trainer(tmp_path)
    saved, save = [], run.save

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def count(name):
        if len(saved) == 3:  # at the start, and best and last of the first epoch
            disk.setattr(os, "fsync", full)
        saved.append(name)
        return save(name)

    run.save = count
    with monkeypatch.context() as disk, pytest.raises(OSError, match="the disk is full") as caught:
        run.fit()
    assert caught.value.filename.endswith(f"{saved[3]}.safetensors")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "best.safetensors", "config.json", "last.safetensors", "log.csv",
    ]  # fmt: skip
    assert load_checkpoint(tmp_path / "last.safetensors").info["iteration"] == 3
    trainer(tmp_path, resume=True).fit()
    assert_same_run(tmp_path, whole["adam"])
