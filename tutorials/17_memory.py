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
# # 17 · Where does the memory go?
#
# Into maps that the backward pass will want again, and into three copies of the weights.
#
# <!-- notes -->
# You need: the engine of tutorial 02, convolution as columns (04), and FCN-32s (11). You get: a
# count of what a net will take before it runs, the least that an operation must save, and three
# ways to give memory back: save nothing, smaller batches, compute again. It takes about forty
# minutes. The pictures are measured while you watch, on a small net; the large one is counted from
# its geometry, which takes no memory at all.

# %%
import tracemalloc
import weakref

import numpy as np
from minifcn.kernels.reference.im2col import im2col, strips

import minifcn as mf
from minifcn import functions as F
from minifcn import geometry, nn
from minifcn.autograd import Function, Hook
from minifcn.teaching import panels, seconds, show
from minifcn.teaching.memory import (
    check_accumulated,
    check_bytes_of_maps,
    check_maps_kept,
    check_what_to_save,
)

# %%
mf.manual_seed(0)
rng = np.random.default_rng(0)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A training step keeps five things
#
# | what | how long |
# |---|---|
# | weights | always |
# | gradients | from the backward pass to the solver's step |
# | momentum, one number a weight | always |
# | saved maps (activations) | from forward to backward |
# | workspaces | while one operation runs |
#
# <!-- notes -->
# A map is what a layer makes of an image: N x C x H x W numbers. Maps are also called activations.
# A number takes four bytes, in float32. Workspaces are what a kernel needs for itself, such as the
# columns of im2col. The first three depend on the net alone; the fourth on the image too.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Count first: FCN-32s on one photograph
#
# <!-- notes -->
# `without_values` builds a net whose weights have shapes and take no room, and `trace` walks
# through it with shapes only. So the large net can be counted anywhere.

# %%
with nn.init.without_values():
    large = mf.models.build("fcn32s-vgg16", num_classes=21)
rows = geometry.trace(large, (500, 500)).rows
weights = 4 * sum(row.parameters for row in rows)
maps = sum(row.memory for row in rows if row.kind == "ReLU")
fc6 = 4 * next(row.parameters for row in rows if row.name == "fc6")

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
print(f"weights                             {weights / 1e6:6.0f} MB")
print(f"  of them fc6                       {fc6 / 1e6:6.0f} MB")
print(f"weights + gradients + momentum      {3 * weights / 1e6:6.0f} MB")
print(f"maps behind the rectifiers, 500x500 {maps / 1e6:6.0f} MB")

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
learning = [row for row in rows if row.kind == "Conv2d" and row.name != "score_fr"]
figure, axes = panels(2, 1, size=(7, 3.6), sharex=True)
names = [row.name.replace("conv", "") for row in learning]
axes[0].bar(names, [row.memory / 1e6 for row in learning])
axes[1].bar(names, [4 * row.parameters / 1e6 for row in learning], color="#d55e00")
axes[0].set_ylabel("map, MB")
axes[1].set_ylabel("weights, MB")
show(
    figure,
    f"Megabytes a layer of FCN-32s: maps shrink from {learning[0].memory / 1e6:.0f} at conv1_1 to "
    f"{learning[-1].memory / 1e6:.0f} at fc7; of weights fc6 alone has {fc6 / 1e6:.0f}.",
)

# %% [markdown]
# Two worlds: in front large maps and hardly any weights, at the end the reverse. A larger
# photograph enlarges the upper picture and leaves the lower one as it is. Each has its own
# remedies; the weights are what they are, so this tutorial is about the maps.
#
# Is momentum really as large as the weights? On a small net, with the library's solver:

# %%
small = mf.models.build("fcn32s-mini", num_classes=21, padding="aligned")
solver = mf.train.Solver(small, lr=1e-3, momentum=0.9)
velocities = sum(array.nbytes for array in solver.state_dict().values())
assert velocities == 4 * small.num_parameters()
print(f"{velocities / 1e6:.2f} MB of velocities for {small.num_parameters():,} weights and biases")

# %% [markdown]
# **1.** Count yourself. `layers` is a list of `(channels, kernel, stride, padding)` of
# convolutions, one after the other, `size` the image's `(height, width)`. How many bytes do their
# outputs take, in float32?


# %% tags=["exercise"]
def bytes_of_maps(layers, size):
    """The bytes of all outputs together."""
    # your lines


check_bytes_of_maps(bytes_of_maps)

# %% tags=["solution"]
check_bytes_of_maps.solution()

# %% [markdown]
# ## A meter: look between any two operations
#
# NumPy reports every array to Python's `tracemalloc`, which counts what was allocated since its
# start and is still alive. A **hook** is an object that the engine calls before and after every
# operation. The meter is a hook that writes down the count. (What compiled kernels keep for
# themselves is not made by NumPy, and not seen.)


# %%
class Meter(Hook):
    def __init__(self):
        self.notes = []

    def note(self, *_):
        self.notes.append(tracemalloc.get_traced_memory()[0] / 1e6)

    forward_begin = forward_end = backward_begin = backward_end = note


# %% [markdown]
# `metered` does some work under it. The last note is taken while the result is still alive.


# %%
def metered(work):
    tracemalloc.start()
    try:
        with Meter() as meter:
            result = work()
        meter.note()
        del result
    finally:
        tracemalloc.stop()
    return meter.notes


metered(lambda: np.ones((1000, 250), np.float32))

# %% [markdown]
# One megabyte for a quarter of a million numbers: the meter works. Now a net to be measured: three
# blocks of two convolutions and a pool, as in VGG, then dropout and a score for five classes. The
# image is 192 x 256; the truth has the size of the scores. For now the layers run one by one.


# %%
def blocks(C=3):
    for block, K in enumerate((16, 32, 64), start=1):
        for name in (f"{block}_1", f"{block}_2"):
            yield f"conv{name}", nn.Conv2d(C, K, 3, padding=1)
            yield f"relu{name}", nn.ReLU()
            C = K
        yield f"pool{block}", nn.MaxPool2d(2)
    yield "drop", nn.Dropout(0.5)
    yield "score", nn.Conv2d(C, 5, 1)


net = nn.Sequential(dict(blocks()))
x = mf.Tensor(rng.standard_normal((1, 3, 192, 256)).astype(np.float32))
labels = rng.integers(0, 5, (1, 24, 32))


# %%
def one_by_one(x):
    for _, layer, _ in nn.table(net):
        x = layer(x)
    return x


def loss_of():
    return F.cross_entropy(one_by_one(x), labels)


# %% [markdown] slideshow={"slide_type": "slide"}
# ## What must an operation save?
#
# What its gradient formula mentions, and nothing else.
#
# | $y$ | $g_x$ | saved |
# |---|---|---|
# | $a + b$ | $g_y$ | nothing |
# | $a \cdot b$ | $g_y\, b$ and $g_y\, a$ | $a$, $b$ |
# | $\max(x, 0)$ | $g_y$ where $y > 0$ | $y$ |
# | $w * x$ | transposed convolution with $w$; $x$ for $g_w$ | $x$, $w$ |
#
# <!-- notes -->
# A bias is added, so it saves nothing. The rectifier could save x or y: x > 0 exactly where y > 0.
# It saves y, because the next convolution saves that array anyway as its own input, and an array
# that two functions save is there once.


# %% [markdown]
# Another hook asks the library. After each operation it looks into `function.saved` and says
# whether an array is the operation's input, its weight, its output, or something else.


# %%
class Saved(Hook):
    def __init__(self):
        self.arrays, self.lines = [], []

    def forward_end(self, function, inputs, output):
        places = [("output", output), *zip(("input", "weight"), inputs)]
        for array in function.saved:
            if array is not None:
                what = [n for n, t in places if np.may_share_memory(t.data, array)]
                known = any(np.may_share_memory(array, a) for a in self.arrays)
                self.arrays.append(array)
                size = "known" if known else f"{array.nbytes / 1e6:.3f} MB"
                name = type(function).__name__
                self.lines.append((name, (what or [f"other, {array.dtype}"])[0], size))


# %%
with Saved() as saved:
    loss = loss_of()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Ask the library: what was saved?

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
for name, what, size in [*saved.lines[:7], ("...", "", ""), *saved.lines[-7:]]:
    print(f"{name:14}{what:16}{size:>9}".rstrip())

# %% [markdown]
# Read it from the top. The first convolution saves the image, which was there before. It saves no
# weight: that would be for the image's gradient, which nobody asks for. `ReLU` saves its output,
# and the next convolution's input is that same array: known. `MaxPool2d` saves neither input nor
# output but which of its four pixels was largest: one byte each. `Dropout` saves a mask of one
# byte a number, `CrossEntropy` the scores, the labels and one number a pixel.

# %%
pool = F.max_pool2d(mf.Tensor(rng.standard_normal((1, 2, 4, 6)), requires_grad=True), 2).function
(which,) = pool.saved
assert which.dtype == np.uint8
which[0, 0]

# %% [markdown]
# Does the rectifier's output suffice? The two masks agree everywhere, also at 0 itself.

# %%
a = rng.standard_normal((3, 5)).round()  # zeros included
y = np.maximum(a, 0)
assert (a == 0).any()
assert np.array_equal(a > 0, y > 0)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A convolution's own map dies young
#
# Nobody saved it, so it is gone as soon as the rectifier has run.

# %% slideshow={"slide_type": "-"}
h = net["conv1_1"](x)
alive = weakref.ref(h.data)
y = net["relu1_1"](h)
assert alive() is not None
del h
assert alive() is None  # though y could be differentiated
assert y.function.edges[0] is not None

# %% [markdown]
# That works because of how the graph is linked: **function to function**. `y` knows the function
# `ReLU`, that knows the function `Conv2d`, and no tensor is on the way. A map stays only where a
# function put it into `saved`.
#
# **2.** Your turn. For an operation, given as text, return the set of what it must save: of `"a"`
# and `"b"`, its inputs, which both want a gradient, `"y"`, its output, and `"other"`, something
# smaller. Where the input or the output would do, choose the output. The operations are `a + b`,
# `a * b`, `-a`, `exp(a)`, `sum(a)`, `relu(a)`, `sigmoid(a)`, `tanh(a)`, `dropout(a)`,
# `conv2d(a, b)`, `conv_transpose2d(a, b)`, `max_pool2d(a)`, `avg_pool2d(a)`.


# %% tags=["exercise"]
def what_to_save(operation):
    """A set of names; the empty one is set()."""
    # your lines


check_what_to_save(what_to_save)

# %% tags=["solution"]
check_what_to_save.solution()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A naive engine keeps every input
#
# The first idea of many engines: each function remembers its input *tensors*, and each tensor the
# function that made it.


# %% slideshow={"slide_type": "-"}
class KeepsInputs(Hook):
    def forward_begin(self, function, inputs):
        function.inputs = inputs


def step():
    net.zero_grad()
    loss_of().backward()


def naive_step():
    with KeepsInputs():
        step()


# %% [markdown]
# That hook turns the library's engine into such a one. The gradients are the same:

# %%
net.eval()  # no dropout, so that two steps can be compared
step()
gradients = [p.grad.copy() for p in net.parameters()]
naive_step()
net.train()
assert all(np.array_equal(g, p.grad) for g, p in zip(gradients, net.parameters()))


# %% [markdown]
# and the memory is not. Three runs: the naive engine, this one, and this one without gradients,
# under `no_grad`, where nothing is saved.


# %%
def forward_alone():
    with mf.no_grad():
        return loss_of()


naive = metered(naive_step)
ours = metered(step)
alone = metered(forward_alone)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Up in the forward pass, down in the backward pass: a saw
#
# <!-- notes -->
# The teeth of the middle line: a convolution's map appears, the rectifier's beside it, and the
# first is gone. On the right each function frees what it saved as soon as its backward has run.
# In the naive engine nothing falls: the loss holds its function, that its inputs, those their
# functions, down to the first layer, until the loss itself dies.

# %% tags=["hide-input", "cover"] slideshow={"slide_type": "-"}
figure, axes = panels(size=(7, 3.6))
axes.plot(naive, label=f"keeps every input: {max(naive):.1f} MB")
axes.plot(ours, label=f"saves what it needs: {max(ours):.1f} MB")
axes.plot(alone, label=f"no_grad: {max(alone):.1f} MB")
axes.axvline(len(alone) - 2, color="#999999", linestyle=":")
axes.text(len(alone) - 1, 0.3, "the loss")
axes.set(xlabel="before and after every operation", ylabel="MB in use", ylim=(0, None))
axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, 1.32), fontsize=10)
show(
    figure,
    f"Memory during a training step. Keeping every input it rises to {max(naive):.1f} MB and "
    f"stays there; saving what is needed it rises in teeth to {max(ours):.1f} MB and falls; "
    f"without gradients it reaches {max(alone):.1f} MB.",
)

# %%
assert max(naive) > 1.5 * max(ours)
assert min(naive[len(alone) : -1]) > 0.9 * naive[len(alone)]  # the backward pass frees nothing
assert ours[-1] < 0.1 * max(ours)  # all maps are gone; the weights' gradients are left
assert max(alone) < 0.5 * max(ours)

# %% [markdown]
# ## Is it what was counted?
#
# After the forward pass there must be: the rectifiers' outputs; of every pool the places, one byte
# for four, but its output only where a convolution reads it; dropout's output, which the score
# layer saves, and its mask; the scores; and for each pixel of them one number that the loss keeps.

# %%
traced = geometry.trace(net, (192, 256))
counted = sum(row.memory for row in traced.rows if row.kind == "ReLU")
counted += sum(row.memory / 4 for row in traced.rows if row.kind in ("MaxPool2d", "Dropout"))
counted += sum(traced[name].memory for name in ("pool1", "pool2", "drop", "score"))
counted += 4 * labels.size
measured = metered(loss_of)[-1]
assert abs(measured / (counted / 1e6) - 1) < 0.01
print(f"counted {counted / 1e6:.2f} MB, measured {measured:.2f} MB")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## In place, where nobody will know
#
# A map that nobody else holds may be written over.
#
# - A convolution that one rectifier reads writes $\max(y, 0)$ at once.
# - The rectifier's gradient goes into the memory of $g_y$, if it is the only owner.
#
# <!-- notes -->
# In place is dangerous: whoever saved the old values would get the new ones. The library does it
# in these two places, where it can tell. The first is done by `nn.Sequential` and `nn.Net`, which
# know who reads what. The second by the engine, which tells a function whether it owns its
# gradient.

# %%
y = F.relu(mf.Tensor(rng.standard_normal((2, 3, 5, 7)), requires_grad=True))
gy = rng.standard_normal(y.shape)
careful = y.function.backward(gy)
assert careful is not gy
y.function.owns_gradient = True
assert y.function.backward(gy) is gy  # the same array, written over
assert np.array_equal(careful, gy)

# %% slideshow={"slide_type": "-"}
conv, relu = net["conv1_1"], net["relu1_1"]
apart = metered(lambda: relu(conv(x)))
in_one_pass = metered(lambda: nn.Sequential(conv, relu)(x))
assert max(in_one_pass) < 0.6 * max(apart)
print(f"one by one {max(apart):.1f} MB, in one pass {max(in_one_pass):.1f} MB")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Inside one operation: workspaces
#
# im2col copies every pixel into each window that sees it: $K_H K_W$ times.
#
# <!-- notes -->
# The meter looked between operations. What one needs while it runs is its workspace. Columns are
# the largest of all; there are two ways around them.

# %%
H, W, C, K = 48, 80, 16, 24
image = np.pad(rng.standard_normal((C, H, W)).astype(np.float32), ((0, 0), (1, 1), (1, 1)))
w = rng.standard_normal((K, C, 3, 3)).astype(np.float32)
window = (3, 3), (1, 1), (1, 1)  # size, stride, dilation

# %% [markdown]
# All columns at once; a strip of output rows at a time; or tap by tap, one product for each of the
# nine places in the window and no columns at all.


# %%
def all_columns():
    return (w.reshape(K, -1) @ im2col(image, *window, range(H), W)).reshape(K, H, W)


def in_strips():
    y = np.empty((K, H, W), np.float32)
    for rows in strips(w[0].nbytes, H, W, 300_000):  # bytes of columns alive at a time
        columns = im2col(image, *window, rows, W)
        y[:, rows.start : rows.stop] = (w.reshape(K, -1) @ columns).reshape(K, -1, W)
        del columns
    return y


def tap_by_tap():
    y = np.zeros((K, H, W), np.float32)
    for i in range(3):
        for j in range(3):
            y += np.tensordot(w[:, :, i, j], image[:, i : i + H, j : j + W], 1)
    return y


# %% [markdown]
# Every one of them makes the same map. `peak` is the most that was alive, inside included.


# %%
def peak(work):
    tracemalloc.start()
    try:
        result = work()
        return result, tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


# %% slideshow={"slide_type": "-"}
expected = all_columns()
scale = abs(expected).max()
for way in (all_columns, in_strips, tap_by_tap):
    y, most = peak(way)
    assert abs(y - expected).max() < 1e-5 * scale
    took = 1e3 * seconds(way)
    print(f"{way.__name__:12} {most:5.2f} MB {took:6.2f} ms")
print(f"{'the map':12} {expected.nbytes / 1e6:5.2f} MB")

# %% [markdown]
# What would columns take in FCN-32s, for conv1_2 on one photograph? More than all maps of the net.
# The `reference` backend works in strips, and bounds them whatever the image; the `cpu` backend
# makes no columns: tutorial 18 shows how it reads the map itself.

# %%
_, C, H, W = next(row.shape for row in rows if row.name == "conv1_2")
columns = 9 * C * H * W * 4
print(f"columns of conv1_2: {columns / 1e6:.0f} MB; all rectified maps: {maps / 1e6:.0f} MB")
assert columns > maps

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Smaller batches, the same gradient
#
# A summed loss of eight images is the sum of eight losses, so its gradient is the sum of eight
# gradients. `backward` adds to what is there.
#
# <!-- notes -->
# Caffe calls the number of parts iter_size. The authors train FCN-AlexNet with batches of one
# image and iter_size 20 (voc-fcn-alexnet/solver.prototxt), and the VGG nets with one image a step.

# %%
net.eval()
images = rng.standard_normal((8, 3, 96, 128)).astype(np.float32)
truths = rng.integers(0, 5, (8, 12, 16))


def gradients_of(parts, reduction):
    net.zero_grad()
    for part in parts:
        scores = net(mf.Tensor(images[part]))
        F.cross_entropy(scores, truths[part], reduction=reduction).backward()
    return np.concatenate([p.grad.ravel() for p in net.parameters()])


def difference(found, expected):
    return abs(found - expected).max() / abs(expected).max()


# %% slideshow={"slide_type": "-"}
at_once = [slice(0, 8)]
singly = [slice(n, n + 1) for n in range(8)]
whole = gradients_of(at_once, "sum")
parts = gradients_of(singly, "sum")
assert difference(parts, whole) < 1e-5
for ways in (at_once, singly):
    notes = metered(lambda ways=ways: gradients_of(ways, "sum"))
    print(f"backward passes: {len(ways)}   at most {max(notes):5.1f} MB")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A mean of means is not the mean
#
# The loss divided by its valid pixels: images with many ignored ones must count less.

# %% slideshow={"slide_type": "-"}
truths[0, 1:] = 255  # of the first image one row is labelled
whole = gradients_of(at_once, "mean")
parts = gradients_of(singly, "mean") / 8
print(f"mean of the means differs by {difference(parts, whole):.1%}")
assert difference(parts, whole) > 0.01

# %% [markdown]
# Caffe's iter_size, and this library's trainer, take the mean of the means all the same: it is a
# gradient of *another* loss, in which every image counts alike. With a sum the question does not
# arise.
#
# **3.** Make it exact. Given the gradients of the parts' **mean** losses and how many valid pixels
# each part has, return the gradient of the mean over all valid pixels. A part may have none, and
# so may all.


# %% tags=["exercise"]
def accumulated(gradients, counts):
    """gradients: a list of arrays; counts: a list of integers. An array."""
    # your lines


check_accumulated(accumulated)

# %% tags=["solution"]
check_accumulated.solution()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Trade time for memory: compute it again
#
# Save a segment's input only. When its backward comes, run it forward once more.


# %% slideshow={"slide_type": "-"}
class Recompute(Function):
    def __init__(self, segment):
        self.segment = segment

    def forward(self, x):
        self.save(x)
        with mf.no_grad():
            return self.segment(mf.Tensor(x)).data

    def backward(self, gy):
        x = mf.Tensor(*self.saved, requires_grad=True)
        self.segment(x).backward(gy)
        return x.grad


# %% [markdown]
# Inside `backward` a second, small backward pass runs: it leaves the gradients of the segment's
# weights where they belong, and hands on the one of its input. To try it, a chain of twelve layers
# whose maps have all one size. (For segments that change the shape, a `Function` of the library
# wants an `infer_shape` too.)

# %%
layers = [nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()) for _ in range(12)]
start = mf.Tensor(rng.standard_normal((1, 16, 96, 128)).astype(np.float32), requires_grad=True)


def run(every=None):
    """Gradients of the chain; with ``every``, recomputing segments of so many layers."""
    start.grad, h = None, start
    for layer in layers:
        layer.zero_grad()
    for i in range(0, len(layers), every or 1):
        segment = nn.Sequential(*layers[i : i + (every or 1)])
        h = Recompute(segment)(h) if every else segment(h)
    h.sum().backward()
    return [start.grad] + [p.grad for layer in layers for p in layer.parameters()]


# %% [markdown]
# The same test as ever: equal gradients.

# %%
expected = run()
for every in (1, 2, 3, 4, 6, 12):
    for found, right in zip(run(every), expected):
        assert difference(found, right) < 1e-6

plain, again = seconds(run), seconds(run, 3)
print(f"saved {1e3 * plain:.0f} ms, computed again {1e3 * again:.0f} ms")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## One more forward pass, a fraction of the maps
#
# $n$ layers in segments of $k$: the inputs of $n/k$ segments stay, and the $k$ maps of the one
# that is computed again.
#
# <!-- notes -->
# A backward pass costs about two forward passes, for the gradients of the input and
# of the weights. So a step is three, and computing again makes it four: a third more. The number
# of maps is least for k = sqrt(n) (Chen et al. 2016, "Training deep nets with sublinear memory
# cost").


# %%
def kept(layers, every):
    return layers // every + every


one = start.data.nbytes / 1e6
table = {}
for every in (1, 2, 3, 4, 6, 12):
    table[every] = max(metered(lambda every=every: run(every))) / one
    assert abs(table[every] - kept(12, every)) < 2.5  # what comes and goes: gradients
saved_all = max(metered(run)) / one
best = min(table, key=table.get)
assert best in (3, 4)
assert table[best] < 0.7 * saved_all

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(size=(6, 3.6))
axes.axhline(saved_all, color="#999999", linestyle="--", label="everything saved")
axes.plot(table.keys(), table.values(), "o-", label="recomputed, measured")
axes.plot(table.keys(), [kept(12, k) for k in table], "s:", label="n / k + k")
axes.set(xlabel="layers in a segment, k", ylabel="maps alive at most", ylim=(0, None))
axes.legend(frameon=False, loc="lower right")
show(
    figure,
    f"Maps alive at most in a chain of 12 layers: {saved_all:.0f} where everything is saved; "
    f"recomputed in segments, {table[1]:.0f} for 1 layer, {table[best]:.0f} for {best}, and "
    f"{table[12]:.0f} for 12.",
)

# %% [markdown]
# The measured line lies above the formula by the gradients that come and go.
#
# **4.** Predict the peak for any number of layers, also where the last segment is shorter. While
# segment number $s$ (the first is 1) is computed again, the inputs of segments 1 to $s$ are kept,
# and the outputs of its own layers. What is the largest number of maps that is ever kept?


# %% tags=["exercise"]
def maps_kept(layers, every):
    """The largest number of maps, over all segments."""
    # your lines


check_maps_kept(maps_kept)

# %% tags=["solution"]
check_maps_kept.solution()

# %% [markdown]
# <details><summary><b>5.</b> To think about: what goes wrong if a segment contains dropout, and
# how would you mend it?</summary>
# The second forward pass draws another mask, and the gradient belongs to a net that was never run.
# Keep the state of the random generator beside the segment's input, and set it back before
# computing again.
# </details>
#
# <details><summary><b>6.</b> To think about: why must <code>start</code> require a gradient here?
# What would happen behind a photograph, which requires none?</summary>
# The engine records a function only where one of its inputs wants a gradient, and a segment's
# weights are not inputs of <code>Recompute</code>. Nothing would be recorded, as the cell below
# shows. Leave the first layers as they are, or let the photograph require a gradient.
# </details>
#
# <details><summary><b>7.</b> To think about: FCN-32s computes scores for all 544 x 544 pixels and
# 21 classes before the loss. Can that map be avoided?</summary>
# Interpolate, normalise and compare piece by piece, and keep only what the gradient of the coarse
# scores needs. The library's trainer does so: <code>functions.upsample_cross_entropy</code>.
# </details>

# %%
photograph = start.detach()
assert not Recompute(layers[0])(photograph).requires_grad
assert layers[0](photograph).requires_grad  # its weights are inputs of conv2d

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - Weights count three times; maps count once, and grow with the image.
# - Save what the gradient formula mentions, link functions to functions, free in backward.
# - Sums of gradients replace large batches; computing again replaces saved maps.
#
# <!-- notes -->
# What an operation saves is in its class, `Function.save` in
# [minifcn/autograd/function.py](../minifcn/autograd/function.py); what is freed when, in
# [minifcn/autograd/engine.py](../minifcn/autograd/engine.py). What a net's maps take without
# gradients is counted by [minifcn/dense/memory.py](../minifcn/dense/memory.py). That all of this
# stays so is tested in
# [tests/autograd/test_autograd_memory.py](../tests/autograd/test_autograd_memory.py).
#
# Next: [18 · Fast on a CPU](18_fast_on_a_cpu.ipynb).
