"""Outputs and all gradients of both backends against PyTorch, in float64."""

import numpy as np
import pytest
from geometries import check_close, convolutions, poolings, upsamplings
from minifcn.kernels.filters import bilinear_filter

torch = pytest.importorskip("torch")
F = torch.nn.functional

pytestmark = pytest.mark.oracle
TOLERANCE = 1e-10


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """The arrays are small: PyTorch's threads would only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _leaf(a):
    return torch.tensor(np.ascontiguousarray(a), requires_grad=True)


def _check(context, *pairs):
    for actual, expected in pairs:
        check_close(actual, expected.detach().numpy(), TOLERANCE, context)


def test_convolution(backend):
    for geometry, rng in convolutions(seed=11):
        x, w, b, gy = geometry.arrays(rng)
        tx, tw, tb = map(_leaf, (x, w, b))
        expected = F.conv2d(tx, tw, tb, *geometry.window)
        expected.backward(torch.tensor(gy))
        kernel, window = geometry.kernel_size, geometry.window
        _check(
            geometry,
            (backend.conv2d(x, w, b, *window), expected),
            (backend.conv2d_grad_input(gy, w, geometry.size, *window), tx.grad),
            (backend.conv2d_grad_weight(gy, x, kernel, *window), tw.grad),
        )


def test_transposed_convolution(backend):
    """y = conv2d_grad_input(x, w), whose gradients are the two other derivatives."""
    for geometry, rng in convolutions(seed=12):
        gy, w, _, x = geometry.arrays(rng)
        stride, padding, dilation, groups = geometry.window
        smallest = [
            (o - 1) * s - 2 * p + d * (k - 1) + 1
            for o, k, s, p, d in zip(
                geometry.output_size,
                geometry.kernel_size,
                *(stride, padding, dilation),
                strict=True,
            )
        ]
        extra = tuple(n - small for n, small in zip(geometry.size, smallest, strict=True))
        tx, tw = _leaf(x), _leaf(w)
        expected = F.conv_transpose2d(tx, tw, None, stride, padding, extra, groups, dilation)
        expected.backward(torch.tensor(np.ascontiguousarray(gy)))
        window = geometry.window
        _check(
            geometry,
            (backend.conv2d_grad_input(x, w, geometry.size, *window), expected),
            (backend.conv2d(gy, w, None, *window), tx.grad),
            (backend.conv2d_grad_weight(x, gy, geometry.kernel_size, *window), tw.grad),
        )


def _torch_pools(pool) -> bool:
    """PyTorch refuses padding of more than half a window, without counting the dilation."""
    return all(2 * p <= k for p, k in zip(pool.padding, pool.kernel_size, strict=True))


def test_max_pooling(backend):
    for pool, rng in poolings(seed=13, valid=_torch_pools):
        x, gy = pool.arrays(rng)
        tx = _leaf(x)
        expected, where = F.max_pool2d(tx, *pool.window, pool.ceil_mode, return_indices=True)
        expected.backward(torch.tensor(gy))
        assert expected.shape[2:] == pool.output_size, pool
        y, argmax = backend.max_pool2d(x, *pool.window, pool.output_size)
        gx = backend.max_pool2d_grad(gy, argmax, pool.size, *pool.window)
        _check(pool, (y, expected), (gx, tx.grad))

        (_, KW), (SH, SW), (PH, PW), (DH, DW) = pool.window
        oh, ow = np.indices(pool.output_size)
        h = oh * SH - PH + argmax.astype(int) // KW * DH
        w = ow * SW - PW + argmax.astype(int) % KW * DW
        assert np.array_equal(h * pool.size[1] + w, where.numpy()), pool


def test_average_pooling(backend):
    """PyTorch's has no dilation."""
    for pool, rng in poolings(seed=14, valid=_torch_pools, dilated=False):
        x, gy = pool.arrays(rng)
        tx = _leaf(x)
        expected = F.avg_pool2d(tx, *pool.window[:3], pool.ceil_mode)
        expected.backward(torch.tensor(gy))
        y = backend.avg_pool2d(x, *pool.window, pool.output_size)
        gx = backend.avg_pool2d_grad(gy, pool.size, *pool.window)
        _check(pool, (y, expected), (gx, tx.grad))


def test_upsampling(backend):
    """A transposed convolution with the bilinear filter, one channel at a time."""
    for geometry, rng in upsamplings(seed=15):
        x, gy = geometry.arrays(rng)
        kernel, stride, padding = geometry.window
        tx = _leaf(x)
        w = torch.tensor(bilinear_filter(kernel)).repeat(geometry.C, 1, 1, 1)
        # Padding as a crop, and extra as zeros: either may be more than PyTorch accepts
        expected = F.conv_transpose2d(tx, w, None, stride, 0, 0, geometry.C)
        far = [
            o + p - n
            for o, p, n in zip(geometry.output_size, padding, expected.shape[2:], strict=True)
        ]
        expected = F.pad(expected, (-padding[1], far[1], -padding[0], far[0]))
        expected.backward(torch.tensor(gy))
        y = backend.upsample_bilinear(x, *geometry.window, geometry.output_size)
        gx = backend.upsample_bilinear_grad(gy, geometry.size, *geometry.window)
        _check(geometry, (y, expected), (gx, tx.grad))


def test_relu(backend):
    rng = np.random.default_rng(16)
    for _ in range(200):
        x, gy = rng.standard_normal((2, *rng.integers(1, 9, 4)))
        tx = _leaf(x)
        expected = F.relu(tx)
        expected.backward(torch.tensor(gy))
        y = backend.relu(x)
        _check(x.shape, (y, expected), (backend.relu_grad(gy, y), tx.grad))


def test_local_response_norm(backend):
    rng = np.random.default_rng(17)
    for _ in range(200):
        shape = tuple(rng.integers((1, 1, 1, 1), (4, 12, 9, 9)))
        x, gy = rng.standard_normal((2, *shape))
        size, alpha, k = int(rng.integers(1, 9)), rng.uniform(0.01, 1), rng.uniform(0.5, 2)
        beta = float(rng.choice([0.75, 0.5, 0.2]))
        tx = _leaf(x)
        expected = F.local_response_norm(tx, size, alpha, beta, k)
        expected.backward(torch.tensor(gy))
        y, scale = backend.local_response_norm(x, size, alpha, beta, k)
        gx = backend.local_response_norm_grad(gy, x, y, scale, size, alpha, beta)
        _check((shape, size, alpha, beta, k), (y, expected), (gx, tx.grad))


def test_cross_entropy(backend):
    rng = np.random.default_rng(18)
    for _ in range(200):
        N, K, H, W = shape = tuple(int(n) for n in rng.integers((1, 1, 1, 1), (4, 22, 12, 14)))
        scores = rng.uniform(0.1, 10) * rng.standard_normal(shape)
        labels = rng.integers(0, K, (N, H, W))
        labels[rng.random(labels.shape) < 0.2] = 255
        weight = rng.uniform(0.1, 3, K)
        upstream = rng.standard_normal((N, H, W))
        ts = _leaf(scores)
        expected = F.cross_entropy(
            ts, torch.tensor(labels), torch.tensor(weight), ignore_index=255, reduction="none"
        )
        expected.backward(torch.tensor(upstream))
        losses, lse = backend.cross_entropy(scores, labels, weight, 255)
        scale = upstream * weight[np.where(labels == 255, 0, labels)]
        gscores = backend.cross_entropy_grad(scores, labels, lse, scale, 255)
        _check(shape, (losses, expected), (lse, torch.logsumexp(ts, 1)), (gscores, ts.grad))


@pytest.mark.parametrize("adam", [False, True])
def test_updates(backend, adam):
    """Five steps at a constant rate, where Caffe's velocity is PyTorch's times the rate."""
    rng = np.random.default_rng(19)
    for _ in range(200):
        shape = tuple(rng.integers(1, 6, 3))
        w, *gradients = rng.standard_normal((6, *shape))
        rate, decay, momentum = rng.uniform(0.001, 0.5), rng.uniform(0, 0.1), rng.uniform(0, 0.99)
        parameter, first, second = _leaf(w), np.zeros(shape), np.zeros(shape)
        if adam:
            optimizer = torch.optim.AdamW(
                [parameter], rate, betas=(momentum, 0.99), eps=1e-8, weight_decay=decay
            )
        else:
            optimizer = torch.optim.SGD([parameter], rate, momentum=momentum, weight_decay=decay)
        for step, g in enumerate(gradients, 1):
            parameter.grad = torch.tensor(g)
            optimizer.step()
            if adam:
                rates = rate, momentum, 0.99, 1e-8, decay, step
                backend.adamw_step(w, g, first, second, *rates)
            else:
                backend.sgd_step(w, g, first, rate, momentum, decay)
        _check((shape, rate, decay, momentum), (w, parameter))
