"""Compiling for the first time, by two processes.

Numba compiles one kernel at a time in a process. So while a fresh install compiles what the first
forward pass asks for, a second process compiles what a backward pass will ask for, and leaves it
on disk, where the first one finds it.

``compile_the_rest`` is what that process does. MINIFCN_WARM=0 in the environment: never start
one.
"""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

from . import activation, arithmetic, conv, gradient, layout, loss, pool, solver
from . import scores as end

SWITCH = "MINIFCN_WARM"


def start() -> bool:
    """Start it, if what it compiles is not on disk yet; nobody waits for it. Returns whether."""
    place = gradient._correlate_weights.stats.cache_path
    if os.environ.get(SWITCH) == "0" or not place or not sys.executable:
        return False
    if any(Path(place).glob("gradient._correlate_weights-*.nbi")):
        return False
    command = [sys.executable, "-c", f"import {__name__} as w; w.compile_the_rest()"]
    nowhere = subprocess.DEVNULL
    environment = os.environ | {SWITCH: "0"}
    try:
        process = subprocess.Popen(
            command, stdin=nowhere, stdout=nowhere, stderr=nowhere, env=environment
        )
    except OSError:  # no room for another process: this one compiles everything
        return False
    threading.Thread(target=process.wait, name="minifcn compiles", daemon=True).start()
    return True


def compile_the_rest() -> None:
    """Run, on maps as small as they may be, the kernels of a training step of FCN-VGG in float32
    that a first pass forward asks for last or not at all, in about that order."""
    size, window, wide = (18, 18), ((1, 1), (1, 1), (1, 1), 1), ((1, 1), (3, 3), (1, 1), 1)
    scores, maps = _zeros(21, *size), _zeros(32, *size)
    labels, fc6 = np.zeros((1, 36, 36), np.uint8), np.zeros((32, 32, 7, 7), np.float32)
    conv.conv2d(maps, fc6, np.zeros(32, np.float32), *wide, relu=True)
    conv.conv2d_grad_weight(scores, maps, (1, 1), (1, 1), (0, 0), (1, 1), 1)
    conv.conv2d_grad_input(maps, fc6, size, *wide)
    conv.conv2d_grad_weight(maps, maps, (7, 7), *wide)
    for conv3x3 in (_zeros(256, *size), _zeros(256, 48, 48), _zeros(64, 48, 48), maps):
        conv.conv2d_grad_weight(conv3x3, conv3x3, (3, 3), *window)
    activation.bias_grad(scores)
    activation.relu_bias_grad(maps, maps)
    pooling = (2, 2), (2, 2), (0, 0), (1, 1)
    pooled, argmax = pool.max_pool2d(maps, *pooling, (9, 9))
    pool.max_pool2d_grad(pooled, argmax, size, *pooling)
    arithmetic.add_(maps, maps)
    losses, log_sum_exp = loss.cross_entropy(scores, labels[:, :18, :18], None, 255)
    loss.cross_entropy_grad(scores, labels[:, :18, :18], log_sum_exp, losses, 255)
    w, g, v = np.zeros((3, 100), np.float32)
    solver.sgd_steps([(w, g, v, 0.1, 0.9, 0.0)])
    coarse = (scores, (4, 4), (2, 2), (1, 1), (0, 0), labels)
    losses, log_sum_exp = end.upsample_cross_entropy(*coarse, None, 255)
    end.upsample_cross_entropy_grad(*coarse, log_sum_exp, losses, 255)


def _zeros(*shape: int):
    maps = layout.empty((1, *shape), np.float32)
    maps[...] = 0
    return maps
