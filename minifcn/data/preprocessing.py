"""From a photograph's bytes to a network's input, as the network's weights expect it.

    x[c, i, j] = (image[i, j, order[c]] - mean[c]) / std[c]

Weights are trained behind one such rule and work behind no other: Caffe's nets see blue, green,
red from 0 to 255 less the mean colour, torchvision's red, green, blue of variance 1. So the rule
is stored with them.
"""

from dataclasses import dataclass

import numpy as np

MEAN_BGR = (104.00699, 116.66877, 122.67892)  # of the VGG nets' training set; Long et al., net.py


@dataclass(frozen=True)
class Preprocessing:
    """order: "BGR" or "RGB"; mean and std: three numbers each in that order, of bytes 0 to 255.

    The default is that of the authors' nets. Raises ValueError for anything else.
    """

    order: str = "BGR"
    mean: tuple[float, float, float] = MEAN_BGR
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self):
        if self.order not in ("BGR", "RGB"):
            raise ValueError(f"the order of colours is BGR or RGB, not {self.order!r}")
        for name in ("mean", "std"):
            numbers = tuple(float(number) for number in getattr(self, name))
            if len(numbers) != 3 or not np.isfinite(numbers).all():
                raise ValueError(f"{name} is three numbers, not {getattr(self, name)}")
            object.__setattr__(self, name, numbers)
        if min(self.std) <= 0:
            raise ValueError(f"std is above 0, not {self.std}")

    def to_input(self, image: np.ndarray) -> np.ndarray:
        """(H, W, 3) uint8 RGB to (3, H, W) float32. Raises ValueError for another shape."""
        if image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"an image is (H, W, 3) RGB, not {image.shape}")
        ordered = image if self.order == "RGB" else image[:, :, ::-1]
        x = np.ascontiguousarray(ordered.transpose(2, 0, 1), np.float32)
        x -= np.asarray(self.mean, np.float32)[:, None, None]
        if self.std != (1, 1, 1):
            x /= np.asarray(self.std, np.float32)[:, None, None]
        return x

    def to_image(self, x: np.ndarray) -> np.ndarray:
        """The way back: (3, H, W) to (H, W, 3) uint8 RGB, rounded and clipped."""
        if x.ndim != 3 or x.shape[0] != 3:
            raise ValueError(f"an input is (3, H, W) {self.order}, not {x.shape}")
        std, mean = (np.asarray(n, np.float32)[:, None, None] for n in (self.std, self.mean))
        image = np.clip(np.rint(x * std + mean), 0, 255).transpose(1, 2, 0)
        return np.ascontiguousarray(image if self.order == "RGB" else image[:, :, ::-1], np.uint8)

    @property
    def colour(self) -> np.ndarray:
        """The mean as an RGB colour of bytes: what becomes 0."""
        mean = self.mean if self.order == "RGB" else self.mean[::-1]
        return np.rint(mean).astype(np.uint8)

    def __str__(self) -> str:
        mean, std = (", ".join(f"{n:.9g}" for n in numbers) for numbers in (self.mean, self.std))
        divided = "" if self.std == (1, 1, 1) else f", divided by {std}"
        return f"{self.order}, 0 to 255, less {mean}{divided}"


CAFFE = Preprocessing()  # of the authors' nets, and of this project's own
RAW = Preprocessing(mean=(0, 0, 0))  # BGR as it is


def to_input(image: np.ndarray, preprocessing: Preprocessing = CAFFE) -> np.ndarray:
    """``preprocessing.to_input(image)``: (H, W, 3) uint8 RGB to (3, H, W) float32."""
    return preprocessing.to_input(image)


def to_image(x: np.ndarray, preprocessing: Preprocessing = CAFFE) -> np.ndarray:
    """``preprocessing.to_image(x)``: the way back."""
    return preprocessing.to_image(x)
