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
# # 04 · What is a convolution, and how does it become one matrix product?
#
# A small window of weights moves over an image; its windows, laid out as columns, are a matrix.
#
# <!-- notes -->
# You need: [02 · tensors and functions](02_tensors_and_functions.ipynb), and the adjoint test of
# [03 · gradient checks](03_gradient_checks.ipynb). You get: a convolution with stride, padding and
# dilation, written in four ways that pass one test, and both of its gradients from one formula. It
# takes about an hour.

# %%
import tempfile
import tracemalloc

import numpy as np
from minifcn.kernels import reference
from numpy.lib.stride_tricks import sliding_window_view

import minifcn as mf
from minifcn.teaching import panels, quick, seconds, show
from minifcn.teaching.convolution import (
    check_gather,
    check_groups,
    check_im2col_rows,
    check_output_size,
)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A window moves over an image
#
# Multiply what lies under the window with the weights, number by number, and add up.
#
# <!-- notes -->
# The weights are called a filter or a kernel. This one has positive weights on the left and
# negative ones on the right: it answers where the image is brighter on the left, and gives zero
# where nothing changes. Every output sees a small window, and all are made by the same weights.
# That is the whole difference to a fully connected layer (the product of tutorial 02): few
# weights, and an object is found wherever it is.

# %%
image = np.random.default_rng(4).integers(0, 10, (4, 6))
edge = np.array([[1, 0, -1], [2, 0, -2]])
row, column = 1, 1
under = image[row : row + 2, column : column + 3]
int((under * edge).sum())


# %% [markdown]
# The pictures of this tutorial are numbers in cells, some of them in a coloured frame.

# %%
from matplotlib import colormaps
from matplotlib.colors import ListedColormap
from matplotlib.patches import Rectangle

from minifcn.viz.colormap import COLOURS

BLUE, ORANGE, GREEN = COLOURS[:3]


# %%
def cells(axes, numbers, title, frames=(), colour=BLUE):
    """Numbers in cells, with frames (row, column, height, width); NaN stays empty."""
    rows, columns = numbers.shape
    axes.set(xlim=(0, columns), ylim=(rows, 0), title=title, xticks=[], yticks=[])
    axes.set_aspect("equal")
    axes.spines[:].set_visible(False)
    axes.hlines(range(rows + 1), 0, columns, color="#bbbbbb", linewidth=0.8)
    axes.vlines(range(columns + 1), 0, rows, color="#bbbbbb", linewidth=0.8)
    for (r, q), number in np.ndenumerate(numbers):
        text = "" if np.isnan(number) else f"{number:.3g}"
        axes.text(q + 0.5, r + 0.5, text, ha="center", va="center")
    for r, q, height, width in frames:
        box = {"fill": False, "edgecolor": colour, "linewidth": 3}
        axes.add_patch(Rectangle((q, r), width, height, **box))


# %% tags=["hide-input"] slideshow={"slide_type": "-"}
output = np.full((3, 4), np.nan)
output[row, column] = (under * edge).sum()
figure, (left, middle, right) = panels(1, 3, (10, 3), width_ratios=[6, 3, 4])
cells(left, image, "image", [(row, column, 2, 3)])
cells(middle, edge, "filter")
cells(right, output, "output", [(row, column, 1, 1)], ORANGE)
show(figure, f"A 2 x 3 window of a 4 x 6 image; with the filter it gives {output[row, column]:g}.")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Filters made by hand
#
# Blurring is an average. An edge is a difference.


# %%
def slide(x, w):
    """One image (H, W), one filter (KH, KW)."""
    KH, KW = w.shape
    y = np.empty((x.shape[0] - KH + 1, x.shape[1] - KW + 1))
    for r, q in np.ndindex(y.shape):
        y[r, q] = (x[r : r + KH, q : q + KW] * w).sum()
    return y


assert slide(image, edge)[row, column] == output[row, column]

# %% [markdown]
# An image to try them on. The library draws it, so that you need not download any.

# %%
with tempfile.TemporaryDirectory() as folder:
    scenes = mf.data.Scenes(folder, num_train=6, num_val=1, size=(56, 84))
    scene = np.asarray(scenes[4][0], np.float64) / 255
grey = scene.mean(axis=2)

sobel = np.array([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]])
down, across = slide(grey, sobel.T), slide(grey, sobel)
filtered = {
    "grey image": grey,
    "blurred: 5 x 5 average": slide(grey, np.ones((5, 5)) / 25),
    "Sobel: left minus right": across,
    "edges: both Sobel filters": np.hypot(down, across),
}
assert np.allclose(slide(np.ones((5, 6)), sobel), 0)  # where nothing changes, nothing is found

# %% tags=["hide-input", "cover"] slideshow={"slide_type": "-"}
figure, axes = panels(2, 2, (7.5, 5.2))
for place, (name, picture) in zip(axes.flat, filtered.items()):
    colours = "PuOr" if "Sobel:" in name else "gray"
    place.imshow(picture, colormaps[colours].resampled(16), interpolation="nearest")
    place.set(title=f"{name}, {picture.shape[0]} x {picture.shape[1]}", xticks=[], yticks=[])
show(figure, "A scene of 56 x 84 pixels: grey, blurred, the Sobel filter's answer, its edges.")

# %% [markdown]
# Look at the sizes in the titles. A window must lie inside the image, so that each filter takes
# some pixels off the border; the wider it is, the more.
#
# These filters were found by people. A network finds its own: they are its weights, and the
# gradients at the end of this tutorial say how to change them.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Many channels in, many out
#
# $$y_{n,k,r,q} = b_k + \sum_{c,i,j} w_{k,c,i,j}\; x_{n,\,c,\,r+i,\,q+j}$$
#
# A filter has as many channels as the image and adds them up. **Each filter makes one channel.**
#
# | | | shape |
# |---|---|---|
# | $x$ | images | $(N, C, H, W)$ |
# | $w$ | filters | $(K, C, K_H, K_W)$ |
# | $y$ | maps | $(N, K, O_H, O_W)$ |
#
# <!-- notes -->
# N images, C channels (red, green and blue at first), H rows, W columns. In code the letters are
# the same. K filters of KH x KW taps with C channels each; a bias, one number for every filter.

# %% [markdown]
# Here is one filter with three channels: red minus the mean of green and blue, over 5 x 5 pixels.

# %%
x, w = scene.transpose(2, 0, 1)[None], np.zeros((1, 3, 5, 5))
w[0, 0], w[0, 1], w[0, 2] = 1 / 25, -0.5 / 25, -0.5 / 25
redness = sum(slide(x[0, c], w[0, c]) for c in range(3))

# %% tags=["hide-input"]
figure, (left, right) = panels(1, 2, (7.5, 2.2))
left.imshow(np.round(scene * 12) / 12, interpolation="nearest")
left.set(title="3 channels", xticks=[], yticks=[])
heat = right.imshow(redness, colormaps["cividis"].resampled(16), interpolation="nearest")
right.set(title="red minus green and blue: 1 channel", xticks=[], yticks=[])
figure.colorbar(heat, ax=right)
show(figure, "A coloured scene, and a filter's answer that is high where the scene is red.")

# %% [markdown]
# A filter that was made to find red finds red: one filter is a first, very small **detector**.
#
# ### A word on the word
#
# Mathematics turns the filter by 180 degrees first, $\sum_i w_i\, x_{r-i}$, and calls *that* a
# convolution; without the turn it is a cross-correlation. Every framework of neural networks
# computes the second and says the first. Where weights are learned it makes no difference: what
# is learned is the turned filter.

# %%
impulse, taps = np.array([0, 0, 1, 0, 0]), np.array([1, 2, 3])
assert slide(impulse[None], taps[None]).tolist() == [[3, 2, 1]]
assert np.correlate(impulse, taps, "valid").tolist() == [3, 2, 1]
assert np.convolve(impulse, taps, "valid").tolist() == [1, 2, 3]

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Stride, padding, dilation
#
# <!-- notes -->
# Stride: by how many pixels the window moves. Padding: rows and columns of zeros around the
# image. Dilation: how far the taps of the window lie apart, 1 where they are neighbours. All
# three are pairs, vertical and horizontal, and are changed one at a time here. The pictures show
# what the first and the last output read. Look at the last one on the left: no window sees the
# last row and the last column; a window that began two pixels further on would not fit.

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
colours = ListedColormap(["#dddddd", "white", ORANGE, BLUE])  # zeros, image, first, last
how = {"stride 2": (2, 0, 1), "padding 1": (1, 1, 1), "dilation 2": (1, 0, 2)}
figure, axes = panels(1, 3, (10.5, 3.2))
for place, (name, (s, p, d)) in zip(axes, how.items()):
    OH, OW = ((n + 2 * p - 2 * d - 1) // s + 1 for n in (6, 8))
    pixels = np.zeros((6 + 2 * p, 8 + 2 * p))
    pixels[p : p + 6, p : p + 8] = 1
    for value, r, q in ((2, 0, 0), (3, (OH - 1) * s, (OW - 1) * s)):
        pixels[r : r + 2 * d + 1 : d, q : q + 2 * d + 1 : d] = value
    place.imshow(pixels, colours, extent=(0, pixels.shape[1], pixels.shape[0], 0), vmin=0, vmax=3)
    cells(place, np.full(pixels.shape, np.nan), f"{name}: {OH} x {OW} outputs")
show(figure, "Which pixels of a 6 x 8 image the first and the last output of a 3 x 3 window read, "
     "with stride 2, with padding 1, and with dilation 2.")  # fmt: skip

# %% [markdown] slideshow={"slide_type": "-"}
# $$\text{outputs} = \left\lfloor \frac{n + 2p - (d(k-1)+1)}{s} \right\rfloor + 1$$

# %% [markdown]
# ## How large is the output?
#
# The window covers $d(k-1)+1$ of the $n + 2p$ pixels: its $k$ taps, and what lies between them. It
# then takes a step of $s$ pixels as often as the rest allows. There was one output before the
# first step: hence $+ 1$. A last step that does not fit is dropped.


# %%
def output_size(n, k, s, p, d):
    covered = d * (k - 1) + 1
    return (n + 2 * p - covered) // s + 1


output_size(7, 3, 2, 1, 1), output_size(500, 3, 1, 100, 1)

# %% [markdown]
# The second one is the first layer of FCN: the authors pad an image of 500 pixels by 100 on both
# sides. Why so many is a question for tutorial 11.
#
# What all versions below share: the border of zeros, and the size of the output. The window then
# never leaves the padded image.


# %%
def prepare(x, w, stride, padding, dilation):
    """The padded images, and the output's size (OH, OW)."""
    axes = zip(x.shape[2:], w.shape[2:], stride, padding, dilation)
    PH, PW = padding
    return np.pad(x, ((0, 0), (0, 0), (PH, PH), (PW, PW))), [output_size(*a) for a in axes]


# %% [markdown] slideshow={"slide_type": "slide"}
# ## First attempt: seven loops


# %% slideshow={"slide_type": "-"}
def conv_loops(x, w, b, stride=(1, 1), padding=(0, 0), dilation=(1, 1)):
    x, (OH, OW) = prepare(x, w, stride, padding, dilation)
    (SH, SW), (DH, DW), (K, C, KH, KW) = stride, dilation, w.shape
    y = np.zeros((len(x), K, OH, OW), x.dtype) + b[:, None, None]
    for n in range(len(x)):
        for k in range(K):
            for r in range(OH):
                for q in range(OW):
                    for c in range(C):
                        for i in range(KH):
                            for j in range(KW):
                                pixel = x[n, c, r * SH + i * DH, q * SW + j * DW]
                                y[n, k, r, q] += w[k, c, i, j] * pixel
    return y


# %% [markdown]
# It is the formula, and it is right. How do we know? By a case that was worked out by hand (the
# filter adds ten times the pixel to the lower right), and by random ones against the library's
# specification, with a stride, a padding and a dilation that differ between the axes. **Every**
# version that follows has to pass this same test.

# %%
SETTINGS = [
    ((1, 1), (0, 0), (1, 1)),
    ((2, 1), (0, 2), (1, 1)),
    ((1, 3), (3, 1), (2, 1)),
    ((2, 3), (1, 2), (1, 2)),
]


# %%
def test(conv):
    x, w = np.arange(1.0, 13).reshape(1, 1, 3, 4), np.array([[[[1.0, 0], [0, 10]]]])
    by_hand = [[61, 72, 83], [105, 116, 127]]  # 1 + 60, 2 + 70, ...
    assert conv(x, w, np.zeros(1))[0, 0].tolist() == by_hand
    rng = np.random.default_rng(0)
    for settings in SETTINGS:
        shapes = (2, 3, 9, 11), (4, 3, 3, 2), 4
        x, w, b = (rng.standard_normal(shape) for shape in shapes)
        expected = reference.conv2d(x, w, b, *settings, groups=1)
        assert np.allclose(conv(x, w, b, *settings), expected), settings
    print(f"{conv.__name__}: right, by hand and in {len(SETTINGS)} random cases")


test(conv_loops)

# %% [markdown]
# And its time. Versions differ so much that they cannot run the same layer: what is compared is
# the **time of one multiply-add**, the step inside the loops. From it follows how long a real
# layer would take: conv1_2 of FCN, 64 channels to 64. An image of 500 x 500 pixels reaches it as
# 698 x 698: conv1_1 has padded it, and taken two pixels off.


# %%
def layer(C, K, H, W, dtype=np.float32):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(s).astype(dtype) for s in ((1, C, H, W), (K, C, 3, 3), K)]


def multiply_adds(x, w, b):
    return w.size * (x.shape[2] - 2) * (x.shape[3] - 2)


# %%
SMALL, LARGE = layer(4, 5, 12, 17), layer(64, 64, quick(62, 22), quick(90, 30))
CONV1_2 = 64 * 64 * 3 * 3 * 698 * 698
times = {}


def clock(name, conv, arrays, repeat=5):
    took = min(seconds(conv, *arrays, repeat=1) for _ in range(repeat))
    each = took / multiply_adds(*arrays)
    times[name] = each * CONV1_2
    print(f"{name}: {1e9 * each:.3g} ns a multiply-add, conv1_2 in {times[name]:,.2f} s")


clock("seven loops", conv_loops, SMALL)

# %% [markdown]
# That is for one layer of one image; FCN-32s was trained in a hundred thousand steps of one image
# each. Python spends its time on finding out, for every single number, what `*` and `+` mean.
# NumPy finds it out once for a whole array. So the work has to be put as few, large array
# operations.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Windows are columns of a matrix
#
# <!-- notes -->
# Write the pixels under the window as a column. Do that for every place of the window: a matrix
# with KH times KW rows, and a column for each output. The filter, written as a row, times that
# matrix is the row of all outputs. With C channels the columns are C times as long; with K filters
# there are K rows.

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
columns = np.array([image[r : r + 2, q : q + 3].ravel() for r in range(3) for q in range(4)]).T
number = row * 4 + column
figure, axes = panels(2, 2, (9, 5.2), width_ratios=[6, 12], height_ratios=[4, 6])
cells(axes[0, 0], image, "image", [(row, column, 2, 3)])
cells(axes[0, 1], edge.reshape(1, 6) @ columns, "filter times columns: all outputs",
      [(0, number, 1, 1)], ORANGE)  # fmt: skip
cells(axes[1, 0], edge.reshape(1, 6), "the filter as a row")
cells(axes[1, 1], columns, "every window as a column", [(0, number, 6, 1)])
show(figure, f"12 windows of 6 pixels as columns; the framed one, number {number}, with the "
     f"filter gives {(edge.reshape(1, 6) @ columns)[0, number]}.")  # fmt: skip

# %% [markdown]
# In the picture, read along a **row** of the matrix instead: the first row is the image's upper
# left part, the second the same part one pixel further to the right. A row belongs to one tap of
# the window, and it holds what that tap sees at all places: a rectangle of the image, taken every
# SH rows and every SW columns. So the matrix is filled row by row, with KH times KW copies for all
# channels at once, instead of OH times OW.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## One product
#
# $$Y_{K \times O_H O_W} = W_{K \times C K_H K_W}\; X_{C K_H K_W \times O_H O_W}$$
#
# <!-- notes -->
# im2col, "image to columns", fills the matrix tap by tap. The order of its rows is the order of
# channel, tap row, tap column, which is that of w.reshape(K, -1). Mix these up, and the shapes
# still fit while the numbers are wrong.


# %% slideshow={"slide_type": "-"}
def im2col(x, kernel_size, size, stride, dilation):
    """Padded x (N, C, H, W) to columns (N, C*KH*KW, OH*OW)."""
    (N, C), (KH, KW), (OH, OW) = x.shape[:2], kernel_size, size
    (SH, SW), (DH, DW) = stride, dilation
    cols = np.empty((N, C, KH, KW, OH, OW), x.dtype)
    for i in range(KH):
        for j in range(KW):
            seen = x[:, :, i * DH :: SH, j * DW :: SW]
            cols[:, :, i, j] = seen[:, :, :OH, :OW]
    return cols.reshape(N, C * KH * KW, OH * OW)


# %%
def conv_columns(x, w, b, stride=(1, 1), padding=(0, 0), dilation=(1, 1)):
    x, size = prepare(x, w, stride, padding, dilation)
    cols = im2col(x, w.shape[2:], size, stride, dilation)
    y = w.reshape(len(w), -1) @ cols
    return y.reshape(len(x), len(w), *size) + b[:, None, None]


test(conv_columns)
clock("columns, one product", conv_columns, LARGE)

# %% [markdown]
# The same numbers, and the product runs in a library (BLAS) that people have made fast for forty
# years. How much was gained?

# %%
print(f"{times['seven loops'] / times['columns, one product']:,.0f} times faster")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What the columns cost
#
# Every pixel is in up to $K_H K_W$ windows, so it is copied that often.
#
# <!-- notes -->
# The input of each convolution of FCN up to fc6, for one image of 500 x 500 pixels, and the same
# as columns, in megabytes, on a logarithmic scale. Kept for the backward pass, the columns of one
# image would take gigabytes. fc6, with windows of 7 x 7, has the highest factor, and a small map.

# %%
LAYERS, size, C = {}, 500 + 2 * 100, 3
for block, (K, depth) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), start=1):
    for number in range(1, depth + 1):
        after = size - 2 if C == 3 else size  # later ones are padded by 1
        LAYERS[f"conv{block}_{number}"] = C, size, after, 3
        size, C = after, K
    size = -(-size // 2)  # pooling, rounded up
LAYERS["fc6"] = C, size, size - 6, 7
assert LAYERS["conv1_2"] == (64, 698, 698, 3)
assert LAYERS["fc6"] == (512, 22, 16, 7)

# %%
megabytes = {
    name: np.array([C * n * n, C * k * k * after * after]) * 4 / 1e6
    for name, (C, n, after, k) in LAYERS.items()
}
assert max(LAYERS, key=lambda name: megabytes[name][1] / megabytes[name][0]) == "fc6"

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(size=(8.5, 3.8))
stored, copied = np.array(list(megabytes.values())).T
at = np.arange(len(megabytes))
axes.bar(at - 0.2, stored, 0.4, label=f"the maps themselves: {stored.sum():,.0f} MB")
axes.bar(at + 0.2, copied, 0.4, label=f"as columns: {copied.sum():,.0f} MB")
axes.set(yscale="log", ylabel="megabytes", xticks=at)
axes.set_xticklabels(megabytes, rotation=60)
axes.legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 1.15))
show(figure, f"Inputs of FCN's convolutions take {stored.sum():,.0f} MB, their columns "
     f"{copied.sum():,.0f} MB; conv1_2's alone {megabytes['conv1_2'][1]:,.0f} MB.")  # fmt: skip

# %% [markdown]
# ### Without copies?
#
# NumPy can show an array through other strides: `sliding_window_view` has all windows in it and
# takes no memory. `tensordot` then sums over channels and taps.


# %%
def conv_views(x, w, b, stride=(1, 1), padding=(0, 0), dilation=(1, 1)):
    x, _ = prepare(x, w, stride, padding, dilation)
    (SH, SW), (DH, DW) = stride, dilation
    covered = [d * (k - 1) + 1 for d, k in zip(dilation, w.shape[2:])]
    windows = sliding_window_view(x, covered, axis=(2, 3))  # (N, C, OH, OW, KH, KW)
    windows = windows[:, :, ::SH, ::SW, ::DH, ::DW]
    y = np.tensordot(windows, w, axes=((1, 4, 5), (1, 2, 3)))  # (N, OH, OW, K)
    return y.transpose(0, 3, 1, 2) + b[:, None, None]


test(conv_views)
clock("sliding windows", conv_views, LARGE)

# %% [markdown]
# Shorter, and no loop is left. But did it save the memory? `tracemalloc` tells what was allocated
# at most.


# %%
def peak_megabytes(conv, arrays):
    tracemalloc.start()
    conv(*arrays)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return peak


for conv in (conv_columns, conv_views):
    print(f"{conv.__name__}: {peak_megabytes(conv, LARGE):.1f} MB at most")

# %% [markdown]
# The view is free; the product is not. A fast product wants its numbers one after the other, so
# `tensordot` makes the very same columns, hidden. What helps is to make **few at a time**: the
# output is cut into strips of rows, and the columns of a strip are used and thrown away.


# %%
def conv_strips(x, w, b, stride=(1, 1), padding=(0, 0), dilation=(1, 1), rows=16):
    x, (OH, OW) = prepare(x, w, stride, padding, dilation)
    y = np.empty((len(x), len(w), OH, OW), x.dtype)
    for top in range(0, OH, rows):
        end = min(top + rows, OH)
        last = (end - 1) * stride[0] + dilation[0] * (w.shape[2] - 1)
        strip = x[:, :, top * stride[0] : last + 1]
        y[:, :, top:end] = conv_columns(strip, w, b, stride, (0, 0), dilation)
    return y


test(conv_strips)
clock("columns of a strip", conv_strips, LARGE)
print(f"{peak_megabytes(conv_strips, LARGE):.1f} MB at most")
assert peak_megabytes(conv_strips, LARGE) < peak_megabytes(conv_columns, LARGE)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Backwards: one form, three derivatives
#
# $$T(x, w, u) = \langle u, \text{conv}(x, w)\rangle
# = \sum u_{n,k,r,q}\; w_{k,c,i,j}\; x_{n,\,c,\,rS+iD,\,qS+jD}$$
#
# | derivative by | is | code |
# |---|---|---|
# | $u$ | the convolution | `w @ cols` |
# | $w$ | the gradient of the weights | `u @ cols.T` |
# | $x$ | the **transposed convolution** | `w.T @ u`, added back into the image |
#
# <!-- notes -->
# u is the gradient that arrives at the output. T is linear in each of the three. The derivative of
# a linear form by one argument is the form without that argument; nothing else has to be known.
# Each of the three operations has the other two as its gradients. So the transposed convolution
# reverses the forward and backward passes of convolution; FCN's paper (section 3.3) upsamples with
# it, and calls it deconvolution.


# %%
def conv_weight(u, x, kernel_size, stride, padding, dilation):
    """dT/dw (K, C, KH, KW): how much each weight was used, weighted by u."""
    (N, K), C, size = u.shape[:2], x.shape[1], u.shape[2:]
    x, _ = prepare(x, np.empty((0, 0, *kernel_size)), stride, padding, dilation)
    cols = im2col(x, kernel_size, size, stride, dilation)
    gw = sum(u[n].reshape(K, -1) @ cols[n].T for n in range(N))
    return gw.reshape(K, C, *kernel_size)


# %% [markdown]
# For the images, $W^T U$ is the gradient of the *columns*. A pixel lies in many columns, and what
# they all hold of it is added: `col2im`, the adjoint of `im2col`, with the same loops and `+=` in
# the place of `=`. What was added to the border of zeros is cut off.


# %%
def conv_transpose(u, w, input_size, stride, padding, dilation):
    """dT/dx (N, C, H, W), the gradient of the images, or the transposed convolution of u."""
    (N, K, OH, OW), (_, C, KH, KW), (H, W) = u.shape, w.shape, input_size
    (SH, SW), (PH, PW), (DH, DW) = stride, padding, dilation
    cols = w.reshape(K, -1).T @ u.reshape(N, K, -1)
    cols = cols.reshape(N, C, KH, KW, OH, OW)
    gx = np.zeros((N, C, H + 2 * PH, W + 2 * PW), u.dtype)
    for i in range(KH):
        for j in range(KW):
            seen = gx[:, :, i * DH :: SH, j * DW :: SW]
            seen[:, :, :OH, :OW] += cols[:, :, i, j]
    return gx[:, :, PH : PH + H, PW : PW + W]


# %% [markdown] slideshow={"slide_type": "slide"}
# ## The test is the definition
#
# $$\langle \text{conv}(x, w), u\rangle = \langle x, \text{conv}^T(u, w)\rangle
# = \langle w, \text{conv}_w(u, x)\rangle$$


# %% slideshow={"slide_type": "-"}
rng, b = np.random.default_rng(0), np.zeros(4)
for stride, padding, dilation in SETTINGS:
    how = stride, padding, dilation
    x, w = rng.standard_normal((2, 3, 9, 11)), rng.standard_normal((4, 3, 3, 2))
    y = conv_columns(x, w, b, *how)
    u = rng.standard_normal(y.shape)
    gx = conv_transpose(u, w, x.shape[2:], *how)
    gw = conv_weight(u, x, w.shape[2:], *how)
    print(f"{np.vdot(y, u):.9f} {np.vdot(x, gx):.9f} {np.vdot(w, gw):.9f}")
    assert np.allclose(np.vdot(y, u), [np.vdot(x, gx), np.vdot(w, gw)])

# %% [markdown]
# The three numbers agree to the last digits that are shown, for every stride, padding and
# dilation. The bias of a filter is added to every output of its map, so its gradient is the sum of
# all that arrives there. The library's functions, in a graph, give the same three:

# %%
tensors = [mf.Tensor(a, requires_grad=True) for a in (x, w, b)]
mf.functions.conv2d(*tensors, *how).backward(u)
for tensor, ours in zip(tensors, (gx, gw, u.sum(axis=(0, 2, 3)))):
    assert np.allclose(tensor.grad, ours)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How often is a pixel read?
#
# Send back a one from every output, with weights of one: the transposed convolution counts.
#
# <!-- notes -->
# Left, stride 1: a pixel inside is in nine windows, one in a corner in a single one. Right, stride
# 2: some pixels are read once, some twice, some four times. Upsampling by a transposed
# convolution spreads its numbers in just this pattern, and unless the weights make up for it the
# pattern is seen in the result, as a checkerboard. Tutorial 09 comes back to it.

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(1, 2, (8, 3.4))
for place, (SH, SW) in zip(axes, ((1, 1), (2, 2))):
    size = output_size(7, 3, SH, 0, 1), output_size(9, 3, SW, 0, 1)
    ones, tap = np.ones((1, 1, *size)), np.ones((1, 1, 3, 3))
    counts = conv_transpose(ones, tap, (7, 9), (SH, SW), (0, 0), (1, 1))[0, 0]
    place.imshow(counts, extent=(0, 9, 7, 0), alpha=0.35, vmin=0, vmax=9, cmap="cividis")
    cells(place, counts, f"3 x 3 windows, stride {SH}: {size[0]} x {size[1]} outputs")
show(
    figure, "How many windows read each of 7 x 9 pixels: up to 9 with stride 1; 1, 2 or 4 with 2."
)

# %% [markdown]
# ## Dilation is a filter with holes
#
# Taps that lie $d$ apart are neighbours with zeros between them.


# %%
def with_holes(w, d):
    K, C, KH, KW = w.shape
    holed = np.zeros((K, C, d * (KH - 1) + 1, d * (KW - 1) + 1))
    holed[:, :, ::d, ::d] = w
    return holed


dilated = conv_columns(x, w, b, dilation=(3, 3))
assert np.allclose(dilated, conv_columns(x, with_holes(w, 3), b))
w.shape, with_holes(w, 3).shape

# %% [markdown]
# The same result, for more multiplications by zero the second time. A dilated filter sees further
# without more weights and without a stride: "filter rarefaction" in FCN, the topic of tutorial 10.

# %% [markdown]
# ## The library's
#
# `kernels/reference/conv.py` is what you wrote, a strip at a time, with groups. The fast kernels
# make no columns at all: they read windows where they lie, and save multiplications besides.
# Tutorial 18 builds a small one. They have to pass the same test.


# %%
def conv_library(x, w, b, stride=(1, 1), padding=(0, 0), dilation=(1, 1)):
    return mf.functions.conv2d(*map(mf.Tensor, (x, w, b)), stride, padding, dilation).numpy()


test(conv_library)
clock(f"the library, {mf.backends.current_backend()}", conv_library, LARGE)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The same numbers, in another order
#
# Every version passed the same test.


# %% tags=["hide-input"] slideshow={"slide_type": "-"}
def spoken(t):
    if t > 600:
        return f"{t / 3600:.1f} hours"
    return f"{t:.2g} s" if t > 0.1 else f"{1e3 * t:.0f} ms"


figure, axes = panels(size=(8.5, 3.2))
names = list(times)[::-1]
axes.barh(names, [times[name] for name in names], color=[GREEN, *[BLUE] * 3, ORANGE])
for place, name in enumerate(names):
    axes.text(times[name] * 1.2, place, spoken(times[name]), va="center")
axes.set(xscale="log", xlabel="seconds for conv1_2 of one image (logarithmic)")
axes.set_xlim(min(times.values()) / 4, max(times.values()) * 12)
show(figure, "conv1_2 takes " + ", ".join(f"{spoken(t)} as {name}" for name, t in times.items()))

# %% [markdown]
# ## Your turn
#
# **1.** The size of the output, once more and from memory: `n` pixels, `k` taps, stride `s`,
# padding `p` on both sides, dilation `d`.


# %% tags=["exercise"]
def size_after(n, k, s, p, d):
    """The number of outputs along one axis."""
    # your lines


check_output_size(size_after)

# %% tags=["solution"]
check_output_size.solution()

# %% [markdown]
# **2.** AlexNet's conv2 was cut in two, because it did not fit one graphics card: half of its
# filters see only the first half of the channels, the other half the rest. Write it for any number
# of `groups`; stride 1, no padding, no bias. You may call `conv_columns`.


# %% tags=["exercise"]
def conv_groups(x, w, groups):
    """x (N, G*C, H, W) and w (K, C, KH, KW) to y (N, K, OH, OW)."""
    # your lines


check_groups(conv_groups)

# %% tags=["solution"]
check_groups.solution()

# %% [markdown]
# **3.** `conv_strips` copies a strip of the image to make its columns. Make the columns of the
# output rows `first` up to, not including, `last` right from the image: one padded image, stride
# 1, dilation 1.


# %% tags=["exercise"]
def columns_of_rows(x, KH, KW, first, last):
    """x (C, H, W) to columns (C*KH*KW, (last-first)*OW)."""
    # your lines


check_im2col_rows(columns_of_rows)

# %% tags=["solution"]
check_im2col_rows.solution()

# %% [markdown]
# **4.** `conv_transpose` *scatters*: every output adds to the pixels that it had read. On a GPU,
# where thousands of threads run at once, two of them would add to the same pixel. Turn it around:
# every pixel *gathers* from the outputs that read it. Loops will do; one stride for both axes, no
# padding, no dilation.


# %% tags=["exercise"]
def gather(gy, w, H, W, stride):
    """gy (N, K, OH, OW) and w (K, C, KH, KW) to gx (N, C, H, W)."""
    # your lines


check_gather(gather)

# %% tags=["solution"]
check_gather.solution()

# %% [markdown]
# <details><summary><b>5.</b> To think about: why does a 1 x 1 convolution need no
# columns?</summary>
# Its window is one pixel, so the matrix of columns is the image itself, (C, H*W): nothing is
# copied. That makes fc7 and the score layers of FCN plain products.
# </details>
#
# <details><summary><b>6.</b> To think about: <code>gx</code> is itself a convolution at stride 1.
# Of what, with what?</summary>
# Of the output gradient with a border of k-1 zeros (less the padding), with the filters turned by
# 180 degrees and their two channel axes swapped: K and C change places. That is how the fast
# kernels compute it.
# </details>
#
# <details><summary><b>7.</b> To think about: which of the three operations may be skipped in the
# first layer of a net?</summary>
# The gradient of the images: nobody trains the photograph. At 500 x 500 pixels that saves the
# transposed convolution of the largest map of all.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - A window of weights moves over all channels of an image; each filter makes one channel.
# - Windows as columns make it one matrix product, of a strip at a time.
# - One trilinear form: its derivatives are the convolution, the transposed convolution and the
#   gradient of the weights.
#
# <!-- notes -->
# The library's specification is this code:
# [kernels/reference/conv.py](../kernels/reference/conv.py) and
# [kernels/reference/im2col.py](../kernels/reference/im2col.py); sizes are in
# [kernels/shapes.py](../kernels/shapes.py). The three operations that are each other's gradients:
# [minifcn/functions/conv.py](../minifcn/functions/conv.py).
#
# Next: [05 · Layers compose](05_layers_compose.ipynb).
