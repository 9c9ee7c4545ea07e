"""The kernels in Python: in Numba's simulator, which a process of its own has, and on a GPU."""

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from geometries import (
    array,
    channels_last,
    check_adjoint,
    check_close,
    convolutions,
    inner,
    poolings,
)
from im2col_rows import add_rows, rows_of
from minifcn.kernels import reference
from on_device import DEVICES, table

pytest.importorskip("numba.cuda")

from minifcn.kernels import numba_cuda
from minifcn.kernels.numba_cuda.im2col import col2im, im2col
from minifcn.kernels.numba_cuda.loss import cross_entropy, cross_entropy_grad
from minifcn.kernels.numba_cuda.pool import max_pool2d, max_pool2d_grad

pytestmark = pytest.mark.filterwarnings("ignore:Grid size")  # of Numba, about few threads
HALVES = (2, 2), (2, 2), (0, 0), (1, 1)
SMALL = 150  # numbers of a map: so many threads of the simulator take 20 milliseconds


@pytest.fixture(scope="module")
def simulator():
    """Calls functions in a process whose numba.cuda is the simulator."""
    with (
        mock.patch.dict(os.environ, NUMBA_ENABLE_CUDASIM="1"),
        ProcessPoolExecutor(1, get_context("spawn")) as process,
    ):
        yield lambda function, *arguments: process.submit(function, *arguments).result()


@pytest.fixture(params=["simulated", *DEVICES[1:]])
def run(request):
    """Calls a function of NumPy's arrays."""
    if request.param == "simulated":
        return request.getfixturevalue("simulator")
    gpu = table("cuda").module

    def run(function, *arguments):
        arguments = (gpu.asarray(x) if isinstance(x, np.ndarray) else x for x in arguments)
        result = function(*arguments)
        several = isinstance(result, tuple)
        results = [x if x is None else x.get() for x in (result if several else [result])]
        return tuple(results) if several else results[0]

    return run


def test_im2col_exact(run, dtype):
    """Kernel 1x2 with taps 2 apart, stride 2, one column of padding, two channels."""
    x = np.array([[[[1, 2, 3, 4, 5]], [[10, 20, 30, 40, 50]]]], dtype)
    window = (1, 2), (1, 2), (0, 1), (1, 2), (1, 3)
    cols = run(im2col, x, *window)
    assert cols.dtype == dtype
    assert np.array_equal(cols, [[0, 0, 2, 20], [2, 20, 4, 40], [4, 40, 0, 0]])
    back = run(col2im, np.arange(12, dtype=dtype).reshape(3, 4), x.shape, *window)
    assert back.dtype == dtype
    assert np.array_equal(back, [[[[0, 2 + 4, 0, 6 + 8, 0]], [[0, 3 + 5, 0, 7 + 9, 0]]]])


def test_im2col_agrees_with_reference(run, dtype):
    """Bit for bit: the sums run in the same order. And the two are adjoint."""
    for geometry, rng in small(convolutions(seed=1, count=10_000)):
        x = geometry.arrays(rng, dtype)[0]
        window = *(geometry.kernel_size, *geometry.window[:3]), geometry.output_size
        cols = run(im2col, x, *window)
        assert np.array_equal(cols, rows_of(x, *window)), geometry
        c = array(rng, cols.shape, dtype)
        back = run(col2im, c, x.shape, *window)
        assert np.array_equal(back, add_rows(c, x.shape, *window)), geometry
        if dtype == np.float64:
            check_adjoint(inner(cols, c), inner(x, back), inner(abs(cols), abs(c)), geometry)


def test_pooling_agrees_with_reference(run, dtype):
    """Bit for bit, with ties, NaN and infinities."""
    for pool, rng in small(poolings(seed=2, count=10_000)):
        x, gy = pool.arrays(rng, dtype)
        x = np.round(x)
        x[rng.random(x.shape) < 0.05] = np.nan
        x[rng.random(x.shape) < 0.05] = -np.inf
        y, argmax = reference.max_pool2d(x, *pool.window, pool.output_size)
        actual = run(max_pool2d, x, *pool.window, pool.output_size)
        for a, e in zip(actual, (y, argmax), strict=True):
            assert a.dtype == e.dtype
            assert np.array_equal(a, e, equal_nan=True), pool
        alone, nothing = run(max_pool2d, x, *pool.window, pool.output_size, False)
        assert nothing is None
        assert np.array_equal(alone, y, equal_nan=True), pool
        gx = run(max_pool2d_grad, gy, argmax, pool.size, *pool.window)
        expected = reference.max_pool2d_grad(gy, argmax, pool.size, *pool.window)
        assert gx.dtype == dtype
        assert np.array_equal(gx, expected), pool


def test_more_taps_than_a_byte_holds(run, dtype):
    x = np.arange(16 * 17, dtype=dtype).reshape(1, 1, 16, 17)
    window = (16, 17), (1, 1), (0, 0), (1, 1)
    y, argmax = run(max_pool2d, x, *window, (1, 1))
    assert argmax.dtype == np.int32
    assert (y.item(), argmax.item()) == (16 * 17 - 1, 16 * 17 - 1)
    gx = run(max_pool2d_grad, y, argmax, (16, 17), *window)
    assert np.array_equal(np.flatnonzero(gx), [16 * 17 - 1])


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.int64, np.uint16])
@pytest.mark.parametrize("weighted", [False, True])
def test_loss_agrees_with_reference(run, dtype, kind, weighted):
    """With a label that is ignored, be it a class or not."""
    rng = np.random.default_rng(3)
    tolerance = {"float32": 1e-5, "float64": 1e-12}[dtype.name]
    for shape, ignore in (((2, 5, 6, 7), 255), ((1, 21, 9, 5), 3), ((1, 1, 1, 2), 7)):
        labels = rng.integers(0, shape[1], (shape[0], *shape[2:]))
        labels[rng.random(labels.shape) < 0.2] = ignore
        labels = labels.astype(kind)
        scores, scale = 5 * array(rng, shape), array(rng, labels.shape)
        weight = rng.uniform(0.1, 3, shape[1]) if weighted else None
        expected = reference.cross_entropy(scores, labels, weight, ignore)
        gscores = reference.cross_entropy_grad(scores, labels, expected[1], scale, ignore)

        scores, scale = scores.astype(dtype), scale.astype(dtype)
        weight = None if weight is None else weight.astype(dtype)
        actual = run(cross_entropy, scores, labels, weight, ignore)
        for a, e in zip(actual, expected, strict=True):
            assert a.dtype == dtype
            check_close(a, e, tolerance, shape)
        actual = run(cross_entropy_grad, scores, labels, actual[1], scale, ignore)
        assert actual.dtype == dtype
        check_close(actual, gscores, tolerance, shape)


def test_loss_of_extreme_scores(run, dtype):
    """Large scores do not overflow; a class of minus infinity has no share."""
    inf, eps = np.inf, np.finfo(dtype).eps
    scores = np.array([[1e4, -1e4, -inf], [-1e4, -1e4, 2], [0, -1e4, 2]], dtype)
    scores, labels = scores.reshape(1, 3, 1, 3), np.array([[[0, 1, 2]]])
    losses, lse = run(cross_entropy, scores, labels, None, 255)
    check_close(lse, [[[1e4, -1e4 + np.log(3), 2 + np.log(2)]]], 4 * eps)
    assert np.abs(losses[0, 0] - [0, np.log(3), np.log(2)]).max() <= 1e4 * eps
    gscores = run(cross_entropy_grad, scores, labels, lse, np.ones((1, 1, 3), dtype), 255)
    expected = [[0, 1 / 3, 0], [0, 1 / 3 - 1, 1 / 2], [0, 1 / 3, 1 / 2 - 1]]
    assert np.abs(gscores[0, :, 0] - expected).max() <= 1e4 * eps


def test_a_loss_that_is_not_a_number(run, dtype):
    """NaN in a score comes through, wherever it stands, but not out of an ignored pixel."""
    scores = np.zeros((1, 3, 1, 4), dtype)
    scores[0, [0, 1, 2], 0, [0, 1, 2]] = np.nan
    labels = np.array([[[0, 0, -1, 0]]])
    losses, lse = run(cross_entropy, scores, labels, None, -1)
    assert np.array_equal(np.isnan(losses), [[[True, True, False, False]]])
    assert np.array_equal(np.isnan(lse), [[[True, True, True, False]]])
    gscores = run(cross_entropy_grad, scores, labels, lse, np.ones((1, 1, 4), dtype), -1)
    assert np.array_equal(np.isnan(gscores[0, 0]), [[True, True, False, False]])
    assert np.array_equal(gscores[0, :, 0, 2], [0, 0, 0])


def test_any_strides(simulator, dtype):
    """They give the same bits, and maps with channels last are not copied."""
    first, *others, shared = simulator(_of_any_strides, dtype.name)
    for other in others:
        for a, b in zip(first, other, strict=True):
            assert np.array_equal(a, b)
    assert shared


def _of_any_strides(dtype):
    """Runs in the simulator's process: a pickled array would arrive with other strides."""
    from minifcn.kernels.numba_cuda.device import nhwc

    rng = np.random.default_rng(4)
    x, wide = array(rng, (1, 3, 5, 4), dtype), np.zeros((1, 3, 5, 8), dtype)
    wide[..., ::2] = x
    last, labels = channels_last(x), np.asfortranarray(rng.integers(0, 3, (1, 5, 4)))
    window = (3, 2), (2, 1), (1, 0), (1, 2), (3, 2)

    def results(x):
        y, argmax = max_pool2d(x, *window)
        losses, lse = cross_entropy(x, labels, None, 0)
        return im2col(x, *window), y, argmax, losses, cross_entropy_grad(x, labels, lse, lse, 0)

    shared = np.shares_memory(nhwc(last), last)
    return *(results(given) for given in (x, last, wide[..., ::2])), shared


def test_no_images_at_all(run):
    assert run(max_pool2d, np.zeros((0, 2, 4, 4)), *HALVES, (2, 2))[0].shape == (0, 2, 2, 2)


def test_the_debugger_answers_as_the_documentation_says(tmp_path):
    """The program, the line and the questions are taken from there."""
    text = numba_cuda.__doc__
    program = re.search(r"step\.py be\n\n(.*?)\n\nand", text, re.DOTALL).group(1)
    line = re.search(r"^( *if t == 1: breakpoint\(\))$", text, re.MULTILINE).group(1)
    shutil.copytree(Path(numba_cuda.__file__).parent, tmp_path / "copied")
    source = (tmp_path / "copied" / "pool.py").read_text()
    source, inserted = re.subn(r"(oh, ow, c = place_of.*\n)", rf"\g<1>{line}\n", source)
    assert inserted == 1
    (tmp_path / "copied" / "pool.py").write_text(source)
    program = re.sub("^    ", "", program, flags=re.MULTILINE)
    (tmp_path / "step.py").write_text(program.replace("minifcn.kernels.numba_cuda", "copied"))

    session = re.findall(r"\(Pdb\) (.*)\n    (.*)\n", text)
    assert len(session) == 3
    done = subprocess.run(
        [sys.executable, "step.py"],
        cwd=tmp_path,
        env=os.environ | {"NUMBA_ENABLE_CUDASIM": "1"},
        input="".join(f"{question}\n" for question, _ in session),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    answers = done.stdout.split("(Pdb) ")[1:]
    assert [answer.strip() for answer in answers] == [answer for _, answer in session]


def small(geometries, count: int = 10):
    """The first geometries whose maps have few numbers, before and after."""

    def few(geometry):
        C = getattr(geometry, "C", None) or geometry.groups * geometry.Cg
        taps = 1 if hasattr(geometry, "C") else np.prod(geometry.kernel_size)
        after = taps * np.prod(geometry.output_size)
        return geometry.N * C * max(np.prod(geometry.size), after) <= SMALL

    return islice(((g, rng) for g, rng in geometries if few(g)), count)
