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
# # 05 · What does one output of a deep network see?
#
# A window of the image, whose size, step and place follow from the layers by three lines of
# arithmetic.
#
# <!-- notes -->
# You need: [04 · convolution](04_convolution.ipynb) with its stride and padding. You get: the rule
# by which layers compose, receptive fields, the sizes of maps with both kinds of rounding, and
# coordinate maps, that is, the exact place in the image that each output stands for. At the end
# you have a tracer of ten lines that agrees with the library's on every layer of VGG-16. It takes
# about forty minutes.

# %%
from fractions import Fraction

import numpy as np

import minifcn as mf
from minifcn import functions as F
from minifcn.data import scene
from minifcn.teaching import panels, progress, quick, show
from minifcn.teaching.layers_compose import check_image_size, check_pool_size, check_window
from minifcn.viz.colormap import COLOURS
from minifcn.viz.heat import heatmap

rng = np.random.default_rng(0)

# %% [markdown]
# ## A picture first
#
# A layer makes a row of numbers out of another one. Each number is made of `k` neighbours; the
# next number of `k` that begin `s` further on. The picture needs two facts: where the numbers
# stand, in the middle of what they read, and which of them output `o` at the top depends on.


# %%
def places_of(layers, n):
    places = [np.arange(n, dtype=float)]
    for k, s in layers:
        below = places[-1]
        windows = range((len(below) - k) // s + 1)
        places.append(np.array([below[s * i : s * i + k].mean() for i in windows]))
    return places


def seen_by(layers, o):
    seen = [{o}]
    for k, s in reversed(layers):
        seen.append({s * i + j for i in seen[-1] for j in range(k)})
    return seen[::-1]


# %% [markdown]
# Then dots and lines. Each dot is a number, each line says "reads"; the numbers at the bottom are
# the input.


# %%
def draw(layers, n, o, axes):
    places, seen = places_of(layers, n), seen_by(layers, o)
    for level, (k, s) in enumerate(layers):
        below, here = places[level : level + 2]
        for i, t in ((i, s * i + j) for i in range(len(here)) for j in range(k)):
            on = i in seen[level + 1]
            style = {"color": COLOURS[0] if on else "0.8", "lw": 1 + on, "zorder": 1 + on}
            axes.plot((below[t], here[i]), (level, level + 1), **style)
    for level, (row, marked) in enumerate(zip(places, seen)):
        colours = [COLOURS[1] if i in marked else "0.6" for i in range(len(row))]
        axes.scatter(row, [level] * len(row), c=colours, s=60, zorder=3)
    names = ["input"] + [f"k={k}, s={s}" for k, s in layers]
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("place, in pixels of the input")


# %% [markdown] slideshow={"slide_type": "slide"}
# ## What one output of the second layer sees

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(size=(8, 3.2))
draw([(3, 2), (2, 2)], 13, 1, axes)
seen = seen_by([(3, 2), (2, 2)], 1)[0]
axes.set_title(f"output 1 at the top sees inputs {min(seen)} to {max(seen)}: {len(seen)} of them")
show(figure, f"Two layers over 13 inputs; output 1 at the top sees inputs {sorted(seen)}.")

# %% [markdown] slideshow={"slide_type": "-"}
# A number at k=3, s=2 is made of 3 numbers below it; the next one of 3 that begin 2 further on.
# Next door at the top is how many inputs further on at the bottom?

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Every layer is a function that slides
#
# $$y_i = f_{ks}\left(x_{si},\ x_{si+1},\ \ldots,\ x_{si+k-1}\right)$$
#
# $k$ numbers in, one out; then move on by $s$. What $f$ does is its own affair: a sum of products
# (convolution), a maximum (pooling), or with $k = s = 1$ a rectifier.
#
# <!-- notes -->
# This is the notation of section 3 of the paper, in one dimension. The point of it is what it
# leaves out. Everything in this tutorial follows from k and s alone, whatever f computes.


# %% slideshow={"slide_type": "-"}
def layer(f, k, s):
    def run(x):
        outputs = (len(x) - k) // s + 1
        return np.array([f(x[s * i : s * i + k]) for i in range(outputs)])

    return run


convolution = layer(lambda x: x @ [1.0, -2.0, 1.0], k=3, s=2)
pooling = layer(np.max, k=2, s=2)

# %%
x = rng.integers(0, 10, 13).astype(float)
print(x)
print(convolution(x))
print(pooling(convolution(x)))

# %% [markdown]
# In an image a window moves along both axes, and nothing else changes. The paper writes
#
# $$y_{ij} = f_{ks}\left(\{x_{si + \delta i,\ sj + \delta j}\}\right), \qquad
#   0 \le \delta i,\ \delta j < k$$
#
# so one axis is enough to understand both.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Two layers are one layer
#
# $$f_{ks} \circ g_{k's'} = (f \circ g)_{\,k' + (k-1)s',\ \ ss'}$$
#
# - $f$ reads $k$ neighbours; each of them reads $k'$ inputs, and they are $s'$ apart.
# - A step of $s$ at the top is $s$ steps of $s'$ at the bottom.
#
# <!-- notes -->
# The layer with the primes comes first, next to the image. The first of the k windows begins at 0,
# the last one (k - 1)s' later and is k' long: that is the size. The right side is again of the
# form with which we began, one function that slides, so that the rule can be applied again.


# %% slideshow={"slide_type": "-"}
def compose(inner, outer):
    (k1, s1), (k, s) = inner, outer
    return k1 + (k - 1) * s1, s * s1


k, s = compose((3, 2), (2, 2))
both = layer(lambda x: pooling(convolution(x))[0], k, s)
assert np.array_equal(both(x), pooling(convolution(x)))
k, s

# %% [markdown]
# The cell above says it literally: the two layers, put into one function of a window of 5 and
# moved by 4, give the same numbers. Now for any sizes, with functions that mix their inputs well.

# %%
for _ in range(200):
    (k1, s1), (k2, s2) = rng.integers(1, 6, (2, 2)).tolist()
    k, s = compose((k1, s1), (k2, s2))
    x, v, w = (rng.standard_normal(n) for n in (k + 17, k1, k2))
    g = layer(lambda x, v=v: np.tanh(x @ v), k1, s1)
    f = layer(lambda x, w=w: np.max(x * w), k2, s2)
    both = layer(lambda x, f=f, g=g: f(g(x))[0], k, s)
    np.testing.assert_allclose(both(x), f(g(x)), rtol=1e-12)
print("200 random pairs of layers: each is one layer, of the size and the stride of the rule")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## So a whole net is one filter, and not a linear one
#
# It has no size of its own: it runs on **any** image that holds one window.
#
# <!-- notes -->
# "While a general deep net computes a general nonlinear function, a net with only layers of this
# form computes a nonlinear filter" (section 3). A fully connected layer is not of this form: it
# has a weight for every pixel of its map, which fixes the size. Tutorial 07 removes that.

# %% slideshow={"slide_type": "-"}
w1, w2 = 0.3 * rng.standard_normal((2, 1, 3, 5)), 0.3 * rng.standard_normal((4, 2, 3, 3))


def net(image):
    y = F.tanh(F.conv2d(image, w1))
    return F.conv2d(F.max_pool2d(y, 2), w2)


for size in ((8, 10), (20, 26), (33, 100)):
    image = rng.standard_normal((1, 1, *size))
    print(size, "->", net(image).shape[2:])

# %% [markdown]
# `F.max_pool2d` is our `pooling`, along one axis and then along the other.

# %%
maps = rng.standard_normal((1, 2, 6, 10))
along_both = np.apply_along_axis(pooling, 3, np.apply_along_axis(pooling, 2, maps))
assert np.array_equal(F.max_pool2d(maps, 2).data, along_both)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Move the image by a stride, and the output moves by one

# %% slideshow={"slide_type": "-"}
image = rng.standard_normal((1, 1, 21, 27))
y = net(image).data
for shift in (1, 2, 3, 4):
    moved = net(image[:, :, :, shift:]).data
    steps = shift // 2
    same = y[..., steps : steps + moved.shape[3]]
    equal = np.allclose(moved[..., : same.shape[3]], same)
    verdict = "the same numbers" if equal else "others"
    print(f"without the first {shift} columns: {verdict}")
    assert equal == (shift % 2 == 0)

# %% [markdown]
# The stride of this net is 2. By 2 and by 4 the windows fall on the same pixels as before, and the
# numbers are the same. By 1 and by 3 they fall between: the net has never looked there. A net of
# stride 32 commutes with one shift in 32, and that is what tutorial 10 makes use of.
#
# Padding breaks the rule at the borders, where a window sees zeros instead of the neighbours that
# were there before the shift.

# %%
w = rng.standard_normal((1, 1, 3, 3))
y = F.conv2d(image, w, padding=1).data
moved = F.conv2d(image[:, :, :, 1:], w, padding=1).data
wrong = np.abs(moved - y[..., 1:]).max(axis=(0, 1, 2)) > 1e-12
print("columns with other numbers after a shift:", np.flatnonzero(wrong), "of", len(wrong))
assert list(np.flatnonzero(wrong)) == [0]

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The receptive field, found by poking
#
# Which pixels of the image can change this output? And which have a slope?
#
# <!-- notes -->
# The set of pixels that can change an output is its receptive field. Here every pixel is changed
# in a copy of the image of its own, and all the copies are one batch. Up and down, because a
# maximum does not notice when a loser gets smaller.


# %%
def poke(net, image, output):
    """Which pixels change the net's output (row, column)?"""
    H, W = image.shape[2:]
    found = np.zeros((H, W), bool)
    before = net(image).data[..., *output]
    for change in (-100.0, 100.0):
        pokes = change * np.eye(H * W).reshape(-1, 1, H, W)
        after = net(image + pokes).data[..., *output]
        found |= (after != before).any(axis=1).reshape(H, W)
    return found


# %% [markdown]
# The rule, axis by axis. The kernel of the first layer is 3 high and 5 wide, so the field is not
# square.

# %%
vertical = compose(compose((3, 1), (2, 2)), (3, 1))
horizontal = compose(compose((5, 1), (2, 2)), (3, 1))

output = 2, 5
found = poke(net, image, output)
window = tuple(slice(s * o, s * o + k) for o, (k, s) in zip(output, (vertical, horizontal)))
expected = np.zeros_like(found)
expected[window] = True
assert np.array_equal(found, expected)
print("rows and columns by the rule:", vertical, horizontal)

# %% [markdown]
# Poking took one run of the net for each pixel. One backward pass from the output gives every
# pixel's slope at once, and a pixel that cannot change the output has none.

# %%
x = mf.Tensor(image, requires_grad=True)
y = net(x)
y[0, 0, *output].backward()
slopes = np.abs(x.grad[0, 0])

assert not slopes[~found].any()
print(np.count_nonzero(slopes), "of", found.sum(), "pixels have a slope")

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(1, 2, size=(8, 3.1))
axes[0].imshow(found, cmap="cividis")
axes[0].set_title(f"poked: {found.sum()} pixels matter")
axes[1].imshow(slopes, cmap="cividis")
axes[1].set_title(f"gradient: {np.count_nonzero(slopes)} have a slope now")
for one in axes:
    one.set(xlabel="column", ylabel="row")
show(figure, f"A rectangle of {vertical[0]} by {horizontal[0]} pixels that matter to output "
     f"{output}, and the slopes, of which {np.count_nonzero(slopes)} are not zero.")  # fmt: skip

# %% [markdown]
# Both live in the same rectangle. The gradient has holes where the maximum took another pixel. A
# field is what an output *can* see, a gradient what it looks at in this image.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The recursion of receptive fields
#
# $$\text{field} \leftarrow \text{field} + (k - 1) \cdot \text{stride} \qquad
#   \text{stride} \leftarrow \text{stride} \cdot s$$
#
# <!-- notes -->
# This is the rule of composition again, with the net so far as the inner layer. Behind a pool a
# 3x3 layer widens the field by twice as much as before it: stride is what makes fields large.


# %% slideshow={"slide_type": "-"}
def fields(layers):
    field, stride, rows = 1, 1, []
    for name, k, s in layers:
        field, stride = compose((field, stride), (k, s))
        rows.append((name, k, s, field, stride))
    return rows


# %% slideshow={"slide_type": "-"}
lenet = [("conv1", 5, 1), ("pool1", 2, 2)]
lenet += [("conv2", 5, 1), ("pool2", 2, 2), ("ip1", 4, 1)]
for row in fields(lenet):
    print("{:6} k={} s={}: sees {:2}, moves by {}".format(*row))

# %% [markdown]
# LeNet is the net of tutorial 06, which reads digits of 28 x 28 pixels. Its `ip1` (an "inner
# product", in Caffe's words) is fully connected to a map of 4 x 4, so it is a window of 4. It sees
# the whole digit. Now VGG-16, on which FCN is built: thirteen convolutions of 3 x 3 in five
# blocks, a pool behind each, then `fc6`, fully connected to a map of 7 x 7, and so a window of 7.

# %%
vgg = []
for block, count in enumerate((2, 2, 3, 3, 3), start=1):
    vgg += [(f"conv{block}_{i}", 3, 1) for i in range(1, count + 1)] + [(f"pool{block}", 2, 2)]
vgg += [("fc6", 7, 1), ("fc7", 1, 1)]

rows = fields(vgg)
for name, _, _, field, stride in rows:
    if name.startswith(("pool", "fc")):
        print(f"{name:5}: sees {field:3} pixels, moves by {stride}")
assert rows[-1][3:] == (404, 32)  # the paper's Table 1
added = {rows[i][0]: rows[i][3] - rows[i - 1][3] for i in range(1, len(rows))}
assert (added["conv1_2"], added["conv5_2"]) == (2, 32)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## VGG-16, layer by layer

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(size=(8, 3.4))
names = [row[0] for row in rows]
colours = [COLOURS[1] if s == 2 else COLOURS[2] if k == 7 else COLOURS[0] for _, k, s, *_ in rows]
axes.bar(names, [row[3] for row in rows], color=colours)
axes.set_ylabel("field, in pixels")
axes.tick_params(axis="x", rotation=60)
axes.set_title(f"VGG-16: fc7 sees {rows[-1][3]} pixels and moves by {rows[-1][4]}")
told = ", ".join(f"{n} {f}" for n, _, _, f, _ in rows if n.startswith(("pool", "fc")))
show(figure, f"Bars of the receptive fields of VGG-16's layers, in pixels: {told}.")

# %% [markdown] slideshow={"slide_type": "-"}
# The same 3 × 3 adds 2 pixels in block 1 and 32 in block 5: **strides make fields large**.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How large is the map? Two roundings
#
# $$\left\lfloor \frac{n + 2p - k}{s} \right\rfloor + 1
#   \qquad\text{or}\qquad \left\lceil \frac{n + 2p - k}{s} \right\rceil + 1$$
#
# <!-- notes -->
# Rounding down drops the pixels that fill no window any more. Rounding up lets the last window
# hang over the border. Caffe's pools round up, and so did the authors' nets; PyTorch's pools round
# down unless they are told ceil_mode=True. Convolutions always round down.


# %% slideshow={"slide_type": "-"}
def size(n, k, s, p=0, ceil=False):
    room = n + 2 * p - k
    if not ceil:
        return room // s + 1
    out = -(-room // s) + 1
    if (out - 1) * s >= n + p:  # it would begin behind the image
        out -= 1
    return out


size(7, 2, 2), size(7, 2, 2, ceil=True)

# %% [markdown]
# What does it matter? Poke the last column of an odd image. With rounding down nobody notices.

# %%
odd = rng.standard_normal((1, 1, 6, 7))
poked = odd.copy()
poked[..., -1] += 10
for ceil in (False, True):
    before, after = (F.max_pool2d(i, 2, ceil_mode=ceil).data for i in (odd, poked))
    assert before.shape[3] == size(7, 2, 2, ceil=ceil)
    print(f"ceil_mode={ceil}: {before.shape[3]} columns, {(before != after).sum()} values changed")

# %% [markdown]
# Behind five pools little differences have become large ones.

# %%
for ceil in (False, True):
    n, sizes = 500, []
    for _ in range(5):
        n = size(n, 2, 2, ceil=ceil)
        sizes.append(n)
    print(f"ceil={ceil!s:5}: 500", *sizes, f"and 32 × {n} = {32 * n}")

# %% [markdown]
# Enlarged by 32 again, the map that was rounded down ends before the image does: pixels at the
# right and at the bottom would have no score. Rounded up, it always reaches the end.


# %%
def reach(n, ceil):
    stride = 1
    for _ in range(5):
        n, stride = size(n, 2, 2, ceil=ceil), 2 * stride
    return n * stride


short = {ceil: sum(reach(n, ceil) < n for n in range(32, 701)) for ceil in (False, True)}
print("sides from 32 to 700 that are not reached:", short)
assert short[True] == 0

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Where in the image is output $o$?
#
# In the middle of what it sees: at pixel $x = \text{stride} \cdot o + \text{start}$.
#
# $$\text{start} \leftarrow \text{start} + \text{stride} \cdot
#   \left(\tfrac{k - 1}{2} - p\right)$$
#
# <!-- notes -->
# The middle of k pixels 0 ... k-1 is (k-1)/2, and padding moves everything back by p. Both are
# counted in pixels of the map that the layer reads, which are a stride apart in the image. For
# even k the middle lies between two pixels: hence fractions, and exact ones, because in the end
# maps must meet on whole pixels and "nearly whole" is not good enough. Solved for o it reads
# o = (x + p - (k-1)/2)/s, which is how Caffe's coord_map.py writes it.


# %%
def window(stride, start, k, s, p):
    start = start + stride * (Fraction(k - 1, 2) - p)
    return stride * s, start


image_axis = Fraction(1), Fraction(0)
print("3x3, padding 1:", *window(*image_axis, 3, 1, 1))
print("pool 2x2:      ", *window(*image_axis, 2, 2, 0))

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(1, 2, size=(9, 2.5))
for one, k, title in zip(axes, (2, 3), ("even: between pixels", "odd: on pixels")):
    draw([(k, 2)], 7, 1, one)
    one.set(title=f"kernel {k}, {title}", ylim=(-0.4, 1.4), xlabel="place, in pixels")
show(figure, "Outputs of a layer with kernel 2 lie between two inputs, at 0.5, 2.5, 4.5; those of "
     "a layer with kernel 3 lie on inputs, at 1, 3, 5.")  # fmt: skip

# %% [markdown]
# Is it true? Let all weights be 1, and average instead of taking maxima. Then the gradient counts
# the paths from each pixel to the output, the same number to the left as to the right, and its
# centre of mass must be the place of the output.

# %%
layers = [(3, 1, 1), (2, 2, 0), (5, 1, 1), (4, 3, 0), (3, 1, 0)]
x = mf.Tensor(np.ones((1, 1, 1, 61)), requires_grad=True)
y, place = x, image_axis
for k, s, p in layers:
    y = F.conv2d(y, mf.Tensor(np.ones((1, 1, 1, k))), stride=(1, s), padding=(0, p))
    place = window(*place, k, s, p)

o = 4
y[0, 0, 0, o].backward()
paths = x.grad[0, 0, 0]
found = (paths * np.arange(61)).sum() / paths.sum()
print(f"centre of mass {found:g}; stride * o + start = {place[0]} * {o} + {place[1]}")
assert found == place[0] * o + place[1]

# %% tags=["hide-input"]
figure, axes = panels(size=(7, 2.6))
axes.bar(range(61), paths, color=COLOURS[0], width=0.9)
axes.axvline(found, color=COLOURS[1], lw=2)
axes.set(xlabel="pixel", ylabel="paths", title=f"paths to output {o}; its place is {found:g}")
show(figure, f"The numbers of paths from 61 pixels to one output rise from 1 at the border of the "
     f"field to {paths.max():g} in the middle, at {found:g}.")  # fmt: skip

# %% [markdown]
# There is one path from each end of the field, and there are many from its middle. The end of this
# tutorial comes back to that.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A tracer
#
# For VGG-16 it agrees with the library on every layer.


# %% slideshow={"slide_type": "-"}
def tracer(layers, n):
    field, stride, start, rows = 1, *image_axis, []
    for name, k, s, p in layers:
        n = size(n, k, s, p, ceil=name.startswith("pool"))
        field += (k - 1) * stride
        stride, start = window(stride, start, k, s, p)
        rows.append((name, n, int(stride), int(field), start))
    return rows


# %% [markdown]
# Its subject is VGG-16 as the authors use it. Convolutions are padded by 1, pools and `fc` layers
# not at all, and the first layer by 100 pixels, so that even a small image leaves something for
# `fc6` to look at.

# %%
pads = {"conv1_1": 100, "fc6": 0, "fc7": 0}
layers = [(name, k, s, 0 if s == 2 else pads.get(name, 1)) for name, k, s in vgg]

rows = tracer(layers, 500)
for name, n, stride, field, start in rows:
    if name.startswith(("pool", "fc")):
        print(f"{name:5}  {n:3} rows  stride {stride:2}  field {field:3}  start {start!s:>7}")

# %% [markdown]
# The library's FCN-32s begins with these layers. It is made narrow here, with few channels: that
# saves memory and changes no geometry.

# %%
library = mf.geometry.trace(mf.models.build("fcn32s-vgg16", width=0.02), (500, 375))
for name, *mine in rows:
    axis = library[name].axes[0]
    assert mine == [library[name].shape[2], axis.stride, axis.field, axis.start], name
assert rows[-1][3] == 404
print(f"{len(rows)} layers, equal to the library's")

# %% [markdown]
# A negative start is a place in the padding: pixel 0 of `pool5` lies 83.5 pixels before the image.
# Read the line of `fc7`: output $o$ of `fc7` stands at pixel $32o + 12.5$, between two pixels. The
# pools have even kernels, and every one of them puts its outputs between two of its inputs. Half
# pixels are why FCN-32s upsamples with a kernel of 64 and not of 63, and why it then cuts off 19
# pixels: tutorial 09 continues here.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## It can see all that. Does it look?
#
# The gradient of one output, over a picture: the *effective* receptive field.
#
# <!-- notes -->
# The picture of the paths has the reason: there are many from a pixel in the middle of the field
# to the output, and one from its corner. In the middle their slopes add up, so what an output
# looks at is a blur that does not fill its field. Training widens the blur, but does not fill the
# field either (Luo et al. 2016). This net has VGG-16's layers up to pool5, few channels and random
# weights.

# %%
weights, C = {}, 3
for name, k, _ in vgg[:-2]:
    if name.startswith("conv"):
        K = 4 * 2 ** int(name[4])  # 8 channels in block 1, 128 in block 5
        weights[name] = rng.standard_normal((K, C, k, k)).astype(np.float32)
        C = K


# %%
def deep(x):
    for name, k, _ in vgg[:-2]:
        if name in weights:
            x = F.relu(F.conv2d(x, weights[name], padding=1))
        else:
            x = F.max_pool2d(x, k, ceil_mode=True)
    return x


# %%
picture = scene(0, "val", 3, (240, 320))[0]
pixels = (picture[None].transpose(0, 3, 1, 2) - 128.0).astype(np.float32)


# %%
def effective(output, draws):
    heat = np.zeros(picture.shape[:2])
    for _ in progress(range(draws), "gradients"):
        x = mf.Tensor(pixels, requires_grad=True)
        y = deep(x)
        gy = np.zeros(y.shape, np.float32)
        gy[..., *output] = rng.standard_normal(y.shape[1])
        y.backward(gy)
        heat += np.abs(x.grad[0]).sum(axis=0)
    return heat


# %% [markdown]
# The tracer says where the field of an output lies. Outside of it no pixel may have a slope.

# %%
output = 3, 4
heat = effective(output, quick(16, 2))

_, _, stride, field, start = tracer([(*row, int(row[2] == 1)) for row in vgg[:-2]], 240)[-1]
first = [int(stride * o + start - Fraction(field - 1, 2)) for o in output]
inside = heat[tuple(slice(max(0, f), f + field) for f in first)]
assert np.isclose(inside.sum(), heat.sum())

# %%
middle = [int(stride * o + start) for o in output]
for side in range(2, field + 1, 2):
    r, c = (slice(max(0, m - side // 2 + 1), m + side // 2 + 1) for m in middle)
    if heat[r, c].sum() >= 0.9 * heat.sum():
        break
print(f"the field is {field} pixels wide; 90% of the gradient lies in the middle {side}")
assert side < field


# %% tags=["hide-input"] slideshow={"slide_type": "-"}
def averaged(values, by=4):  # a smaller picture
    H, W = values.shape[:2]
    return values.reshape(H // by, by, W // by, by, -1).mean(axis=(1, 3))


figure, axes = panels(size=(5.6, 3.8))
warm = averaged(heat)[..., 0] ** 0.5
shown = heatmap(averaged(picture).astype(np.uint8), warm / warm.max())
axes.imshow(shown, extent=(-0.5, 319.5, 239.5, -0.5))
for width, style, name in ((field, "w-", "the field"), (side, "w--", "90% of the gradient")):
    (top, left), r = middle, (width - 1) / 2
    xs, ys = [left + 0.5 + r * i for i in (-1, 1, 1, -1, -1)], [-1, -1, 1, 1, -1]
    axes.plot(xs, [top + 0.5 + r * i for i in ys], style, lw=2, label=f"{name}: {width} pixels")
axes.set(xlim=(0, 320), ylim=(240, 0), xlabel="column", ylabel="row")
axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, facecolor="0.7")
show(figure, f"Heat of the gradient of one output of pool5 over a drawn scene: a blur in the "
     f"middle of the field of {field} pixels; 90% lie in a square of {side}.")  # fmt: skip

# %% [markdown]
# ## Your turn
#
# **1.** The rule of composition, the other way round. `layers` lists (k, s), the one next to the
# image first, and nothing is padded. How many pixels must an image have, at least, if `m` outputs
# are wanted?


# %% tags=["exercise"]
def image_size(layers, m):
    """The least number of pixels along one axis."""
    # your lines


check_image_size(image_size)

# %% tags=["solution"]
check_image_size.solution()

# %% [markdown]
# **2.** The size of a pool's output that rounds up, along one axis: `n` pixels, kernel `k`, stride
# `s`, padding `p` on both sides. A last window that would begin at pixel `n` or behind it is left
# out.


# %% tags=["exercise"]
def pooled_size(n, k, s, p):
    """How many windows, with ceil_mode."""
    # your lines


check_pool_size(pooled_size)

# %% tags=["solution"]
check_pool_size.solution()

# %% [markdown]
# **3.** Coordinate maps. Pixel `o` of a map lies at pixel `stride * o + start` of the image, both
# fractions. Where do the pixels of the next layer's map lie, if its `k` taps are `d` apart
# (dilation, tutorial 04)?


# %% tags=["exercise"]
def next_axis(stride, start, k, s, p, d):
    """Its stride and its start, as exact fractions."""
    # your lines


check_window(next_axis)

# %% tags=["solution"]
check_window.solution()

# %% [markdown]
# <details><summary><b>4.</b> To think about: two nets have the same receptive field. One has a
# single layer of 11 x 11, the other five of 3 x 3. Which has more weights a channel pair, and
# which one looks at more of its field?</summary>
# 121 against 5 · 9 = 45. The single layer has one path from every pixel, so nothing makes the
# middle stronger; the stack has its blur, but also four rectifiers in between, and so it can
# compute what no single layer can.
# </details>
#
# <details><summary><b>5.</b> To think about: the effective field was measured with a random net.
# What would you change to measure it for a trained one, and what for one class?</summary>
# Load the weights, and put the gradient 1 into that class's score only, in place of random numbers
# into all channels; average over many pictures instead of over many draws.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - Layers that slide compose to a layer that slides: $k' + (k-1)s'$, $ss'$.
# - Such a net is one nonlinear filter: any size, and shifts by its stride shift its output.
# - Each output has a place: stride · o + start, an exact fraction.
#
# <!-- notes -->
# The library's `Axis.window` is the two lines of `window` and the one of the field:
# [minifcn/geometry/axis.py](../minifcn/geometry/axis.py). The walk through a net, branches and
# upsampling included, is [minifcn/geometry/trace.py](../minifcn/geometry/trace.py); the sizes are
# in [kernels/shapes.py](../kernels/shapes.py).
#
# Next: [06 · LeNet learns digits](06_lenet_learns_digits.ipynb).
