"""The gradient of a convolution's weights on channels-last maps: channels times channels.

    gw[g, k, c, i, j] = sum over n, r, q of gy[n, gK + k, r, q]
                                          * x[n, gC + c, r*SH + h0 + i*DH, q*SW + w0 + j*DW]

For one tap (i, j) that is a product of two matrices whose long side is all pixels. So a tile
(tile.py, form STEPS) takes channels of x as its rows and 32 channels of gy as its columns, and
its sum runs over the pixels of a strip:

    for block of input channels, some panels of gy      task of a thread
        for strip of output rows
            for panel of 32 channels of gy
                for row of the window
                    for tile of (column, channel)       micro-kernel, added to the task's own sums
        own sums -> gw

Pixels that a tap does not see add nothing and are left out, so that no border is needed. Only
where x has few channels is a strip copied with its zero border: then a window's row, the channels
of all its columns, is one long run of tile rows. The strip's gy is copied as a panel where its
channels do not fill one, or where its pixels lie so far apart that they share a few sets of the
cache. Where rows may be of any length (1x1 windows), the next strip is fetched while the last
panel of this one is multiplied.

The sums of a task stay in its second-level cache. Where there are few such tasks, several take a
share of the strips each, and the shares are added up in order: which share a strip belongs to
depends on shapes alone.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .compile import kernel
from .flat import add_up
from .frame import copy_frame, reach
from .layout import LINE, pointer
from .packing import row_of, unpack_block, width_of
from .tasks import room_of, tasks
from .threads import parallel_for
from .tile import ACCUMULATE, NARROW, STEPS, WIDE, heights, tiles
from .vectors import clear, copy_vectors, itemsize, kind, lanes, move, panel_width, tile_rows
from .workspace import carve

Pair = tuple[int, int]

SUMS = 3 * 2**17  # bytes of a task's sums
STRIP = 2**17  # bytes of a strip: one panel of gy, and x
CHANNELS = 576  # rows of sums in a panel, or 64 channels if more: gy is read once for them
TASKS = 8  # enough to keep the threads busy: a share costs sums of its own
SMALL = 2**10  # pixels of a map that is not worth sharing
FLOPS = 64  # as in direct.py
ENOUGH = 24  # channels that make tiles high enough without those of the next column
TORN = 1024  # bytes: pixels such a distance apart share a few sets of the caches


def correlate_weights(
    x, gy, gw, *, origin: Pair, step: Pair = (1, 1), dilation: Pair = (1, 1)
) -> None:
    """Fill gw (G, K, C, KH, KW) from x (N, G*C, H, W) and gy (N, G*K, OH, OW); see the module.

    x and gy have their channels next to each other in memory; gw may have any strides.
    """
    form = kind(x.dtype)
    if gy.size == 0:
        gw[...] = 0
        return
    shapes = x.shape, x.strides, gw.shape, gw.strides, gy.shape, gy.strides
    plan = _plan(width_of(form), x.itemsize, *shapes, origin, step, dilation)
    parts = gw if plan.shares == 1 else np.empty((plan.shares, *gw.shape), gw.dtype)
    addresses = pointer(x), pointer(gy), pointer(parts)
    arguments = form, addresses, plan.shares, *plan.cut
    parallel_for(_correlate_weights, plan.tasks, *arguments, work=plan.work, room=plan.room)
    if plan.shares > 1:
        add_up(parts, gw)


class Plan(NamedTuple):
    """How a gradient of these shapes is cut: see the module."""

    tasks: int
    work: int  # of a task
    room: int  # bytes of a thread's own memory
    shares: int  # of the strips
    cut: "Cut"


class Cut(NamedTuple):
    """What of it the kernel takes."""

    places: tuple  # of the parts of a thread's own memory
    shape: tuple  # G, K, C, KH, KW
    window: tuple  # origin, step, dilation
    sizes: tuple  # H, W, rows, pixels of a row of gy
    x_steps: tuple  # distances of images, rows, pixels
    gy_steps: tuple
    gw_steps: tuple  # distances of shares, groups, filters, channels, rows, columns
    columns: tuple  # input columns from, to, of a strip that is copied
    merged: bool  # a window's row is one run of channels
    blocks: int  # of input channels
    block: int  # channels of each
    groups: int  # of panels
    group: int  # panels of each
    strips: int
    strip: tuple  # its rows, its pixels of a row


@lru_cache(4096)
def _plan(
    width, item, x_shape, x_strides, w_shape, w_strides, y_shape, y_strides, origin, step, dilation
):
    """The plan; a layer's next call has it."""
    (N, _, H, W), (G, K, C, KH, KW), (_, _, OH, OW) = x_shape, w_shape, y_shape
    first, last, padded = reach((H, W), (OH, OW), (KH, KW), origin, step, dilation)
    x_steps, gy_steps = (tuple(s[i] for i in (0, 2, 3)) for s in (x_strides, y_strides))
    if KH == KW == 1 and not padded and origin == (0, 0) and step == (1, 1):
        even = all(row == W * pixel for _, row, pixel in (x_steps, gy_steps)) or H == 1
        if even and N > 1:
            even = all(image == H * W * pixel for image, _, pixel in (x_steps, gy_steps))
        if even:  # one long row
            N, OH, OW = 1, 1, N * H * W
            H, W = OH, OW

    panels, line = -(-K // width), KH * KW * width * item
    most = max(1, min(max(64, CHANNELS // (KH * KW)), SUMS // line))
    if N * OH * OW <= SMALL:  # rather tasks of fewer channels than shares to add up
        most = min(most, max(64, -(-C * panels * G // TASKS)))
    block = -(-C // -(-C // most))
    blocks = -(-C // block)
    wanted = -(-TASKS // (G * blocks))  # groups, so that nobody must take a share
    group = max(1, min(panels // wanted, SUMS // (line * block)))
    groups = -(-panels // group)
    pixels = max(16, STRIP // (width * item + block * item * step[0] * step[1]))
    strip = max(1, pixels // OW), min(OW, pixels) if OH == 1 else OW
    strips = N * -(-OH // strip[0]) * -(-OW // strip[1])
    count = G * blocks * groups
    shares = min(strips, -(-TASKS // count))
    if N == 1:  # as many strips for each
        strips = -(-strips // shares) * shares
        strip = (1, -(-OW // strips)) if OH == 1 else (-(-OH // strips), OW)
        strips = -(-OH // strip[0]) * -(-OW // strip[1])
    share = math.prod(w_shape) * item
    # Alone, a task writes to gw as it is; of several shares each has an array of its own
    own = (share, *(math.prod(w_shape[i + 1 :]) * item for i in range(5)))
    seen = (strip[0] - 1) * step[0] + (KH - 1) * dilation[0] + 1
    framed = padded and block < ENOUGH
    dense = framed or (not padded and blocks == 1 and x_steps[2] == C * item)
    places, room = carve(
        seen * (last[1] - first[1]) * block * item if framed else 0,  # x of a strip
        strip[0] * strip[1] * width * item,  # a panel of its gy
        group * block * line,  # the sums
    )
    return Plan(
        tasks=shares * count,
        work=max(1, N * OH * OW * G * K * C * KH * KW * 2 // FLOPS // (shares * count)),
        room=room,
        shares=shares,
        cut=Cut(
            *(places, (G, K, C, KH, KW), (*origin, *step, *dilation), (H, W, OH, OW)),
            *(x_steps, gy_steps, (0, *w_strides) if shares == 1 else own),
            (first[1], last[1]) if framed else (0, 0),
            dense and dilation[1] == 1,
            *(blocks, block, groups, group, strips, strip),
        ),
    )


@kernel()
def copy_panel(form, panel, line, source, steps, size, filters):
    """Rows and pixels of some filters of gy, ``line`` bytes each, zeros behind the last filter."""
    for r in range(size[0]):
        for q in range(size[1]):
            here, there = source + r * steps[0] + q * steps[1], panel + (r * size[1] + q) * line
            if filters * itemsize(form) == line:
                copy_vectors(form, there, here, filters // lanes(form), False)
            else:
                move(there, here, filters * itemsize(form))
                clear(there + filters * itemsize(form), line - filters * itemsize(form))


@kernel()
def _correlate_weights(
    work, form, addresses, shares, places, shape, window, sizes, x_steps, gy_steps, gw_steps,
    columns, merged, blocks, block, groups, group, strips, strip,
):  # fmt: skip
    """Tasks (share, group of filters, block of channels, panels): see the module and ``Cut``.
    addresses: of x, of gy, and of gw or its shares."""
    room = room_of(work)
    x, gy, gw = addresses
    (H, W, OH, OW), (G, K, C, KH, KW) = sizes, shape
    h0, w0, SH, SW, DH, DW = window
    x_n, row_of_x, pixel_of_x = x_steps
    gy_n, gy_h, gy_w = gy_steps
    w_share, w_g, w_k, w_c, w_i, w_j = gw_steps
    width, item, high = panel_width(form), itemsize(form), tile_rows(form)
    panels = -(-K // width)
    left, right = columns
    rows, pixels = strip
    across = -(-OW // pixels)
    down = -(-OH // rows)
    frame, panel, sums = room + places[0], room + places[1], room + places[2]
    for task in tasks(work):
        share, rest = divmod(task, G * blocks * groups)
        g, rest = divmod(rest, blocks * groups)
        c0, p0 = rest // groups * block, rest % groups * group
        c1, p1 = min(c0 + block, C), min(p0 + group, panels)
        depth = c1 - c0
        panel_sums = KH * KW * depth * width * item
        first = strips * share // shares
        for s in range(first, strips * (share + 1) // shares):
            n, place = divmod(s, down * across)
            r0, q0 = place // across * rows, place % across * pixels
            r1, q1 = min(r0 + rows, OH), min(q0 + pixels, OW)
            x_h, x_w = row_of_x, pixel_of_x
            channel = (g * C + c0) * item
            source = x + n * x_n + (r0 * SH + h0) * x_h + (q0 * SW + w0) * x_w + channel
            if right > left:
                copy_frame(
                    (x + n * x_n + channel, x_h, x_w), (H, W, depth * item),
                    (r0 * SH + h0, left),
                    ((r1 - 1 - r0) * SH + (KH - 1) * DH + 1, right - left), frame,
                )  # fmt: skip
                x_h, x_w = (right - left) * depth * item, depth * item
                source = frame + q0 * SW * x_w
            wide, turns = (depth * KW, 1) if merged else (depth, KW)
            low, higher, others = heights(wide, high)
            for p in range(p0, p1):
                filters = min(width, K - p * width)
                row = row_of(form, filters)
                narrow, line = WIDE if row == width else NARROW, row * item
                b = gy + n * gy_n + r0 * gy_h + q0 * gy_w + (g * K + p * width) * item
                b_h, b_w = gy_h, gy_w
                if filters < row or gy_w % LINE != 0 or gy_w % TORN == 0:
                    copy_panel(form, panel, line, b, (gy_h, gy_w), (r1 - r0, q1 - q0), filters)
                    b, b_h, b_w = panel, (q1 - q0) * line, line
                for i in range(KH):
                    # Pixels whose tap sees nothing of x add nothing
                    top = i * DH + h0
                    ra, rb = max(r0, -(top // SH)), min(r1, -(-(H - top) // SH))
                    for j in range(turns):
                        # Of the whole row, if it is one run
                        qa = max(q0, -((w0 + (KW - 1 if merged else j) * DW) // SW))
                        qb = min(q1, -(-(W - w0 - (0 if merged else j) * DW) // SW))
                        a = source + i * DH * x_h + j * DW * x_w
                        a += (ra - r0) * SH * x_h + (qa - q0) * SW * x_w
                        c = sums + (p - p0) * panel_sums + (i * KW + j) * depth * line
                        ahead = a
                        if OH == 1 and p == p1 - 1:
                            ahead = source + (q1 - q0) * SW * x_w
                        for height, count, z in (
                            (low + 1, higher, 0),
                            (low, others, higher * (low + 1)),
                        ):
                            if ra >= rb or qa >= qb:
                                if s == first:
                                    clear(c + z * line, count * height * line)
                            elif count > 0:
                                tiles(
                                    form, STEPS, narrow, height, count,
                                    a + z * item, 0, SW * x_w, 0, SH * x_h, height * item,
                                    b + (ra - r0) * b_h + (qa - q0) * b_w, b_w, 0, b_h,
                                    qb - qa, 1, rb - ra, c + z * line, line, height * line, 0,
                                    ACCUMULATE if s > first else 0,
                                    ahead + z * (q1 - q0) * item, LINE,
                                )  # fmt: skip
        for p in range(p0, p1):
            filters = min(width, K - p * width)
            here = sums + (p - p0) * panel_sums
            there = gw + share * w_share + g * w_g + p * width * w_k + c0 * w_c
            row = row_of(form, filters)
            unpack_block(
                form, row, here, depth * row * item, there, (w_k, w_c, w_i, w_j),
                (filters, depth, KH, KW),
            )  # fmt: skip
