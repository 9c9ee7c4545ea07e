"""What lies between coarse scores: interpolation, by its formula.

    y[i] = sum over k of x[k] h((i + 1/2) / f - 1/2 - k)

for an output f times as long; the 1/2 because pixels are squares, not points. h is a box
(nearest), a tent (bilinear) or Keys' cubic (bicubic, 1981). The tent with zeros outside the map is
what a transposed convolution with a fixed filter computes (``functions.upsample_bilinear``), only
as a product with a matrix that is almost all zeros.
"""

import numpy as np

from .. import nn
from ..backends import to_numpy

KINDS = ("nearest", "bilinear", "bicubic")
OUTSIDE = ("zeros", "edge")


def interpolate(
    scores: np.ndarray, factor, kind: str = "bilinear", outside: str = "zeros"
) -> np.ndarray:
    """Maps (N, K, H, W) at ``factor`` times their height and width, an int or a pair; on the
    processor, wherever they live.

    kind: "nearest", "bilinear" or "bicubic". outside: what lies beyond the map: "zeros", as for a
    transposed convolution, or "edge", its nearest pixel. Raises ValueError for anything else.
    """
    if kind not in KINDS or outside not in OUTSIDE:
        raise ValueError(f"interpolate: {kind!r}, {outside!r} are none of {KINDS}, {OUTSIDE}")
    scores = to_numpy(scores)
    factors = (factor, factor) if isinstance(factor, int) else tuple(factor)
    if scores.ndim != 4 or len(factors) != 2 or min(factors) < 1:
        raise ValueError(f"interpolate: maps {scores.shape} by {factor}")
    rows, columns = (
        matrix(n, f, kind, outside).astype(scores.dtype)
        for n, f in zip(scores.shape[2:], factors, strict=True)
    )
    return rows @ scores @ columns.T


def matrix(n: int, factor: int, kind: str, outside: str) -> np.ndarray:
    """The (factor * n, n) matrix of the formula. Rows sum to 1 but for zeros outside."""
    reach = 2  # pixels beyond the map that a cubic sees
    place = (np.arange(factor * n) + 0.5) / factor - 0.5
    distance = np.abs(place[:, None] - np.arange(-reach, n + reach)[None, :])
    if kind == "nearest":
        weights = np.zeros_like(distance)
        nearest = np.floor(place + 0.5).astype(int) + reach
        weights[np.arange(len(place)), nearest] = 1
    elif kind == "bilinear":
        weights = np.maximum(0, 1 - distance)
    else:
        weights = _keys(distance)
    inside = weights[:, reach : n + reach].copy()
    if outside == "edge":
        inside[:, 0] += weights[:, :reach].sum(axis=1)
        inside[:, -1] += weights[:, n + reach :].sum(axis=1)
    return inside


def _keys(d: np.ndarray, a: float = -0.5) -> np.ndarray:
    """Keys' cubic: (a+2)d^3 - (a+3)d^2 + 1 to 1, a(d^3 - 5d^2 + 8d - 4) to 2, 0 beyond."""
    near = (a + 2) * d**3 - (a + 3) * d**2 + 1
    far = a * (d**3 - 5 * d**2 + 8 * d - 4)
    return np.where(d <= 1, near, np.where(d < 2, far, 0.0))


def learned_upsampling(channels: int, factor: int, activation=nn.ReLU) -> nn.Sequential:
    """Layers that learn to upsample (N, C, H, W) maps by a power of two: transposed convolutions
    by 2 with an activation between them ("a stack of deconvolution layers and activation functions
    can even learn a nonlinear upsampling", Long et al. 2015, section 3.3).

    They start as bilinear interpolation, as far as the activation passes it on. Raises ValueError
    for another factor.
    """
    steps = factor.bit_length() - 1
    if factor < 2 or 1 << steps != factor:
        raise ValueError(f"learned_upsampling: the factor is 2, 4, 8, ...; got {factor}")
    layers = {}
    for i in range(steps):
        layers[f"up{i}"] = nn.ConvTranspose2d(channels, channels, 4, 2, padding=1, bias=True)
        if i < steps - 1:
            layers[f"act{i}"] = activation()
    return nn.Sequential(layers)
