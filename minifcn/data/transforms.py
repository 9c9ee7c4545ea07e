"""Random changes that keep image and label together.

A transform is called t(image, label, rng) with image (H, W, 3) uint8 RGB, label (H, W) uint8
and a NumPy Generator, and returns a new pair; it never writes into what it is given.
"""

import numpy as np

from .preprocessing import CAFFE, Preprocessing


class Compose:
    """One transform after another."""

    def __init__(self, *transforms):
        self.transforms = transforms

    def __call__(self, image, label, rng):
        for transform in self.transforms:
            image, label = transform(image, label, rng)
        return image, label


class HorizontalFlip:
    """Mirrors left and right with probability p (Long et al. 2015, section 4.3)."""

    def __init__(self, p: float = 0.5):
        if not 0 <= p <= 1:
            raise ValueError(f"a probability is between 0 and 1, not {p}")
        self.p = p

    def __call__(self, image, label, rng):
        if rng.random() < self.p:
            return image[:, ::-1], label[:, ::-1]
        return image, label


class RandomCrop:
    """Cuts out a window of size (h, w), each position as likely.

    An image that is smaller is first padded, as much on either side as makes no difference,
    with the mean colour, and its label with ignore_index: no pixel is lost and none invented.
    """

    def __init__(self, size, preprocessing: Preprocessing = CAFFE, ignore_index: int = 255):
        self.size = _size(size)
        self.fill = preprocessing.colour
        self.ignore_index = ignore_index

    def __call__(self, image, label, rng):
        (h, w), (H, W) = self.size, label.shape
        top, left = max(0, h - H), max(0, w - W)
        if top or left:
            t, l = rng.integers(0, top + 1), rng.integers(0, left + 1)
            margins = ((t, top - t), (l, left - l))
            image, label = _pad(image, label, margins, self.fill, self.ignore_index)
        H, W = label.shape
        i, j = rng.integers(0, H - h + 1), rng.integers(0, W - w + 1)
        return image[i : i + h, j : j + w], label[i : i + h, j : j + w]


class Shift:
    """Moves the image by up to pixels in each direction; what appears is mean, and ignored.

    The "jitter" of Long et al. 2015, section 4.3: translations of up to 32 pixels.
    """

    def __init__(
        self, pixels: int = 32, preprocessing: Preprocessing = CAFFE, ignore_index: int = 255
    ):
        if pixels < 0:
            raise ValueError(f"a shift is 0 or more pixels, not {pixels}")
        self.pixels = pixels
        self.fill = preprocessing.colour
        self.ignore_index = ignore_index

    def __call__(self, image, label, rng):
        H, W = label.shape
        p = self.pixels
        image, label = _pad(image, label, ((p, p), (p, p)), self.fill, self.ignore_index)
        i, j = rng.integers(0, 2 * p + 1, 2)
        return image[i : i + H, j : j + W], label[i : i + H, j : j + W]


class Resize:
    """Resizes to (h, w): the image bilinearly, the label to its nearest pixel."""

    def __init__(self, size):
        self.size = _size(size)

    def __call__(self, image, label, rng):
        return resize(image, label, self.size)


class Scale:
    """Resizes by a factor from low to high, evenly distributed on a logarithmic scale."""

    def __init__(self, low: float = 0.75, high: float = 1.33):
        if not 0 < low <= high:
            raise ValueError(f"factors are 0 < low <= high, not {low} and {high}")
        self.low, self.high = low, high

    def __call__(self, image, label, rng):
        factor = np.exp(rng.uniform(np.log(self.low), np.log(self.high)))
        return resize(image, label, tuple(max(1, round(n * factor)) for n in label.shape))


def resize(image, label, size: tuple[int, int]):
    """The pair at size (h, w): image bilinear with area averaging when shrinking, label nearest.

    Both use the same half-pixel coordinates, so that the two stay aligned.
    """
    from PIL import Image

    h, w = size
    small = Image.fromarray(np.ascontiguousarray(image)).resize((w, h), Image.Resampling.BILINEAR)
    marks = Image.fromarray(np.ascontiguousarray(label)).resize((w, h), Image.Resampling.NEAREST)
    return np.asarray(small), np.asarray(marks)


def _size(size) -> tuple[int, int]:
    h, w = (size, size) if isinstance(size, int) else size
    if h < 1 or w < 1:
        raise ValueError(f"a size is (height, width) of at least 1 x 1, not {h} x {w}")
    return int(h), int(w)


def _pad(image, label, margins, fill, ignore_index):
    """The pair with margins ((top, bottom), (left, right)) of fill and of ignore_index."""
    (t, b), (l, r) = margins
    H, W = label.shape
    wide = np.empty((H + t + b, W + l + r, 3), np.uint8)
    wide[:] = fill
    wide[t : t + H, l : l + W] = image
    return wide, np.pad(label, margins, constant_values=ignore_index)
