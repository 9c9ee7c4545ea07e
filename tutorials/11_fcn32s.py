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
# # 11 · How does a photograph become a label map?
#
# By convolutions that score one place in 32 x 32 pixels, and by interpolation between these
# places.
#
# <!-- notes -->
# You need: convolution and pooling (04, 05), the loss for every pixel (08), upsampling (09). You
# get: FCN-32s written out layer by layer, trained and measured, with the place of every pixel of
# every map derived. It takes about forty minutes. The net is Long, Shelhamer and Darrell's
# (CVPR 2015) in the shape of VGG-16, with one convolution a block in the place of two or three, so
# that it learns from nothing in half a minute.

# %%
import numpy as np

import minifcn as mf
import minifcn.functions as F
from minifcn import nn
from minifcn.teaching import FAST, panels, progress, quick, show
from minifcn.teaching.fcn32s import (
    check_crop_offset,
    check_mean_iu,
    check_photograph,
)
from minifcn.viz import colorize, figure_fcn

# %% tags=["hide-input", "cover"] slideshow={"slide_type": "slide"}
show(figure_fcn("fcn32s-vgg16", (500, 500)))

# %% [markdown] slideshow={"slide_type": "-"}
# FCN-32s: a classifier's layers, a score layer, one interpolation.

# %% [markdown]
# ## Data
#
# Drawn scenes with twenty kinds of objects and the background: 21 classes, as in PASCAL VOC.
# `minifcn.data.Scenes` writes them to disk as VOC is written; here they stay in memory. A sample
# is an image (H, W, 3), bytes, and a label map (H, W), bytes, with 255 where nobody knows.

# %%
SIZE, CLASSES = (96, 128), mf.data.SCENE_CLASSES
train = [
    mf.data.scene(0, "train", i, SIZE) for i in progress(range(quick(600, 8)), "training scenes")
]
val = [mf.data.scene(0, "val", i, SIZE) for i in progress(range(quick(100, 8)), "other scenes")]
image, label = val[3]
print(image.shape, label.shape, [CLASSES[k] for k in np.unique(label) if k < 255])

# %% [markdown] slideshow={"slide_type": "slide"}
# ## From bytes to an input
#
# Caffe's tools read images through OpenCV, so the authors' weights learned **blue, green, red**,
# from 0 to 255, less the mean colour.
#
# $$x_{c,i,j} = \text{image}_{i,j,2-c} - \text{mean}_c$$

# %% slideshow={"slide_type": "-"}
MEAN = np.array([104.00699, 116.66877, 122.67892], np.float32)  # blue, green, red


def to_input(image):
    bgr = image[:, :, ::-1].astype(np.float32)
    return (bgr - MEAN).transpose(2, 0, 1)  # (H, W, 3) -> (3, H, W)


assert np.array_equal(to_input(image), mf.data.to_input(image))

# %% [markdown]
# Whoever feeds red, green, blue to weights that learned blue, green, red gets no error, only worse
# predictions: nothing in the shapes tells. And the subtraction must happen in floating point. In
# bytes, 100 minus 104 is 252.

# %%
assert np.uint8(100) - np.uint8([104]) == 252

# %% [markdown]
# ## A minibatch
#
# Images of one size stack to $(N, C, H, W)$, labels to $(N, H, W)$.


# %%
def batch(samples):
    images, labels = zip(*samples)
    return np.stack([to_input(image) for image in images]), np.stack(labels)


x, labels = batch(train[:4])
void = (labels == 255).mean()
print(x.shape, x.dtype, labels.shape, labels.dtype)
print(f"{100 * void:.1f} per cent of the pixels are void; those of x vary by {x.std():.0f}")
assert 40 < x.std() < 80

# %% [markdown]
# The labels need no one-hot vectors: an integer a pixel is what the loss wants.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The trunk, layer by layer
#
# <!-- notes -->
# Five blocks, each a convolution, a ReLU and a pooling that halves height and width. Then the
# classifier's two fully connected layers, which are convolutions (tutorial 07): `fc6` looks at
# 3 x 3 places of the last pool, `fc7` at one. `score_fr` gives each place 21 scores, and it starts
# with zeros.


# %% slideshow={"slide_type": "-"}
class FCN32s(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        channels = 3
        for block, wanted in enumerate((24, 48, 64, 96, 128), start=1):
            conv = nn.Conv2d(channels, wanted, 3, padding=1)
            self.add_module(f"conv{block}", conv)
            channels = wanted
        self.fc6 = nn.Conv2d(channels, 256, 3, padding=1)
        self.fc7 = nn.Conv2d(256, 256, 1)
        self.score_fr = nn.Conv2d(256, num_classes, 1, weight_init=nn.init.zeros)


# %% [markdown]
# The forward pass is written as a generator of all maps, so that we can watch it. Then comes the
# upsampling: a transposed convolution with a fixed bilinear filter of 64 x 64, stride 32
# (tutorial 09). Its output may be larger than the image, by less than 32 pixels, and is cut.


# %%
def maps(self, x):
    for block in range(1, 6):
        x = F.relu(self[f"conv{block}"](x))
        x = F.max_pool2d(x, 2, ceil_mode=True)
        yield f"pool{block}", x
    for name in ("fc6", "fc7"):
        x = F.relu(self[name](x))
        yield name, x
    x = self.score_fr(x)
    yield "score_fr", x
    yield "upscore", F.upsample_bilinear(x, factor=32, kernel_size=64, padding=16)


# %%
def forward(self, image):
    *_, (_, x) = self.maps(image)  # the last map is what counts
    return F.crop(x, offset=0, size=image.shape[2:])


FCN32s.maps, FCN32s.forward = maps, forward
mf.manual_seed(0)
net = FCN32s(len(CLASSES))
net.conv1.weight.data = net.conv1.weight.data / np.float32(64)
net.conv1.weight.rate /= 64

# %% [markdown]
# The last two lines are about scale. Pixels vary by about 64, as printed above; all other maps
# should vary by about 1. So the first convolution starts with weights 64 times smaller, and learns
# at a rate 64 times smaller (`minifcn/models/mini.py` does the same). Nets that start from
# ImageNet's weights need nothing of the kind: there the first layer has learned the scale.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Watch an image go through
#
# 90 x 125 pixels, on purpose not divisible by 32.

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
odd, stride = mf.Tensor(x[:1, :, :90, :125]), 1
print(f"{'image':9}{odd.shape[1]:4} x {90:3} x {125:3}")
for name, y in net.maps(odd):
    C, H, W = y.shape[1:]
    stride = {"pool": 2 * stride, "upsc": 1}.get(name[:4], stride)
    print(f"{name:9}{C:4} x {H:3} x {W:3}   stride {stride:2}")
print(f"{'score':9}{' x '.join(f'{n:3}' for n in net(odd).shape[1:]):>16}")

# %% [markdown]
# The pools round up (`ceil_mode`), as Caffe's do: 45 rows become 23. With rounding down the last
# rows of some images would have no scores. All that the net knows of the image is in the few
# places of `score_fr`; the rest is interpolation.
#
# **The test**: the library's `fcn32s-mini`, with the same weights, must give the same scores. The
# scores must not be zero for that, so the score layer gets random weights in both. ("aligned" is
# how our net pads; the authors' way comes below.)

# %%
theirs = mf.models.build("fcn32s-mini", len(CLASSES), padding="aligned")
rng = np.random.default_rng(0)
theirs["score_fr"].weight.assign(rng.normal(0, 0.1, (len(CLASSES), 256, 1, 1)))
own = FCN32s(len(CLASSES))
print(mf.models.copy_weights(own, theirs.state_dict()))
ours = own(odd).numpy()
assert ours.any()
assert np.allclose(ours, theirs(odd).numpy(), rtol=1e-4, atol=1e-4 * np.abs(ours).max())

# %% [markdown]
# ## Where does each score lie?
#
# A pixel of a map stands for a place in the image: the centre of the window that it has seen. Walk
# through the layers with two numbers, the **stride** (how far neighbours lie apart in the image)
# and the **start** (where pixel 0 lies). A window of `k` pixels with padding `p` puts its centre
# `(k - 1) / 2 - p` steps further; a step is as long as the stride so far.


# %%
def place(layers):
    stride, start = 1, 0.0
    for k, s, p in layers:
        start += stride * ((k - 1) / 2 - p)
        stride *= s
    return stride, start


def upsampled(stride, start, kernel, factor, p=0):  # tutorial 09, question 1
    step = stride / factor
    return step, start - step * ((kernel - 1) / 2 - p)


# %% [markdown]
# The authors pad the first convolution by **100 pixels**, `fc6` and the upsampling not at all. In
# that geometry nothing lies where it should without a crop. Here is VGG-16 as a list of (kernel,
# stride, padding).


# %%
def vgg16(pad, fc6_pad=0):
    layers = []
    for convolutions in (2, 2, 3, 3, 3):
        layers += [(3, 1, 1)] * convolutions + [(2, 2, 0)]
    layers[0] = (3, 1, pad)
    return [*layers, (7, 1, fc6_pad), (1, 1, 0), (1, 1, 0)]  # fc6, fc7, score_fr


# %% [markdown] slideshow={"slide_type": "slide"}
# ## The crop starts at 19, and nobody typed it

# %% slideshow={"slide_type": "-"}
stride, start = place(vgg16(pad=100))
print(f"score_fr: pixel o lies at {stride} o + {start:g}")
step, first = upsampled(stride, start, kernel=64, factor=32)
print(f"upscore:  pixel o lies at {step:g} o {first:+g}")
print(f"so the crop begins at {-first:g}")

with nn.init.without_values():  # its shapes, without 134 million numbers
    vgg = mf.models.build("fcn32s-vgg16")
assert mf.geometry.offsets(vgg)["score"] == (-first, -first) == (19, 19)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Along one axis

# %% tags=["hide-input"]
SIDE = 160
traced = mf.geometry.trace(vgg, (SIDE, SIDE))
padded = {"image": (0, 1, SIDE), "padded": (-100, 1, SIDE + 200)}
for name in ("pool5", "score_fr", "upscore", "score"):
    axis = traced[name].axes[0]
    padded[name] = float(axis.start), float(axis.stride), traced[name].shape[2]

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(size=(9, 3.2))
for y, (name, (begin, step, count)) in enumerate(padded.items()):
    centres = begin + step * np.arange(count)
    shade = "#d55e00" if name in ("image", "score") else "#0072b2"
    axes.plot(centres, [-y] * count, "|" if step == 1 else "o", color=shade, markersize=6)
    axes.text(-205, -y, f"{name}: {count}", va="center")
for x_edge in (-0.5, SIDE - 0.5):
    axes.axvline(x_edge, color="#999999", linewidth=1)
axes.set(xlim=(-210, 285), ylim=(-5.5, 0.5), yticks=[], xlabel="pixel of the image")
axes.spines["left"].set_visible(False)
alt = f"Along one axis of {SIDE} pixels: the padded image, the places of pool5 and score_fr, "
show(figure, alt + f"the {padded['upscore'][2]} pixels of upscore, and the part that is cut out.")

# %% [markdown] slideshow={"slide_type": "-"}
# The crop is **not centred**: 19 before, the rest behind.
#
# <!-- notes -->
# One axis of an image of 160 pixels in FCN-32s / VGG-16. Dots are the coarse scores, 32 pixels
# apart; ticks are pixels. What sticks out on the left is the crop's offset; what sticks out on the
# right depends on the size of the image. A centred crop would be wrong by half of the difference.

# %%
for side in (160, 224, 500):
    height = mf.geometry.trace(vgg, (side, side))["upscore"].shape[2]
    print(f"{side} pixels: upscore {height}, 19 cut before, {height - side - 19:2} behind")

# %% [markdown]
# ## Why 100?
#
# `fc6` wants 7 x 7 places of `pool5`. Without much padding a small image has none. What is the
# least padding with which **every** image gets scores for all of its pixels? Count sizes.


# %%
def out_size(n, layers):
    for k, s, p in layers:
        n = -(-(n + 2 * p - k) // s) + 1  # pools round up; the rest has stride 1
        if n < 1:
            return 0
    return n


def covered(n, pad):
    layers = vgg16(pad)
    places, offset = out_size(n, layers), -upsampled(*place(layers), 64, 32)[1]
    return places > 0 and offset >= 0 and offset + n <= 32 * (places - 1) + 64


# %%
def first_size(pad, largest=700):
    """From which size on, up to the largest, are all images covered?"""
    n = largest + 1
    while n > 1 and covered(n - 1, pad):
        n -= 1
    return n if n <= largest else None


for pad in (1, 50, 80, 81, 90, 96, 97, 100):
    n = first_size(pad)
    print(f"padding {pad:3}: " + (f"every image from {n} pixels on" if n else "no image whole"))
least = next(pad for pad in range(200) if first_size(pad) == 1)
assert least == 97

# %% [markdown]
# **100 is a round number above 97.**
#
# <!-- notes -->
# With less than 81 the offset would be negative: the first pixels have no score, whatever the
# size. From 97 on even an image of one pixel is covered. The authors took 100.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Two geometries
#
# *Reference*: pad the image by 100, crop. *Aligned*: pad `conv1_1` by 1, `fc6` by 3, the
# upsampling by 16. Every offset is 0, and nothing is computed in vain.

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
for side in (64, 224, 500):
    G = {}
    for padding in ("reference", "aligned"):
        with nn.init.without_values():
            model = mf.models.build("fcn32s-vgg16", padding=padding)
        rows = mf.geometry.trace(model, (side, side)).rows
        G[padding] = sum(row.macs for row in rows) / 1e9
    print(f"{side} pixels: {G['reference']:6.1f} and {G['aligned']:6.1f} G multiply-adds")

# %% [markdown]
# They differ at the border: there the padding of the image is what `fc6` sees beyond it, here
# zeros around `pool5`. And they differ inside: 99 more pixels of padding are not a multiple of 32,
# so the same weights score other places of the image, 3 pixels beside.

# %%
aligned = place(vgg16(pad=1, fc6_pad=3))
assert upsampled(*aligned, kernel=64, factor=32, p=16) == (1, 0)
reference = place(vgg16(pad=100))
print("places: 32 o +", reference[1], "and 32 o +", aligned[1])
assert aligned[1] - reference[1] == 99 % 32 == 3

# %% [markdown]
# Both lie right on the image. The authors' weights want the first geometry; our small net, trained
# from scratch, uses the second.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Before the first step
#
# <!-- notes -->
# All scores are zero. So all classes are equally likely at every pixel, and the loss is $\ln 21$,
# whatever the labels are. A first loss that is anything else is worth a look: a class too many,
# void not ignored, labels from 1 to 21.

# %% slideshow={"slide_type": "-"}
loss = F.cross_entropy(net(mf.Tensor(x)), labels)
print(f"first loss {loss.item():.6f}, ln 21 = {np.log(21):.6f}")
assert np.isclose(loss.item(), np.log(21), rtol=1e-6)

net.zero_grad()
loss.backward()
for name in ("conv1", "conv5", "fc7", "score_fr"):
    largest = np.abs(net[name].weight.grad).max()
    print(f"{name:9} largest gradient {largest:.5f}")
    assert (largest > 0) == (name == "score_fr")

# %% [markdown] slideshow={"slide_type": "-"}
# With a score layer of zeros, **only the score layer learns** in the first step.
#
# <!-- notes -->
# What flows back through the score layer is multiplied by its weights, which are zero. After one
# step they are not any more. That is fine: the paper found random scores no better. But what if a
# layer below is zero as well? The next cell tries.

# %%
dead = FCN32s(len(CLASSES))
dead.fc7.weight.data = np.zeros_like(dead.fc7.weight.data)
F.cross_entropy(dead(mf.Tensor(x)), labels).backward()
gradients = {name: np.abs(p.grad).max() for name, p in dead.named_parameters()}
assert [name for name, g in gradients.items() if g > 0] == ["score_fr.bias"]

# %% [markdown]
# A zero layer in the trunk is the end: `fc7` puts out zeros, so the score weights get no gradient;
# the score weights stay zero, so `fc7` gets none. Only the score layer's bias learns, and a bias
# knows nothing of the image: the best it can do is to say how common each class is. **The
# prediction is background everywhere.** Users of many implementations of FCN have asked why, and
# often the answer is here: weights that were to be copied into the trunk did not arrive. The
# library's `copy_weights` therefore reports what is zero.

# %%
report = mf.models.copy_weights(dead, {"a_name_that_does_not_match": np.ones(3, np.float32)})
print(report)
assert "fc7.weight" in report.zero

# %% [markdown]
# Another cause is the learning rate: the authors' $10^{-10}$ belongs to a loss summed over all
# pixels (tutorial 08). With the mean it moves next to nothing. The loss tells the two causes
# apart. Where nothing moves it stays at ln 21; a bias alone brings it down to the entropy of the
# classes' frequencies, and no further:

# %%
every = np.concatenate([label[label != 255] for _, label in train])
share = np.bincount(every) / len(every)
entropy = -(share[share > 0] * np.log(share[share > 0])).sum()
print(f"class frequencies alone: a loss of {entropy:.2f}")
assert FAST or np.isclose(entropy, 1.5, atol=0.05)

# %% [markdown]
# ## Training
#
# The authors start from a classifier's weights and use momentum (tutorial 06). Ours starts with
# random weights, whose gradients differ in size from layer to layer. **Adam** (Kingma, Ba 2015)
# divides every weight's step by the size that its gradients have had: $m$ is their running mean,
# $s$ that of their squares.


# %%
def adam_step(model, state, lr, t, b1=0.9, b2=0.999, decay=1e-4):
    for name, w in model.named_parameters():
        m, s = state.get(name, (0, 0))
        m, s = b1 * m + (1 - b1) * w.grad, b2 * s + (1 - b2) * w.grad**2
        state[name] = m, s
        m, s = m / (1 - b1**t), s / (1 - b2**t)  # both began at zero, t steps ago
        step = w.rate * m / (np.sqrt(s) + 1e-8) + decay * w.decay * w.data
        w.data = w.data - lr * step


# %% [markdown]
# **The test**: three steps with random gradients, beside the library's.

# %%
mine, theirs, state = nn.Linear(5, 3), nn.Linear(5, 3), {}
mf.models.copy_weights(theirs, mine.state_dict())
library = mf.train.Adam(theirs, 0.01)
for t in (1, 2, 3):
    for p, q in zip(mine.parameters(), theirs.parameters()):
        p.grad = rng.standard_normal(p.shape).astype(np.float32)
        q.grad = p.grad.copy()
    adam_step(mine, state, 0.01, t)
    library.step()
for p, q in zip(mine.parameters(), theirs.parameters()):
    assert np.allclose(p.data, q.data, rtol=1e-5, atol=1e-6)

# %% [markdown]
# Eight scenes a step, drawn at random and mirrored at random. The learning rate rises for thirty
# steps, while $m$ and $s$ know little, and then falls to zero.

# %%
STEPS, RATE = quick(650, 3), 3e-3


def batches(rng, size=8):
    while True:
        chosen = [train[i] for i in rng.integers(0, len(train), size)]
        flips = rng.integers(0, 2, size) * 2 - 1  # mirrored or not
        yield batch([(i[:, ::f], l[:, ::f]) for (i, l), f in zip(chosen, flips)])


# %% [markdown] slideshow={"slide_type": "slide"}
# ## The training loop

# %% slideshow={"slide_type": "-"}
solver, losses = mf.train.Adam(net, RATE), []
source = batches(np.random.default_rng(0))
for step, (x, labels) in zip(progress(range(STEPS)), source):
    solver.lr = RATE * min(1, (step + 1) / 30) * (1 - step / STEPS)
    loss = F.cross_entropy(net(mf.Tensor(x)), labels, ignore_index=255)
    solver.zero_grad()
    loss.backward()
    solver.step()
    losses.append(loss.item())

# %% tags=["hide-input"]
width = max(1, len(losses) // 25)
smooth = np.convolve(losses, np.ones(width) / width, mode="valid")
figure, axes = panels(size=(7, 2.8))
axes.plot(losses, color="#bbbbbb", linewidth=0.8, label="each step")
axes.plot(np.arange(len(smooth)) + width // 2, smooth, label=f"mean of {width} steps")
axes.axhline(np.log(21), color="#d55e00", linestyle="--", label="ln 21")
axes.set(xlabel="step", ylabel="loss", ylim=(0, None))
axes.legend(frameon=False, ncols=3)
show(figure, f"The loss falls from {losses[0]:.2f} to {np.mean(losses[-20:]):.2f}.")

# %% [markdown]
# ## Evaluation
#
# The prediction is the class with the highest score. All measures come from one matrix: `counts[i,
# j]` pixels of class `i` were predicted to be `j`. A pair of classes is a number, $21 i + j$;
# counting numbers is what `bincount` does. Labels are bytes, and 21 times a byte does not fit into
# a byte, hence `astype(int)`. Void pixels are left out.


# %%
def count(label, prediction, K):
    valid = label != 255
    pairs = K * label[valid].astype(int) + prediction[valid]
    return np.bincount(pairs, minlength=K * K).reshape(K, K)


def predict(net, image):
    with mf.no_grad():
        scores = net(mf.Tensor(to_input(image)[None])).numpy()
    return scores[0].argmax(axis=0)


K = len(CLASSES)
predictions = [predict(net, image) for image, _ in val]
counts = sum(count(label, p, K) for (_, label), p in zip(val, predictions))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Four measures of one matrix
#
# With $t_i = \sum_j n_{ij}$ (truth) and $p_i = \sum_j n_{ji}$ (predicted):
#
# | pixel accuracy | mean accuracy | mean IU |
# |---|---|---|
# | $\sum_i n_{ii} / \sum_i t_i$ | mean of $n_{ii} / t_i$ | mean of $n_{ii} / (t_i+p_i-n_{ii})$ |
#
# Frequency weighted IU: the IUs weighted by $t_i$.

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
n, t, p = np.diagonal(counts), counts.sum(axis=1), counts.sum(axis=0)
assert FAST or t.all()  # every class occurs, so nothing is divided by zero
with np.errstate(invalid="ignore"):
    iu = n / (t + p - n)
    measures = {
        "pixel_accuracy": n.sum() / t.sum(),
        "mean_accuracy": np.nanmean(n / t),
        "mean_iu": np.nanmean(iu),
        "frequency_weighted_iu": np.nansum(t * iu) / t.sum(),
    }
for name, value in measures.items():
    print(f"{name:22} {100 * value:5.1f}")

# %%
matrix = mf.metrics.ConfusionMatrix(K)
for (_, label), prediction in zip(val, predictions):
    matrix.update(label, prediction)
assert np.array_equal(matrix.counts, counts)
for name, value in measures.items():
    assert np.isclose(getattr(matrix, name), value)
lazy = mf.metrics.ConfusionMatrix(K)
for _, label in val:
    lazy.update(label, np.zeros_like(label))
print(f"all background: pixel accuracy {lazy.pixel_accuracy:.3f}, mean IU {lazy.mean_iu:.3f}")
assert FAST or (matrix.mean_iu > 4 * lazy.mean_iu and matrix.mean_iu > 0.15)

# %% tags=["hide-input"] slideshow={"slide_type": "slide"}
kinds = [len(np.setdiff1d(label, (0, 255))) for _, label in val]
order = np.argsort(np.abs(np.array(kinds) - 2.4), kind="stable")[:3]  # with two kinds
figure, axes = panels(3, 3, size=(9, 6.6))
for row, i in zip(axes, order):
    (photo, truth), prediction = val[i], predictions[i]
    there = ", ".join(CLASSES[k] for k in np.setdiff1d(truth, (0, 255)))
    row[0].set_ylabel(there)
    for axis, picture in zip(row, (photo, colorize(truth), colorize(prediction))):
        axis.imshow(picture)
        axis.set(xticks=range(0, SIZE[1], 32), yticks=range(0, SIZE[0], 32))
        axis.tick_params(labelbottom=False, labelleft=False)
    row[2].grid(color="#888888", linewidth=0.6)
for axis, title in zip(axes[0], ("image", "truth", "prediction, and a grid of 32 pixels")):
    axis.set_title(title)
show(figure, "Three unseen scenes, their truths, and the predictions of FCN-32s: blobs.")

# %% [markdown] slideshow={"slide_type": "-"}
# It finds objects, and colours **blobs**.
#
# <!-- notes -->
# The first three scenes with two kinds of objects. One score for every 32 x 32 pixels: whatever is
# smaller than a cell of the grid cannot have a shape. How often does it name what is there?

# %%
present = named = invented = 0
for (_, label), prediction in zip(val, predictions):
    there, said = np.setdiff1d(label, (0, 255)), np.setdiff1d(prediction, 0)
    present += len(there)
    named += len(np.intersect1d(there, said))
    invented += len(np.setdiff1d(said, there))
print(f"of {present} kinds in {len(val)} scenes it names {named}")
print(f"(and {invented} that are not there);")
print(f"the mean IU of all kinds is {100 * np.nanmean(iu[1:]):.0f} per cent")

# %% [markdown]
# ## What could a perfect FCN-32s reach?
#
# Take the true label map, keep what one score for every $f$ x $f$ pixels can say, and interpolate
# as the net does. That is an estimate of the best that scores of stride $f$ can do, not a theorem:
# scores between 0 and 1 could place an edge better. The authors do the like with VOC's label maps
# (appendix A).


# %%
def through_stride(label, f, K):
    """The truth, seen at the centre of each f x f cell, and interpolated between."""
    H, W = label.shape
    wide = np.pad(label, ((0, -H % f), (0, -W % f)), constant_values=255)
    coarse = wide[f // 2 :: f, f // 2 :: f]
    scores = (coarse == np.arange(K)[:, None, None]).astype(np.float32)
    up = F.upsample_bilinear(mf.Tensor(scores[None]), f, 2 * f, f // 2).numpy()
    return up[0, :, :H, :W].argmax(axis=0)


# %%
bounds = {}
for f in (2, 4, 8, 16, 32, 64):
    best = mf.metrics.ConfusionMatrix(K)
    for _, label in val:
        best.update(label, through_stride(label, f, K))
    bounds[f] = 100 * best.mean_iu

# %% [markdown] slideshow={"slide_type": "slide"}
# ## An upper bound for every stride

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
paper = {4: 98.5, 8: 96.4, 16: 92.8, 32: 86.1, 64: 73.3, 128: 50.9}  # appendix A, on VOC
figure, axes = panels(size=(7, 3.2))
axes.plot(*zip(*bounds.items()), "o-", label=f"these scenes, {SIZE[0]} x {SIZE[1]} pixels")
axes.plot(*zip(*paper.items()), "s--", label="the paper: VOC, about 500 pixels wide")
axes.plot(32, 100 * matrix.mean_iu, "k*", markersize=11, label="this FCN-32s")
axes.set(xscale="log", xlabel="stride", ylabel="mean IU", ylim=(0, 102))
axes.set_xticks([2, 4, 8, 16, 32, 64, 128], [2, 4, 8, 16, 32, 64, 128])
axes.minorticks_off()
axes.legend(frameon=False)
text = ", ".join(f"{f}: {value:.0f}" for f, value in bounds.items())
show(figure, f"Upper bounds of mean IU by stride: {text}; and the trained net below.")

# %% [markdown] slideshow={"slide_type": "-"}
# The smaller the objects, the more a stride costs.
#
# <!-- notes -->
# On VOC's large photographs a perfect FCN-32s would reach 86.1; the paper's reaches 59.4 (table
# 2), so there the stride is not all that is missing. In our small scenes an object covers a few
# cells, and the stride costs most. Both curves say the same: halve a stride of 32, and much can
# be won.

# %%
print({f: round(value, 1) for f, value in bounds.items()})
assert all(bounds[f] > bounds[2 * f] for f in (2, 4, 8, 16, 32))
assert FAST or 100 - bounds[32] > bounds[32] - 100 * matrix.mean_iu > 0

# %% [markdown]
# ## Your turn
#
# **1.** The way back: an input (3, H, W), blue, green, red, less the mean, becomes a photograph
# (H, W, 3), red, green, blue. What a net or a filter has changed need not be a whole number, nor
# lie between 0 and 255: round to the nearest, and cut off what no byte can hold.


# %% tags=["exercise"]
def photograph(x, mean):
    """mean: three numbers, of blue, green and red. Returns bytes, np.uint8."""
    # your lines


check_photograph(photograph)

# %% tags=["solution"]
check_photograph.solution()

# %% [markdown]
# **2.** Where does the crop begin? `layers` are (kernel, stride, padding) from the image to the
# scores; then they are upsampled by `factor` with this kernel, without padding. For VGG-16 with
# padding 100 it must be 19. The solution is the library's: an axis of a map, with exact fractions.


# %% tags=["exercise"]
def crop_offset(layers, kernel, factor):
    """The row of the upsampled map that lies on row 0 of the image, an integer."""
    # your lines


check_crop_offset(crop_offset)

# %% tags=["solution"]
check_crop_offset.solution()

# %% [markdown]
# **3.** Mean IU from the counts. A class that occurs neither in the truth nor in a prediction has
# no IU, and is left out of the mean.


# %% tags=["exercise"]
def mean_iu(counts):
    """A number between 0 and 1."""
    # your lines


check_mean_iu(mean_iu)

# %% tags=["solution"]
check_mean_iu.solution()

# %% [markdown]
# <details><summary><b>4.</b> To think about: your colleague's net predicts background everywhere,
# and its loss stays at ln 21. Yours predicts background everywhere, and its loss has fallen to
# 1.5. What do you ask each of them?</summary> At ln 21 nothing has moved: all scores are equal
# still, and the first class wins the draw. Ask for the learning rate, and whether the loss is a
# sum or a mean. 1.5 is what the class frequencies alone give: your net has moved, but sees no
# image. Ask for zero or missing weights in the trunk.
# </details>
#
# <details><summary><b>5.</b> To think about: why not fill void with background, which it mostly
# is?</summary>
# Void lies along the rims of objects. There the net would be taught "background" on pixels that
# belong to the object as often as not, just where it is uncertain anyway. Tutorial 08 shows the
# gradient of such a pixel: zero where it is ignored, and a full push where it is not.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - Bytes, less the mean, through convolutions and pools: one score vector every 32 pixels.
# - Coordinates compose: they give the crop (19), and the least padding (97).
# - It finds objects but colours blobs: stride 32 bounds what can be seen.
#
# <!-- notes -->
# This net is [minifcn/models/mini.py](../minifcn/models/mini.py), its head
# [minifcn/models/fcn.py](../minifcn/models/fcn.py); the coordinates are
# [minifcn/geometry/axis.py](../minifcn/geometry/axis.py), the loop is
# [minifcn/train/trainer.py](../minifcn/train/trainer.py), and the matrix
# [minifcn/metrics.py](../minifcn/metrics.py).
#
# Next: [12 · Where does the detail come from?](12_skips.ipynb).
