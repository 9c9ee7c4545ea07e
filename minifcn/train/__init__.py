"""Training: solvers, schedules, the loop, evaluation, and the folder of a run."""

from .classify import class_heat, class_probabilities
from .evaluate import evaluate, predict
from .gradients import Gradients
from .pretrained import load_model, net_with
from .recipes import RECIPES
from .run import ModelSpec, find_checkpoint
from .schedules import SCHEDULES, fixed, poly, step, warmup
from .scores import label_maps, pixel_loss
from .solver import Adam, Solver
from .trainer import Trainer, TrainingError

__all__ = [
    "RECIPES",
    "SCHEDULES",
    "Adam",
    "Gradients",
    "ModelSpec",
    "Solver",
    "Trainer",
    "TrainingError",
    "class_heat",
    "class_probabilities",
    "evaluate",
    "find_checkpoint",
    "fixed",
    "label_maps",
    "load_model",
    "net_with",
    "pixel_loss",
    "poly",
    "predict",
    "step",
    "warmup",
]
