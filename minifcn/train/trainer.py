"""The training loop: batches, loss, backward, step; validation; a folder with everything in it."""

import time
from collections import deque
from pathlib import Path

import numpy as np

from .. import rng
from ..backends import uploaded
from ..data import Loader
from ..io import load_checkpoint, save_checkpoint
from ..metrics import ConfusionMatrix
from .evaluate import evaluate, predict
from .gradients import Gradients
from .run import ModelSpec, RunFolder
from .schedules import Schedule, poly
from .scores import pixel_loss
from .solver import _Solver

SAVE_SECONDS = 600  # a checkpoint at least this often, at the next whole iteration
SAMPLES = 4  # images in samples.png


class TrainingError(RuntimeError):
    """Training cannot go on: the loss is no number any more."""


class Trainer:
    """Trains a net on a loader's batches, validates it, and keeps the run's folder.

    iterations: solver steps in all; each uses ``accumulate`` batches, whose gradients are averaged
    (Caffe's iter_size). reduction: the loss's (``functions.cross_entropy``). validation: a data
    set, or None; validate_every: epochs. folder: where to write, or None to write nothing.
    recorded: on a GPU, replay recorded work for batches of one shape (``Gradients``); not with
    ``accumulate``.
    """

    def __init__(
        self,
        model,
        solver: _Solver,
        loader: Loader,
        *,
        iterations: int,
        spec: ModelSpec | None = None,
        folder=None,
        schedule: Schedule | None = None,
        accumulate: int = 1,
        reduction: str = "mean",
        class_weight: np.ndarray | None = None,
        validation=None,
        validate_every: int = 1,
        config: dict | None = None,
        resume: bool = False,
        progress: bool = True,
        title: str = "training",
        recorded: bool = False,
    ):
        self.model, self.solver, self.loader = model, solver, loader
        self.iterations, self.accumulate = iterations, accumulate
        self.schedule = schedule or poly()
        self.loss = {"weight": class_weight, "reduction": reduction}
        self.loss["ignore_index"] = loader.ignore_index
        self.gradients = Gradients(model, recorded=recorded, **self.loss)
        self.validation, self.validate_every = validation, validate_every
        self.spec, self.progress, self.title = spec, progress, title
        self.base_lr = solver.lr
        self.iteration, self.best = 0, -1.0
        self.matrix: ConfusionMatrix | None = None
        self.run = None
        if folder is not None:
            if spec is None:
                raise ValueError("a run that writes checkpoints needs a ModelSpec")
            self.run = RunFolder(folder, config or {}, resume)
            if resume:
                self._restore(self.run.path / "last.safetensors")

    @property
    def steps_per_epoch(self) -> int:
        """Solver steps that use up all batches of the loader once."""
        return -(-len(self.loader) // self.accumulate)

    @property
    def _epoch_is_over(self) -> bool:
        """Is a validation due? Its result belongs into the next checkpoint."""
        return self.iteration % self.steps_per_epoch == 0 or self.iteration >= self.iterations

    def fit(self) -> ConfusionMatrix | None:
        """Train to the last iteration; returns the last validation's confusion matrix.

        A checkpoint is written before the first iteration, after every epoch and, in long ones,
        every SAVE_SECONDS: whenever the run is cut off, there is one to continue from. Raises
        TrainingError where the loss or a weight becomes infinite or no number; the last
        checkpoint stays.
        """
        from tqdm import tqdm

        self.model.train()
        if self.run and self.iteration == 0:
            self.save("last")
        saved = time.monotonic()
        # Numbers that overflow end in a TrainingError, which says more than NumPy's warnings
        quiet = np.errstate(over="ignore", invalid="ignore")
        with quiet, tqdm(total=self.iterations, desc=self.title, unit="it",
                         initial=self.iteration,
                         disable=None if self.progress else True) as bar:  # fmt: skip
            while self.iteration < self.iterations:
                for loss in self._epoch():
                    bar.update()
                    bar.set_postfix_str(self._note(loss), refresh=False)
                    late = time.monotonic() - saved > SAVE_SECONDS
                    if self.run and late and not self._epoch_is_over:
                        self.save("last")
                        saved = time.monotonic()
                self._end_of_epoch(bar)
                saved = time.monotonic()
        if self.run:
            self.draw()
        return self.matrix

    def save(self, name: str) -> Path:
        """Write a checkpoint of this moment into the run's folder: all that resuming needs."""
        path = self.run.path / f"{name}.safetensors"
        info = {
            "model": self.spec.as_dict(),
            "iteration": self.iteration,
            "best": self.best,
            "loader": self.loader.state(),
            "rng": rng.get_state(),
        }
        arrays = self.model.state_dict(), self.solver.state_dict()
        try:
            save_checkpoint(path, *arrays, info, check_finite=True)
        except ValueError as error:
            raise TrainingError(
                f"{error} at iteration {self.iteration}, learning rate {self.solver.lr:.3g}: "
                "try a lower one"
            ) from None
        return path

    def draw(self) -> None:
        """curves.png and samples.png of the run's folder."""
        from .. import viz

        viz.draw_curves(self.run.path / "curves.png", self.run.path / "log.csv", self.spec.name)
        if self.validation is not None:
            self.model.eval()
            chosen = np.linspace(0, len(self.validation) - 1, min(SAMPLES, len(self.validation)))
            images, truths = zip(*(self.validation[int(i)] for i in chosen), strict=True)
            predictions = [
                predict(self.model, image, self.loader.preprocessing) for image in images
            ]
            self.model.train()
            names, palette = self.validation.class_names, self.validation.palette
            path = self.run.path / "samples.png"
            viz.draw_samples(path, images, truths, predictions, names, palette)

    def _epoch(self):
        """Steps to the end of the loader's epoch, or of the training; yields each step's loss."""
        self._recent = deque(maxlen=20)  # (seconds, images) of the last steps
        batches = loaded = iter(self.loader)
        if self.accumulate == 1:
            batches = uploaded(loaded, next(self.model.parameters()).data)
        try:
            while self.iteration < self.iterations:
                started = time.perf_counter()
                group = [batch for _, batch in zip(range(self.accumulate), batches, strict=False)]
                if not group:
                    return
                loss = self._step(group)
                images = sum(len(x) for x, _ in group)
                self._recent.append((time.perf_counter() - started, images))
                if self.run:
                    self.run.log([self._row(loss)])
                yield loss
        finally:
            batches.close()
            loaded.close()

    def _step(self, group) -> float:
        """One solver step on the mean gradient of a group of batches; returns their mean loss."""
        self.solver.lr = self.base_lr * self.schedule(self.iteration, self.iterations)
        if len(group) == 1:
            ((x, labels),) = group
            total = self._finite(self.gradients(self.model.tensor(x), labels))
        else:
            self.solver.zero_grad()
            total = 0.0
            for x, labels in group:
                loss = pixel_loss(self.model, self.model.tensor(x), labels, **self.loss)
                loss = loss * (1 / len(group))
                total += self._finite(loss)
                loss.backward()
        self.solver.step()
        self.iteration += 1
        return total

    def _finite(self, loss) -> float:
        """The loss as a number. Raises TrainingError where it is none."""
        number = loss.item()
        if not np.isfinite(number):
            raise TrainingError(
                f"the loss is {number} at iteration {self.iteration + 1}, learning rate "
                f"{self.solver.lr:.3g}: try a lower one"
            )
        return number

    def _end_of_epoch(self, bar) -> None:
        epoch = -(-self.iteration // self.steps_per_epoch)
        last = self.iteration >= self.iterations
        if self.validation is not None and (epoch % self.validate_every == 0 or last):
            how = {"preprocessing": self.loader.preprocessing, "progress": self.progress}
            self.matrix = evaluate(self.model, self.validation, **how)
            if self.run:
                self.run.log([self._row(None)])
                bar.write(f"epoch {epoch}: {self.matrix.summary()}")
            if self.matrix.mean_iu > self.best:
                self.best = self.matrix.mean_iu
                if self.run:
                    self.save("best")
        if self.run:
            self.save("last")

    def _row(self, loss: float | None) -> dict:
        epoch = self.iteration / self.steps_per_epoch
        row = {"iteration": self.iteration, "epoch": f"{epoch:.3f}"}
        if loss is None:
            measures = ("pixel_accuracy", "mean_accuracy", "mean_iu", "frequency_weighted_iu")
            return row | {m: f"{getattr(self.matrix, m):.5f}" for m in measures}
        speed = f"{self._speed():.2f}"
        return row | {"loss": f"{loss:.6g}", "lr": f"{self.solver.lr:.6g}",
                      "images_per_second": speed}  # fmt: skip

    def _speed(self) -> float:
        """Images a second over the last steps."""
        seconds, images = map(sum, zip(*self._recent, strict=True))
        return images / seconds

    def _note(self, loss: float) -> str:
        best = f", best mean IU {self.best:.3f}" if self.best >= 0 else ""
        return f"loss {loss:.4g}, {self._speed():.1f} images/s{best}"

    def _restore(self, path: Path) -> None:
        state = load_checkpoint(path)
        if ModelSpec.from_dict(state.info["model"]) != self.spec:
            raise ValueError(f"{path}: a checkpoint of another net, {state.info['model']['name']}")
        self.model.load_state_dict(state.model)
        self.solver.load_state_dict(state.solver)
        self.iteration, self.best = state.info["iteration"], state.info["best"]
        self.loader.load_state(state.info["loader"])
        rng.set_state(state.info["rng"])
        self.run.cut_log(self.iteration)
