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
# # 07 · How does a classifier become a heat map?
#
# Its fully connected layers are convolutions; written so, it runs on images of any size.
#
# <!-- notes -->
# You need: [06 · LeNet](06_lenet_learns_digits.ipynb), and the coordinate maps of [05 · layers
# compose](05_layers_compose.ipynb). You get: any classifier as a net
# that says what is *where*, in one pass that costs a fraction of looking at every window. It takes
# about an hour.

# %%
import os
from pathlib import Path

import numpy as np
from matplotlib.patches import Rectangle
from PIL import Image
from sklearn.datasets import load_digits, load_sample_image

import minifcn as mf
from minifcn import functions as F
from minifcn import geometry, nn
from minifcn.teaching import FAST, panels, progress, quick, seconds, show
from minifcn.teaching.fully_connected import check_as_filters, check_map_size, check_window_of
from minifcn.viz.colormap import COLOURS

# %% [markdown]
# The digits and LeNet are those of the last tutorial, and so is the training.

# %%
digits = load_digits()
images, labels = digits.images / 16, digits.target
order = np.random.default_rng(0).permutation(len(images))
seen, unseen = order[:1297], order[1297:]


def enlarged(image):
    box = Image.fromarray(image.astype(np.float32)).resize((20, 20), Image.Resampling.BILINEAR)
    return np.asarray(box)


boxes = np.stack([enlarged(image) for image in images])
x, y = np.pad(boxes, ((0, 0), (4, 4), (4, 4)))[:, None], labels
x.shape


# %%
def train(model, x, y, epochs, batch=32):
    solver, rng = mf.train.Solver(model, lr=0.01), np.random.default_rng(0)
    steps = len(x) // batch
    for step in progress(range(epochs * steps)):
        if step % steps == 0:
            shuffled = rng.permutation(len(x))
        first = step % steps * batch
        chosen = shuffled[first : first + batch]
        solver.zero_grad()
        F.cross_entropy(model(mf.Tensor(x[chosen])), y[chosen]).backward()
        solver.step()


def scores_of(model, images):
    with mf.no_grad():
        return model(mf.Tensor(images)).numpy()


# %%
mf.manual_seed(0)
lenet = mf.models.build("lenet")
train(lenet, x[seen], y[seen], epochs=quick(6, 1))
accuracy = np.mean(scores_of(lenet, x[unseen]).argmax(axis=1) == y[unseen])
assert FAST or accuracy > 0.96
print(f"{accuracy:.1%} of the unseen digits")

# %% [markdown]
# It reads 28 x 28 pixels, no more and no less. Give it a larger image, and this is what happens.

# %%
page_sized = np.zeros((1, 1, 84, 140), np.float32)
try:
    lenet(mf.Tensor(page_sized))
except ValueError as error:
    print(error)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Which layer objects?
#
# The convolutions and pools do not: they slide. The first fully connected layer does: it has one
# weight for each place of *one* map size.
#
# <!-- notes -->
# Here is such a layer, small enough to see: a map of 2 channels, 2 rows and 3 columns is flattened
# to 12 numbers, and one output multiplies each with a weight of its own. But a weight for each
# place of a window is what a filter is. Only the way in which the numbers are written differs.


# %% tags=["hide-input"]
def numbered(ax, values, title):
    ax.imshow(values, vmin=-3, vmax=11, cmap="cividis")
    for (i, j), number in np.ndenumerate(values):
        colour = "black" if number > 5 else "white"
        ax.text(j, i, f"w{number}", ha="center", va="center", color=colour, fontsize=12)
    ax.set_title(title, fontsize=12)
    ax.axis("off")


# %% tags=["hide-input"] slideshow={"slide_type": "-"}
row = np.arange(12)
figure = panels(size=(7.2, 3.1))[0]
figure.clear()
layout = {"height_ratios": (1, 2), "hspace": 0.1}
axes = figure.subplot_mosaic([["row", "row"], ["first", "second"]], gridspec_kw=layout)
places = {"row": row[None], "first": row[:6].reshape(2, 3), "second": row[6:].reshape(2, 3)}
titles = {"row": "a row of the matrix: 12 weights", "first": "filter, channel 0"}
for name, ax in axes.items():
    numbered(ax, places[name], titles.get(name, "filter, channel 1"))
show(figure, "Twelve weights w0 to w11: as one row of a matrix, and as a filter of two channels, "
     "two rows and three columns.")  # fmt: skip

# %% [markdown]
# The rule is the order in which `Flatten` counts: columns first, then rows, then channels. NumPy's
# `reshape` counts in the same way, so it is the whole surgery.

# %%
rng = np.random.default_rng(0)
maps = rng.standard_normal((1, 2, 2, 3))
weight, bias = rng.standard_normal((5, 12)), rng.standard_normal(5)
linear = F.linear(maps.reshape(1, 12), weight, bias).numpy()

filters = weight.reshape(5, 2, 2, 3)
convolved = F.conv2d(maps, filters, bias).numpy()
np.testing.assert_allclose(convolved[:, :, 0, 0], linear, rtol=1e-12)
linear.shape, convolved.shape

# %% [markdown] slideshow={"slide_type": "slide"}
# ## On a larger map the convolution goes on
#
# Where the fully connected layer gives up, the filter slides: the same layer at every place.

# %% slideshow={"slide_type": "-"}
larger = rng.standard_normal((1, 2, 6, 9))
one_by_one = np.zeros((1, 5, 5, 7))
for i in range(5):
    for j in range(7):
        window = larger[:, :, i : i + 2, j : j + 3]
        one_by_one[:, :, i, j] = F.linear(window.reshape(1, 12), weight, bias).numpy()

at_once = F.conv2d(larger, filters, bias).numpy()
np.testing.assert_allclose(at_once, one_by_one, rtol=1e-12, atol=1e-12)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## LeNet without a fully connected layer
#
# `ip1` reads 50 maps of 4 x 4, so it becomes 4 x 4 filters. `ip2` reads what `ip1` says about one
# place: 1 x 1.


# %% slideshow={"slide_type": "-"}
def convolutionalized(lenet):
    ip1, ip2 = nn.Conv2d(50, 500, 4), nn.Conv2d(500, len(lenet["ip2"].weight), 1)
    for conv, linear in (ip1, lenet["ip1"]), (ip2, lenet["ip2"]):
        conv.weight.assign(linear.weight.numpy().reshape(conv.weight.shape))
        conv.bias.assign(linear.bias.numpy())
    trunk = [lenet[name] for name in ("conv1", "pool1", "conv2", "pool2")]
    return nn.Sequential(*trunk, ip1, lenet["relu1"], ip2)


# %%
by_hand = convolutionalized(lenet)
dense = mf.models.convolutionalize(lenet)
digit = x[unseen[:7]]
for net in (by_hand, dense):
    scores = scores_of(net, digit)
    assert scores.shape == (7, 10, 1, 1)
    np.testing.assert_allclose(scores[..., 0, 0], scores_of(lenet, digit), rtol=1e-4, atol=1e-4)

# %% [markdown]
# The second is the library's, which does the same with any chain of layers. Nothing was trained,
# and no number has changed its value. It even shares the memory of the weights.

# %%
assert np.shares_memory(dense["ip1"].weight.data, lenet["ip1"].weight.data)
assert dense.num_parameters() == lenet.num_parameters()
dense.num_parameters()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The same surgery on LeNet and two nets of the paper

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
for name in ("lenet", "alexnet", "vgg16"):
    with nn.init.without_values():  # shapes alone: VGG-16 is large
        classifier = mf.models.build(name)
        net = mf.models.convolutionalize(classifier)
    for layer, module, _ in nn.table(classifier):
        if isinstance(module, nn.Linear):
            before, after = module.weight.shape, net[layer].weight.shape
            print(
                f"{name:8} {layer}:", *(" x ".join(map(str, s)).ljust(20) for s in (before, after))
            )
assert net["fc6"].weight.size > net.num_parameters() / 2  # of VGG-16, the last

# %% [markdown]
# `fc6` of VGG-16 is where most of its weights are: a fully connected layer on maps of 512 channels
# and 7 x 7 pixels. As filters of 7 x 7 it slides over the maps of a photograph of any size. That
# is how FCN begins.

# %% [markdown]
# ## A page of digits


# %%
def write(height, width, places, rng):
    """A page with unseen digits, their upper left corners at places; and the digits."""
    page, written = np.zeros((height, width), np.float32), []
    for top, left in places:
        number = rng.choice(unseen)
        page[top : top + 20, left : left + 20] = boxes[number]
        written.append(int(y[number]))
    return page, written


places = [(6, 6), (10, 52), (2, 104), (48, 20), (56, 70), (46, 112)]
page, written = write(84, 140, places, np.random.default_rng(1))
scores = scores_of(dense, page[None, None])[0]
written, scores.shape

# %% tags=["hide-input"]
figure, ax = panels(size=(6.6, 4.1))
ax.imshow(page, cmap="gray")
ax.set_title(f"{page.shape[0]} x {page.shape[1]} pixels, read at "
             f"{scores.shape[1]} x {scores.shape[2]} places in one pass", fontsize=12)  # fmt: skip
show(figure, f"A page with the digits {', '.join(map(str, written))}, white on black.")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Where does a cell of the map look?
#
# The coordinate maps of 05 say it: stride 4, a window of 28 x 28.

# %%
axis = geometry.trace(dense, page.shape).rows[-1].axes
assert [a.stride for a in axis] == [4, 4]
assert [a.field for a in axis] == [28, 28]


def window_of(row, column):
    (top, bottom), (left, right) = axis[0].sees(row), axis[1].sees(column)
    return top, bottom + 1, left, right + 1


window_of(0, 0), window_of(3, 9)

# %% tags=["hide-input", "cover"] slideshow={"slide_type": "-"}
figure, ax = panels(size=(6.6, 4.1))
ax.imshow(page, cmap="gray")
for cell, colour in zip(((0, 0), (1, 12), (11, 27), (5, 19)), (COLOURS[1], *COLOURS[3:6])):
    top, bottom, left, right = window_of(*cell)
    ax.add_patch(Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, fill=False,
        ec=colour, lw=2.5))  # fmt: skip
    said = int(scores[:, cell[0], cell[1]].argmax())
    ax.text(left, bottom + 1, f"cell {cell}: {said}", color=colour, fontsize=11, va="top")
show(
    figure, "Frames of 28 x 28 pixels around what four cells of the map see, and what each reads."
)

# %% [markdown]
# A digit that lies a few pixels off the middle of its window may be misread: LeNet was only ever
# shown centred ones. We come back to that.
#
# If the frames are right, then each cell holds what LeNet says about its window, cut out and shown
# alone. All of them, the same test again:

# %%
cells = [(i, j) for i in range(scores.shape[1]) for j in range(scores.shape[2])]
windows = np.stack([page[None, a:b, c:d] for a, b, c, d in (window_of(*cell) for cell in cells)])
alone = scores_of(lenet, windows)
np.testing.assert_allclose(alone, scores.reshape(10, -1).T, rtol=1e-3, atol=1e-3)
windows.shape

# %% [markdown] slideshow={"slide_type": "slide"}
# ## One pass, or every window?
#
# Windows overlap, and what they share is computed once.

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
one_window = sum(row.macs for row in geometry.trace(lenet, (28, 28)).rows)
one_pass = sum(row.macs for row in geometry.trace(dense, page.shape).rows)
print(f"products: {len(cells) * one_window / 1e6:6.0f} million in {len(cells)} windows")
print(f"          {one_pass / 1e6:6.0f} million in one pass")
print(f"          {len(cells) * one_window / one_pass:6.1f} times fewer")
in_windows = seconds(scores_of, lenet, windows)
at_once = seconds(scores_of, dense, page[None, None])
print(f"measured: {1e3 * in_windows:6.1f} ms in windows, {1e3 * at_once:.1f} ms in one pass")
assert one_pass < len(cells) * one_window / 3

# %% [markdown]
# It is the paper's own argument (section 3.1): AlexNet takes 1.2 ms for one window and 22 ms for a
# 10 x 10 grid of them in one pass. How many times faster is that?

# %%
print(f"{10 * 10 * 1.2 / 22:.1f} times")


# %%
def gain(cells):
    """How many times fewer products one pass needs, for cells x cells windows."""
    side = 28 + 4 * (cells - 1)
    one_pass = sum(row.macs for row in geometry.trace(dense, (side, side)).rows)
    return cells**2 * one_window / one_pass


grids = [1, 2, 3, 5, 8, 12, 20, 40, 80]
gains = [gain(cells) for cells in grids]

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The more windows, the more they share

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, ax = panels(size=(6.4, 3.1))
ax.plot(grids, gains, "o-")
ax.axhline(1, color=COLOURS[6], ls="--")
ax.set(xlabel="windows along each side", ylabel="times fewer products", ylim=(0, None))
show(figure, f"One pass needs {gains[0]:.1f} times fewer products for one window, {gains[3]:.1f} "
     f"for {grids[3]} x {grids[3]}, {gains[-1]:.1f} for {grids[-1]} x {grids[-1]}.")  # fmt: skip

# %% [markdown] slideshow={"slide_type": "-"}
# One window costs the same both ways. The more of them, the more they share.
#
# <!-- notes -->
# The curve flattens: the fully connected layers are shared by nobody, each cell needs its own
# products there. Only the convolutions before them are computed once for many cells.

# %% [markdown]
# Training gains as much as reading does: the backward pass shares what the forward pass shares.
# The next tutorial proves it.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What does it say about empty paper?
#
# <!-- notes -->
# Softmax along the classes makes probabilities of every cell's scores.


# %%
def probabilities(scores):
    e = np.exp(scores - scores.max(axis=0))
    return e / e.sum(axis=0)


def draw_map(ax, p, title):
    """How sure each cell is of a digit, and, where it is very sure, of which."""
    surest = p[:10].max(axis=0)
    ax.imshow(surest, vmin=0, vmax=1, cmap="cividis")
    for i, j in np.argwhere(surest > 0.9):
        ax.text(j, i, p[:10, i, j].argmax(), ha="center", va="center", fontsize=10)
    ax.set(title=title, xticks=[], yticks=[])


# %% tags=["hide-input"] slideshow={"slide_type": "-"}
p = probabilities(scores)
figure, ax = panels(size=(7.6, 4.2))
draw_map(ax, p, "ten classes. Bright: sure of a digit; a number: more than 90 %")
show(figure, "The map of the ten-class net: it is sure of digits at some cells without one, "
     "and unsure over most of the page.")  # fmt: skip

# %% [markdown] slideshow={"slide_type": "-"}
# Around each digit it names others: **it was never told that there is such a thing as nothing.**

# %% [markdown]
# A cell should name a digit if one lies in the middle of its window, and none otherwise. Count
# both, with a threshold on the probability. Cells whose window holds a digit a little off its
# middle may say what they like.


# %%
def distance(cell):
    """Pixels from the middle of a cell's window to the nearest digit's middle, and which."""
    top, bottom, left, right = window_of(*cell)
    middle = (top + bottom) / 2, (left + right) / 2
    apart = [max(abs(t + 10 - middle[0]), abs(c + 10 - middle[1])) for t, c in places]
    return min(apart), int(np.argmin(apart))


def count(p, threshold):
    """Cells on digits that name it; cells on no digit that name one; for 10 classes or 11."""
    right = false = 0
    for cell in cells:
        (apart, nearest), k = distance(cell), p[:, *cell].argmax()
        sure = k < 10 and p[k, *cell] > threshold
        right += bool(apart <= 3 and sure and k == written[nearest])
        false += bool(apart >= 9 and sure)
    return right, false


# %%
apart = [distance(cell)[0] for cell in cells]
middles, empty = sum(d <= 3 for d in apart), sum(d >= 9 for d in apart)
for threshold in (0, 0.5, 0.9, 0.99):
    right, false = count(p, threshold)
    print(
        f"above {threshold:4}: {right:2} of {middles} digits' cells, {false:3} of {empty} others"
    )

# %% [markdown]
# Without a threshold it names a digit everywhere, empty paper or not. A threshold buys silence
# with digits: where the false ones have become few, so have the right ones. To be sure of "3"
# means: *of these ten*, it is a 3. Nobody asked whether it is any of them.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## An eleventh class: nothing
#
# <!-- notes -->
# We show it nothing, too: windows from beside digits, with no digit or a piece of one. The same
# digits, moved by up to 3 pixels, keep their class; what is moved by 9 or more is class 10.
# Windows in between are not shown at all, since nobody could say what they are. In segmentation
# these two are called **background** and **void**.


# %%
def moved(image, down, right):
    """The window that begins so far below and right of a digit's own window."""
    paper = np.pad(image, 28)
    return paper[28 + down : 56 + down, 28 + right : 56 + right]


def draw_window(rng):
    number = rng.choice(seen)
    if rng.random() < 0.5:
        return moved(x[number, 0], *rng.integers(-3, 4, 2)), y[number]
    shift = 0, 0
    while np.abs(shift).max() < 9:
        shift = rng.integers(-28, 29, 2)
    return moved(x[number, 0], *shift), 10


# %%
rng = np.random.default_rng(0)
drawn = [draw_window(rng) for _ in range(quick(3000, 500))]
windows_x = np.stack([image for image, _ in drawn])[:, None]
windows_y = np.array([label for _, label in drawn])
mf.manual_seed(0)
lenet11 = mf.models.build("lenet", num_classes=11)
train(lenet11, windows_x, windows_y, epochs=quick(4, 1))
p11 = probabilities(scores_of(mf.models.convolutionalize(lenet11), page[None, None])[0])

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, ax = panels(size=(7.6, 4.2))
draw_map(ax, p11, "eleven classes. Bright: sure of a digit; a number: more than 90 %")
show(figure, "The map of the net with eleven classes: bright where there are digits, dark "
     "everywhere else.")  # fmt: skip

# %%
for threshold in (0, 0.5, 0.9, 0.99):
    right, false = count(p11, threshold)
    print(
        f"above {threshold:4}: {right:2} of {middles} digits' cells, {false:3} of {empty} others"
    )
assert FAST or count(p11, 0.5)[0] > 0.8 * middles
assert FAST or count(p11, 0.5)[1] < 0.1 * count(p, 0.5)[1]

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A heat map: the probability of one class, everywhere

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
wanted = written[3]
figure, axes = panels(1, 2, size=(8.6, 2.9))
axes[0].imshow(page, cmap="gray")
axes[0].set(xticks=[], yticks=[], title="the page")
drawn = axes[1].imshow(p11[wanted], vmin=0, vmax=1, cmap="cividis")
axes[1].set(xticks=[], yticks=[], title=f"probability of {wanted}")
figure.colorbar(drawn, ax=axes[1], shrink=0.8)
show(figure, f"The probability of the digit {wanted} over the page: high where it is written.")

# %% [markdown]
# It is coarse, a number for every fourth pixel, and not a label for each. How to get from here to
# there is what tutorials 09 to 12 are about.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## And nets without a fully connected layer?
#
# They end in the **average** of each class's map. It keeps the size that it had in training, and
# slides.
#
# <!-- notes -->
# SqueezeNet and GoogLeNet are such nets. The mean of a whole map exists for any size, but it says
# one thing about all of the image. To say what is where, the average must not grow with the image:
# it slides, with stride 1.

# %% slideshow={"slide_type": "-"}
classifier = mf.models.build("squeezenet")
dense_squeezenet = mf.models.convolutionalize(classifier)
for size in (classifier.input_shape[1:], (427, 640)):
    rows = geometry.trace(dense_squeezenet, size).rows
    pool = next(row for row in rows if row.name == "pool10")
    print(size, dense_squeezenet["pool10"], " x ".join(map(str, pool.shape[1:])))

# %% [markdown]
# One thing is different from LeNet: SqueezeNet's convolutions **pad** their maps with zeros. A
# window that was cut out sees zeros beyond its border, and the same window inside a photograph
# sees its neighbours. The scores are then close, not equal.

# %%
conv = nn.Conv2d(1, 1, 3, padding=1)
cut = scores_of(conv, page[None, None, 10:20, 50:70])
inside = scores_of(conv, page[None, None])[:, :, 10:20, 50:70]
same = np.isclose(cut, inside, atol=1e-5)[0, 0]
assert same[1:-1, 1:-1].all()
assert not same.all()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A photograph
#
# A classifier that was never told *where* anything is knows it all the same.
#
# <!-- notes -->
# Where the environment variable `MINIFCN_WEIGHTS` names a folder that has SqueezeNet's weights,
# the next cells look at a photograph that scikit-learn brings: a Chinese palace by a lake. One
# image has one name, chosen by the whole of it. The map has many: the roof where the roof is, the
# shore along the water. Each cell is drawn at the middle of its window. And a mistake that is
# worth a discussion: the net is surest of an organ. None of its thousand classes is a palace like
# this one, and it has no class for "none of these".

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
folder = Path(os.environ.get("MINIFCN_WEIGHTS", "."))
files = [folder / name for name in ("squeezenet_v1.0.safetensors", "imagenet_classes.txt")]
found = all(path.is_file() for path in files)
if not found:
    print("no picture: MINIFCN_WEIGHTS names no folder with", *[path.name for path in files])

# %%
if found:
    lines = files[1].read_text(encoding="utf-8").splitlines()
    names = [line.strip("'").partition(" ")[2] for line in lines]
    squeezenet, spec = mf.train.load_model(files[0], "squeezenet")
    photograph = load_sample_image("china.jpg")
    shares = mf.train.class_probabilities(squeezenet, photograph, spec.preprocessing)
    print("the middle of it, as one image:")
    for k in np.argsort(-shares)[:4]:
        print(f"  {shares[k]:6.1%}  {names[k]}")

# %%
if found:
    dense_squeezenet = mf.models.convolutionalize(squeezenet).eval()
    p = probabilities(
        scores_of(dense_squeezenet, spec.preprocessing.to_input(photograph)[None])[0]
    )
    print(f"{p.shape[1]} x {p.shape[2]} windows; the surest of each class:")
    for k in np.argsort(-p.max(axis=(1, 2)))[:5]:
        print(f"  {p[k].max():6.1%}  {names[k]}")

# %% tags=["hide-input"]
if found:  # where the map's first and last places lie in the photograph, with half a step around
    height, width, _ = photograph.shape
    across = geometry.trace(dense_squeezenet, (height, width)).rows[-1].axes[::-1]
    ends = [[float(a.start + a.stride * (o + side)) for o, side in ((0, -0.5), (n - 1, 0.5))]
            for a, n in zip(across, p.shape[:0:-1])]  # fmt: skip
    area = (*ends[0], *ends[1][::-1])

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
if found:
    figure, axes = panels(2, 2, size=(8, 5.6))
    axes[0, 0].imshow(Image.fromarray(photograph).resize((320, 214)))
    axes[0, 0].set(title="the photograph")
    for ax, name in zip(axes.flat[1:], ("tile roof", "lakeside, lakeshore", "organ, pipe organ")):
        k = names.index(name)
        ax.imshow(photograph[::3, ::3].mean(axis=2), cmap="gray", extent=(0, width, height, 0))
        ax.imshow(p[k], vmin=0, vmax=1, cmap="cividis", alpha=0.8, extent=area)
        ax.set(title=f"{name}, up to {p[k].max():.0%}", xlim=(0, width), ylim=(height, 0))
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
    show(
        figure, "A palace by a lake, and where a classifier sees tile roof, lakeside and an organ."
    )

# %% [markdown]
# ## Your turn
#
# **1.** The surgery itself. `weight` is that of a fully connected layer, (outputs, C*H*W), behind
# maps of C channels of H x W pixels.


# %% tags=["exercise"]
def as_filters(weight, C, H, W):
    """The weight (outputs, C, H, W) of the convolution that does the same."""
    # your lines


check_as_filters(as_filters)

# %% tags=["solution"]
check_as_filters.solution()

# %% [markdown]
# **2.** Along one axis: how many windows of `window` pixels, each `stride` after the one before,
# fit into `n` pixels?


# %% tags=["exercise"]
def map_size(n, window, stride):
    """The length of the map."""
    # your lines


check_map_size(map_size)

# %% tags=["solution"]
check_map_size.solution()

# %% [markdown]
# **3.** What does a cell see? `layers` lists (kernel, stride) of each layer from the image on,
# without padding; LeNet is `[(5, 1), (2, 2), (5, 1), (2, 2), (4, 1)]`. The last row and the last
# column belong to the window.


# %% tags=["exercise"]
def sees(row, column, layers):
    """(first row, last row, first column, last column) of the image."""
    # your lines


check_window_of(sees)

# %% tags=["solution"]
check_window_of.solution()

# %% [markdown]
# <details><summary><b>4.</b> To think about: LeNet's map has a number for every fourth pixel. Why
# not simply take both pools' strides out?</summary>
# The filters behind them were trained to read every second pixel of what came before. They would
# read neighbours instead, a quarter of the digit. Their taps have to be moved apart, too; that is
# tutorial 10.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - A fully connected layer is a convolution with a kernel of its map's size: reshape.
# - Slid, it is the classifier at every window, and what windows share is computed once.
# - A map needs a class for nothing; a classifier only chooses among what it knows.
#
# <!-- notes -->
# The surgery: [minifcn/models/convolutionalize.py](../minifcn/models/convolutionalize.py); weights
# into other shapes: [minifcn/models/surgery.py](../minifcn/models/surgery.py). Where a cell looks:
# [minifcn/geometry/axis.py](../minifcn/geometry/axis.py). `minifcn classify --heatmap` draws such
# maps over photographs: [minifcn/train/classify.py](../minifcn/train/classify.py).
#
# Next: [08 · What is the loss of a whole image?](08_loss_for_every_pixel.ipynb)
