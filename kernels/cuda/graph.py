"""A function whose launches are recorded once and then replayed as one (a CUDA graph).

Python takes about ten microseconds for a launch, and a training step of FCN-8s has hundreds. A
recorded step is one launch: the GPU knows what follows what. What is recorded is the work on
certain addresses, so the inputs are copied to where the recorded function reads them, and its
results lie at the same place every time. All memory that it takes comes from a pool of its own,
which nobody else uses: what a replay writes there is nobody else's.
"""

from .arrays import EmulatedArray
from .device import module_of
from .random import Keys

WARM_UPS = 3  # runs before recording: kernels are compiled, workspaces made, memory is taken


class Captured:
    """``function``, recorded for each set of shapes and dtypes of its array arguments.

    function: takes arrays on the GPU, returns an array or a tuple of them; it must not read
    numbers back, nor depend on anything but what lies on the GPU. It runs ``WARM_UPS`` times
    before it is recorded, and must bear that. Results are overwritten by the next call. Emulated
    arrays have no graphs: the function runs every time, on inputs that are always in one place.
    """

    def __init__(self, function):
        self.function, self.recorded = function, {}

    def __call__(self, *arrays):
        key = tuple((x.shape, x.strides, x.dtype) for x in arrays)
        if key not in self.recorded:
            kind = _Rerun if isinstance(arrays[0], EmulatedArray) else _Recording
            self.recorded[key] = kind(self.function, arrays)
        return self.recorded[key](*arrays)

    @property
    def nbytes(self) -> int:
        """Memory that all recordings hold."""
        return sum(one.nbytes for one in self.recorded.values())


class _Recording:
    """The graph for one set of shapes, and the memory that it works in."""

    def __init__(self, function, arrays):
        import cupy

        self.pool, self.stream = cupy.cuda.MemoryPool(), cupy.cuda.Stream(non_blocking=True)
        self.keys = Keys(module_of(arrays[0]))
        cupy.cuda.get_current_stream().synchronize()
        with self.stream, cupy.cuda.using_allocator(self.pool.malloc):
            self.inputs = [x.copy(order="K") for x in arrays]
            for _ in range(WARM_UPS):
                with self.keys:
                    function(*self.inputs)
            self.stream.synchronize()
            self.stream.begin_capture()
            try:
                with self.keys:
                    self.results = function(*self.inputs)
            finally:
                self.graph = self.stream.end_capture()

    def __call__(self, *arrays):
        import cupy

        caller = cupy.cuda.get_current_stream()
        self.stream.wait_event(caller.record())
        with self.stream:
            for mine, theirs in zip(self.inputs, arrays, strict=True):
                if mine.data.ptr != theirs.data.ptr:
                    mine[...] = theirs
            self.keys.draw()
            self.graph.launch(self.stream)
        caller.wait_event(self.stream.record())
        return self.results

    @property
    def nbytes(self) -> int:
        return self.pool.total_bytes()


class _Rerun:
    """The same for emulated arrays: what is copied and drawn before each replay is, here too."""

    def __init__(self, function, arrays):
        self.function, self.keys = function, Keys(module_of(arrays[0]))
        self.inputs, self.results = [x.copy() for x in arrays], None
        for _ in range(WARM_UPS):
            with self.keys:
                function(*self.inputs)

    def __call__(self, *arrays):
        for mine, theirs in zip(self.inputs, arrays, strict=True):
            mine[...] = theirs
        self.keys.draw()
        with self.keys:
            found = self.function(*self.inputs)
        if self.results is None:
            self.results = found
        else:
            several = isinstance(found, tuple)
            pairs = zip(self.results, found, strict=True) if several else [(self.results, found)]
            for mine, new in pairs:
                mine[...] = new
        return self.results

    nbytes = 0
