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
# # 20 · Where do the numbers of the paper's Table 1 come from?
#
# From kernels, strides and channels alone, but for two rows, which somebody had to measure.
#
# <!-- notes -->
# You need: receptive fields and coordinate maps (tutorial 05), upsampling (09),
# FCN-32s (11). You get: every structural number of the table by a formula of one line, the padding
# of 100, the kernel of 63 and the offsets 19 and 18 as consequences, and one number that counts a
# layer which the net does not have. It takes about forty minutes.

# %%
from fractions import Fraction
from itertools import pairwise

import numpy as np

import minifcn as mf
from minifcn import geometry, nn
from minifcn.data.scenes import scene
from minifcn.metrics import ConfusionMatrix
from minifcn.models import paper
from minifcn.models.googlenet import INCEPTIONS
from minifcn.teaching import FAST, panels, progress, quick, seconds, show, show_svg
from minifcn.viz import graph_svg

mf.manual_seed(0)
rng = np.random.default_rng(0)

# %%
from minifcn.teaching.table_1 import (
    check_crop_offset,
    check_depth,
    check_parameters,
    check_receptive_field,
)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The table, as it was printed
#
# Three classifiers, made fully convolutional with stride 32 and trained on PASCAL VOC 2011.
#
# <!-- notes -->
# Long, Shelhamer and Darrell, CVPR 2015, Table 1. The mean intersection over union (tutorial 00)
# in per cent is of VOC 2011's validation set; the times are means of twenty runs on a 500 x 500
# image, on an NVIDIA Tesla K40c. These two rows are quoted here and not derived.


# %%
def table(rows, heads=("AlexNet", "VGG16", "GoogLeNet")):
    for name, *cells in [("", *heads), *rows]:
        print(f"{name:20}" + "".join(f"{cell!s:>12}" for cell in cells))


# %% slideshow={"slide_type": "-"}
printed = {
    "mean IU": (39.8, 56.0, 42.5),
    "forward time, ms": (50, 210, 59),
    "convolution layers": (8, 16, 22),
    "parameters": ("57M", "134M", "6M"),
    "receptive field": (355, 404, 907),
    "maximum stride": (32, 32, 32),
}
table((name, *cells) for name, cells in printed.items())

# %% [markdown]
# The nets, to be asked later whether what we derive is true of them. Built `without_values` their
# weights have shapes and take no memory, so all three fit anywhere.

# %%
NAMES = "alexnet", "vgg16", "googlenet"
with nn.init.without_values():
    nets = [mf.models.build(f"fcn32s-{name}", num_classes=21) for name in NAMES]

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Parameters: a product and a sum
#
# A convolution from $C$ channels to $K$ with a window $k \times k$ in $g$ groups has
#
# $$K \cdot \frac{C}{g} \cdot k^2 + K$$
#
# numbers that learn: $K$ filters, and $K$ biases.
#
# <!-- notes -->
# With groups, a filter sees only its part of the channels. AlexNet was trained on two graphics
# cards, half of the channels on each; three of its layers have two groups to this day. Fully
# connected layers are convolutions here (tutorial 07): fc6 of VGG-16 has windows of 7 x 7.


# %%
def parameters(C, K, k, g=1):
    return K * (C // g) * k * k + K


# %% [markdown]
# AlexNet and VGG-16, layer by layer: channels in, channels out, window, groups. 21 scores at the
# end.

# %%
alexnet = [
    *[(3, 96, 11), (96, 256, 5, 2), (256, 384, 3), (384, 384, 3, 2), (384, 256, 3, 2)],
    *[(256, 4096, 6), (4096, 4096, 1), (4096, 21, 1)],
]
channels = [3, 64, 64, 128, 128, *3 * [256], *6 * [512]]
vgg16 = [(C, K, 3) for C, K in pairwise(channels)]
vgg16 += [(512, 4096, 7), (4096, 4096, 1), (4096, 21, 1)]

# %% [markdown]
# GoogLeNet is nine inception modules. In each of them four ways stand side by side: 1x1; 1x1 and
# 3x3; 1x1 and 5x5; a pool and 1x1. How many channels each has is Table 1 of Szegedy et al. (2015),
# which the library keeps.

# %%
INCEPTIONS["3a"]


# %%
def inception(C, one, three, five, pooled):
    """Its convolutions, and how many channels it makes."""
    layers = [(C, one, 1), (C, pooled, 1)]
    for k, (reduced, K) in ((3, three), (5, five)):
        layers += [(C, reduced, 1), (reduced, K, k)]
    return layers, one + three[1] + five[1] + pooled


googlenet, C = [(3, 64, 7), (64, 64, 1), (64, 192, 3)], 192
for numbers in INCEPTIONS.values():
    layers, C = inception(C, *numbers)
    googlenet += layers
googlenet.append((C, 21, 1))

# %% [markdown]
# The sums, beside what the nets count themselves:

# %% slideshow={"slide_type": "-"}
by_hand = [sum(parameters(*layer) for layer in net) for net in (alexnet, vgg16, googlenet)]
assert by_hand == [net.num_parameters() for net in nets]
assert [f"{n / 1e6:.0f}M" for n in by_hand] == list(printed["parameters"])
table([("parameters", *(f"{n:,}" for n in by_hand))])

# %% [markdown]
# Two mistakes that give other numbers. Forget AlexNet's groups, or count the fixed interpolation,
# which in the authors' files is a dense 21 x 21 x 64 x 64 array, zero but for its diagonal:

# %%
ungrouped = sum(parameters(*layer[:3]) for layer in alexnet)
dense = by_hand[1] + 21 * 21 * 64 * 64
assert f"{ungrouped / 1e6:.0f}M" != "57M"
assert f"{dense / 1e6:.0f}M" != "134M"
print(f"AlexNet without groups {ungrouped:,}; VGG16 with its interpolation {dense:,}")

# %% [markdown]
# **1.** The formula once more, for windows that are not square and layers that may have no bias.
# `kernel_size` is a pair.


# %% tags=["exercise"]
def count_parameters(C, K, kernel_size, groups, bias):
    """How many numbers learn; bias is True or False."""
    # your lines


check_parameters(count_parameters)

# %% tags=["solution"]
check_parameters.solution()


# %% [markdown] slideshow={"slide_type": "slide"}
# ## Where do they sit?
#
# Most of them in what was fully connected, where a net has such layers.


# %%
def share(net, fully_connected):
    """Millions of parameters: convolutions, fully connected layers, scores."""
    counts = [parameters(*layer) / 1e6 for layer in net]
    first = len(counts) - 1 - fully_connected
    return sum(counts[:first]), sum(counts[first:-1]), counts[-1]


shares = [share(alexnet, 2), share(vgg16, 2), share(googlenet, 0)]

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(size=(7, 2.8))
left = np.zeros(3)
for part, name in zip(np.transpose(shares), ("convolutions", "fc6 and fc7", "scores")):
    axes.barh(["AlexNet", "VGG16", "GoogLeNet"], part, left=left, label=name)
    left += part
axes.invert_yaxis()
axes.set_xlabel("millions of parameters")
axes.legend(frameon=False)
show(
    figure,
    f"Parameters: of AlexNet's {left[0]:.0f} million {shares[0][1]:.0f} are in fc6 and fc7, of "
    f"VGG16's {left[1]:.0f} million {shares[1][1]:.0f}; GoogLeNet has {left[2]:.0f} and "
    "no such layer.",
)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## "Convolution layers" is a depth
#
# GoogLeNet has 58 convolutions, its score layer included. The longest way through it passes 22.
#
# <!-- notes -->
# The number of layers on the longest way from the image to the scores, not how many
# there are. Where all layers stand in a row, as in AlexNet and VGG-16, the two are the same. The
# picture is one inception module; the number in a box is its depth.


# %%
def depths(net):
    found = {"data": 0}
    for name, layer, reads in nn.table(net):
        found[name] = max(found[one] for one in reads) + isinstance(layer, nn.Conv2d)
    return found


counts = [sum(isinstance(layer, nn.Conv2d) for _, layer, _ in nn.table(net)) for net in nets]
depth = [depths(net)["score_fr"] for net in nets]
assert depth == list(printed["convolution layers"])
assert counts == [8, 16, 58]
table([("convolutions, all", *counts), ("in depth", *depth)])

# %% tags=["hide-input"]
found = depths(nets[2])
rows = [row for row in nn.table(nets[2]) if row[0].startswith("inception_3a/")]
rows = [row for row in rows if not isinstance(row[1], nn.ReLU)]


def short(name):
    return name.removeprefix("inception_3a/").replace("relu_", "")


# %% tags=["hide-input"] slideshow={"slide_type": "-"}
boxes = [("pool2/3x3_s2", "pool2", f"depth {found['pool2/3x3_s2']}", "input")]
boxes += [
    (short(name), short(name), f"depth {found[name]}",
     "function" if isinstance(layer, nn.Conv2d) else "output")
    for name, layer, _ in rows
]  # fmt: skip
edges = [(short(one), short(name)) for name, _, reads in rows for one in reads]
show_svg(
    graph_svg(boxes, edges),
    f"The inception module 3a: six convolutions between depth {found['pool2/3x3_s2']} and "
    f"{found['inception_3a/output']}; the longest ways pass two of them.",
)

# %% [markdown]
# **2.** Write it for any graph: `reads` maps the name of each layer, in order, to the names of
# what it reads, `"data"` being the image, and `convolutions` is a list of those that count. How
# deep is the last layer?


# %% tags=["exercise"]
def depth_of_last(reads, convolutions):
    """Convolutions on the longest way from the image to the last layer."""
    # your lines


check_depth(depth_of_last)

# %% tags=["solution"]
check_depth.solution()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Receptive field: windows reach further and further
#
# Two numbers go along (tutorial 05): the field $r$, and the **jump** $j$, how far apart in the
# image two neighbouring pixels of a map are.
#
# $$r \leftarrow r + (k - 1)\, j \qquad j \leftarrow j\, s$$

# %% [markdown]
# The longest chain of windows through each net, as (window, stride, padding); pools are marked,
# because they round up. In GoogLeNet it leads through the 5x5 windows. Of the paddings, those of
# the first layers, 100 and 100 (the authors') and 18 (the library's, for FCN-GoogLeNet was never
# released), will be explained below.


# %%
def conv(k, s=1, p=0):
    return k, s, p, False


def pool(k):
    return k, 2, 0, True


same3, inside = conv(3, 1, 1), [conv(1), conv(5, 1, 2)]
ALEXNET = [conv(11, 4, 100), pool(3), conv(5, 1, 2), pool(3), *3 * [same3], pool(3)]
ALEXNET += [conv(6), conv(1), conv(1)]
VGG16 = [conv(3, 1, 100), same3, pool(2), *2 * [same3], pool(2)]
VGG16 += 3 * [*3 * [same3], pool(2)] + [conv(7), conv(1), conv(1)]
GOOGLENET = [conv(7, 2, 18), pool(3), conv(1), same3, pool(3), *2 * inside, pool(3)]
GOOGLENET += [*5 * inside, pool(3), *2 * inside, conv(1)]
CHAINS = ALEXNET, VGG16, GOOGLENET
assert [sum(not is_pool for *_, is_pool in chain) for chain in CHAINS] == depth


# %% slideshow={"slide_type": "-"}
def fields(chain):
    r, jump = 1, 1
    for k, s, *_ in chain:
        r += (k - 1) * jump
        jump *= s
        yield r, jump


ends = [list(fields(chain))[-1] for chain in CHAINS]
table([("receptive field", *(r for r, _ in ends)), ("stride", *(j for _, j in ends))])

# %%
assert [jump for _, jump in ends] == list(printed["maximum stride"])
for net, (r, jump) in zip(nets, ends):
    axis = geometry.trace(net)["score_fr"].axes[0]
    assert (axis.field, axis.stride) == (r, jump)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Two agree with the table. One does not.

# %% tags=["hide-input", "cover"] slideshow={"slide_type": "-"}
figure, axes = panels(size=(7, 3.6))
for chain, name in zip(CHAINS, ("AlexNet", "VGG16", "GoogLeNet")):
    steps = [r for r, _ in fields(chain)]
    (line,) = axes.plot([0, *range(1, len(steps) + 1)], [1, *steps], label=name, marker=".")
    axes.annotate(f"{steps[-1]}", (len(steps), steps[-1]), (4, -4), textcoords="offset points",
                  color=line.get_color())  # fmt: skip
axes.set(xlabel="windows, one after the other", ylabel="receptive field, pixels", ylim=(0, None))
axes.legend(frameon=False)
show(
    figure,
    "Receptive fields along three nets: they grow faster the more strides lie behind, to "
    f"{ends[0][0]} pixels in AlexNet, {ends[1][0]} in VGG16 and {ends[2][0]} in GoogLeNet.",
)

# %% [markdown]
# **3.** The same as a function, for a list of (window, stride).


# %% tags=["exercise"]
def receptive_field(chain):
    """Pixels that one number of the last map sees, along one axis."""
    # your lines


check_receptive_field(receptive_field)

# %% tags=["solution"]
check_receptive_field.solution()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## 907 or 715?
#
# The classifier averages over 7x7 at its end. The FCN discards that, and the table counts it.
#
# <!-- notes -->
# Section 4.1 of the paper says that the final average pooling layer of GoogLeNet
# was discarded. With it, the field is six jumps of 32 pixels larger. Both numbers are right, of
# different nets. To find such a thing one must derive the number, not copy it.

# %% slideshow={"slide_type": "-"}
without = GOOGLENET[:-1]  # up to the last inception module
for name, chain in (("as an FCN", without), ("with the pool", [*without, conv(7)])):
    print(f"{name:14} {list(fields(chain))[-1][0]}")

# %%
assert list(fields(without))[-1][0] == 715
assert list(fields([*without, conv(7)]))[-1][0] == printed["receptive field"][2]
assert 907 - 715 == (7 - 1) * 32

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Why a padding of 100?
#
# fc6 is a window of 7 rows that is not padded. Without help, a small image has no 7 rows left.


# %% slideshow={"slide_type": "-"}
def sizes(n, chain):
    for k, s, p, rounds_up in chain:
        room = n + 2 * p - k
        n = -(-room // s) + 1 if rounds_up else room // s + 1
        yield n


small = sizes(190, [same3, *VGG16[1:]])
maps = list(sizes(500, VGG16))
print("padded by   1:", *dict.fromkeys([190, *small]))
print("padded by 100:", *dict.fromkeys([500, *maps]))

# %%
last = maps[-1]
upsampled = (last - 1) * 32 + 64
trace = geometry.trace(nets[1], (500, 500))
assert trace["score_fr"].shape[2] == last
assert trace["upscore"].shape[2] == upsampled
assert (maps[0], last, upsampled) == (698, 16, 544)
print(f"{last} rows of scores make {upsampled} rows, of which 500 are kept")

# %% [markdown]
# Padded by 1, as in the classifier, 190 rows leave none for the scores. Padded by 100, the first
# map of 500 rows has 698, then every pool halves and rounds up, fc6 takes 6 rows away. `upscore`
# makes 544 rows of 16. Which 500 of them?
#
# ## Which 500? Offsets
#
# Pixel 0 of the coarse map is centred somewhere in the image (tutorial 05). A window starts $p$
# pixels before its map's first pixel and its centre is $(k - 1)/2$ further, both times the jump:
#
# $$x_0 \leftarrow x_0 + j \left( \frac{k - 1}{2} - p \right)$$


# %%
def start(chain):
    x, jump = Fraction(0), 1
    for k, s, p, *_ in chain:
        x += jump * (Fraction(k - 1, 2) - p)
        jump *= s
    return x


def offset(chain, kernel):
    """Where the image's pixel 0 lies in scores upsampled with this kernel."""
    return Fraction(kernel - 1, 2) - start(chain)


# %% [markdown] slideshow={"slide_type": "slide"}
# ## Why 64 for VGG16 and 63 for AlexNet?
#
# The upsampling kernel is laid around the centre of its pixel. It must begin **on a pixel**.

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(size=(7, 2.9))
bars = [(n, c, k) for n, c in (("VGG16", VGG16), ("AlexNet", ALEXNET)) for k in (64, 63)]
for y, (_, chain, kernel) in enumerate(bars):
    first, whole = float(-offset(chain, kernel)), offset(chain, kernel).denominator == 1
    axes.barh(y, kernel - 1, left=first, height=0.5, color="#0072b2" if whole else "#cccccc")
    axes.plot(float(start(chain)), y, "k|", markersize=14)
    text = f"offset {-first:g}" + ("" if whole else ": between two pixels")
    axes.text(first + 2, y, text, va="center", color="white" if whole else "black")
axes.set_yticks(range(4), [f"{name}, {kernel}" for name, _, kernel in bars])
axes.set(xlim=(-24, 50), ylim=(3.5, -0.5))
axes.set_xlabel("pixels of the image; | is the centre of the first score")
show(figure, f"The kernel around the first score: for VGG16 at {float(start(VGG16)):g} one of 64 "
     f"begins at -{offset(VGG16, 64)} and one of 63 between two pixels; for AlexNet at "
     f"{float(start(ALEXNET)):g} it is 63 that begins on a pixel, at "
     f"-{offset(ALEXNET, 63)}.")  # fmt: skip

# %% [markdown]
# VGG's windows of 2 have their centre between two pixels, and so its maps lie between pixels of
# the image: a half and an even kernel make a whole. AlexNet's windows are odd, but for fc6, where
# half a step is sixteen whole pixels; so its maps lie on pixels. The library derives the same
# offsets when it builds a net, for the skips too:

# %%
assert (offset(VGG16, 64), offset(ALEXNET, 63)) == (19, 18)
assert geometry.offsets(nets[1]) == {"score": (19, 19)}
assert geometry.offsets(nets[0]) == {"score": (18, 18)}
assert geometry.offsets(nets[2]) == {"score": (int(offset(GOOGLENET, 63)),) * 2}
for name in ("fcn32s-vgg16", "fcn16s-vgg16", "fcn8s-vgg16"):
    with nn.init.without_values():
        found = geometry.offsets(mf.models.build(name))
    print(f"{name:14}", {layer: vertical for layer, (vertical, _) in found.items()})

# %% [markdown]
# ## Would less than 100 do?
#
# It must hold for every image that fc6 has a row to look from, that no offset is negative, and
# that the kept rows reach the image's end. Three comparisons, tried for all sides up to 700:


# %%
def covers(n, chain, kernel):
    rows, kept_from = list(sizes(n, chain)), offset(chain, kernel)
    return min(rows) > 0 and 0 <= kept_from <= (rows[-1] - 1) * 32 + kernel - n


def least_padding(chain, kernel):
    (k, s, _, rounds_up), *rest = chain
    for p in range(120):
        padded = [(k, s, p, rounds_up), *rest]
        if all(covers(n, padded, kernel) for n in range(1, 701)):
            return p


# %%
least = least_padding(ALEXNET, 63), least_padding(VGG16, 64), least_padding(GOOGLENET, 63)
table([("least padding", *least)])
assert least == (99, 97, 18)
assert geometry.covers(nets[1], (1, 700))

# %% [markdown]
# So 100 is a round number above the least that works for both of the authors' nets; GoogLeNet,
# whose windows are padded but for the pools, needs 18. And the pools must round up: with pools
# that round down, VGG16 fails on many sizes, 375 and 500 among them, the most common sides in VOC.

# %%
down = [(k, s, p, False) for k, s, p, _ in VGG16]
failed = [n for n in range(1, 701) if not covers(n, down, 64)]
assert {375, 500} <= set(failed)
print(f"rounding down: {len(failed)} of 700 sides are not covered")

# %% [markdown]
# **4.** Your turn: `chain` is a list of (window, stride, padding), and `kernel` that of the
# upsampling by the whole stride. Return the offset as a float; where it is not whole, the maps do
# not meet.


# %% tags=["exercise"]
def crop_offset(chain, kernel):
    """Where pixel 0 of the image lies in the upsampled map."""
    # your lines


check_crop_offset(crop_offset)

# %% tags=["solution"]
check_crop_offset.solution()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How good could stride 32 be at all?
#
# Make the truth itself coarse: each block of $f \times f$ pixels gets its most frequent label. A
# net that is always right, but can say only one label a block, scores so.
#
# <!-- notes -->
# Appendix A of the paper, where the truth is downsampled and upsampled again. There it is VOC;
# here it is drawn scenes of VOC's usual size, so the numbers need not agree. That they nearly do
# says how alike the sizes of the objects are. How the paper chose a block's label is not said.


# %%
def coarse(label, f):
    H, W = label.shape
    padded = np.full((-(-H // f) * f, -(-W // f) * f), 255, np.uint8)
    padded[:H, :W] = label
    blocks = padded.reshape(len(padded) // f, f, -1, f)
    votes = np.stack([(blocks == k).sum(axis=(1, 3)) for k in range(21)])
    return votes.argmax(0).astype(np.uint8).repeat(f, 0).repeat(f, 1)[:H, :W]


# %%
FACTORS = 128, 64, 32, 16, 8, 4
published = 50.9, 73.3, 86.1, 92.8, 96.4, 98.5
count, size = quick(20, 4), quick((375, 500), (188, 250))
truths = [scene(0, "val", i, size)[1] for i in progress(range(count), "scenes")]
bounds = []
for f in progress(FACTORS, "factors"):
    matrix = ConfusionMatrix(21)
    for truth in truths:
        matrix.update(truth, coarse(truth, f))
    bounds.append(100 * matrix.mean_iu)

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(size=(6.5, 3.2))
axes.plot(FACTORS, published, "s--", label="VOC, published")
axes.plot(FACTORS, bounds, "o-", label=f"{count} drawn scenes")
axes.set_xscale("log", base=2)
axes.set_xticks(FACTORS, FACTORS)
axes.invert_xaxis()
axes.set(xlabel="factor f", ylabel="mean IU, %", ylim=(0, 102))
axes.axhline(56.0, color="#999999", linestyle=":")
axes.text(4, 49, "FCN-VGG16 in the table, 56.0", fontsize=9, ha="right")
axes.legend(frameon=False, loc="lower right")
show(
    figure,
    f"The best possible mean IU where the truth is coarse: {bounds[2]:.0f} per cent at factor 32 "
    f"on drawn scenes, {published[2]} on VOC, rising to {bounds[5]:.0f} and {published[5]} at 4.",
)

# %%
assert bounds == sorted(bounds)
assert FAST or all(abs(a - b) < 6 for a, b in zip(bounds, published))

# %% [markdown]
# The table's 56.0 are far below what a stride of 32 would allow: fineness is not all that is
# missing. Skips (tutorial 12) lift the bound; training and data do the rest.
#
# And the times? 50, 210 and 59 ms cannot be derived, but the work behind them can: for each pixel
# of a layer's output as many multiply-adds as the layer has weights.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What the nets had to compute

# %% slideshow={"slide_type": "-"}
traces = [geometry.trace(net, (500, 500)) for net in nets]
work = [sum(row.macs for row in trace.rows) / 1e9 for trace in traces]
rate = [2 * g / (ms / 1000) for g, ms in zip(work, printed["forward time, ms"])]
table(
    [
        ("G multiply-adds", *(f"{g:.1f}" for g in work)),
        ("ms, published", *printed["forward time, ms"]),
        ("GFLOP/s then", *(f"{r:.0f}" for r in rate)),
    ]
)

# %% [markdown] slideshow={"slide_type": "-"}
# GoogLeNet computes a twentieth of what VGG16 does, and took more than a quarter of its time.
#
# <!-- notes -->
# A multiply-add is two floating-point operations. Many small products keep a processor less busy
# than few large ones. The paddings of the authors' AlexNet and GoogLeNet in those measurements are
# not known: GoogLeNet was never released. Take these rates as a rough size.

# %%
ratio = work[2] / work[1], printed["forward time, ms"][2] / printed["forward time, ms"][1]
assert ratio[0] < 1 / 20 < 1 / 4 < ratio[1]

# %% [markdown]
# And on your machine? A quarter of the channels and half of the sides, so that it neither takes
# long nor much memory.

# %%
H, W = quick((250, 300), (100, 120))
lines = []
for name in progress(NAMES, "nets"):
    net = mf.models.build(f"fcn32s-{name}", 21, width=0.25).eval()
    image = mf.Tensor(rng.standard_normal((1, 3, H, W)).astype(np.float32))
    with mf.no_grad():
        took = seconds(net, image)
    macs = sum(row.macs for row in geometry.trace(net, (H, W)).rows)
    lines.append((f"{macs / 1e9:.2f}", f"{1e3 * took:.1f}", f"{2 * macs / took / 1e9:.0f}"))
heads = "G multiply-adds", "ms, here", "GFLOP/s here"
table((head, *cells) for head, cells in zip(heads, zip(*lines)))

# %% [markdown]
# Tutorial 18 tells what a processor could do, and how near its kernels come.
#
# ## And the row above: mean IU
#
# Nothing derives it but training on VOC for days. The numbers moved after the table was printed:
# its nets were trained with VOC 2011's own images, the later ones with some 8,500 of SBD
# (Hariharan et al. 2011).
#
# | | mean IU | where |
# |---|--:|---|
# | FCN-AlexNet | 39.8 | Table 1 |
# | FCN-VGG16, stride 32 | 56.0 | Table 1 |
# | FCN-GoogLeNet | 42.5 | Table 1 |
# | FCN-32s | 59.4 | Table 2 |
# | FCN-16s | 62.4 | Table 2 |
# | FCN-8s | 62.7 | Table 2 |
# | FCN-AlexNet, released | 48.0 | README of shelhamer/fcn.berkeleyvision.org |
# | FCN-32s, released | 63.6 | README |
# | FCN-16s, released | 65.0 | README |
# | FCN-8s, released | 65.5 | README |
# | FCN-8s at once, released | 65.4 | README |
#
# Tables 1 and 2 are those of the CVPR paper; all are measured on VOC 2011 validation images, in
# Table 2 and the README on the 736 of them that SBD does not train on.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The library's own table
#
# `minifcn geometry --table`

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
print("\n".join(paper.table1().splitlines()[:8]))

# %%
for column, *ours in zip(paper.structures(), depth, counts, by_hand, ends):
    r, jump = ours.pop()
    assert [column.depth, column.convolutions, column.parameters] == ours
    assert (column.field, column.stride) == (r, jump)
assert paper.structures()[2].field_pooled == 907

# %% [markdown]
# <details><summary><b>5.</b> To think about: the table gives VGG16 a receptive field of 404
# pixels. Does a score look at all of them alike?</summary>
# No. A pixel in the middle of the field
# is reached on many paths through the net, one at the corner on a single one. The effective field,
# measured by gradients, is a soft spot much smaller than the square (Luo et al. 2016).
# </details>
#
# <details><summary><b>6.</b> To think about: could VGG16 have a padding of 81, if images with
# sides below 33 are excluded?</summary>
# Then the offset is 0 and the scores begin with the image.
# Try it: <code>covers</code> with a first padding of 81 is true for all sides from 33 on.
# </details>

# %%
eighty_one = [conv(3, 1, 81), *VGG16[1:]]
assert offset(eighty_one, 64) == 0
assert [n for n in range(1, 701) if not covers(n, eighty_one, 64)] == list(range(1, 33))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - Parameters, depth, field, stride: sums and products over the layers.
# - 19, 18, 64 and 63 follow from where a map's pixels lie; 100 is 97 or 99, rounded up.
# - 907 counts a pool that the net does not have. Derive what you quote.
#
# <!-- notes -->
# The library's table: [minifcn/models/paper.py](../minifcn/models/paper.py). Exact
# coordinate maps, one axis at a time: [minifcn/geometry/axis.py](../minifcn/geometry/axis.py); the
# walk through a net: [minifcn/geometry/trace.py](../minifcn/geometry/trace.py); the least padding:
# [minifcn/geometry/padding.py](../minifcn/geometry/padding.py). How the heads choose their
# kernels: [minifcn/models/fcn.py](../minifcn/models/fcn.py).
#
# This is the last tutorial of the series. Where to go from here:
# [the command line](../README.md), with photographs of your own.
