"""Direct convolution on channels-last maps: loops around the micro-kernel, and no columns.

    y[n, gK + k, r, q] = b[gK + k] + sum over c, i, j of
                         w[g, k, c, i, j] * x[n, gC + c, r*SH + h0 + i*DH, q*SW + w0 + j*DW]

Neighbouring output pixels of a row see windows that lie SW pixels apart in x. So a tile (tile.py)
takes neighbouring pixels as its rows, 32 filters as its columns and the whole window as its sum,
and reads x where it lies. Around it:

    for strip of output rows                  task of a thread; its input rows stay in the cache
        copy the strip with its zero border   only where there is a border
        for panel of 32 filters
            for block of input channels       a panel's block is at most PANEL bytes
                for row of the strip
                    for tile of the row       14 pixels or a little less, all alike
                        micro-kernel

Every thread packs a panel when it first needs it. That is less work than to fetch it from the
cache of another core, which takes five times as long. Only where all panels are more than ``OWN``
do the threads pack them together first, each as many as it comes to (tasks.py).

A panel is read once a strip, from the second-level cache, and the strip once a panel. Where a
panel is itself as large as the cache (3x3x512 and above) it is better to be read once in all:
then a task is a panel, which it packs block by block, and the strip is the whole map. A 1x1
window makes rows of any length; they are cut at about ``FLAT`` pixels, and while the first panel
is multiplied with a tile, the pixels of the next one are fetched. Where the panels are too many
for the cache, the next panel is fetched, little by little, while this one is multiplied. A last
panel of at most 16 filters is one vector wide (tile.py, NARROW).

Windows that see nothing but the border are not summed up: with a padding of 100, as the authors'
nets have it, that is half of the first layer.

How the work is cut depends on shapes alone, and so does the order in which a sum is added up:
results do not depend on the number of threads.
"""

from functools import lru_cache
from math import ceil
from typing import NamedTuple

import numpy as np

from .compile import kernel
from .frame import columns_seen, copy_frame, framed, reach, rows_seen
from .layout import LINE, pointer, scratch, streams
from .packing import pack_block, pack_piece, panels_of, pieces_of, row_of, width_of
from .tasks import COUNTERS, await_all, finish, room_of, take, tasks
from .threads import parallel_for
from .tile import ACCUMULATE, NARROW, RELU, ROWS, STREAM, WIDE, heights, tiles
from .vectors import itemsize, kind, move, panel_width, settle, tile_rows
from .workspace import carve

Pair = tuple[int, int]

STRIP = 2**19  # bytes of input that a strip should not exceed: half of a small second-level cache
PANEL = 3 * 2**17  # bytes of a panel that stays there beside it
FAR = 2**20  # bytes of a task's panels that do not all stay there
OWN = 2**21  # bytes of panels of which every thread has its own
TASKS = 16  # enough tasks to keep the threads busy
FLAT = 448  # pixels of a row, about, where rows may be of any length
FEW = 28  # pixels of such a row at least, where the map is so small that threads lack tasks
FLOPS = 64  # floating-point operations of the micro-kernel in the time of an elementary one


def correlate(
    x, w, y, bias=None, *, origin: Pair, step: Pair = (1, 1), dilation: Pair = (1, 1), relu=False
) -> None:
    """Fill y (N, G*K, OH, OW) from x (N, G*C, H, W) and w (G, K, C, KH, KW); see the module.

    x and y have their channels next to each other in memory; all other strides are free, so that
    y may be every second pixel of a map. w may be any view. Outside x there are zeros.
    """
    if 0 in y.shape:
        return
    form = kind(x.dtype)
    shapes = x.shape, x.strides, y.shape, y.strides, w.shape, w.strides
    plan = _plan(width_of(form), x.itemsize, *shapes, origin, step, dilation)
    if plan is None:
        sizes = x.shape[2:], y.shape[2:], w.shape[3:]
        first, last, _ = reach(*sizes, origin, step, dilation)
        blind = _is_blind(*(size[0] for size in sizes), origin[0], step[0], dilation[0])
        rows = (first[0], last[0]) if blind else (0, x.shape[2])
        x = framed(form, x, (rows[0], first[1]), (rows[1], last[1]))
        origin = 0 if blind else origin[0], 0
        correlate(x, w, y, bias, origin=origin, step=step, dilation=dilation, relu=relu)
        return
    memory, shared = scratch(COUNTERS + plan.shared, COUNTERS) if plan.shared else (None, 0)
    biases = None
    if bias is not None:
        biases = panels_of(bias, *w.shape[:2], width_of(form))
    bias_at = 0 if biases is None else pointer(biases)
    addresses = pointer(x), pointer(y), pointer(w), shared, bias_at
    flags = (RELU if relu else 0) | (STREAM if plan.may_stream and streams(y) else 0)
    arguments = form, addresses, flags, *plan.cut
    parallel_for(_correlate, plan.tasks, *arguments, work=plan.work, room=plan.room)
    del memory, biases  # until here they are in use


class Plan(NamedTuple):
    """How a convolution of these shapes is cut: see the module."""

    tasks: int
    work: int  # of a task
    room: int  # bytes of a thread's own memory
    shared: int  # bytes of all panels, where the threads pack them together, else 0
    may_stream: bool
    cut: "Cut"


class Cut(NamedTuple):
    """What of it the kernel takes."""

    places: tuple  # of the parts of a thread's own memory
    shape: tuple  # G, K, C, KH, KW, and the input channels of a panel's block
    window: tuple  # origin, step, dilation
    sizes: tuple  # N, H, W, rows, pixels of a row, of the last row
    x_steps: tuple  # distances of images, rows, pixels
    y_steps: tuple
    w_steps: tuple
    columns: tuple  # input columns from, to, of a strip that is copied
    seeing: tuple  # output columns from, to, that see any of them
    parts: int  # tasks of a strip, or panels
    strips: int  # of an image
    rows: int  # of a strip
    whole: bool  # a task is a panel, and packs it block by block
    far: bool  # a panel is in no near cache when its turn comes


@lru_cache(4096)
def _plan(
    width, item, x_shape, x_strides, y_shape, y_strides, w_shape, w_strides, origin, step, dilation
):
    """The plan, or None where the map must first get its border: a layer's next call has it."""
    (N, _, H, W), (G, K, C, KH, KW), (_, _, OH, OW) = x_shape, w_shape, y_shape
    panels = -(-K // width)
    panel = C * KH * KW * width * item
    blocks = -(-panel // PANEL)
    block = ceil(C / blocks / 16) * 16 if blocks > 1 else C
    first, last, padded = reach((H, W), (OH, OW), (KH, KW), origin, step, dilation)
    whole = panel >= PANEL and panels * G >= TASKS // 2
    sideways = first[1] < 0 or last[1] > W
    if whole and (sideways or _is_blind(H, OH, KH, origin[0], step[0], dilation[0])):
        return None
    columns, seeing = (0, 0), (0, 0)
    if padded and not whole:
        columns = first[1], last[1]
        seeing = columns_seen(W, OW, KW, origin[1], step[1], dilation[1])
    sizes = [OH, OW, OW]  # rows, pixels of a row, pixels of the last row
    steps = [[strides[i] for i in (0, 2, 3)] for strides in (x_strides, y_strides)]
    wide = last[1] - first[1]  # input pixels that a row sees
    flat = KH == KW == 1 and (H, W) == (OH, OW) and origin == (0, 0) and step == (1, 1)
    if flat and _is_run(x_shape, x_strides) and _is_run(y_shape, y_strides):
        pixels, N = N * OH * OW, 1
        few = min(-(-TASKS // (2 * G * panels)), pixels // FEW)
        OH = max(-(-pixels // FLAT), few)
        OH += -OH % 4 if OH > 4 else 0  # so that two and four threads have the same to do
        wide = OW = -(-pixels // OH)
        OH = -(-pixels // OW)
        H, sizes = OH, [OH, OW, pixels - (OH - 1) * OW]
        for distances in steps:
            distances[:2] = 0, OW * distances[2]
    rows = max(1, (STRIP // (wide * G * C * item) - (KH - 1) * dilation[0]) // step[0])
    rows = OH if whole else min(rows, max(1, -(-N * OH // TASKS)))
    strips = -(-OH // rows)
    tasks = 1 if whole else N * strips
    parts = G * panels if whole else min(G * panels, -(-TASKS // tasks))
    tasks *= parts
    seen = (rows - 1) * step[0] + (KH - 1) * dilation[0] + 1
    packed = KH * KW * block * width * item if whole else G * panels * panel
    together = packed > OWN
    places, room = carve(
        seen * wide * G * C * item if padded and not whole else 0,  # the strip with its border
        OW * width * item if K % width else 0,  # a row of tiles that do not fill their panel
        0 if together else packed,  # all panels, or one block
    )
    x_steps, y_steps = map(tuple, steps)
    return Plan(
        tasks=tasks,
        work=N * OH * OW * G * K * C * KH * KW * 2 // FLOPS // tasks,
        room=room,
        shared=packed if together else 0,
        may_stream=K * item % LINE == 0 and block == C,
        cut=Cut(
            *(places, (*w_shape, block), (*origin, *step, *dilation), (N, H, W, *sizes)),
            *(x_steps, y_steps, w_strides, columns, seeing, parts, strips, rows, whole),
            far=not whole and -(-G * panels // parts) * panel > FAR,
        ),
    )


def _is_blind(H: int, OH: int, KH: int, h0: int, SH: int, DH: int) -> bool:
    """Whether the window of some output row sees none of x's rows."""
    starts = (r * SH + h0 for r in range(OH))
    return not all(any(0 <= start + i * DH < H for i in range(KH)) for start in starts)


def _is_run(shape, strides) -> bool:
    """Whether all pixels of (N, C, H, W) maps lie one distance apart."""
    (N, _, H, W), (n, _, h, w) = shape, strides
    return (H == 1 or h == W * w) and (N == 1 or n == H * W * w)


@kernel()
def _correlate(
    work, form, addresses, flags, places, shape, window, sizes, x_steps, y_steps, w_steps,
    columns, seeing, parts, strips, rows, whole, far,
):  # fmt: skip
    """Tasks (strip, part): see the module and ``Cut``. addresses: of x, y, the weights, what the
    threads share (COUNTERS, then packed panels) or 0, the biases or 0."""
    room = room_of(work)
    x, y, w, shared, biases = addresses
    w_at = (w, w_steps[0], w_steps[1], w_steps[2], w_steps[3], w_steps[4])
    (N, H, W, OH, OW, OW_last), (G, K, C, KH, KW, block) = sizes, shape
    h0, w0, SH, SW, DH, DW = window
    width, item, high = panel_width(form), itemsize(form), tile_rows(form)
    panels = -(-K // width)
    panel_bytes = C * KH * KW * width * item
    y_n, y_h, y_w = y_steps
    left, right = columns
    pixel = G * C * item
    frame, edge, packed = room + places[0], room + places[1], room + places[2]
    pieces = pieces_of(C, (KH, KW))
    ready = np.zeros(G * panels, np.bool_)
    if shared != 0:
        packed = shared + COUNTERS
    for task in tasks(work):
        strip, part = task // parts, task % parts
        n0, n1, r0, r1 = 0, N, 0, OH
        if not whole:
            n0, r0 = strip // strips, strip % strips * rows
            n1, r1 = n0 + 1, min(r0 + rows, OH)
        x_n, x_h, x_w = x_steps
        source = x + h0 * x_h + w0 * x_w  # what the first window of image 0 sees first
        if right > left:
            h = r0 * SH + h0
            count = (r1 - 1 - r0) * SH + (KH - 1) * DH + 1
            copy_frame(
                (x + n0 * x_n, x_h, x_w), (H, W, pixel),
                (h, left), (count, right - left), frame,
            )  # fmt: skip
            x_n, x_h, x_w = 0, (right - left) * pixel, pixel
            source = frame - r0 * SH * x_h
        p0, p1 = G * panels * part // parts, G * panels * (part + 1) // parts
        for p in range(p0, p1):
            first = p == p0
            g, k0 = p // panels, p % panels * width
            filters = min(width, K - k0)
            row = row_of(form, filters)
            narrow = WIDE if row == width else NARROW
            if not whole and not ready[p]:
                piece = take(shared) if shared != 0 else p * pieces
                end = (G * panels if shared != 0 else p + 1) * pieces
                while piece < end:
                    pack_piece(form, w_at, (K, C, KH, KW), packed, block, piece)
                    if shared != 0:
                        finish(shared)
                    piece = take(shared) if shared != 0 else piece + 1
                ready[p] = True
                if shared != 0:
                    await_all(work, shared, end)
                    ready[:] = True
            for c0 in range(0, C, block):
                c1 = min(c0 + block, C)
                b = packed
                if whole:
                    tap = (c1 - c0) * row * item
                    pack_block(form, row, w_at, g, (k0, filters), (c0, c1), (KH, KW), b, tap)
                else:
                    b += p * panel_bytes + c0 * KH * KW * row * item
                depth = c1 - c0
                run, inner = depth, KW
                if DW == 1 and run * item == x_w:  # the channels of the next pixel follow
                    run, inner = run * KW, 1
                what = (flags if filters == row else flags & RELU) if c1 == C else 0
                what |= ACCUMULATE if c0 > 0 else 0
                bias = biases + p * width * item if biases != 0 and c1 == C else 0
                ahead, every = b + panel_bytes, 0
                if far and p + 1 < p1:
                    every = row * item // ((r1 - r0) * -(-OW // high)) + 1
                for n in range(n0, n1):
                    for r in range(r0, r1):
                        pixels = OW if r < OH - 1 else OW_last
                        a = source + n * x_n + r * SH * x_h + (g * C + c0) * item
                        c = y + n * y_n + r * y_h + (g * K + k0) * item
                        to, apart = c, y_w
                        if filters < row:
                            to, apart = edge, row * item
                            if c0 > 0:
                                for q in range(pixels):
                                    move(edge + q * apart, c + q * y_w, filters * item)
                        i0, i1 = rows_seen(r * SH + h0, DH, KH, H)
                        seen = (0, pixels)
                        if right > left:
                            seen = seeing if i0 < i1 else (0, 0)
                        for q0, q1 in ((0, seen[0]), seen, (seen[1], pixels)):
                            # Windows that see nothing of x sum over one number of its border
                            taps = run, inner, i1 - i0
                            skipped = i0
                            if q0 != seen[0] or q1 != seen[1]:
                                taps, skipped = (1, 1, 1), 0
                            low, higher, others = heights(max(q1 - q0, 1), high)
                            for height, count, q in (
                                (low + 1, higher, q0),
                                (low, others, q0 + higher * (low + 1)),
                            ):
                                if count > 0 and q1 > q0:
                                    start = a + skipped * DH * x_h + q * SW * x_w
                                    fetch, fetch_step = start, LINE
                                    if first and KH * KW == 1:
                                        fetch += height * SW * x_w
                                    elif every > 0:
                                        fetch, fetch_step = ahead, every
                                        ahead += count * taps[0] * taps[1] * taps[2] * every
                                    tiles(
                                        form, ROWS, narrow, height, count,
                                        start, SW * x_w, 0, DW * x_w, DH * x_h,
                                        height * SW * x_w,
                                        b + skipped * KW * depth * row * item,
                                        0, depth * row * item, KW * depth * row * item,
                                        taps[0], taps[1], taps[2],
                                        to + q * apart, apart, height * apart,
                                        bias, what, fetch, fetch_step,
                                    )  # fmt: skip
                        if filters < row:
                            for q in range(pixels):
                                move(c + q * y_w, edge + q * apart, filters * item)
    settle()
