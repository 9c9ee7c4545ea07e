"""Results do not depend on the number of threads, nor on other threads of Python."""

import threading
import time

import numpy as np
import pytest
from minifcn.kernels import cpu, reference

pytestmark = pytest.mark.usefixtures("settings")


def _everything(dtype):
    """Name and result of every kernel, on arrays large enough for several threads."""
    rng = np.random.default_rng(1)

    def array(*shape):
        return rng.standard_normal(shape).astype(dtype)

    for algorithm, shape, weight_shape, *window in (
        ("direct", (2, 16, 61, 83), (20, 16, 3, 3), (1, 1), (1, 1), (1, 1), 1),
        ("direct", (1, 48, 17, 23), (80, 48, 3, 3), (1, 1), (1, 1), (1, 1), 1),
        ("direct", (2, 3, 90, 120), (33, 3, 7, 7), (2, 2), (3, 3), (1, 1), 1),
        ("direct", (1, 48, 9, 11), (230, 48, 3, 3), (1, 1), (1, 1), (1, 1), 1),
        ("direct", (3, 40, 9, 7), (128, 40, 5, 5), (1, 1), (2, 2), (1, 1), 1),
        ("direct", (2, 64, 30, 41), (80, 64, 1, 1), (1, 1), (0, 0), (1, 1), 1),
        ("direct", (4, 24, 6, 7), (160, 24, 6, 7), (1, 1), (0, 0), (1, 1), 1),
        ("direct", (2, 32, 40, 50), (32, 1, 3, 3), (1, 1), (1, 1), (1, 1), 32),
        ("direct", (2, 32, 20, 26), (21, 32, 4, 4), (2, 2), (1, 1), (1, 1), 1),
        ("direct", (1, 520, 6, 6), (300, 520, 3, 3), (1, 1), (1, 1), (1, 1), 1),  # a panel a task
        ("winograd", (2, 64, 41, 50), (64, 64, 3, 3), (1, 1), (1, 2), (1, 1), 1),  # own sums
        ("winograd", (1, 128, 41, 50), (112, 128, 3, 3), (1, 1), (1, 1), (1, 1), 1),  # shared ones
        ("winograd", (1, 128, 9, 11), (240, 128, 3, 3), (1, 1), (1, 1), (1, 1), 1),  # panels
        ("winograd", (3, 48, 9, 7), (128, 48, 5, 5), (1, 1), (2, 2), (1, 1), 1),
        ("winograd", (2, 32, 50, 61), (48, 32, 5, 5), (1, 1), (2, 2), (1, 1), 1),  # shared tiles
    ):
        cpu.conv.set_algorithm(algorithm)
        x, w, b = array(*shape), array(*weight_shape), array(weight_shape[0])
        y = cpu.conv2d(x, w, b, *window, relu=True)
        yield f"conv2d {shape}", y
        gy = array(*y.shape)
        yield f"grad_input {shape}", cpu.conv2d_grad_input(gy, w, shape[2:], *window)
        yield f"grad_weight {shape}", cpu.conv2d_grad_weight(gy, x, weight_shape[2:], *window)
    yield "matmul", cpu.matmul(array(200, 90), array(90, 170))
    yield "matmul of a transposed matrix", cpu.matmul(array(900, 110).T, array(900, 70))

    x, window = array(2, 12, 60, 80), ((3, 3), (2, 2), (0, 0), (1, 1))
    y, argmax = cpu.max_pool2d(x, *window, (30, 40))
    yield "max_pool2d", np.stack([y, argmax])
    yield "max_pool2d_grad", cpu.max_pool2d_grad(y, argmax, (60, 80), *window)
    yield "avg_pool2d", cpu.avg_pool2d(x, *window, (30, 40))
    yield "avg_pool2d_grad", cpu.avg_pool2d_grad(y, (60, 80), *window)
    yield "relu", cpu.relu(x)
    yield "relu_grad", cpu.relu_grad(x[::-1], x)
    y, scale = cpu.local_response_norm(x, 5, 0.1, 0.75, 1.0)
    yield "local_response_norm", y
    gx = cpu.local_response_norm_grad(x[::-1], x, y, scale, 5, 0.1, 0.75)
    yield "local_response_norm_grad", gx
    labels = rng.integers(0, 12, (2, 60, 80))
    losses, lse = cpu.cross_entropy(x, labels, None, 255)
    yield "cross_entropy", losses
    yield "cross_entropy_grad", cpu.cross_entropy_grad(x, labels, lse, losses, 255)
    y = cpu.upsample_bilinear(x, (8, 6), (4, 3), (2, 1), (240, 241))
    yield "upsample_bilinear", y
    yield "upsample_bilinear_grad", cpu.upsample_bilinear_grad(y, (60, 80), (8, 6), (4, 3), (2, 1))
    w, g, v, s = x, x[::-1].copy(), x[:, ::-1].copy(), x**2
    cpu.sgd_step(w, g, v, 0.1, 0.9, 0.01)
    cpu.adamw_step(w, g, v, s, 0.1, 0.9, 0.99, 1e-8, 0.01, 3)
    yield "solver", np.stack([w, v, s])
    counts = cpu.confusion_counts(np.tile(labels, 40), np.tile(labels[::-1], 40), 12, 255)
    yield "confusion_counts", counts


def test_results_do_not_depend_on_the_number_of_threads(dtype):
    """Bit for bit, convolution by either algorithm included."""
    cpu.set_num_threads(1)
    expected = dict(_everything(dtype))
    for n in (2, 3, 7):
        cpu.set_num_threads(n)
        for name, result in _everything(dtype):
            assert np.array_equal(result, expected[name]), (name, n)


def test_several_python_threads_at_once(algorithm):
    """Their workspaces and the pool do not get in each other's way."""
    cpu.set_num_threads(2)
    rng = np.random.default_rng(2)
    window = (1, 1), (1, 1), (1, 1), 1
    cases = []
    for channels in (3, 16, 20, 48):
        x = rng.standard_normal((2, channels, 30 + channels, 41))
        w = rng.standard_normal((channels + 16, channels, 3, 3))
        y = reference.conv2d(x, w, None, *window)
        gw = reference.conv2d_grad_weight(y, x, (3, 3), *window)
        gx = reference.conv2d_grad_input(y, w, x.shape[2:], *window)
        cases.append((x, w, y, gw, gx))
    errors = []

    def work(x, w, y, gw, gx):
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            errors.append(abs(cpu.conv2d(x, w, None, *window) - y).max() / abs(y).max())
            ours = cpu.conv2d_grad_weight(y, x, (3, 3), *window)
            errors.append(abs(ours - gw).max() / abs(gw).max())
            ours = cpu.conv2d_grad_input(y, w, x.shape[2:], *window)
            errors.append(abs(ours - gx).max() / abs(gx).max())
            errors.append(abs(cpu.relu(x) - reference.relu(x)).max())

    workers = [threading.Thread(target=work, args=case) for case in cases]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(errors) >= 4 * len(cases)
    assert max(errors) < 1e-12
