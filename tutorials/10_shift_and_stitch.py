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
# # 10 · Is shift-and-stitch the same as filter rarefaction?
#
# Yes, to the bit: one runs a coarse net on every shift of the image, the other runs all of these
# at once, in one net whose filters have holes.
#
# <!-- notes -->
# You need: strides, fields and coordinate maps (tutorial 05), a fully convolutional LeNet
# (tutorials 06 and 07), upsampling (09). You get: three ways to score every pixel with a net of
# stride f, two of which give the same numbers, worked out on eight numbers, tested on a trained
# net, and a table of what each costs. It takes about thirty-five minutes.

# %%
import numpy as np
from sklearn.datasets import load_digits

import minifcn as mf
from minifcn import dense
from minifcn import functions as F
from minifcn.geometry import Axis
from minifcn.teaching import FAST, panels, progress, quick, seconds, show
from minifcn.teaching.shift_and_stitch import (
    check_interlace,
    check_rarefied_filter,
    check_which_pass,
)
from minifcn.viz.colormap import COLOURS

mf.manual_seed(0)
rng = np.random.default_rng(0)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A net of stride $f$ looks at every $f$-th place
#
# Move the image by a pixel, and it looks at the places next to those. After $f \times f$ moves it
# has looked everywhere.

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
f, (H, W) = 2, (4, 6)
colours = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in COLOURS]) / 255
figure, axes = panels(1, 5, size=(11, 2.5), width_ratios=[1, 1, 1, 1, 2])
stitched = np.zeros((f * H, f * W, 3))
for number, one in enumerate(axes[:-1]):
    y, x = divmod(number, f)
    stitched[y::f, x::f] = colours[number]
    one.imshow(np.broadcast_to(colours[number], (H, W, 3)))
    one.set_title(f"moved by {y}, {x}")
axes[-1].imshow(stitched)
axes[-1].set_title("stitched")
for one in axes:
    one.set(xticks=[], yticks=[])
show(figure, f"Four coarse maps of {H} by {W}, each of a colour, and the map of {f * H} by "
     f"{f * W} in which their pixels alternate.")  # fmt: skip

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Eight numbers and two layers
#
# A maximum of two with stride 2, then a difference of neighbours.


# %% slideshow={"slide_type": "-"}
def maximum(x, s):
    starts = range(0, len(x) - 1, s)
    return np.array([max(x[i : i + 2]) for i in starts])


def correlate(x, w):
    windows = range(len(x) - len(w) + 1)
    return np.array([x[i : i + len(w)] @ w for i in windows])


x, w = np.array([3, 1, 4, 1, 5, 9, 2, 6]), np.array([-1, 1])
print("maxima ", maximum(x, 2))
print("outputs", correlate(maximum(x, 2), w))

# %% [markdown]
# Three outputs. The first sees `3 1 4 1`, the second `4 1 5 9`: the windows begin at 0, 2 and 4,
# and those that begin at 1 and 3 are left out. To get at them, cut off the first number and run
# the same net again. (The paper moves the image to the other side, by zeros in front of it. That
# is the same; the passes come in another order.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Shift and stitch


# %% slideshow={"slide_type": "-"}
def coarse(x):
    return correlate(maximum(x, 2), w)


stitched = np.zeros(5, int)
for shift in (0, 1):
    print(f"from {shift}:", x[shift:], "->", coarse(x[shift:]))
    stitched[shift::2] = coarse(x[shift:])
print("stitched:", stitched)

# %% [markdown]
# ## The other way: leave out the stride
#
# Take the maxima at every place. What the difference has to compare is now no longer next to each
# other: the maximum of the next window of two lies **two** further on. So the filter gets a hole.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Rarefy the filter
#
# $$f'_i = f_{i/s} \ \text{ if } s \text{ divides } i, \qquad f'_i = 0 \ \text{ otherwise}$$


# %% slideshow={"slide_type": "-"}
def rarefied(w, s):
    holes = np.zeros(s * (len(w) - 1) + 1, w.dtype)
    holes[::s] = w
    return holes


outputs = correlate(maximum(x, 1), rarefied(w, 2))
print("filter ", w, "->", rarefied(w, 2))
print("maxima ", maximum(x, 1))
print("outputs", outputs)
assert np.array_equal(outputs, stitched)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Two nets side by side

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(size=(9, 3.6))
levels = x, maximum(x, 1), stitched
places = [np.arange(len(row)) + middle for row, middle in zip(levels, (0, 0.5, 1.5))]
for level, row in enumerate(levels):
    for i, (place, value) in enumerate(zip(places[level], row)):
        colour = COLOURS[i % 2] if level else "0.3"
        for read in (i, i + level) if level else ():
            axes.plot([places[level - 1][read], place], [level - 1, level], color=colour, zorder=1)
        circle = {"boxstyle": "circle", "color": colour}
        axes.text(place, level, value, ha="center", va="center", color="white", bbox=circle)
axes.set(xlim=(-0.5, 7.5), ylim=(-0.4, 2.4), xlabel="place, in pixels of the input")
axes.set_yticks(range(3), ["input", "maximum, stride 1", "difference with a hole"])
show(figure, "Eight inputs, seven maxima and five differences; the lines of outputs 0, 2, 4 and "
     "those of outputs 1, 3 share no maximum: two nets of stride 2 side by side.")  # fmt: skip

# %% [markdown] slideshow={"slide_type": "-"}
# Above the input blue never meets orange: the net with holes **is** the two shifted nets.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Why it is always so
#
# Let $z$ be the map with stride $s$ and $z'$ the one without it. From the place $p$ on
#
# $$z_{m} = z'_{p + sm}, \qquad \text{so} \qquad
#   \sum_m f_m\, z_m = \sum_m f_m\, z'_{p + sm} = \sum_i f'_i\, z'_{p + i}$$
#
# <!-- notes -->
# The left side is what the net computes in the pass that begins at p. The right side is what the
# rarefied filter computes at p, for all p in one pass. The terms are the same, and the zeros add
# nothing. Behind a second stride the same step is made again, and the holes are as wide as the
# product of the strides. In two dimensions it holds for rows and for columns.

# %% [markdown]
# With another filter and another stride, at random:

# %%
for _ in range(100):
    s, k, n = (int(rng.integers(*r)) for r in ((1, 5), (1, 5), (20, 40)))
    z, w = rng.integers(-9, 10, n), rng.integers(-9, 10, k)
    whole = correlate(z, rarefied(w, s))
    for shift in range(s):
        assert np.array_equal(whole[shift::s], correlate(z[shift::s], w))
print("100 random filters and strides: equal to the last bit")

# %% [markdown]
# ## Now a real net
#
# LeNet has two pools of stride 2, so its stride is 4. It is trained to read digits, and to say
# "none" where no digit is in the middle: that makes eleven classes. The digits are those of
# scikit-learn, 8 x 8 pixels, enlarged by 3, and laid out on pages.

# %%
data = load_digits()
small = mf.Tensor(data.images[:, None].astype(np.float32) / 16)
digits, NONE = F.upsample_bilinear(small, 3).data[:, 0], 10


def page(chosen, rows, columns):
    """Digits in cells of 32 x 32 pixels, and (row, column, class) of their middles."""
    sheet, places = np.zeros((32 * rows, 32 * columns), np.float32), []
    for number, i in enumerate(chosen):
        top, left = 32 * np.array(divmod(number, columns)) + rng.integers(0, 9, 2)
        sheet[top : top + 24, left : left + 24] = digits[i]
        places.append((top + 12, left + 12, int(data.target[i])))
    return sheet, places


# %% [markdown]
# LeNet sees 28 x 28 pixels. A window whose middle is within 2 pixels of a digit's middle has that
# digit's class; one that is 8 to 16 pixels away, "none". (Middles of digits are at least 24 pixels
# apart. A window of 28 has no pixel in its middle; the one before counts, the 13th from 0.)


# %%
def windows(sheet, places):
    framed, found = np.pad(sheet, 64), []
    for row, column, label in places:
        for far in (0, 0, 1, 1, 1):
            angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(8, 16)
            move = distance * np.array([np.sin(angle), np.cos(angle)])
            dy, dx = np.rint(move).astype(int) if far else rng.integers(-2, 3, 2)
            y, x = row + dy + 64 - 13, column + dx + 64 - 13
            found.append((framed[y : y + 28, x : x + 28], NONE if far else label))
    return found


# %%
shuffled = rng.permutation(len(digits))
samples = []
for start in range(0, quick(1440, 48), 24):
    samples += windows(*page(shuffled[start : start + 24], 4, 6))
inputs = np.stack([window for window, _ in samples])[:, None]
labels = np.array([label for _, label in samples])
print(len(labels), "windows;", (labels == NONE).sum(), "show no digit in the middle")

# %%
net = mf.models.convolutionalize(mf.models.build("lenet", 11, width=0.4))
solver = mf.train.Solver(net, lr=0.03)
BATCH, epochs = 60, quick(5, 1)
batches = [i for _ in range(epochs) for i in rng.permutation(len(labels)).reshape(-1, BATCH)]
for batch in progress(batches, "batches"):
    solver.zero_grad()
    scores = net(mf.Tensor(inputs[batch]))
    loss = F.cross_entropy(scores, labels[batch][:, None, None])
    loss.backward()
    solver.step()
print(f"loss {float(loss.data):.3f}, on the last batch")

# %% [markdown]
# And a page of digits that it has not seen. On the whole page the net makes a score at every
# fourth pixel.

# %%
sheet, places = page(shuffled[1700:1708], 2, 4)
image = sheet[None, None]
with mf.no_grad():
    print(image.shape, "->", net(mf.Tensor(image)).shape)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Shift-and-stitch, in two dimensions
#
# A trained LeNet reads digits: stride 4, so 4 × 4 passes.


# %% slideshow={"slide_type": "-"}
def stitch(run, image, f, field=28):
    before = (field - 1) // 2
    around = (before, field - 1 - before)
    framed = np.pad(image, ((0, 0), (0, 0), around, around))
    H, W = image.shape[2:]
    scores = np.zeros((1, 11, H, W), image.dtype)
    for y in range(f):
        for x in range(f):
            out = run(framed[:, :, y:, x:])
            here = scores[:, :, y::f, x::f]
            here[:] = out[:, :, : here.shape[2], : here.shape[3]]
    return scores


# %% [markdown]
# Cutting off `y` rows and `x` columns moves the places at which the net looks; what comes out goes
# to every fourth row from `y` and column from `x`. The frame of zeros lets the windows of the
# pixels at the border fit. What a pass makes beyond the last window that fits is cut off: LeNet's
# pools round up and let windows hang over.


# %%
def run(images):
    with mf.no_grad():
        return net(mf.Tensor(images)).data


scores = stitch(run, image, 4)
np.testing.assert_allclose(scores, dense.shift_and_stitch(net, image), rtol=1e-4, atol=1e-4)

right = sum(scores[0, :, row, column].argmax() == label for row, column, label in places)
print(f"{right} of {len(places)} digits are right at their middles; the library stitches the same")
assert FAST or right >= 7

# %% [markdown] slideshow={"slide_type": "slide"}
# ## LeNet without its strides
#
# All strides 1. Behind one pool everything is spread by 2, behind both by 4, **pools too**.


# %% slideshow={"slide_type": "-"}
def rarefied_lenet(images, w, spread_pools=True):
    x, two = mf.Tensor(images), 2 if spread_pools else 1
    with mf.no_grad():
        x = F.conv2d(x, w["conv1.weight"], w["conv1.bias"])
        x = F.max_pool2d(x, 2, stride=1)
        x = F.conv2d(x, w["conv2.weight"], w["conv2.bias"], dilation=2)
        x = F.max_pool2d(x, 2, stride=1, dilation=two)
        x = F.conv2d(x, w["ip1.weight"], w["ip1.bias"], dilation=4)
        x = F.conv2d(F.relu(x), w["ip2.weight"], w["ip2.bias"])
    return x.data


# %% [markdown]
# A dilation of 2 reads every second pixel. It is the filter with holes, but the zeros are not
# multiplied. One pass instead of 16:

# %%
weights = dict(net.named_parameters())
FRAME = (0, 0), (0, 0), (13, 14), (13, 14)
framed = np.pad(image, FRAME)
at_once = rarefied_lenet(framed, weights)
assert at_once.shape == scores.shape
print(f"largest score {np.abs(scores).max():.1f}, largest difference "
      f"{np.abs(at_once - scores).max():.0e}")  # fmt: skip
np.testing.assert_allclose(at_once, scores, rtol=1e-4, atol=1e-4)

# %% [markdown]
# Forgetting the pool is a popular mistake. Nothing complains: the shapes come out a little larger,
# and the scores are wrong.

# %%
wrong = rarefied_lenet(framed, weights, spread_pools=False)
H, W = image.shape[2:]
print(wrong.shape, f"largest difference {np.abs(wrong[:, :, :H, :W] - scores).max():.1f}")
assert np.abs(wrong[:, :, :H, :W] - scores).max() > 0.1

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Equal, or nearly equal?
#
# A sum is rounded differently in another order, and the order is a backend's own affair: in
# `float32` even a difference of 0 may be luck. Make all sums exact, and there is nothing to round.

# %% slideshow={"slide_type": "-"}
net.to(np.float64)
for parameter in net.parameters():
    parameter.data = np.round(256 * parameter.data) / 256
exact_image = np.round(16 * image.astype(float)) / 16
framed = np.pad(exact_image, FRAME)

exact = stitch(run, exact_image, 4)
at_once = rarefied_lenet(framed, dict(net.named_parameters()))
assert np.array_equal(exact, at_once)
print(exact.size, "scores are equal to the bit")

# %% [markdown]
# Weights in steps of 1/256 and pixels in steps of 1/16 give products and sums that a `float64`
# holds exactly, in whatever order they are added. So the two ways are one function, and not two
# that happen to be close.
#
# The library does the surgery for any net of layers that it knows, branches and upsampling
# included; it takes the strides out from the end, all of them or some. Where it says of a pool
# "2x2 denser input", that is the pool's spread: a dilation of 2.

# %%
net.to(np.float32)
image, framed = exact_image.astype(np.float32), framed.astype(np.float32)
for to_stride in (1, 2):
    denser = dense.rarefy(net, to_stride)
    scores = dense.shift_and_stitch(denser, image)
    np.testing.assert_allclose(scores, exact, rtol=1e-4, atol=1e-4)
    print(f"to stride {to_stride}:")
    for name, layer, _ in mf.nn.table(denser):
        if hasattr(layer, "kernel_size"):
            print(f"  {name:5} {layer.describe()}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What it costs
#
# Rarefied to $t$: stride $t$ remains, and $t \times t$ shifts. (The bars: VGG-16.)

# %%
found = dense.ways(net, quick((96, 160), (48, 64)))

# %%
print(f"{'LeNet':17} passes  products  maps    time")
for way in found:
    print(
        f"{way.name:17} {way.passes:6} {way.macs / 1e6:7.0f} M"
        f" {way.memory / 2**20:5.1f} MB {1e3 * way.seconds:5.1f} ms"
    )

# %% [markdown]
# The first row gives scores at every fourth pixel and interpolates; the others compute all of
# them. Rarefying saves what neighbouring passes have in common, and pays with memory (of the maps
# alive at once in one pass): its maps are as large as the image. Were the zeros really written
# into the filters and multiplied, it would pay with time as well:

# %%
literal, dilated = dense.rarefy(net, literal=True), dense.rarefy(net)
for name, one in (("dilated", dilated), ("with zeros", literal)):
    with mf.no_grad():
        took = seconds(one, mf.Tensor(framed), repeat=quick(3, 1))
    print(f"{name:10} ip1 {one['ip1'].weight.shape[2:]}, {1e3 * took:6.1f} ms")

# %% [markdown]
# For a net of stride 32 there are 32 x 32 passes. Counted for VGG-16 with a quarter of its
# channels, on one image. (Fewer shifts need a little less frame around it, hence the 0.9.)

# %%
vgg = mf.models.convolutionalize(mf.models.build("vgg16", 21, width=0.25))
counted = dense.ways(vgg, (224, 320), measure=False)
for way in counted:
    print(
        f"{way.name:17} {way.passes:5} passes {way.macs / counted[0].macs:7.0f} times the products"
        f" {way.memory / counted[0].memory:5.1f} times the memory"
    )

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(1, 2, size=(10, 3.4), sharey=True)
names = [way.name for way in counted]
for one, attribute, title in zip(axes, ("macs", "memory"), ("products", "memory of maps")):
    values = [getattr(way, attribute) / getattr(counted[0], attribute) for way in counted]
    one.barh(names, values, color=COLOURS[0])
    one.set(xscale="log", xlabel="times that of one coarse pass", title=title)
    one.bar_label(one.containers[0], [f"{value:,.{0 if value > 9 else 1}f}" for value in values])
    one.margins(x=0.2)
axes[0].invert_yaxis()
told = "; ".join(f"{w.name} {w.macs / counted[0].macs:.0f} times the products" for w in counted)
show(figure, f"VGG-16, relative to one coarse pass: {told}.")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What it does not give
#
# | | output | sees | finest step of its filters |
# |---|---|---|---|
# | strides as trained | coarse | much | coarse |
# | rarefied, or stitched | **dense** | much | coarse |
# | strides taken out, filters kept | **dense** | **little** | **fine** |
#
# <!-- notes -->
# The paper calls it a trade-off (section 3.2). Taking strides out lets filters see finer
# information, but they see less of the image and take longer. Shift-and-stitch keeps what they
# see, but they may not look at anything finer than they were made for. The authors used none of
# it: fusing layers, tutorial 12, gives more for its cost.

# %%
lenet = [("conv1", 5, 1), ("pool1", 2, 2), ("conv2", 5, 1), ("pool2", 2, 2), ("ip1", 4, 1)]


def field_of(layers, stride=True, rarefy=False):
    axis, dilation = Axis(), 1
    for _, k, s in layers:
        axis = axis.window(k, s if stride else 1, 0, dilation)
        dilation *= s if rarefy else 1
    return int(axis.stride), axis.field


# %% tags=["hide-input"] slideshow={"slide_type": "-"}
for name, settings in (("strides as trained", (True, False)), ("rarefied", (False, True)),
                       ("strides taken out, filters kept", (False, False))):  # fmt: skip
    print("LeNet, {:32} stride {}, sees {}".format(name + ":", *field_of(lenet, *settings)))
assert field_of(lenet, False, True)[1] == field_of(lenet)[1] == 28

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Three ways on one page
#
# <!-- notes -->
# The third way is the one of the paper: keep the coarse scores and interpolate. Pixel 4 o − 1 of
# the page is where the net's own score o falls when the page is framed by 14 zeros; there the
# interpolated map must agree with the dense one, and everywhere else it guesses. (Kernel 7, which
# is odd, because the scores lie on those pixels; padding 4 so that the first one falls on −1.)

# %%
coarse_scores = run(np.pad(image, ((0, 0), (0, 0), (14, 14), (14, 14))))
guessed = F.upsample_bilinear(mf.Tensor(coarse_scores), 4, 7, 4, 1).data
stitched = dense.shift_and_stitch(net, image)
at_once = dense.shift_and_stitch(dense.rarefy(net), image)

assert guessed.shape == stitched.shape == at_once.shape
np.testing.assert_allclose(guessed[:, :, 3::4, 3::4], stitched[:, :, 3::4, 3::4], atol=1e-3)
np.testing.assert_allclose(at_once, stitched, atol=1e-3)
share = (guessed.argmax(axis=1) == stitched.argmax(axis=1)).mean()
print(f"interpolated and dense labels agree on {share:.1%} of the pixels")


# %%
def digit_probability(scores):
    return 1 - F.softmax(mf.Tensor(scores)).data[0, NONE]


# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(2, 2, size=(8.6, 5.2))
three = {"interpolated: 1 pass": guessed, "stitched: 16 passes": stitched,
         "rarefied: 1 pass": at_once}  # fmt: skip
axes[0, 0].imshow(sheet, cmap="gray")
axes[0, 0].set_title("the page")
for one, (name, values) in zip(axes.flat[1:], three.items()):
    one.imshow(digit_probability(values), cmap="cividis", vmin=0, vmax=1)
    one.set_title(name)
    for row, column, _ in places:
        label = values[0, :NONE, row, column].argmax()
        one.text(column, row, label, ha="center", va="center", fontweight="bold")
for one in axes.flat:
    one.set(xticks=[], yticks=[])
show(figure, "A page of eight digits, and the probability that one is centred at a pixel: "
     "interpolated, and stitched and rarefied, which are equal.")  # fmt: skip

# %% [markdown]
# The stitched and the rarefied map are the same picture. The interpolated one is close to it, for
# a sixteenth of the passes.
#
# ## Your turn
#
# **1.** Rarefy a filter, with a rate for rows and one for columns.


# %% tags=["exercise"]
def rarefy_filter(w, rate):
    """w (KH, KW), rate (vertical, horizontal)."""
    # your lines


check_rarefied_filter(rarefy_filter)

# %% tags=["solution"]
check_rarefied_filter.solution()

# %% [markdown]
# **2.** Interlace. `outputs[i, j]` is the coarse map of the pass whose first window begins at row
# `i` and column `j` of the image.


# %% tags=["exercise"]
def interlace(outputs):
    """outputs (f, f, H, W); returns (f*H, f*W)."""
    # your lines


check_interlace(interlace)

# %% tags=["solution"]
check_interlace.solution()

# %% [markdown]
# **3.** In the paper's words now: the image is moved `x` pixels to the right, 0 ≤ x < f, with
# zeros in front. Output `o` of the net is the score of the pixel at place `a + f * o` of what it
# is given (`a` is 0 or less, from the net's padding). Which pass scores pixel `p` of the image,
# and which of its outputs is it?


# %% tags=["exercise"]
def which_pass(p, f, a):
    """(x, o), whole numbers."""
    # your lines


check_which_pass(which_pass)

# %% tags=["solution"]
check_which_pass.solution()

# %% [markdown]
# <details><summary><b>4.</b> To think about: you rarefy VGG-16 from stride 32 to 16, by taking the
# stride of pool5 only, and then train on. Could fc6 make use of the finer map without a dilation
# of 2, and what would it need to see as much as before?</summary> It would see finer information,
# with 7 x 7 windows on a map twice as dense, so about half as much of the image. To see as much it
# would have to be 14 x 14, four times 103 million weights. The authors tried, and could not train
# it.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - Shift-and-stitch: $f^2$ passes, interlaced, score every pixel.
# - Rarefaction: stride 1, and holes of that stride in everything behind. The same to the bit.
# - Both cost a lot and see no finer detail; the paper interpolates, and adds skips.
#
# <!-- notes -->
# The library's: [minifcn/dense/stitch.py](../minifcn/dense/stitch.py),
# [minifcn/dense/rarefy.py](../minifcn/dense/rarefy.py), the costs in
# [minifcn/dense/cost.py](../minifcn/dense/cost.py), interpolation by formula in
# [minifcn/dense/interpolate.py](../minifcn/dense/interpolate.py).
#
# Next: [11 · FCN-32s](11_fcn32s.ipynb).
