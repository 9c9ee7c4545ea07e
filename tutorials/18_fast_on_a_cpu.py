# ---
# jupyter:
#   jupytext:
#     formats: py:percent,ipynb
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] slideshow={"slide_type": "slide"}
# # 18 · Why is one convolution a hundred times faster than another?
#
# Because multiplying takes no time: a processor waits for numbers, and good loops bring fewer.
#
# <!-- notes -->
# You need: [04 · convolution](04_convolution.ipynb) as a matrix product. You get: the ceilings of
# your own machine, a convolution of your own that comes near them and an eye for what loops wait
# for, and Winograd's algorithm, derived in fractions. No assembler, no C: all is Python, compiled
# by Numba. It takes about an hour and a half. All times are measured on your machine while the
# cells run, so leave it alone meanwhile: other programs make everything slower.

# %%
import time
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
from matplotlib.ticker import LogLocator
from minifcn.kernels import cpu, reference
from minifcn.kernels.cpu import isa, peak
from numba import njit

import minifcn as mf
from minifcn.backends import get_num_threads
from minifcn.commands.layer_times import LayerTimes
from minifcn.teaching import FAST, panels, progress, quick, show
from minifcn.viz.colormap import COLOURS

BLUE, ORANGE, GREEN = COLOURS[:3]

# %%
from minifcn.teaching.fast_on_a_cpu import (
    check_heights,
    check_intensity,
    check_loads,
    check_winograd,
)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The same sums, twice
#
# $$y_{k,r,q} = \sum_{c,i,j} w_{k,c,i,j}\; x_{c,\,r+i,\,q+j}$$
#
# <!-- notes -->
# One layer as VGG has them, 64 channels to 64 by 3 x 3 windows, of a small map. The six loops are
# those of tutorial 04 for one image. Numba compiles them to machine code, so nothing is wrong with
# Python any more. The library computes the same numbers.


# %% slideshow={"slide_type": "-"}
@njit
def six_loops(x, w, y):
    K, C, KH, KW = w.shape
    for k in range(K):
        for r in range(y.shape[1]):
            for q in range(y.shape[2]):
                total = np.float32(0)
                for c in range(C):
                    for i in range(KH):
                        for j in range(KW):
                            total += w[k, c, i, j] * x[c, r + i, q + j]
                y[k, r, q] = total


# %%
def empty_output(x, w):
    """(K, OH, OW), for every window that lies inside."""
    return np.empty((len(w), x.shape[1] - w.shape[2] + 1, x.shape[2] - w.shape[3] + 1), x.dtype)


def conv_loops(x, w):
    y = empty_output(x, w)
    six_loops(x, w, y)
    return y


def conv_library(x, w):
    return cpu.conv2d(x[None], w, None, (1, 1), (0, 0), (1, 1), 1)[0]


# %% [markdown]
# Every version has to pass the same test: a case by hand, which you know from tutorial 04, and
# random ones against the specification in float64. All numbers of channels, filters, rows and
# columns that come out are odd on purpose: a fast loop would like multiples of 4 or 16.

# %%
rng = np.random.default_rng(0)


def floats(*shape):
    return rng.standard_normal(shape, np.float32)


def test(conv):
    x, w = np.arange(1, 13, dtype=np.float32).reshape(1, 3, 4), np.float32([[[[1, 0], [0, 10]]]])
    assert conv(x, w)[0].tolist() == [[61, 72, 83], [105, 116, 127]]
    for C, K in ((1, 1), (5, 7), (17, 33)):
        x, w = floats(C, 7, 12), floats(K, C, 3, 2)
        exact = [a.astype(np.float64) for a in (x[None], w)]
        exact = reference.conv2d(*exact, None, (1, 1), (0, 0), (1, 1), 1)[0]
        assert np.abs(conv(x, w) - exact).max() < 1e-4


# %% [markdown]
# The work is counted in floating-point operations: a multiplication and an addition for every
# weight and every output. Divided by the time that is a speed, in GFLOP/s: billions a second. The
# time is the shortest of several: whatever else runs on a machine only makes a program slower.

# %%
C, K, H, W = 64, 64, *quick((60, 90), (12, 20))
x, w = floats(C, H + 2, W + 2), floats(K, C, 3, 3)
OPERATIONS = 2 * w.size * H * W
REPEAT = quick(15, 3)


# %%
def fastest(function, *arguments, repeat=REPEAT):
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        function(*arguments)
        times.append(time.perf_counter() - start)
    return min(times)


# %%
rates = {}


def measure(name, conv, x):
    test(conv)  # also compiles
    rates[name] = OPERATIONS / fastest(conv, x, w) / 1e9
    print(f"{name}: right, {rates[name]:,.1f} GFLOP/s")


measure("six loops", conv_loops, x)
measure("the library", conv_library, x)

# %% slideshow={"slide_type": "-"}
print(f"the library is {rates['the library'] / rates['six loops']:,.0f} times faster")

# %% [markdown]
# The rest of this tutorial goes from the one to the other, a step at a time.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What could this machine do at most?
#
# Two ceilings: multiply-adds on numbers that are **at hand**, and bytes **from memory**.
#
# <!-- notes -->
# The first is measured by multiplying and adding over and over what lies in the nearest cache;
# the second by reading arrays that no cache can hold. A core computes on vectors: one instruction
# multiplies and adds 4, 8 or 16 numbers, one in each *lane*, and every cycle one, two or four such
# instructions can start. Nobody has to know these numbers. They are in what was measured.

# %%
ONE_CORE = ALL_CORES = BANDWIDTH = 0.0


def measure_ceilings():
    """The best of some rounds, and of what is known already."""
    global ONE_CORE, ALL_CORES, BANDWIDTH
    rounds, span = quick((3, 0.3), (1, 0.05))
    for _ in range(rounds):
        found = peak.peak(seconds=span)
        ONE_CORE = max(ONE_CORE, found.core / 1e9)
        ALL_CORES = max(ALL_CORES, found.threads / 1e9, ONE_CORE)
        BANDWIDTH = max(BANDWIDTH, peak.bandwidth(seconds=span).best / 1e9)


# %% tags=["hide-input"] slideshow={"slide_type": "-"}
measure_ceilings()
print(f"{ONE_CORE:7,.0f} GFLOP/s with one core")
print(f"{ALL_CORES:7,.0f} GFLOP/s with {get_num_threads()} threads")
print(f"{BANDWIDTH:7,.0f} GB/s from memory")

# %% [markdown]
# The six loops reach this share of one core:

# %%
f"{rates['six loops'] / ONE_CORE:.1%}"

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The roofline
#
# $$\text{rate} \le \min(\text{peak},\ \text{bandwidth} \times \text{intensity}), \qquad
# \text{intensity} = \frac{\text{operations}}{\text{bytes moved}}$$
#
# <!-- notes -->
# Who does few operations for each byte waits for memory: on the slope. Who does many can reach the
# level. A rectifier does one operation for eight bytes, and no program makes it faster than its
# memory. Convolutions use every number many times. (Williams, Waterman, Patterson 2009.)


# %%
def intensity(operations, *sizes):
    """Of arrays of float32 of these sizes, each moved once."""
    return operations / (4 * sum(sizes))


kinds = {
    "rectifier": intensity(x.size, x.size, x.size),
    "1 x 1, 64 to 21": intensity(2 * 64 * 21 * H * W, 64 * H * W, 64 * 21, 21 * H * W),
    "3 x 3, 64 to 64": intensity(OPERATIONS, x.size, w.size, K * H * W),
}


# %%
def draw_roof(axes, left=0.05, right=2000):
    bend = ALL_CORES / BANDWIDTH
    at = np.array([left, bend, right])
    axes.plot(at, np.minimum(ALL_CORES, BANDWIDTH * at), "k")
    axes.axvline(bend, color="#999999", linestyle=":")
    axes.set(xscale="log", yscale="log")
    axes.set(xlabel="floating-point operations a byte", ylabel="GFLOP/s")
    for axis, subs in ((axes.xaxis, (1,)), (axes.yaxis, (1, 2, 5))):
        axis.set_major_locator(LogLocator(subs=subs))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("")


# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(size=(9.5, 3.6))
draw_roof(axes)
for colour, (name, at) in zip((ORANGE, GREEN, BLUE), kinds.items()):
    roof = min(ALL_CORES, BANDWIDTH * at)
    axes.vlines(at, BANDWIDTH * 0.05, roof, color=colour)
    axes.plot(at, roof, "o", color=colour, label=f"{name}: {at:.3g} a byte")
axes.plot(kinds["3 x 3, 64 to 64"], rates["six loops"], "x", color=BLUE, label="the six loops")
axes.text(0.05, ALL_CORES, f"waits for memory: {BANDWIDTH:.0f} GB/s", va="bottom")
axes.text(2000, ALL_CORES * 1.1, f"multiplies: {ALL_CORES:.0f} GFLOP/s", ha="right")
axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
show(figure, f"A roof that rises with {BANDWIDTH:.0f} GB/s up to {ALL_CORES:.0f} GFLOP/s; a "
     f"rectifier under the slope, a 3 x 3 convolution under the level.")  # fmt: skip

# %% [markdown]
# The layer could run at the level: its loops do not wait for the memory, they do many operations
# for every byte. So what *do* they wait for?

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Step 1: neighbours in memory, and leave to reorder
#
# A vector instruction wants numbers that lie **side by side**, and several sums at once.
#
# <!-- notes -->
# Store the image with the channels last: all channels of a pixel are neighbours, and so are those
# of a filter's tap. The innermost loop now runs over neighbours in both arrays. That alone is not
# enough: rounding makes (a + b) + c differ from a + (b + c), so that a compiler must add in the
# order that you wrote, one after the other. fastmath=True is the leave to keep several partial
# sums. The test says whether you mind.


# %% slideshow={"slide_type": "-"}
def over_channels(x, w, y):
    H, W, K = y.shape
    for r in range(H):
        for q in range(W):
            for k in range(K):
                total = np.float32(0)
                for i in range(w.shape[1]):
                    for j in range(w.shape[2]):
                        for c in range(w.shape[3]):
                            total += w[k, i, j, c] * x[r + i, q + j, c]
                y[r, q, k] = total


in_order, reordered = njit(over_channels), njit(fastmath=True)(over_channels)


# %% [markdown]
# The *shape* stays (C, H, W) outside, as everywhere in the library; only the order in memory
# changes. Where an array already lies that way, `ascontiguousarray` copies nothing.


# %%
def channels_last(x):
    return np.ascontiguousarray(x.transpose(1, 2, 0))


def last_with(kernel):
    def conv(x, w):
        y = np.empty((*empty_output(x, w).shape[1:], len(w)), x.dtype)
        kernel(channels_last(x), np.ascontiguousarray(w.transpose(0, 2, 3, 1)), y)
        return y.transpose(2, 0, 1)

    return conv


# %%
x = channels_last(x).transpose(2, 0, 1)  # the same numbers; from here on they lie like this
measure("channels last", last_with(in_order), x)
measure("channels last, reordered", last_with(reordered), x)

# %% [markdown]
# Vectors are at work now. How many numbers wide they are, the compiler knows; you do not have to.
# Still the rate is far below the ceiling.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Step 2: count the loads
#
# Every multiply-add above **loads** two vectors. Use what was loaded more than once.
#
# <!-- notes -->
# One vector of x and one of w are loaded for a multiply-add. But in a cycle a core starts about as
# many loads as multiply-adds, so that it multiplies in every other cycle at best. Load from two
# pixels and two filters, and four sums can be served: 4 loads, 4 multiply-adds. In general a tile
# of R pixels and K filters needs R + K loads for R times K multiply-adds. The sums must stay in
# registers all the while, the few places, 16 or 32, that a core computes in. A sum that does not
# find a place there is stored and loaded again in every step.

# %%
sizes = np.arange(1, 9)
loads = (sizes[:, None] + sizes) / (sizes[:, None] * sizes)
REGISTERS = 32 if isa.current().name in ("avx512", "neon") else 16  # of your machine

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(size=(6.5, 3.9))
axes.imshow(loads, "cividis_r", extent=(0.5, 8.5, 8.5, 0.5), aspect="auto", vmin=0, vmax=3.6)
for (r, k), number in np.ndenumerate(loads):
    fits = (r + 1) * (k + 1) <= REGISTERS
    axes.text(k + 1, r + 1, f"{number:.2f}", ha="center", va="center", alpha=1 if fits else 0.25)
axes.set(title=f"loads for one multiply-add (faint: over {REGISTERS} sums)")
axes.set(xlabel="filters of a tile", ylabel="pixels of a tile")
show(figure, f"Loads for one multiply-add: {loads[0, 0]:g} without a tile, {loads[2, 3]:.2f} for "
     f"3 pixels and 4 filters, {loads[7, 7]:g} for 8 and 8.")  # fmt: skip

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A tile, written by a program
#
# A compiler keeps *variables* in registers, not arrays. So every sum is a variable of its own, and
# nobody wants to write twelve of them.


# %% slideshow={"slide_type": "-"}
def tile_source(R, K):
    rows, columns = range(R), range(K)
    sums = [(r, k) for r in rows for k in columns]
    lines = ["def tile(a, b, c, r, k):"]
    lines += [f"    s{i}{j} = np.float32(0)" for i, j in sums]
    lines += ["    for t in range(a.shape[1]):"]
    lines += [f"        a{i} = a[r + {i}, t]" for i in rows]
    lines += [f"        b{j} = b[k + {j}, t]" for j in columns]
    lines += [f"        s{i}{j} += a{i} * b{j}" for i, j in sums]
    lines += [f"    c[r + {i}, k + {j}] = s{i}{j}" for i, j in sums]
    return "\n".join(lines)


# %%
print(tile_source(2, 1))

# %% [markdown]
# `a` holds windows as rows, `b` filters as rows, so that both run along neighbours, and
# `c[r, k]` is their product: the matrix product of tutorial 04, `a` times `b` transposed. The
# library does the same one level lower: it writes the instructions themselves, for tiles that are
# vectors wide.


# %%
def make_tile(R, K):
    names = {"np": np}
    exec(tile_source(R, K), names)
    return njit(fastmath=True, nogil=True)(names["tile"])


single = make_tile(1, 1)


# %%
def make_product(R, K):
    """c = a b^T in tiles of R x K; what is left over at the ends in tiles of one."""
    tile = make_tile(R, K) if R * K > 1 else single

    @njit(nogil=True)
    def product(a, b, c):
        down, across = len(a) // R * R, len(b) // K * K
        for k in range(0, across, K):
            for r in range(0, down, R):
                tile(a, b, c, r, k)
        for r in range(len(a)):
            for k in range(across if r < down else 0, len(b)):
                single(a, b, c, r, k)

    return product


# %% [markdown]
# Each tile is compiled, tested and timed on operands that stay in the near caches: windows of
# 3 x 3 pixels with 64 channels.

# %%
TILES = quick([(1, 1), (2, 2), (2, 4), (3, 4), (4, 4), (6, 4), (8, 8)],
              [(1, 1), (3, 4)])  # fmt: skip
a, b = floats(48, 9 * C), floats(48, 9 * C)
products, tile_rates = {}, {}
for shape in progress(TILES, "tiles"):
    product, c = make_product(*shape), np.empty((48, 48), np.float32)
    product(a[:47], b[:47], c[:47, :47])  # not a multiple of any tile
    assert np.abs(c - a @ b.T)[:47, :47].max() < 1e-3
    tile_rates[shape] = 2 * c.size * 9 * C / fastest(product, a, b, c, repeat=50) / 1e9
    products[shape] = product

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Fewer loads, faster, until the registers are full

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(size=(8, 4))
at = np.linspace(0.2, 2.2, 100)
axes.plot(at, ONE_CORE / np.maximum(1, at), "k", label="as many loads as multiply-adds a cycle")
for (R, k), rate in tile_rates.items():
    number = (R + k) / (R * k)
    axes.plot(number, rate, "o", color=BLUE if R * k <= REGISTERS else ORANGE)
    axes.annotate(f"{R} x {k}", (number, rate), (3, 6), textcoords="offset points", rotation=40)
axes.plot([], [], "o", color=ORANGE, label=f"more than {REGISTERS} sums")
axes.set(xlabel="loads for one multiply-add", ylabel="GFLOP/s, one core", ylim=(0, 1.2 * ONE_CORE))
axes.legend(frameon=False)
tile = max(tile_rates, key=tile_rates.get)
show(figure, f"Rates of tiles: 1 x 1 {tile_rates[1, 1]:.0f} GFLOP/s; the best, {tile[0]} x "
     f"{tile[1]}, {tile_rates[tile]:.0f}, of {ONE_CORE:.0f} at most.")  # fmt: skip

# %% [markdown]
# The black line is what the loads alone would allow: to the right of 1 they are waited for, to the
# left the multipliers could be busy all the time. Large tiles need the fewest loads of all and are
# slow all the same: their sums do not fit the registers.

# %%
TILE = tile
share = tile_rates[TILE] / ONE_CORE
print(f"the best here: {TILE[0]} x {TILE[1]}, {share:.0%} of one core's peak")
assert FAST or tile_rates[TILE] > 1.3 * tile_rates[1, 1]

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Step 3: keep what is used again near
#
# Windows overlap: as rows of a matrix they take nine times the space. Make a **strip** of them
# that a near cache holds, use it for all filters, overwrite it with the next.
#
# <!-- notes -->
# With channels last, one row of a window is one run of memory, KW times C numbers, which is copied
# as it is. The filters are small and stay where they are. That is im2col of tutorial 04, and the
# whole of its memory is one strip.


# %%
@njit(nogil=True)
def windows(x, KH, KW, OW, first, a):
    """Rows of a: the windows of the outputs first, first + 1, ..., counted row by row."""
    C = x.shape[2]
    for p in range(len(a)):
        r, q = divmod(first + p, OW)
        for i in range(KH):
            for j in range(KW):
                for c in range(C):
                    a[p, (i * KW + j) * C + c] = x[r + i, q + j, c]


# %% slideshow={"slide_type": "-"}
product = products[TILE]


@njit(nogil=True)
def strips(x, w, y, OW, strip, first, last):
    """Outputs from first up to last: x (H, W, C), w (K, KH, KW, C), y (OH*OW, K)."""
    K, KH, KW, C = w.shape
    a, b = np.empty((strip, KH * KW * C), x.dtype), w.reshape(K, -1)
    for p in range(first, last, strip):
        part = y[p : min(p + strip, last)]
        windows(x, KH, KW, OW, p, a[: len(part)])
        product(a[: len(part)], b, part)


# %%
def conv_strips(x, w, strip=96, parts=1, run=map):
    x, w = channels_last(x), np.ascontiguousarray(w.transpose(0, 2, 3, 1))
    OH, OW = x.shape[0] - w.shape[1] + 1, x.shape[1] - w.shape[2] + 1
    y = np.empty((OH * OW, len(w)), x.dtype)
    ends = [len(y) * part // parts for part in range(parts + 1)]
    list(run(lambda part: strips(x, w, y, OW, strip, *ends[part : part + 2]), range(parts)))
    return y.reshape(OH, OW, -1).transpose(2, 0, 1)


# %%
measure(f"tile {TILE[0]} x {TILE[1]}", conv_strips, x)

# %% [markdown]
# How long should a strip be? Short ones read the filters too often; long ones no longer fit the
# second-level cache of a core. How much either costs is measured too: caches differ, and a
# processor that fetches ahead hides a lot of it where numbers come in order. What a short strip
# always saves is memory.

# %%
lengths = quick([6, 12, 24, 48, 96, 192, 384, 768, 1536, H * W], [12, 96])
by_strip = []
for strip in progress(lengths, "lengths of strips"):
    by_strip.append(OPERATIONS / fastest(conv_strips, x, w, strip) / 1e9)

# %% tags=["hide-input"]
figure, axes = panels(size=(7, 3))
kilobytes = [strip * 9 * C * 4 / 1e3 for strip in lengths]
axes.plot(kilobytes, by_strip, "o-")
axes.set(
    xscale="log", xlabel="a strip's windows, in kB", ylabel="GFLOP/s", ylim=(0, 1.15 * ONE_CORE)
)
axes.axhline(ONE_CORE, color="k")
axes.text(kilobytes[0], 1.02 * ONE_CORE, "peak of one core")
show(figure, f"Rates of strips of {kilobytes[0]:.0f} to {kilobytes[-1]:,.0f} kB: from "
     f"{min(by_strip):.0f} to {max(by_strip):.0f} GFLOP/s.")  # fmt: skip

# %% [markdown]
# ## Step 4: every core
#
# Outputs do not know of each other, so that each core may have a part of them, and a strip of its
# own. `nogil=True` lets several threads compute at once; a pool of threads hands out the parts.

# %%
pool = ThreadPoolExecutor(get_num_threads())


def conv_threads(x, w):
    return conv_strips(x, w, parts=get_num_threads(), run=pool.map)


measure(f"{get_num_threads()} threads", conv_threads, x)

# %% [markdown]
# ### And what follows the sum
#
# A layer ends with a bias and a rectifier. As operations of their own each of them brings the
# whole map from memory and takes it back: under the slope of the roof. While a tile is in its
# registers they cost nearly nothing, so the library does them there. That is called fusion.

# %%
large, bias = floats(64, *quick((242, 362), (42, 62))), floats(64)
large = channels_last(large).transpose(2, 0, 1)[None]
how = (1, 1), (0, 0), (1, 1), 1


def apart():
    return cpu.relu(cpu.conv2d(large, w, None, *how) + bias[:, None, None])


def fused():
    return cpu.conv2d(large, w, bias, *how, relu=True)


assert np.abs(apart() - fused()).max() < 1e-3
print(f"apart {1e3 * fastest(apart):.1f} ms, fused {1e3 * fastest(fused):.1f} ms")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The ladder
#
# <!-- notes -->
# The same numbers, tested after every step. The library's direct kernels do the same with tiles of
# vectors, without the copy of the windows and with less work around. And how can the last bar
# stand above the ceiling?

# %%
measure_ceilings()  # again: what had disturbed them may be over
rates.pop("the library", None)
cpu.conv.set_algorithm("direct")
measure("library, direct", conv_library, x)
cpu.conv.set_algorithm("auto")
measure("library, Winograd", conv_library, x)

# %% tags=["hide-input", "cover"] slideshow={"slide_type": "-"}
figure, axes = panels(size=(9, 4))
names = list(rates)
axes.barh(names[::-1], [rates[name] for name in names[::-1]], color=BLUE)
for place, name in enumerate(names[::-1]):
    axes.text(rates[name] * 0.95, place, f"{rates[name]:.3g}", va="center", ha="right", color="w")
for rate, label, side in ((ONE_CORE, "one core ", "right"), (ALL_CORES, " all cores", "left")):
    axes.axvline(rate, color="k", linestyle="--", zorder=0)
    axes.text(rate, len(names) - 0.4, label, ha=side)
axes.set(xscale="log", xlabel="GFLOP/s of the direct sum (logarithmic)")
axes.set_xlim(0.5, 3 * max(rates.values()))
show(figure, "GFLOP/s: " + ", ".join(f"{name} {rate:.3g}" for name, rate in rates.items()))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Fewer multiplications
#
# A convolution multiplies polynomials. Two outputs of three taps: a product of degree 3, known by
# **4 values**.
#
# $$(a_0 + a_1 t)(b_0 + b_1 t + b_2 t^2) \quad\text{at } t = 0,\ 1,\ -1,\ \infty$$
#
# <!-- notes -->
# The direct way multiplies each with each: 6 multiplications. The other way: evaluate both factors
# at four points, which takes additions only; multiply value by value, 4 multiplications; find the
# polynomial with these four values. At infinity a polynomial's value is its highest coefficient.
# That is the product of polynomials. A correlation is its transpose: the same three matrices,
# turned around. (Winograd 1980; Lavin and Gray 2016 for networks.)


# %% slideshow={"slide_type": "-"}
def powers(points, count):
    """1, t, t^2, ... of every point and of infinity: (points + 1, count)."""
    rows = [[t**i for i in range(count)] for t in points]
    return np.array([*rows, [Fraction(i == count - 1) for i in range(count)]])


# %%
def inverse(matrix):
    """Gauss and Jordan, in fractions: exact."""
    n = len(matrix)
    work = np.hstack([matrix, np.eye(n, dtype=object)])
    for i in range(n):
        pivot = next(k for k in range(i, n) if work[k, i] != 0)
        work[[i, pivot]] = work[[pivot, i]]
        work[i] = work[i] / work[i, i]
        for k in set(range(n)) - {i}:
            work[k] = work[k] - work[k, i] * work[i]
    return work[:, n:]


# %% slideshow={"slide_type": "-"}
points = [Fraction(t) for t in (0, 1, -1)]
values = (powers(points, 2) @ [3, 5]) * (powers(points, 3) @ [2, -1, 4])  # four products
assert (inverse(powers(points, 4)) @ values == np.convolve([3, 5], [2, -1, 4])).all()

# %% [markdown]
# `np.convolve` multiplies polynomials. With a fixed filter $b$ that is a linear map of $a$:
# evaluate, multiply by the filter's values, interpolate. A correlation is the transpose of that
# map (tutorial 04), so it is the transposes of these three steps, in reverse order.


# %%
def winograd(m, r, points):
    """BT, G, AT with y = AT [(G w) * (BT x)]: m outputs, r taps, m + r - 1 pixels."""
    points = [Fraction(t) for t in points[: m + r - 2]]
    return inverse(powers(points, m + r - 1)).T, powers(points, r), powers(points, m).T


# %% [markdown]
# In rational numbers there is no rounding, so that the test can ask for **exactly** the same. In
# two dimensions the transforms are done along rows, then along columns, and the products remain
# one for each position of the tile.

# %%
POINTS = ["0", "1", "-1", "2", "-2", "1/2", "-1/2"]


def winograd_tile(x, w, m):
    """x (m+2, m+2), w (3, 3) to y (m, m), and how many products it took."""
    BT, G, AT = winograd(m, 3, POINTS)
    products = (G @ w @ G.T) * (BT @ x @ BT.T)
    return AT @ products @ AT.T, products.size


# %%
print(" m  outputs  direct  Winograd  saved")
for m in (2, 4, 6):
    x_tile, w_tile = rng.integers(-9, 10, (m + 2, m + 2)), rng.integers(-9, 10, (3, 3))
    y, number = winograd_tile(x_tile, w_tile, m)
    assert (y == conv_loops(x_tile[None].astype(np.float32), np.float32(w_tile[None, None]))).all()
    print(f"{m:2} {m * m:8} {9 * m * m:7} {number:9} {9 * m * m / number:6.2f}x")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Nothing is free: additions, borders, digits
#
# The larger the tile, the more unlike the constants that it multiplies by.
#
# <!-- notes -->
# With C channels and K filters the transforms are done once a channel and once a filter, and the
# products are sums over channels: (m+2)^2 matrix products, done with the very same micro-kernel.
# That is why it pays only with many channels. Multiplying by large and small numbers, and
# subtracting what nearly cancels, costs digits. The picture measures it.


# %% tags=["hide-input"] slideshow={"slide_type": "-"}
for m in (2, 4, 6):
    constants = np.abs(np.concatenate([matrix.ravel() for matrix in winograd(m, 3, POINTS)]))
    print(f"{m} x {m}: from {min(constants[constants > 0])} to {max(constants)}")


# %%
def digits_lost(BT, G, AT, C=64, tiles=200):
    """The error of float32, relative to the results' root mean square."""
    n = len(BT)
    x, w, y = floats(tiles, C, n, n), floats(C, 3, 3), {}
    for dtype in (np.float32, np.float64):
        bt, g, at = (matrix.astype(dtype) for matrix in (BT, G, AT))
        u, v = g @ w.astype(dtype) @ g.T, bt @ x.astype(dtype) @ bt.T
        y[dtype] = at @ np.einsum("cij,tcij->tij", u, v) @ at.T  # the sum over channels
    exact = y[np.float64]
    return np.sqrt(np.mean((y[np.float32] - exact) ** 2) / np.mean(exact**2))


# %% [markdown]
# For comparison the direct sum: matrices that change nothing, and one output. And once more tiles
# of 6 x 6, with the points 3 and -3 in the place of 1/2 and -1/2.

# %%
one = np.eye(3)
errors = {"direct": digits_lost(one, one, np.ones((1, 3)))}
errors |= {f"{m} x {m}": digits_lost(*winograd(m, 3, POINTS)) for m in (2, 4, 6)}
errors["6 x 6 with 3, -3"] = digits_lost(*winograd(6, 3, [*POINTS[:5], "3", "-3"]))
assert errors["direct"] < errors["4 x 4"] < errors["6 x 6 with 3, -3"]

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, (left, right) = panels(1, 2, (10, 3.4))
left.barh(list(errors)[::-1], list(errors.values())[::-1], color=BLUE)
left.set(xscale="log", xlabel="error of float32, relative to rms", ylabel="tile")
n = np.arange(4, 90)
for m in (2, 4, 6):
    right.plot(n, (-(-n // m) * m / n) ** 2, label=f"{m} x {m}")
right.set(xlabel="size of a square map", ylabel="computed / wanted")
right.legend(frameon=False, title="tile")
show(figure, "Left: relative errors, " + ", ".join(f"{k} {e:.1e}" for k, e in errors.items())
     + ". Right: outputs computed for each wanted, up to "
     f"{max((-(-n // 6) * 6 / n) ** 2):.2g} for small maps.")  # fmt: skip

# %% [markdown]
# On the right: a map is cut into tiles, and at its border outputs are computed and thrown away.
# Large maps do not notice. The small ones at the end of a network do, and there the filters are
# large as well, so that transformed filters would weigh more than the map. So the library chooses
# for every layer.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The layers of FCN under the roof
#
# <!-- notes -->
# FCN-8s with a VGG trunk, one small image, each layer at its operations for every byte of input,
# weights and output, and at the rate that it reached on this machine. Rates count the direct sum's
# operations, so that Winograd's layers may stand above the roof. Look for fc6 and fc7: nearly all
# of what they read are weights, for few pixels. minifcn bench draws the same for every net and
# size.

# %%
net = mf.models.build("fcn8s-vgg16", padding="aligned", width=quick(1.0, 0.125)).eval()
image = mf.Tensor(64 * floats(1, 3, *quick((192, 256), (64, 96))))
watch = LayerTimes(net)
with mf.no_grad():
    watch.run_forward(image)
    watch.forget()  # that was the warm-up
    for _ in progress(range(quick(5, 2)), "forward passes"):
        watch.run_forward(image)
layers = [(a.name, a.intensity, a.flops / min(a.forward) / 1e9) for a in watch.layers]

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(size=(9, 4.6))
draw_roof(axes, 1, 1500)
for name, at, rate in layers:
    saved = next(a.saving for a in watch.layers if a.name == name) > 1
    axes.plot(at, rate, "^" if saved else "o", color=ORANGE if saved else BLUE)
    if name in ("conv1_1", "conv1_2", "conv3_2", "conv5_3", "fc6", "fc7", "score_fr"):
        left = name in ("conv1_1", "fc7", "conv1_2")
        side = {"xytext": (-6, -4), "ha": "right"} if left else {"xytext": (6, -4)}
        axes.annotate(name, (at, rate), textcoords="offset points", **side)
axes.plot([], [], "^", color=ORANGE, label="Winograd, effective")
axes.plot([], [], "o", color=BLUE, label="direct")
axes.legend(frameon=False, loc="lower right")
said = [f"{name} {rate:.0f} GFLOP/s at {at:.3g} a byte" for name, at, rate in layers[:2]]
show(figure, "Layers of FCN-8s under the roof: " + ", ".join(said))

# %% [markdown]
# ## Your turn
#
# **1.** The tile of the library is made of vectors in one direction only: `rows` single numbers,
# each copied to all lanes of a vector, times `vectors` vectors. How many loads does it do for
# one multiply-add (of vectors)? The check counts them in what the library emits.


# %% tags=["exercise"]
def loads_for_one(rows, vectors):
    """Loads of a step, divided by its multiply-adds."""
    # your lines


check_loads(loads_for_one)

# %% tags=["solution"]
check_loads.solution()

# %% [markdown]
# **2.** Tiles hold at most `most` rows. Thirty rows cut into 14 + 14 + 2 end in a poor tile: look
# at the heat map. Cut them into as few tiles as possible, of nearly equal height: so many of
# height + 1, and so many of height.


# %% tags=["exercise"]
def cut(rows, most):
    """(height, how many of height + 1, how many of height)."""
    # your lines


check_heights(cut)

# %% tags=["solution"]
check_heights.solution()

# %% [markdown]
# **3.** The intensity of a layer: one image, C channels to K, of H x W pixels, windows of k x k,
# padded so that the map keeps its size; no bias; float32. Then ask it: how does it change if the
# image is twice as large?


# %% tags=["exercise"]
def layer_intensity(C, K, H, W, k):
    """Floating-point operations for every byte of input, weights and output."""
    # your lines


check_intensity(layer_intensity)

# %% tags=["solution"]
check_intensity.solution()

# %% [markdown]
# **4.** Two outputs of three taps, `y0 = x0 w0 + x1 w1 + x2 w2` and `y1 = x1 w0 + x2 w1 + x3 w2`,
# with four multiplications of pixels and weights. Multiplying by a constant does not count, nor
# does what is made of weights alone: that is done once. The check counts.


# %% tags=["exercise"]
def two_outputs(x, w):
    """x: four numbers, w: three; a list [y0, y1]."""
    # your lines


check_winograd(two_outputs)

# %% tags=["solution"]
check_winograd.solution()

# %% [markdown]
# <details><summary><b>5.</b> To think about: by the heat map of loads, tiles of 6 rows and 4
# vectors would need fewer loads than the library's 14 rows and 2 vectors. Why is that no
# gain?</summary>
# A core starts as many loads as multiply-adds in a cycle. Below one load for each, fewer do not
# help, and a tile that is four vectors wide leaves more lanes idle where filters are few.
# </details>
#
# <details><summary><b>6.</b> To think about: your tile sums along vectors and adds up their lanes
# at the end; the library's has one output in every lane. Which is better for a layer with three
# input channels?</summary>
# The library's. Sums over 3 x 3 x 3 = 27 numbers fill one or two vectors, and adding up the lanes
# takes longer than the sum itself.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - Two ceilings, measured; a layer's intensity says under which of them it is.
# - A tile of sums in registers, strips in the cache, channels last, a core for each strip.
# - Winograd's algorithm multiplies less, and pays in additions, borders and digits.
#
# <!-- notes -->
# The library's code: the tile is [kernels/cpu/tile.py](../kernels/cpu/tile.py), for the
# registers of [kernels/cpu/isa.py](../kernels/cpu/isa.py); convolution without columns
# [kernels/cpu/direct.py](../kernels/cpu/direct.py); the matrices
# [kernels/cpu/transforms.py](../kernels/cpu/transforms.py), and the algorithm around them
# [kernels/cpu/winograd.py](../kernels/cpu/winograd.py) and
# [kernels/cpu/winograd_gradient.py](../kernels/cpu/winograd_gradient.py); the ceilings
# [kernels/cpu/peak.py](../kernels/cpu/peak.py). Your machine, layer by layer: `minifcn bench`.
#
# Next: [20 · Table 1](20_table_1.ipynb).
