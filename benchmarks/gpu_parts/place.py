"""Where a section runs: on a GPU, or in a dry run on the CPU, where minifcn's arrays are emulated.

Both places make the same arrays, hand them to PyTorch without a copy, and hold contests. Nothing
here or in the sections knows more of the GPU than this file and timing.py say.
"""

import contextlib
import gc

import numpy as np

L2 = 50e6  # bytes of an H100's second cache
BASE = 1 << 22  # random numbers that all arrays are made of


class Place:
    """What a GPU and its dry run share. tiny: whether sizes are those of a dry run."""

    tiny = False

    def __init__(self, module, rounds: int):
        self.module, self.rounds = module, rounds
        rng = np.random.default_rng(11)
        numbers = rng.standard_normal(BASE >> (8 * self.tiny), np.float32)
        self.base = module.asarray(numbers)

    def normal(self, shape, scale: float = 1.0, skip: int = 0):
        """Normal float32 numbers; another ``skip``, other numbers."""
        size = int(np.prod(shape))
        start = skip * 7919 % self.base.size
        numbers = self.module.tile(self.base, -(-(start + size) // self.base.size))
        numbers = numbers[start : start + size] * np.float32(scale)
        return numbers.reshape(shape)

    def maps(self, shape, scale: float = 1.0, skip: int = 0):
        """The same of shape (N, C, H, W), with channels last in memory."""
        N, C, H, W = shape
        return self.normal((N, H, W, C), scale, skip).transpose(0, 3, 1, 2)

    def labels(self, shape, classes: int):
        """Random int64 labels, one in ten ignored (255)."""
        rng = np.random.default_rng(7)
        labels = rng.integers(0, classes, shape)
        labels[rng.random(shape) < 0.1] = 255
        return self.module.asarray(labels)

    def sets(self, nbytes: int) -> int:
        """How many sets of arrays of so many bytes are used in turns, so that no cache helps."""
        return 1 if self.tiny else int(min(8, max(1, -(-3 * L2 // max(1, nbytes)))))


class Gpu(Place):
    """CuPy's arrays and PyTorch's on the same GPU."""

    emulated, backend, device = False, "cuda", "cuda"

    def __init__(self, rounds: int):
        import torch  # first: CuPy then finds the libraries that PyTorch brings

        torch.cuda.init()
        import cupy

        torch.backends.cudnn.benchmark = True
        self.hopper = torch.cuda.get_device_capability() == (9, 0)
        super().__init__(cupy, rounds)

    def tensor(self, array):
        """PyTorch's tensor in the same memory."""
        import torch

        self.synchronize()
        try:
            return torch.from_dlpack(array)
        except (BufferError, RuntimeError, TypeError):
            return torch.as_tensor(array, device="cuda")  # the older way

    def synchronize(self) -> None:
        """Wait for everything."""
        self.module.cuda.runtime.deviceSynchronize()

    def free(self) -> None:
        """Give back what nobody uses, from both pools."""
        import torch

        gc.collect()
        self.synchronize()
        self.module.get_default_memory_pool().free_all_blocks()
        self.module.get_default_pinned_memory_pool().free_all_blocks()
        torch.cuda.empty_cache()

    def pool_bytes(self) -> int:
        """What CuPy's own pool holds."""
        return self.module.get_default_memory_pool().total_bytes()

    def broken(self) -> str | None:
        """Why nothing more can run in this process; None where all is well.

        After an illegal access every later call fails, PyTorch's too.
        """
        import torch

        try:
            self.synchronize()
            torch.zeros(1, device="cuda").item()
            self.module.zeros(1).get()
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return None

    @contextlib.contextmanager
    def poisoned(self):
        """Inside, all new arrays are full of NaN (of bytes 255), so that what a kernel does not
        write is seen."""

        def malloc(size: int):
            memory = pool.malloc(size)
            if size:
                memory.memset_async(255, size, stream)
            return memory

        cuda = self.module.cuda
        pool, stream = cuda.MemoryPool(), cuda.get_current_stream()
        with cuda.using_allocator(malloc):
            yield


class Emulated(Place):
    """minifcn's arrays on a GPU that the CPU plays; PyTorch on the CPU."""

    emulated, tiny, backend, device, hopper = True, True, "emulated", "cpu", True

    def __init__(self, rounds: int):
        from minifcn.kernels.cuda import arrays

        super().__init__(arrays, rounds)

    def tensor(self, array):
        import torch

        return torch.from_numpy(array.view(np.ndarray))

    def synchronize(self) -> None:
        pass

    def free(self) -> None:
        gc.collect()

    def pool_bytes(self) -> int:
        return 0

    def broken(self) -> None:
        return None

    @contextlib.contextmanager
    def poisoned(self):
        from unittest import mock

        def empty(shape, dtype=float):
            made = np.empty(shape, dtype)
            made.view(np.uint8).fill(255) if made.ndim else made.fill(255)
            return made.view(self.module.EmulatedArray)

        with mock.patch.object(self.module, "empty", empty, create=True):
            yield


def place_for(options) -> Place:
    """The place of this process (worker.Options)."""
    place = (Emulated if options.emulated else Gpu)(options.rounds)
    place.without = options.without
    return place


# What a kernel may differ by from the reference, ||error|| / ||reference||. Rounding to TF32 errs
# by 3e-4, cutting (WGMMA, if the copy engine does not round) by twice that, bfloat16 by 2e-3.
TOLERANCES = {
    "float64": 1e-12,
    "fma": 1e-5,
    "tf32x3": 1e-5,
    "tf32": 1e-3,
    "wgmma": 2e-3,
    "bf16": 1e-2,
}
# Name here -> the precision that is set, and what computes its products (kernels/cuda/tile.py)
PRODUCTS = {
    "float64": ("float32", "FMA"),
    "fma": ("float32", "FMA"),
    "tf32x3": ("float32", "TF32X3"),
    "tf32": ("tf32", "TF32"),
    "wgmma": ("tf32", "WGMMA"),
    "bf16": ("bf16", "BF16"),
}


def set_precision(name: str) -> None:
    """Ours: "fma" or "tf32x3" (strict float32 both), "tf32" or "wgmma", or "bf16"; of float64 it
    does not matter."""
    from minifcn.kernels.cuda import precision, tile

    precision.set_precision(PRODUCTS[name][0])
    tile.set_product(*PRODUCTS[name])


def products(place, precision: str) -> list[str]:
    """The names of what computes a precision here."""
    from minifcn.kernels.cuda import tile

    left_out = {"float64", *place.without} | (set() if place.hopper else {"wgmma"})
    return [
        name
        for name, (wanted, product) in PRODUCTS.items()
        if wanted == precision and product in tile.PRODUCTS[precision] and name not in left_out
    ]


def set_torch_precision(name: str) -> None:
    """PyTorch's: "tf32" or "float32"."""
    import torch

    torch.backends.cudnn.allow_tf32 = name == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = name == "tf32"


def difference(place, mine, theirs) -> float:
    """Relative error ||mine - theirs|| / ||theirs||, in float64, where they live."""
    import torch

    def whole(x):
        return x if isinstance(x, torch.Tensor) else place.tensor(x)

    mine, theirs = whole(mine).detach(), whole(theirs).detach()
    gap = torch.linalg.vector_norm(mine - theirs, dtype=torch.float64)
    return (gap / torch.linalg.vector_norm(theirs, dtype=torch.float64)).item()
