"""Functions that a GPU runs again and again, without Python in between."""

import functools

from .. import backends
from . import mode
from .tensor import Tensor


def capture(function):
    """``function``, of tensors to one tensor, recorded where its arguments live on a device.

        predict = minifcn.capture(model)
        scores = predict(image)

    The first call with tensors of some shapes runs it a few times and records the launches of one
    run (a CUDA graph); later calls with such shapes replay them in a single launch. Between them
    nothing may change but the values of tensors that lie on the device: parameters may be updated
    in place, layers may not be exchanged. The result is overwritten by the next call with these
    shapes, and has no gradient (``train.Gradients`` records training steps). Inside, labels are
    not checked, and numbers cannot be looked at. For tensors in the processor's memory the
    function is called every time.
    """
    arrays = backends.captured(_on_arrays(function))

    @functools.wraps(function, updated=())
    def called(*tensors):
        with mode.no_grad():
            if not all(backends.device_of(x.data) for x in tensors):
                return function(*tensors)
            return Tensor.of(arrays(*(x.data for x in tensors)))

    return called


def _on_arrays(function):
    def on_arrays(*arrays):
        with mode.unattended():
            return function(*map(Tensor.of, arrays)).data

    return on_arrays
