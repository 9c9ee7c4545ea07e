"""What Hopper's copy engine has to know of an array (TMA's tensor map).

It fetches boxes of an array of up to five axes: a kernel names the corner of a box, which may lie
outside of the array; what is outside comes as zeros. Rows of boxes have 128 bytes here and lie
swizzled in shared memory, and numbers are rounded to TF32 on their way (hopper.cuh).
"""

import ctypes
from functools import cache

import numpy as np

from .arrays import EmulatedArray
from .device import address
from .emulator import TENSOR_MAP

TFLOAT32, SWIZZLE_128, PROMOTE_256 = 11, 3, 3  # CUtensorMapDataType, -Swizzle, -L2promotion


def tensor_map(x, sizes, strides, box):
    """The map of float32 numbers in x, as an argument of a kernel: one number of 128 bytes.

    sizes: of the axes, the fastest first, whose numbers lie side by side; strides: in numbers, of
    the others; box: the size of what is fetched at once, at most 256 along each axis. x begins at
    a multiple of 16 bytes, and strides are multiples of 4 numbers. Raises RuntimeError where the
    driver refuses them.
    """
    strides = [4 * n for n in strides]
    if isinstance(x, EmulatedArray):
        made = _aligned(TENSOR_MAP)
        pad = (1,) * (5 - len(sizes))
        made["first"], made["axes"] = address(x), len(sizes)
        made["sizes"], made["box"] = (*sizes, *pad), (*box, *pad)
        made["strides"] = (*strides, *pad)[:4]
        return made
    made, n = _aligned(np.dtype("V128")), len(sizes)
    status = _driver().cuTensorMapEncodeTiled(
        ctypes.c_void_p(made.ctypes.data), TFLOAT32, n, ctypes.c_void_p(address(x)),
        (ctypes.c_uint64 * n)(*sizes), (ctypes.c_uint64 * (n - 1))(*strides),
        (ctypes.c_uint32 * n)(*box), (ctypes.c_uint32 * n)(*(1,) * n),
        0, SWIZZLE_128, PROMOTE_256, 0,
    )  # fmt: skip
    if status:
        told = f"sizes {sizes}, strides {strides} bytes, box {box}, address {address(x):#x}"
        raise RuntimeError(f"cuTensorMapEncodeTiled: error {status} for {told}")
    return made


def _aligned(dtype):
    """An array of one zero at a multiple of 64 bytes, as kernels and the driver want it."""
    room = np.zeros(dtype.itemsize + 64, np.uint8)
    first = -room.ctypes.data % 64
    return room[first : first + dtype.itemsize].view(dtype)


@cache
def _driver():
    return ctypes.CDLL("libcuda.so.1")
