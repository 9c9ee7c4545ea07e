"""A classifier on one photograph: what is in it, and where.

Slid over a photograph, a classifier gives a map of scores. ``convolutionalize`` computes it in one
pass (Long et al. 2015, section 3.1 and figure 2).
"""

import numpy as np

from .. import geometry
from ..autograd import no_grad
from ..data import CAFFE, Preprocessing
from ..models import convolutionalize

MARGIN = 8 / 7  # the side that a photograph is shrunk to, in sides of the net's input


def class_probabilities(
    model, image: np.ndarray, preprocessing: Preprocessing = CAFFE
) -> np.ndarray:
    """The probability of every class, (K,), of the centre of a photograph (H, W, 3) uint8 RGB.

    As is usual for ImageNet: the shorter side is shrunk or enlarged to 8/7 of the net's input, and
    the middle is cut out.
    """
    from PIL import Image

    _, h, w = model.input_shape
    H, W = image.shape[:2]
    factor = MARGIN * max(h / H, w / W)
    size = max(h, round(H * factor)), max(w, round(W * factor))
    scaled = Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR)
    top, left = (size[0] - h) // 2, (size[1] - w) // 2
    middle = np.asarray(scaled)[top : top + h, left : left + w]
    return _softmax(_scores(model, middle, preprocessing))


def class_heat(
    model, image: np.ndarray, k: int, preprocessing: Preprocessing = CAFFE
) -> tuple[np.ndarray, np.ndarray]:
    """The probability of class k everywhere in a photograph (H, W, 3) uint8 RGB.

    Returns the map as the net computes it, (h, w), and the same over the photograph, (H, W): each
    value stands at the pixel that its window is centred on, which geometry derives, and between
    them it is interpolated bilinearly. Raises ValueError for a photograph smaller than the net's
    input.
    """
    H, W = image.shape[:2]
    if model.input_shape[1] > H or model.input_shape[2] > W:
        raise ValueError(
            f"the photograph, {H}x{W}, is smaller than what the net sees at once, "
            f"{model.input_shape[1]}x{model.input_shape[2]}"
        )
    net = convolutionalize(model).eval()
    coarse = _softmax(_scores(net, image, preprocessing))[k]
    vertical, horizontal = geometry.trace(net, (H, W)).rows[-1].axes
    rows = _spread(coarse, vertical, H)
    return coarse, _spread(rows.T, horizontal, W).T


def _scores(model, image: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    with no_grad():
        x = model.tensor(preprocessing.to_input(image)[None])
        return model(x).numpy()[0].astype(np.float64)


def _softmax(scores: np.ndarray) -> np.ndarray:
    exponentials = np.exp(scores - scores.max(axis=0))
    return exponentials / exponentials.sum(axis=0)


def _spread(values: np.ndarray, axis, length: int) -> np.ndarray:
    """Rows (n, m) at the places of a coordinate map, interpolated to all of ``length`` places."""
    place = (np.arange(length) - float(axis.start)) / float(axis.stride)
    place = np.clip(place, 0, len(values) - 1)
    before = np.minimum(place.astype(int), max(0, len(values) - 2))
    share = (place - before)[:, None]
    after = np.minimum(before + 1, len(values) - 1)
    return (1 - share) * values[before] + share * values[after]
