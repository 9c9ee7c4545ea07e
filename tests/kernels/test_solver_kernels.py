"""All parameters of a net in one call, and weights of any strides."""

import numpy as np
import pytest
from geometries import array, channels_last, check_close
from minifcn.kernels import cpu, reference
from minifcn.kernels.cpu import solver
from minifcn.kernels.cpu.solver import BLOCK
from minifcn.kernels.cuda.device import address
from on_device import DEVICES, native_table, to_numpy

SHAPES = (5,), (4, 3, 3, 2), (BLOCK,), (0, 3), (2, BLOCK + 1), (), (3 * BLOCK - 1,)


def _parameters(rng, dtype, arrays: int):
    """Arrays of every shape: w, g and the states, of which the last is not negative."""
    for shape in SHAPES:
        made = [np.asarray(array(rng, shape, dtype)) for _ in range(arrays)]
        np.abs(made[-1], out=made[-1])
        yield made


@pytest.mark.parametrize("threads", [1, 3])
def test_all_at_once(backend, threads, dtype):
    """Bit for bit what one call for each parameter gives, each with its own constants."""
    rng, before = np.random.default_rng(1), cpu.get_num_threads()
    sgd = [(*p, *rng.uniform(0, 1, 3)) for p in _parameters(rng, dtype, 3)]
    adamw = [(*p, *rng.uniform(0.1, 0.9, 5), 7) for p in _parameters(rng, dtype, 4)]
    kept = [[np.copy(a) for a in p] for p in (*sgd, *adamw)]
    alone = [[np.copy(a) if isinstance(a, np.ndarray) else a for a in p] for p in (*sgd, *adamw)]
    try:
        cpu.set_num_threads(threads)
        backend.sgd_steps(sgd)
        backend.adamw_steps(adamw)
        cpu.set_num_threads(1)
        for p in alone:
            (backend.sgd_step if len(p) == 6 else backend.adamw_step)(*p)
    finally:
        cpu.set_num_threads(before)
    for p, q, old in zip((*sgd, *adamw), alone, kept, strict=True):
        for a, b in zip(p, q, strict=True):
            assert np.array_equal(a, b)
        assert np.array_equal(p[1], old[1])  # the gradient
        assert p[0].size == 0 or not np.array_equal(p[0], old[0])


def test_nothing_to_do(backend):
    backend.sgd_steps([])
    backend.adamw_steps([])


def test_two_types_at_once(backend):
    w, v = np.ones(3, np.float32), np.ones(2)
    g, h = np.ones(3, np.float32), np.ones(2)
    backend.sgd_steps([(w, g, np.zeros_like(w), 0.5, 0, 0), (v, h, np.zeros_like(v), 0.25, 0, 0)])
    assert w.tolist() == [0.5] * 3
    assert v.tolist() == [0.75] * 2


def test_weights_of_any_strides(native, dtype):
    """Dense and alike, dense and different, with gaps, backwards, another type of gradient."""
    (kernels, xp), rng = native, np.random.default_rng(2)
    layouts = (
        lambda a: a,
        lambda a: xp.asarray(to_numpy(a).transpose(0, 2, 3, 1).copy()).transpose(0, 3, 1, 2),
        lambda a: xp.asarray(to_numpy(a).transpose(3, 2, 1, 0).copy()).transpose(3, 2, 1, 0),
        lambda a: xp.asarray(np.repeat(to_numpy(a), 2, axis=3))[..., ::2],
        lambda a: xp.asarray(to_numpy(a)[:, ::-1].copy())[:, ::-1],
    )
    start = array(rng, (3, 6, 5, 3, 2), dtype)
    expected = [a.copy() for a in start]
    reference.sgd_step(*expected, 0.5, 0.25, 0.125)
    for kinds in np.ndindex(5, 5, 5):
        copies = (xp.asarray(a.copy()) for a in start)
        w, g, v = (layouts[k](a) for k, a in zip(kinds, copies, strict=True))
        strides = w.strides, v.strides
        kernels.sgd_step(w, g, v, 0.5, 0.25, 0.125)
        assert (w.strides, v.strides) == strides
        for a, e in zip((w, g, v), expected, strict=True):
            assert np.allclose(to_numpy(a), e, rtol=0, atol=16 * np.finfo(dtype).eps), kinds
    w, g, v = (xp.asarray(a.copy()) for a in start)
    kernels.sgd_step(w, g.astype(np.float64), v, 0.5, 0.25, 0.125)
    assert np.allclose(to_numpy(w), expected[0], rtol=0, atol=16 * np.finfo(dtype).eps)


def test_many_steps_of_the_same_arrays(native, dtype):
    """With other rates at every step, and new gradients; arrays that come and go between."""
    (kernels, xp), rng = native, np.random.default_rng(4)
    shapes = (3, 2, 2, 5), (5,), (1,), (4097,)
    theirs = [[array(rng, shape) for _ in range(3)] for shape in shapes]
    theirs = [[w, m, abs(s)] for w, m, s in theirs]
    ours = [[xp.asarray(a.astype(dtype)) for a in arrays] for arrays in theirs]
    for step in range(1, 6):
        rates = rng.uniform(0.01, 0.1, len(shapes))
        slopes = [array(rng, shape) for shape in shapes]
        constants = 0.9, 0.99, 1e-3, 0.01, step
        for (w, m, s), g, rate in zip(theirs, slopes, rates, strict=True):
            reference.adamw_step(w, g, m, s, rate, *constants)
            reference.sgd_step(w, g, m, rate, 0.5, 0.1)
        slopes = [xp.asarray(g.astype(dtype)) for g in slopes]
        pairs = list(zip(ours, slopes, rates, strict=True))
        kernels.adamw_steps([(w, g, m, s, rate, *constants) for (w, m, s), g, rate in pairs])
        kernels.sgd_steps([(w, g, m, rate, 0.5, 0.1) for (w, m, _), g, rate in pairs])
    tolerance = 64 * np.finfo(dtype).eps
    for mine, expected in zip(ours, theirs, strict=True):
        for a, e in zip(mine, expected, strict=True):
            check_close(to_numpy(a), e, tolerance)


@pytest.mark.parametrize("name", DEVICES)
def test_one_table_while_the_arrays_stay(name, dtype):
    """On a GPU: the arrays' addresses are sent once, and numbers where they changed."""
    from minifcn.kernels.cuda import solver as on_gpu

    kernels, xp = native_table(name)
    w, g, v = (xp.asarray(np.ones(5, dtype)) for _ in range(3))
    on_gpu._table.cache_clear()
    sent = []
    for rate in (0.5, 0.5, 0.25):
        kernels.sgd_step(w, g, v, rate, 0, 0)
        table = on_gpu._table(xp, w.dtype, ((*map(address, (w, v, g)), 5),))
        sent.append((table.numbers, to_numpy(table.numbers)[0, 0]))
    assert on_gpu._table.cache_info().misses == 1
    assert [rate for _, rate in sent] == [0.5, 0.5, 0.25]
    assert all(numbers is sent[0][0] for numbers, _ in sent)  # in one place on the GPU
    assert to_numpy(w).tolist() == [1 - 0.5 - 0.5 - 0.25] * 5


def test_equal_layouts_are_not_copied(dtype):
    w = channels_last(array(np.random.default_rng(3), (4, 5, 1, 3), dtype))
    flat = solver._flat((w, np.zeros_like(w)))
    assert all(a.flags.c_contiguous and a.ndim == 1 for a in flat)
    assert np.shares_memory(flat[0], w)
    assert np.array_equal(flat[0], w.ravel(order="K"))


def test_a_read_only_weight_is_refused(dtype):
    w, g, v = np.ones((3, 4), dtype)
    w.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        cpu.sgd_step(w, g, v, 0.1, 0.9, 0.0)
    assert v.tolist() == [1] * 4
