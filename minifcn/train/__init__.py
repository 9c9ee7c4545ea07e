"""Training: solvers, schedules, the loop, evaluation, and the folder of a run."""

from .evaluate import evaluate, predict
from .recipes import RECIPES
from .run import ModelSpec, find_checkpoint, load_model
from .schedules import SCHEDULES, fixed, poly, step, warmup
from .scores import label_maps, pixel_loss
from .solver import Adam, Solver
from .trainer import Trainer, TrainingError

__all__ = [
    "RECIPES",
    "SCHEDULES",
    "Adam",
    "ModelSpec",
    "Solver",
    "Trainer",
    "TrainingError",
    "evaluate",
    "find_checkpoint",
    "fixed",
    "label_maps",
    "load_model",
    "pixel_loss",
    "poly",
    "predict",
    "step",
    "warmup",
]
