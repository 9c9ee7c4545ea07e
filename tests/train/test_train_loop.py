"""The training loop: it learns, it repeats itself, and it writes what it says it writes."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from small_runs import SPEC, Squares, assert_same_weights, log_rows, trainer, weights

from minifcn import Tensor, data, manual_seed, no_grad, train
from minifcn import functions as F
from minifcn.io import WeightsError, load_checkpoint, load_tensors, save_checkpoint, save_tensors
from minifcn.metrics import ConfusionMatrix


def mean_loss(model, samples):
    model.eval()
    with no_grad():
        losses = [
            F.cross_entropy(model(Tensor(data.to_input(image)[None])), label[None]).item()
            for image, label in samples
        ]
    return np.mean(losses)


def test_it_learns():
    spec = replace(SPEC, width=0.2)
    run = trainer(spec=spec, lr=3e-3, iterations=80, schedule=train.fixed(), validate_every=100)
    labels = np.concatenate([label.ravel() for _, label in Squares().samples])
    shares = np.bincount(labels[labels != 255]) / np.sum(labels != 255)
    best_blindly = -np.sum(shares * np.log(shares))  # by the classes' frequencies alone
    assert mean_loss(run.model, Squares().samples) == pytest.approx(np.log(3))  # scores all 0
    matrix = run.fit()
    assert mean_loss(run.model, Squares().samples) < 0.6 * best_blindly
    assert matrix.iu[1:].max() > 0.2  # finds squares that it has not seen


def test_momentum_learns_too():
    run = trainer(solver=train.Solver, spec=replace(SPEC, width=0.2), lr=1e-3, iterations=40)
    run.fit()
    assert mean_loss(run.model, Squares().samples) < 0.8 * np.log(3)


def test_the_same_seed_gives_the_same_run_bit_for_bit(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        trainer(tmp_path / name, seed=seed, iterations=5).fit()
    a, b, c = (tmp_path / name for name in "abc")
    for file in ("last.safetensors", "best.safetensors", "config.json"):
        assert (a / file).read_bytes() == (b / file).read_bytes()
    assert log_rows(a) == log_rows(b)
    assert log_rows(a) != log_rows(c)
    assert (a / "last.safetensors").read_bytes() != (c / "last.safetensors").read_bytes()


def first_step(reduction, **options):
    """What one step of plain descent moves every weight by."""
    manual_seed(0)
    model = SPEC.build()
    for name, parameter in model.named_parameters():
        if name.startswith("score"):
            parameter.data = np.full_like(parameter.data, 0.1)
            parameter.data[1] *= -1
    model["drop9"].p = 0.0  # masks would differ
    before = weights(model)
    batch_size = options.pop("batch_size")
    loader = data.Loader(Squares(4), batch_size)
    solver = train.Solver(model, 1e-3, momentum=0, weight_decay=0)
    train.Trainer(
        model, solver, loader, iterations=1, reduction=reduction, progress=False, **options
    ).fit()
    return {name: array - before[name] for name, array in weights(model).items()}


@pytest.mark.parametrize(("reduction", "ratio"), [("batch", 1), ("mean", 1), ("sum", 1 / 4)])
def test_accumulating_averages_the_gradients_of_the_batches(reduction, ratio):
    # Every square has as many ignored pixels, so that the mean of means is the mean; a sum grows
    # with the batch, an average of sums does not.
    together = first_step(reduction, batch_size=4)
    apart = first_step(reduction, batch_size=1, accumulate=4)
    for name, moved in apart.items():
        wanted = ratio * together[name]
        assert wanted.any()
        np.testing.assert_allclose(moved, wanted, atol=1e-4 * np.abs(wanted).max(), rtol=0)


def test_the_last_group_of_an_epoch_may_be_smaller():
    run = trainer(iterations=4, accumulate=2, validation=None)
    assert len(run.loader) == 3
    assert run.steps_per_epoch == 2
    run.fit()
    assert run.loader.state() == {"seed": 0, "epoch": 2, "position": 0}


def test_learning_rates_follow_the_schedule(tmp_path):
    trainer(tmp_path, lr=0.001, iterations=4, schedule=train.poly(1)).fit()
    rates = [row["lr"] for row in log_rows(tmp_path) if row["lr"]]
    assert rates == ["0.001", "0.00075", "0.0005", "0.00025"]


def test_validation_comes_when_asked_for(tmp_path):
    def validated(name, **options):
        run = trainer(tmp_path / name, **options)
        run.fit()
        return [row["iteration"] for row in log_rows(tmp_path / name) if row["mean_iu"]]

    assert validated("a", iterations=7) == ["3", "6", "7"]  # every epoch, and at the end
    assert validated("b", iterations=7, validate_every=2) == ["6", "7"]
    assert validated("c", iterations=6, validate_every=10) == ["6"]


def test_a_run_leaves_everything_in_its_folder(tmp_path):
    run = trainer(tmp_path / "run", iterations=7, config={"model": SPEC.name, "lr": 1e-3})
    matrix = run.fit()
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {
        "config.json", "log.csv", "last.safetensors", "best.safetensors", "curves.png",
        "samples.png",
    }  # fmt: skip
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config == {"model": SPEC.name, "lr": 1e-3}
    rows = log_rows(tmp_path / "run")
    assert [row["iteration"] for row in rows] == ["1", "2", "3", "3", "4", "5", "6", "6", "7", "7"]
    assert [row["epoch"] for row in rows][:4] == ["0.333", "0.667", "1.000", "1.000"]
    assert float(rows[-1]["mean_iu"]) == pytest.approx(matrix.mean_iu, abs=1e-5)
    for name in ("curves.png", "samples.png"):
        with Image.open(tmp_path / "run" / name) as picture:
            picture.load()
            assert min(picture.size) > 100
    last, best = (load_checkpoint(tmp_path / f"run/{n}.safetensors") for n in ("last", "best"))
    assert last.info["iteration"] == 7
    scores = [float(row["mean_iu"]) for row in rows if row["mean_iu"]]
    assert best.info["best"] == pytest.approx(max(scores), abs=1e-5)
    at = [int(row["iteration"]) for row in rows if row["mean_iu"]][int(np.argmax(scores))]
    assert best.info["iteration"] == at
    assert_same_weights(last.model, run.model.state_dict())


def test_the_best_checkpoint_is_that_of_the_best_validation(tmp_path, monkeypatch):
    right = iter([30, 50, 40, 45, 60, 20])  # of a hundred pixels a class, at each validation

    def scripted(model, dataset, **_):
        matrix, hits = ConfusionMatrix(2), next(right)
        matrix.counts[:] = [[hits, 100 - hits], [100 - hits, hits]]
        return matrix

    def best():
        return load_checkpoint(tmp_path / "best.safetensors").info

    monkeypatch.setattr("minifcn.train.trainer.evaluate", scripted)
    trainer(tmp_path, iterations=9).fit()
    assert (best()["iteration"], best()["best"]) == (6, pytest.approx(50 / 150))
    assert load_checkpoint(tmp_path / "last.safetensors").info["best"] == best()["best"]
    trainer(tmp_path, iterations=12, resume=True).fit()
    assert best()["iteration"] == 6  # what was best before still is
    trainer(tmp_path, iterations=18, resume=True).fit()
    assert best()["iteration"] == 15


def test_an_existing_run_is_not_overwritten(tmp_path):
    trainer(tmp_path, iterations=1).fit()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(FileExistsError, match="holds a run already; choose another folder"):
        trainer(tmp_path, iterations=1)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trainer(None, iterations=2, spec=None).fit()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="needs a ModelSpec"):
        trainer(tmp_path / "run", spec=None)


def test_a_model_comes_back_from_its_folder_or_file(tmp_path):
    run = trainer(tmp_path, iterations=3)
    run.fit()
    image = Squares(1, seed=4)[0][0]
    wanted = train.predict(run.model.eval(), image)
    for path in (tmp_path, str(tmp_path), tmp_path / "last.safetensors"):
        model, spec = train.load_model(path)
        assert spec == SPEC
        assert not model.training
        np.testing.assert_array_equal(train.predict(model, image), wanted)
    assert train.find_checkpoint(tmp_path).name == "best.safetensors"
    assert train.find_checkpoint(tmp_path, "last").name == "last.safetensors"
    (tmp_path / "best.safetensors").unlink()
    assert train.find_checkpoint(tmp_path).name == "last.safetensors"
    (tmp_path / "last.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="no checkpoint in this folder"):
        train.load_model(tmp_path)


def test_files_that_hold_no_model_are_named(tmp_path):
    plain, other, damaged = (tmp_path / name for name in ("plain", "other", "damaged"))
    net = SPEC.build()
    save_tensors(plain, net.state_dict())
    with pytest.raises(WeightsError, match="plain: which net are these weights for"):
        train.load_model(plain)
    with pytest.raises(
        WeightsError, match=r"plain: no weights for conv2\.weight, .* of fcn32s-mini"
    ):
        train.load_model(plain, "fcn32s-mini")  # of another width
    save_checkpoint(other, net.state_dict(), {}, {"epoch": 3})
    with pytest.raises(WeightsError, match="other: which net"):
        train.load_model(other)
    save_checkpoint(other, net.state_dict(), {}, {"model": {**SPEC.as_dict(), "name": "fcn2s"}})
    with pytest.raises(WeightsError, match=r"other: .*unknown model 'fcn2s'"):
        train.load_model(other)
    state = net.state_dict()
    del state["conv1.bias"]
    save_checkpoint(other, state, {}, {"model": SPEC.as_dict()})
    with pytest.raises(WeightsError, match=r"other: no weights for conv1\.bias of "):
        train.load_model(other)
    save_checkpoint(damaged, net.state_dict(), {}, {"model": SPEC.as_dict()})
    damaged.write_bytes(damaged.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="damaged: damaged safetensors file"):
        train.load_model(damaged)


def test_a_checkpoint_is_also_a_file_of_plain_weights(tmp_path):
    run = trainer(tmp_path, iterations=1)
    run.fit()
    tensors, _ = load_tensors(tmp_path / "last.safetensors")
    plain = {name: array for name, array in tensors.items() if not name.startswith("solver.")}
    assert_same_weights(plain, run.model.state_dict())


def test_progress_is_for_terminals(tmp_path, capsys):
    trainer(tmp_path, iterations=3, progress=True).fit()
    shown = capsys.readouterr()
    assert shown.err == ""  # the bar hides where standard error is a file
    assert shown.out.startswith("epoch 1: pixel acc.")
