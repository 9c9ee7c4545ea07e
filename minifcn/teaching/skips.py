"""Exercises of tutorial 12: fusing two maps, taking over weights, looking at boundaries."""

from fractions import Fraction

import numpy as np

from .. import nn
from ..autograd import Tensor
from ..geometry.axis import Axis, offset_between
from ..metrics import boundary_distance, near_boundary_accuracy
from ..models.surgery import copy_weights
from .exercise import Case, Exercise, Law

# -- Two maps, one above the other ---------------------------------------------------------------


def _fuse(coarse, fine, offset) -> np.ndarray:
    """The library's sum of a map and the part of a finer one that starts at the offset."""
    layer = nn.Fuse()
    layer.offset = tuple(offset)
    return layer.forward(Tensor(coarse), Tensor(fine)).numpy()


def _draw_maps(rng) -> tuple:
    offset = tuple(rng.integers(0, 4, 2).tolist())
    H, W = rng.integers(3, 7, 2)
    over = rng.integers(0, 4, 2)  # the finer map may reach further than needed
    fine = rng.standard_normal((2, 3, H + offset[0] + over[0], W + offset[1] + over[1]))
    return rng.standard_normal((2, 3, H, W)), fine, offset


def _is_linear(attempt, rng):
    coarse, fine, offset = _draw_maps(rng)
    whole = attempt(coarse, fine, offset)
    parts = attempt(coarse, 0 * fine, offset) + attempt(0 * coarse, fine, offset)
    if not np.allclose(whole, parts, rtol=0, atol=1e-9):
        return "fuse(a, b) is not fuse(a, 0) + fuse(0, b)"
    return None


def _centred(coarse, fine, offset):
    H, W = coarse.shape[2:]
    top, left = (fine.shape[2] - H) // 2, (fine.shape[3] - W) // 2
    return coarse + fine[:, :, top : top + H, left : left + W]


def _row(*values) -> np.ndarray:
    return np.array(values, float).reshape(1, 1, 1, -1)


check_fuse = Exercise(
    _fuse,
    hand=[
        Case((_row(10, 20), _row(1, 2, 3, 4, 5), (0, 1)), _row(12, 23)),
        Case(
            (
                np.array([[[[100.0, 200.0]]]]),
                np.array([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]]]),
                (2, 0),
            ),
            np.array([[[[107.0, 208.0]]]]),
        ),
    ],
    draw=_draw_maps,
    laws=[Law("it is linear", _is_linear)],
    mistakes={
        "cut out of the middle": _centred,
        "rows and columns exchanged": lambda coarse, fine, offset: _fuse(
            coarse, np.pad(fine, ((0, 0), (0, 0), (0, 4), (0, 4))), offset[::-1]
        ),
        "the offset forgotten": lambda coarse, fine, offset: _fuse(coarse, fine, (0, 0)),
    },
    shown=nn.Fuse,
    hint="top, left = offset; fine[:, :, top : top + H, left : left + W]",
)

# -- How far two maps lie apart ------------------------------------------------------------------


def _axis(place) -> Axis:
    stride, start = place
    return Axis(Fraction(stride), Fraction(start))


def _draw_places(rng) -> tuple:
    stride = int(rng.choice([1, 2, 8, 16]))
    start = -int(rng.integers(0, 80)) + rng.choice([0.0, 0.5])
    return (stride, float(start - stride * rng.integers(0, 30))), (stride, float(start))


def _moves_with_the_map(attempt, rng):
    fine, coarse = _draw_places(rng)
    before = attempt(fine, coarse)
    after = attempt(fine, (coarse[0], coarse[1] + 3 * coarse[0]))
    return None if after - before == 3 else f"three pixels further on, {before} becomes {after}"


check_offset_between = Exercise(
    lambda fine, coarse: offset_between(_axis(fine), _axis(coarse)),
    hand=[
        # Pixel 0 of the finer map lies 80 pixels to the left; its pixels are 16 apart.
        Case(((16, -91.5), (16, -11.5)), 5),
        Case(((1, -27.0), (1, 0.0)), 27),
    ],
    draw=_draw_places,
    laws=[Law("it moves with the map", _moves_with_the_map)],
    mistakes={
        "in pixels of the image": lambda fine, coarse: round(coarse[1] - fine[1]),
        "the other way round": lambda fine, coarse: round((fine[1] - coarse[1]) / fine[0]),
    },
    shown=offset_between,
    hint="which pixel o of the finer map has stride * o + start = the coarse map's start?",
)

# -- Weights by name -----------------------------------------------------------------------------


def _copy_by_name(new: dict, old: dict) -> dict:
    """The library's net surgery, of dictionaries name -> array."""
    net = nn.Module()
    for name, array in new.items():
        setattr(net, name, nn.Parameter(np.array(array, np.float64)))
    copy_weights(net, {name: np.array(array, np.float64) for name, array in old.items()})
    return net.state_dict()


def _draw_states(rng) -> tuple[dict, dict]:
    shapes = {"conv": (4, 3), "fc7": (2, 5), "score_fr": (3, 2)}
    old = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    new = {name: np.zeros(shape) for name, shape in shapes.items()}
    new["fc7"] = np.zeros((2, 1, 5, 1))  # the same values, as a convolution
    return {**new, "score_pool4": np.zeros((3, 4))}, {**old, "upscore": rng.standard_normal(6)}


_NEW = {"fc7": np.zeros(2), "score_fr": np.zeros(3), "score_pool4": np.zeros(1)}
_OLD = {"fc7": np.array([1.0, 2.0]), "score_fr": np.array([3.0]), "upscore": np.array([4.0])}

check_copy = Exercise(
    _copy_by_name,
    hand=[
        Case(
            (_NEW, _OLD),
            {"fc7": np.array([1.0, 2.0]), "score_fr": np.zeros(3), "score_pool4": np.zeros(1)},
        )
    ],
    draw=_draw_states,
    mistakes={
        "names that the new net does not have": lambda new, old: {**new, **old},
        "sizes that do not fit": lambda new, old: {name: old.get(name, new[name]) for name in new},
        "only where the shapes are equal": lambda new, old: {
            name: old[name] if name in old and old[name].shape == array.shape else array
            for name, array in new.items()
        },
        "not brought into the new shape": lambda new, old: {
            name: old[name] if name in old and old[name].size == array.size else array
            for name, array in new.items()
        },
        "by position": lambda new, old: dict(zip(new, old.values(), strict=False)),
    },
    shown=copy_weights,
    hint="for each name of the new net: has the old one as many values? old[name].reshape(...)",
)

# -- Near a boundary -----------------------------------------------------------------------------


def _draw_regions(rng) -> tuple[np.ndarray, np.ndarray, int]:
    labels = np.zeros((11, 15), int)
    labels[rng.integers(2, 5) : rng.integers(6, 9), rng.integers(2, 6) : rng.integers(8, 12)] = 1
    labels[9, 4:9] = 255
    return labels, rng.integers(0, 2, labels.shape), int(rng.integers(1, 4))


def _all_of_it(attempt, rng):
    labels, predictions, _ = _draw_regions(rng)
    valid = labels != 255
    wanted = (labels == predictions)[valid].mean()
    found = attempt(labels, predictions, 15)
    if not abs(found - wanted) < 1e-12:
        return f"{found:.6g} for a band that is the whole map, whose accuracy is {wanted:.6g}"
    return None


def _with_void(labels, predictions, width):
    band = boundary_distance(labels, width) <= width
    return (labels == predictions)[band].mean()


def _outside_only(labels, predictions, width):
    band = (boundary_distance(labels, width) <= width) & (labels == 0)
    return (labels == predictions)[band].mean()


_STEP = np.array([[0, 0, 0, 1, 1, 1]])

check_near_boundary = Exercise(
    near_boundary_accuracy,
    hand=[
        # The boundary lies between columns 2 and 3; a band of width 1 is these two.
        Case((_STEP, np.array([[0, 1, 1, 1, 1, 0]]), 1), 1 / 2),
        Case((_STEP, np.array([[0, 1, 1, 1, 1, 0]]), 2), 2 / 4),
        Case((np.array([[0, 255, 1, 1]]), np.array([[0, 0, 1, 0]]), 1), 2 / 2),
    ],
    draw=_draw_regions,
    laws=[Law("a band as wide as the map is the map", _all_of_it)],
    mistakes={
        "void pixels counted": _with_void,
        "one side of the boundary only": _outside_only,
        "the rest instead of the band": lambda labels, predictions, width: (
            (labels == predictions)[
                (boundary_distance(labels, width) > width) & (labels != 255)
            ].sum()
            / labels.size
        ),
    },
    hint="boundary_distance(labels, width) <= width is the band; void pixels are not in it",
)
