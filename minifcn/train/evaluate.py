"""Prediction and evaluation: whole images, one at a time, at their own size."""

import numpy as np

from ..data import CAFFE, Preprocessing
from ..metrics import ConfusionMatrix
from .scores import label_maps


def predict(model, image: np.ndarray, preprocessing: Preprocessing = CAFFE) -> np.ndarray:
    """The label map of a photograph: for every pixel the class with the highest score.

    image (H, W, 3) uint8 RGB; returns (H, W) uint8. The model is evaluated as it is: call
    ``model.eval()`` first.
    """
    x = model.tensor(preprocessing.to_input(image)[None])
    return label_maps(model, x)[0].astype(np.uint8)


def evaluate(
    model,
    dataset,
    *,
    limit: int | None = None,
    preprocessing: Preprocessing = CAFFE,
    progress: bool = True,
) -> ConfusionMatrix:
    """One confusion matrix over all pixels of a data set (or of its first ``limit`` images).

    The measures of the paper come from this one matrix, not from means over images. The model is
    put into evaluation mode and back.
    """
    from tqdm import tqdm

    matrix = ConfusionMatrix(dataset.num_classes, dataset.ignore_index)
    count = len(dataset) if limit is None else min(limit, len(dataset))
    training = model.training
    model.eval()
    try:
        bar = tqdm(range(count), "evaluating", unit="image", leave=False, delay=2,
                   disable=None if progress else True)  # fmt: skip
        for i in bar:
            image, label = dataset[i]
            matrix.update(label, predict(model, image, preprocessing))
    finally:
        model.train(training)
    return matrix
