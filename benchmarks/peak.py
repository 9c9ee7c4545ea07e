"""What the machine can do: multiply-adds on registers alone, nothing read or written.

Sixteen vectors are accumulated independently, more than a fused multiply-add takes cycles, so
every core does as many as it can start. The loop is LLVM's own code, written with Numba; its
GFLOP/s are the peak that a convolution's share is measured by.
"""

import threading

from llvmlite import binding, ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

CHAINS = 16
TURNS = 2**22


def lanes() -> int:
    """float32 numbers in one vector of this CPU."""
    features = binding.get_host_cpu_features()
    return 16 if features.get("avx512f") else 8 if features.get("avx2") else 4


@intrinsic
def _multiply_add(context, turns):
    """The sum of CHAINS vectors, each multiplied and added to ``turns`` times."""

    def code(context, builder, signature, arguments):
        vector = ir.VectorType(ir.FloatType(), lanes())
        factor = ir.Constant(vector, [0.999] * lanes())
        three = ir.FunctionType(vector, [vector] * 3)
        name = f"llvm.fma.v{lanes()}f32"
        fma = cgutils.get_or_insert_function(builder.module, three, name)
        before = builder.block
        loop, after = builder.append_basic_block("loop"), builder.append_basic_block("after")
        builder.branch(loop)
        builder.position_at_end(loop)
        count = builder.phi(ir.IntType(64))
        count.add_incoming(ir.Constant(ir.IntType(64), 0), before)
        sums = [builder.phi(vector) for _ in range(CHAINS)]
        nexts = [builder.call(fma, [s, factor, factor]) for s in sums]
        for i, (s, following) in enumerate(zip(sums, nexts, strict=True)):
            s.add_incoming(ir.Constant(vector, [float(i)] * lanes()), before)
            s.add_incoming(following, loop)
        counted = builder.add(count, ir.Constant(ir.IntType(64), 1))
        count.add_incoming(counted, loop)
        builder.cbranch(builder.icmp_signed("<", counted, arguments[0]), loop, after)
        builder.position_at_end(after)
        total = nexts[0]
        for following in nexts[1:]:
            total = builder.fadd(total, following)
        return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))

    return types.float32(types.int64), code


@njit("float32(int64)", nogil=True)
def _loop(turns):
    return _multiply_add(turns)


class Peak:
    """A contestant whose run is the loop, once on every thread."""

    def __init__(self, threads: int):
        self.about = {"threads": threads, "flops": 2 * lanes() * CHAINS * TURNS * threads}
        self.threads = threads

    def run(self):
        others = [threading.Thread(target=_loop, args=(TURNS,)) for _ in range(self.threads - 1)]
        for thread in others:
            thread.start()
        _loop(TURNS)
        for thread in others:
            thread.join()

    def result(self):
        return {}
