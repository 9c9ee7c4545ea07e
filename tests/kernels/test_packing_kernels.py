"""Filters as panels, whatever their strides are, and panels as filters again."""

import ctypes
import mmap
import os
from itertools import product

import numpy as np
import pytest
from minifcn.kernels.cpu import isa
from minifcn.kernels.cpu.compile import kernel
from minifcn.kernels.cpu.packing import (
    pack_block,
    pack_piece,
    panels_of,
    pieces_of,
    unpack_block,
    width_of,
)
from minifcn.kernels.cpu.vectors import kind

# K, C, KH, KW: less than a vector, whole vectors, tails of both; runs of taps and of channels
SHAPES = [
    (1, 1, 1, 1),
    (5, 3, 2, 1),
    (40, 20, 3, 3),
    (40, 20, 3, 1),
    (70, 37, 7, 7),
    (33, 50, 1, 1),
    (32, 16, 5, 2),
    (16, 40, 1, 3),
    (64, 16, 4, 4),
    (21, 1100, 1, 1),  # in pieces
]


def straight(w):
    return w


def backward(w):
    """The filters of the input gradient: K and C exchanged, taps from the last to the first."""
    return w.swapaxes(0, 1)[:, :, ::-1, ::-1]


def upside_down(w):
    return w[:, :, ::-1]


def mirrored(w):
    return w[:, :, :, ::-1]


def channels_last(w):
    return np.ascontiguousarray(w.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def taps_exchanged(w):
    return np.ascontiguousarray(w.swapaxes(2, 3)).swapaxes(2, 3)


def every_second(w):
    """Every second filter, channel and tap of a larger array."""
    large = np.full([2 * n for n in w.shape], np.nan, w.dtype)
    large[::2, ::2, ::2, ::2] = w
    return large[::2, ::2, ::2, ::2]


def a_part(w):
    """Some channels of some filters: all that a filter has still follows each other."""
    large = np.full((w.shape[0] + 2, w.shape[1] + 3, *w.shape[2:]), np.nan, w.dtype)
    large[1:-1, 2:-1] = w
    return large[1:-1, 2:-1]


LAYOUTS = [
    straight,
    backward,
    upside_down,
    mirrored,
    channels_last,
    taps_exchanged,
    every_second,
    a_part,
]


def filters(shape, dtype):
    """Filters whose numbers all differ."""
    return np.arange(1, np.prod(shape) + 1).reshape(shape).astype(dtype)


def packed_by_hand(w, width: int, block: int, vector: int):
    """For each panel [block of channels][i][j][c][filter], zeros behind the last filter; a panel
    whose filters fit into one vector is a vector wide."""
    panels = []
    for k in range(0, len(w), width):
        some = w[k : k + width]
        full = np.zeros((vector if len(some) <= vector else width, *w.shape[1:]), w.dtype)
        full[: len(some)] = some
        blocks = (full[:, c : c + block] for c in range(0, w.shape[1], block))
        panels.append(np.concatenate([part.transpose(2, 3, 1, 0).ravel() for part in blocks]))
    return panels


def check_panels(actual, w, form, block: int):
    """Panels as by hand, each at the start of its place."""
    (_, vectors, lanes), (*_, C, KH, KW) = form.dtype[0].shape, w.shape
    width = vectors * lanes
    expected = [panel for part in w for panel in packed_by_hand(part, width, block, lanes)]
    assert actual.shape == (len(expected), C * KH * KW * width)
    for place, panel in zip(actual, expected, strict=True):
        assert np.array_equal(place[: panel.size], panel), (w.shape, block)


@pytest.fixture(params=[i.name for i in isa.available()])
def form(request, dtype, settings):
    """The type argument of kernels, for each instruction set."""
    isa.set_isa(request.param)
    return kind(dtype)


@kernel()
def every_panel(form, w, shape, packed, block, count):
    _, C, KH, KW = shape
    for number in range(count * pieces_of(C, (KH, KW))):
        pack_piece(form, w, shape, packed, block, number)


def pack(form, w, block: int):
    """All panels of w (G, K, C, KH, KW)."""
    G, K, C, KH, KW = w.shape
    panels = -(-K // width_of(form))
    packed = np.zeros((G * panels, C * KH * KW * width_of(form)), w.dtype)
    where = (w.ctypes.data, *w.strides)
    every_panel(form, where, (K, C, KH, KW), packed.ctypes.data, block, G * panels)
    return packed


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pack(form, dtype, layout):
    for shape in SHAPES:
        w = layout(filters(shape, dtype))
        for block in {w.shape[1], 7, 16}:
            check_panels(pack(form, w[None], block), w[None], form, block)


def test_pack_groups(dtype):
    form = kind(dtype)
    w = filters((3, 37, 5, 3, 2), dtype)
    check_panels(pack(form, w, 4), w, form, 4)


@pytest.mark.parametrize("gap", [0, 3])
def test_pack_alone_fills_its_block_only(form, dtype, gap):
    """Some filters and channels of one group: pack_block, as kernels call it, in both widths, its
    taps one behind the other or ``gap`` numbers apart."""
    w = filters((2, 45, 21, 3, 2), dtype)
    _, vectors, lanes = form.dtype[0].shape
    for width in (vectors * lanes, lanes):
        first, count, (c0, c1) = 4, min(width, 45) - 1, (5, 19)
        size = (c1 - c0) * width
        guarded = np.full(6 * (size + gap) + 10, 777, dtype)
        target, tap = guarded.ctypes.data + 5 * w.itemsize, (size + gap) * w.itemsize
        where = (w.ctypes.data, *w.strides)
        pack_block(form, width, where, 1, (first, count), (c0, c1), (3, 2), target, tap)
        (expected,) = packed_by_hand(w[1, first : first + count, c0:c1], width, c1 - c0, 0)
        found = guarded[5:-5].reshape(6, size + gap)
        assert np.array_equal(found[:, :size].ravel(), expected)
        assert np.all(guarded[:5] == 777)
        assert np.all(guarded[-5:] == 777)


@pytest.mark.skipif(os.name != "posix", reason="needs mprotect")
@pytest.mark.parametrize("layout", [straight, backward])
def test_pack_reads_nothing_beside_the_filters(form, dtype, layout):
    """Filters between pages that nobody may read, at the start and at the end of theirs."""
    page = mmap.PAGESIZE
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    for shape in SHAPES:
        size = int(np.prod(shape)) * dtype.itemsize
        pages = -(-size // page)
        memory = mmap.mmap(-1, (pages + 2) * page)
        numbers = np.frombuffer(memory, dtype)
        for start in (page, page + pages * page - size):
            w = numbers[start // dtype.itemsize :][: np.prod(shape)].reshape(shape)
            w[...] = filters(shape, dtype)
            view = layout(w)
            walls = [numbers.ctypes.data, numbers.ctypes.data + (pages + 1) * page]
            for wall in walls:
                assert protect(ctypes.c_void_p(wall), ctypes.c_size_t(page), 0) == 0
            try:
                packed = pack(form, view[None], 16)
            finally:
                for wall in walls:
                    protect(ctypes.c_void_p(wall), ctypes.c_size_t(page), 3)
            check_panels(packed, view[None], form, 16)


@pytest.mark.parametrize("gap", [0, 3])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_unpack_is_the_way_back(form, dtype, layout, gap):
    """A panel of up to ``width`` filters, into an array of any strides, and nowhere else."""
    _, vectors, lanes = form.dtype[0].shape
    for (K, *rest), width in product(SHAPES, (vectors * lanes, lanes)):
        shape = (min(K, width), *rest)
        numbers = filters(shape, dtype)
        room = np.full(16 * numbers.size + 1000, 777, dtype)
        target = within(room, layout, shape)
        (panel,) = packed_by_hand(numbers, width, shape[1], 0)
        panel = np.pad(panel.reshape(-1, shape[1] * width), ((0, 0), (0, gap)), constant_values=9)
        there = target.ctypes.data, target.strides
        unpack_block(form, width, panel.ctypes.data, panel.strides[0], *there, shape)
        assert np.array_equal(target, numbers), shape
        target[...] = 777
        assert np.all(room == 777), shape


def within(room, layout, shape):
    """An array of this shape in ``room``, with the strides that ``layout`` gives one."""
    K, C, *window = shape
    view = layout(np.empty((C, K, *window) if layout is backward else shape, room.dtype))
    assert view.shape == shape
    low = sum(min(0, (n - 1) * s) for n, s in zip(view.shape, view.strides, strict=True))
    return np.lib.stride_tricks.as_strided(room[16 - low // room.itemsize :], shape, view.strides)


def test_biases_as_panels(dtype):
    bias = np.arange(1, 11).astype(dtype)
    expected = [[1, 2, 3, 4, 5, 0, 0, 0], [6, 7, 8, 9, 10, 0, 0, 0]]
    assert panels_of(bias, 2, 5, 4).tolist() == expected
    assert panels_of(bias, 2, 5, 5).tolist() == [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]
