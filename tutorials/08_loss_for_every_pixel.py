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
# # 08 · What is the loss of a whole image?
#
# The sum of what every pixel loses that has a label: an image is a minibatch of all its windows.
#
# <!-- notes -->
# You need: the loss of one digit ([06](06_lenet_learns_digits.ipynb)), a net as a map of scores
# ([07](07_fully_connected_is_convolution.ipynb)), receptive fields
# ([05](05_layers_compose.ipynb)). You get: the loss and the gradient that FCN is trained with,
# written by yourself, the reason why its learning rate may be 1e-10, and the evidence that a whole
# image is a minibatch of all its windows, at a fraction of their cost. It takes about an hour.

# %%
import numpy as np
from matplotlib.patches import Rectangle

import minifcn as mf
from minifcn import functions as F
from minifcn import geometry, nn
from minifcn.data.scenes import scene
from minifcn.teaching import panels, seconds, show
from minifcn.teaching.pixel_loss import (
    check_log_softmax_gradient,
    check_loss_gradient,
    check_mean_loss,
    check_rates,
)
from minifcn.viz import colorize
from minifcn.viz.colormap import COLOURS

# %%
NAMES = ["background", "balloon", "tree"]
PALETTE = np.array([(40, 40, 40), (213, 94, 0), (0, 158, 115)], np.uint8)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## One label a pixel, and some that have none
#
# White pixels are **void**: label 255. Nobody could say what they are, so nobody is asked.
#
# <!-- notes -->
# The scene is one of the library's drawn ones. The borders of its objects are void, as in PASCAL
# VOC, where a band of some pixels around every object is: people who draw outlines do not agree to
# the pixel.

# %%
photo, kinds = scene(0, "train", 2, size=(60, 80))
labels = np.full(kinds.shape, 255, np.uint8)
for k, kind in enumerate((0, 2, 19)):  # of the data set's 21 classes three are here
    labels[kinds == kind] = k
image = mf.data.to_input(photo)[None] / 64  # (N, C, H, W), the mean colour subtracted
labels = labels[None]
image.shape, labels.shape

# %% tags=["hide-input", "cover"] slideshow={"slide_type": "-"}
figure, axes = panels(1, 2, size=(7.4, 3.1))
axes[0].imshow(photo)
axes[0].set_title("image")
axes[1].imshow(colorize(labels[0], PALETTE))
axes[1].set_title("labels, void in white")
for ax in axes:
    ax.set(xticks=[], yticks=[])
show(figure, f"A balloon and a tree, and their labels; {(labels == 255).mean():.0%} are void.")

# %% [markdown]
# A net for it: two convolutions that see a little of the surroundings, and one of 1 x 1 that
# scores three classes at every pixel. A few steps of training, so that it has opinions and makes
# mistakes.


# %%
def small_net():
    layers = {
        "conv1": nn.Conv2d(3, 16, 5, padding=2),
        "relu1": nn.ReLU(),
        "conv2": nn.Conv2d(16, 16, 5, padding=2),
        "relu2": nn.ReLU(),
        "score": nn.Conv2d(16, 3, 1, weight_init=nn.init.zeros),
    }
    return nn.Sequential(layers)


# %%
mf.manual_seed(0)
net = small_net()
solver = mf.train.Solver(net, lr=0.02)
for _ in range(30):
    solver.zero_grad()
    F.cross_entropy(net(mf.Tensor(image)), labels).backward()
    solver.step()

# %%
with mf.no_grad():
    scores = net(mf.Tensor(image)).numpy().astype(np.float64)
N, K, H, W = scores.shape
N, K, H, W

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Softmax at every pixel: along axis 1
#
# $$p_{n,k,h,w} = \frac{e^{s_{n,k,h,w}}}{\sum_{j} e^{s_{n,j,h,w}}}$$


# %%
def softmax(scores):
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


p = softmax(scores)
np.testing.assert_allclose(p.sum(axis=1), 1)
np.testing.assert_allclose(p, F.softmax(scores, axis=1).numpy())

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(1, 3, size=(9.4, 2.6))
for ax, map_of_class, name in zip(axes, p[0], NAMES):
    drawn = ax.imshow(map_of_class, vmin=0, vmax=1, cmap="cividis")
    ax.set(title=f"p({name})", xticks=[], yticks=[])
figure.colorbar(drawn, ax=axes, shrink=0.8)
show(figure, "Probabilities of background, balloon and tree at every pixel; together they are 1.")

# %% [markdown]
# The axis matters, and nothing warns you. Along the last one, every *row of pixels* shares out one
# probability: the shape is right, the numbers lie between 0 and 1, and training goes astray.

# %%
astray = F.softmax(scores, axis=-1).numpy()
over_classes = astray.sum(axis=1)
assert not np.allclose(over_classes, 1)
print(f"sums over the classes: {over_classes.min():.3f} to {over_classes.max():.3f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The logarithm first
#
# The loss wants $\log p$. In float32, $e^{89}$ is infinite and $e^{-104}$ is zero.

# %% slideshow={"slide_type": "-"}
with np.errstate(over="ignore"):
    print(np.exp(np.float32([88, 89, -103, -104])))


def log_softmax(scores):
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


np.testing.assert_allclose(np.exp(log_softmax(scores)), p)
sure = np.float32([200, 0, 0]).reshape(1, 3, 1, 1)
log_softmax(sure).ravel()

# %% [markdown]
# Had we computed $p$ first, $\log 0$ would be minus infinity, and its gradient not a number. A
# single such pixel spoils every weight of the net, since the loss of an image is a sum.
#
# ## The loss, pixel by pixel
#
# First as one would say it: at every pixel that is not void, minus the logarithm of the
# probability of its label.


# %%
def loss_in_loops(scores, labels):
    total, valid = 0.0, 0
    for n, i, j in np.ndindex(labels.shape):
        if labels[n, i, j] != 255:
            s = scores[n, :, i, j]
            total += np.log(np.exp(s - s.max()).sum()) + s.max() - s[labels[n, i, j]]
            valid += 1
    return total / max(1, valid)


# %% [markdown]
# The test: the library's value on this image, on two images at once, and on one that is all void.


# %%
def test(loss):
    two = np.concatenate([scores, scores[:, :, ::-1]])
    two_labels = np.concatenate([labels, np.roll(labels, 9)])
    void = np.full_like(labels, 255)
    for s, l in (scores, labels), (two, two_labels), (scores, void):
        np.testing.assert_allclose(loss(s, l), F.cross_entropy(s, l).data, rtol=1e-12)
    took = seconds(loss, scores, labels, repeat=3)
    print(f"{loss.__name__}: {float(loss(scores, labels)):.6f}, {1e3 * took:.2f} ms")


test(loss_in_loops)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## All pixels at once
#
# $$\text{loss} = \frac{1}{V} \sum_{\text{label} \ne 255} -\log\, p_{\text{label}}$$
#
# $V$: the number of pixels that have a label, but at least 1.


# %% slideshow={"slide_type": "-"}
def losses(scores, labels):
    """(N, H, W): what each pixel loses; 0 where void."""
    valid = labels != 255
    index = np.where(valid, labels, 0)[:, None]  # 255 is no channel: read any
    chosen = np.take_along_axis(log_softmax(scores), index, axis=1)
    return np.where(valid, -chosen[:, 0], 0)


def loss(scores, labels):
    return losses(scores, labels).sum() / max(1, (labels != 255).sum())


test(loss)

# %% [markdown]
# Three things are easy to get wrong, and the test has an eye on each. Void pixels have no label,
# so `255` must not be used as an index. The divisor is the number of pixels that count, not of
# all. And where no pixel counts, the divisor is 1, so that the loss is 0: nothing divided by
# nothing is `nan`, and one `nan` in the weights is there to stay.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What each pixel loses

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(1, 2, size=(8, 3.1))
axes[0].imshow(colorize(scores.argmax(axis=1)[0].astype(np.uint8), PALETTE))
axes[0].set_title("what the net says")
drawn = axes[1].imshow(losses(scores, labels)[0], cmap="cividis")
axes[1].set_title("what each pixel loses")
figure.colorbar(drawn, ax=axes[1], shrink=0.8)
for ax in axes:
    ax.set(xticks=[], yticks=[])
show(figure, "The net's labels, and a map of losses: large where it is sure and wrong, 0 in "
     "the void borders.")  # fmt: skip

# %% [markdown] slideshow={"slide_type": "-"}
# Their mean is **one number for the whole image**.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The gradient: probabilities, less 1 at the label
#
# $$\frac{\partial\,\text{loss}}{\partial s_k} = \frac{p_k - [k = \text{label}]}{V}$$
#
# and 0 at void pixels.


# %%
def loss_gradient(scores, labels):
    valid = labels != 255
    one_hot = np.arange(scores.shape[1])[:, None, None] == labels[:, None]
    return valid[:, None] * (softmax(scores) - one_hot) / max(1, valid.sum())


leaf = mf.Tensor(scores, requires_grad=True)
F.cross_entropy(leaf, labels).backward()
np.testing.assert_allclose(loss_gradient(scores, labels), leaf.grad, rtol=1e-9, atol=1e-15)


# %% tags=["hide-input"] slideshow={"slide_type": "-"}
def draw_gradients(gradients, titles, alt):
    figure, axes = panels(1, len(gradients), size=(9.4, 2.6))
    top = max(np.abs(g).max() for g in gradients)
    for ax, g, title in zip(axes, gradients, titles):
        drawn = ax.imshow(g, vmin=-top, vmax=top, cmap="PuOr")
        ax.set(title=title, xticks=[], yticks=[])
    bar = figure.colorbar(drawn, ax=axes, shrink=0.8, ticks=[-top, 0, top])
    bar.ax.set_yticklabels(["shall rise", "0", "shall fall"])
    show(figure, alt)


draw_gradients(
    loss_gradient(scores, labels)[0], NAMES,
    "Gradients of the scores of three classes: negative where a class should be scored higher, "
    "positive where lower, zero in the void borders.",
)  # fmt: skip

# %% [markdown]
# At every pixel the three add up to zero: what one class is to gain, the others are to lose. Where
# the net is right and sure, nothing is left to do. And in the void borders there is exactly
# nothing: they do not teach.

# %%
g = loss_gradient(scores, labels)
assert np.abs(g.sum(axis=1)).max() < 1e-15
assert not g.transpose(0, 2, 3, 1)[labels == 255].any()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What if void were taught as background?
#
# It takes one careless line: a table of colours that gives 0 for a colour it does not know.

# %% slideshow={"slide_type": "-"}
careless = np.where(labels == 255, 0, labels)
print(f"void ignored:    loss {loss(scores, labels):.4f}")
print(f"void background: loss {loss(scores, careless):.4f}")

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
pulls = [loss_gradient(scores, l)[0, 0] for l in (labels, careless)]
draw_gradients(
    pulls, ["background: void ignored", "background: void taught"],
    "The gradient of the background's score, with void ignored and with void taught: then a line "
    "around every object pulls towards background.",
)  # fmt: skip

# %% [markdown]
# The loss is somewhat higher and nothing looks broken. But along every outline the net is now
# taught "background", where about half of the pixels show the object: it learns to draw objects
# too small. Trained for longer, with both:


# %%
def trained(labels, steps=120):
    mf.manual_seed(0)
    net = small_net()
    solver = mf.train.Solver(net, lr=0.02)
    for _ in range(steps):
        solver.zero_grad()
        F.cross_entropy(net(mf.Tensor(image)), labels).backward()
        solver.step()
    return net(mf.Tensor(image)).numpy().argmax(axis=1)


rim = labels == 255
shares = [(trained(l)[rim] == 0).mean() for l in (labels, careless)]
print(f"of the rim is called background: {shares[0]:.0%} ignored, {shares[1]:.0%} taught")
assert shares[1] > shares[0]

# %% [markdown]
# ## Labels that are no class
#
# A label of 3 with three classes, 0 to 2, or one of -1, would read some other number in memory if
# nobody looked. It is a frequent reason for a loss that is `nan`. The library looks, and says
# where. It also refuses labels that are no integers, and maps of another size:

# %%
for wrong in (np.where(labels == 2, 3, labels), labels.astype(np.float32), labels[:, :-1]):
    try:
        F.cross_entropy(scores, wrong)
    except (ValueError, TypeError) as error:
        print(type(error).__name__, "-", error)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Mean, sum, batch: the same loss, other units

# %% slideshow={"slide_type": "-"}
for reduction in ("mean", "sum", "batch"):
    leaf = mf.Tensor(scores, requires_grad=True)
    value = F.cross_entropy(leaf, labels, reduction=reduction)
    value.backward()
    slope = np.abs(leaf.grad).max()
    print(f"{reduction:6} {value.data:9.3f}   slopes up to {slope:.5f}")

# %% [markdown]
# - **mean**: over the valid pixels. Caffe's `normalize: true`.
# - **sum**: as it is.
# - **batch**: the sum over the number of images. Caffe's `normalize: false`, with which the
#   authors trained; with one image at a time it is the sum.
#
# A sum over all pixels of a photograph is a large number, and so is its gradient. The learning
# rate must make up for it: a step with the sum and a rate $\alpha$ is a step with the mean and a
# rate $\alpha \cdot \text{valid}$. (Not so weight decay: it knows nothing of the loss, and is
# multiplied by the rate alone. The weights compared here are zero before the step.)


# %%
def one_step(lr, reduction):
    mf.manual_seed(0)
    net = small_net()
    solver = mf.train.Solver(net, lr)
    F.cross_entropy(net(mf.Tensor(image)), labels, reduction=reduction).backward()
    solver.step()
    return net["score"].weight.numpy()


valid = (labels != 255).sum()
np.testing.assert_allclose(one_step(0.01 / valid, "sum"), one_step(0.01, "mean"), rtol=1e-4)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A learning rate of 1e-10 is not absurd
#
# FCN-32s was trained with `base_lr: 1e-10`, `momentum: 0.99`, a sum, one image at a time.

# %% slideshow={"slide_type": "-"}
pixels, momentum = 500 * 375, 0.99  # the usual size of a VOC photograph
print(f"rate for a sum:        {1e-10:.2g}")
print(f"rate for a mean:       {1e-10 * pixels:.2g}")
print(f"with the momentum:     {1e-10 * pixels / (1 - momentum):.2g}")

# %% [markdown]
# The last line: a gradient that stays the same is added to the velocity again and again, and each
# time what was there is multiplied by the momentum. In the end a step is
# $1 + \mu + \mu^2 + \dots = \frac{1}{1 - \mu}$ times as long.


# %%
def step_lengths(momentum, steps=500):
    v, lengths = 0.0, []
    for _ in range(steps):
        v = momentum * v + 1.0
        lengths.append(v)
    return lengths


assert np.isclose(step_lengths(0.9)[-1], 10)

# %% tags=["hide-input"]
figure, ax = panels(size=(6.4, 3))
for momentum in (0.9, 0.99):
    ax.plot(step_lengths(momentum), label=f"momentum {momentum}")
ax.set(xlabel="step, under a gradient that stays", ylabel="length, in learning rates")
ax.legend(frameon=False)
show(figure, "With momentum 0.9 a step becomes 10 times as long, with 0.99 about 100 times.")

# %% [markdown]
# Momentum 0.99 averages over about a hundred images: it stands in for a minibatch.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## An image is a minibatch
#
# If the loss is a sum over the cells of the output, its gradient is the **sum of the gradients of
# every cell alone**, and a cell sees only its window.
#
# <!-- notes -->
# (Long et al. 2015, sections 3 and 3.4.) Before FCN, people cut a window around each pixel, called
# it a patch, and trained a classifier on minibatches of patches. The claim is that training on the
# whole image does the same, for all patches at once. We do not have to believe it.

# %%
mf.manual_seed(0)
chain = nn.Sequential({
    "conv1": nn.Conv2d(3, 8, 5),
    "relu1": nn.ReLU(),
    "pool1": nn.MaxPool2d(2, 2),
    "conv2": nn.Conv2d(8, 16, 3),
    "relu2": nn.ReLU(),
    "pool2": nn.MaxPool2d(2, 2),
    "score": nn.Conv2d(16, 3, 3),
}).to(np.float64)  # fmt: skip

double = image.astype(np.float64)
vertical, horizontal = geometry.trace(chain, (H, W)).rows[-1].axes
rows, columns = geometry.trace(chain, (H, W)).rows[-1].shape[2:]
(rows, columns), int(vertical.stride), vertical.field

# %% [markdown]
# No layer pads, so every cell of the output sees a true window of the image. Cut out all of them,
# and give each the label of the pixel in its middle (of the four in the middle, the first: the
# windows have an even number of pixels).

# %%
field, stride = vertical.field, int(vertical.stride)
patches = np.concatenate([
    double[:, :, stride * i : stride * i + field, stride * j : stride * j + field]
    for i in range(rows) for j in range(columns)
])  # fmt: skip
assert np.array_equal(patches, mf.dense.receptive_fields(chain, double))

middle = int(vertical.start)
cell_labels = labels[:, middle::stride, middle::stride][:, :rows, :columns]
patches.shape, cell_labels.shape

# %% tags=["hide-input"]
times_read = np.zeros((H, W))
for i, j in np.ndindex(rows, columns):
    times_read[stride * i : stride * i + field, stride * j : stride * j + field] += 1

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(1, 2, size=(8.2, 3.1))
axes[0].imshow(photo)
for i, j, colour in ((2, 7, COLOURS[4]), (2, 8, COLOURS[5]), (3, 8, "white")):
    axes[0].add_patch(Rectangle((stride * j - 0.5, stride * i - 0.5), field, field, fill=False,
        ec=colour, lw=2))  # fmt: skip
axes[0].set_title(f"three of {rows * columns} windows")
drawn = axes[1].imshow(times_read, cmap="cividis")
axes[1].set_title("windows that a pixel is in")
figure.colorbar(drawn, ax=axes[1], shrink=0.8)
for ax in axes:
    ax.set(xticks=[], yticks=[])
show(figure, f"Windows of {field} x {field} pixels overlap: most pixels are in "
     f"{int(times_read.max())} of them.")  # fmt: skip

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Once on the image, once on all of its windows


# %%
def gradients(images, labels):
    chain.zero_grad()
    F.cross_entropy(chain(mf.Tensor(images)), labels, reduction="sum").backward()
    return {name: p.grad for name, p in chain.named_parameters()}


# %% slideshow={"slide_type": "-"}
whole = gradients(double, cell_labels)
in_patches = gradients(patches, cell_labels.reshape(-1, 1, 1))
for name in whole:
    apart = np.abs(whole[name] - in_patches[name]).max() / np.abs(whole[name]).max()
    print(f"{name:13} differs by {apart:.0e} of the largest")
    assert apart < 1e-12

# %% [markdown] slideshow={"slide_type": "-"}
# **The same gradient, but for rounding.**
#
# <!-- notes -->
# On the left side of the equation the net ran once, on one image. On the right it ran on every
# window alone, as a minibatch. Nothing was approximated: the two are one sum, written in two ways.

# %% [markdown]
# What does it cost?

# %%
at_once = seconds(gradients, double, cell_labels)
apart = seconds(gradients, patches, cell_labels.reshape(-1, 1, 1), repeat=3)
macs = [sum(row.macs for row in geometry.trace(chain, s).rows) for s in ((H, W), (field, field))]
print(f"whole image {1e3 * at_once:7.1f} ms, {macs[0] / 1e6:6.1f} million products forward")
print(f"patches     {1e3 * apart:7.1f} ms, {len(patches) * macs[1] / 1e6:6.1f} million")
assert macs[0] < len(patches) * macs[1] / 3

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Drawing patches at random is masking the loss
#
# To train on some patches only, make the others void.

# %% slideshow={"slide_type": "-"}
kept = np.random.default_rng(0).random(cell_labels.shape) < 0.25
masked = np.where(kept, cell_labels, 255)
some = gradients(double, masked)
of_those = gradients(patches[kept.ravel()], cell_labels[kept].reshape(-1, 1, 1))
for name in some:
    np.testing.assert_allclose(some[name], of_those[name], rtol=1e-9, atol=1e-12)
int(kept.sum()), kept.size

# %% [markdown]
# So patchwise training can be done on whole images, and one can ask whether it is any better. The
# authors asked (section 4.3, figure 5): per step it learns just as fast, per hour slower, for it
# computes what it then does not use. `dense.patch_mask` is this mask.
#
# ## What if most pixels are background?
#
# Then most of the loss is about background. A net that knows nothing but how frequent the classes
# are, and says so at every pixel, has found the least loss that it can: its gradient is zero.

# %%
counts = np.bincount(labels[labels != 255], minlength=3)
share = counts / counts.sum()
constant = np.log(share)[None, :, None, None] * np.ones((1, 1, H, W))
pull = loss_gradient(constant, labels).sum(axis=(0, 2, 3))  # on the bias of the score layer
assert np.abs(pull).max() < 1e-12
dict(zip(NAMES, share.round(3).tolist()))

# %% [markdown]
# A **weight** for each class changes what counts. With weights of one over the frequency every
# class counts the same, and the best constant says a third of each. The divisor is then the sum of
# the pixels' weights.

# %%
weight = 1 / share
leaf = mf.Tensor(np.zeros((1, 3, H, W)), requires_grad=True)
F.cross_entropy(leaf, labels, weight=weight).backward()
assert np.abs(leaf.grad.sum(axis=(0, 2, 3))).max() < 1e-12

# %% [markdown]
# The paper did without: with about three quarters of background, its authors found balancing
# unnecessary (section 4.3).
#
# ## Your turn
#
# **1.** Back through `log_softmax`: from `gy`, the slope of something in each $y = \log p$, to its
# slope in the scores. The gradient above is the case where `gy` is $-\frac{1}{V}$ at the label and
# 0 elsewhere. $y_k = s_k - \log \sum_j e^{s_j}$ holds all that is needed, and the scores are not:
# $y$ is enough.


# %% tags=["exercise"]
def my_log_softmax_backward(gy, y):
    """(N, K, H, W), classes on axis 1."""
    # your lines


check_log_softmax_gradient(my_log_softmax_backward)

# %% tags=["solution"]
check_log_softmax_gradient.solution()

# %% [markdown]
# **2.** The mean loss over all pixels that are not 255, with a weight for each class: a pixel
# counts `weight[label]` times.


# %% tags=["exercise"]
def mean_loss(scores, labels, weight):
    """One number; 0 where every pixel is void."""
    # your lines


check_mean_loss(mean_loss)

# %% tags=["solution"]
check_mean_loss.solution()

# %% [markdown]
# **3.** Its gradient, when `gy` has arrived from behind. Compared with finite differences, too.


# %% tags=["exercise"]
def mean_loss_backward(gy, scores, labels, weight):
    """The gradient of the scores."""
    # your lines


check_loss_gradient(mean_loss_backward)

# %% tags=["solution"]
check_loss_gradient.solution()

# %% [markdown]
# **4.** From the authors' units to yours. `lr` is the rate for a sum over `pixels` pixels. Which
# rate does the same to a mean, and what does it become under a gradient that stays?


# %% tags=["exercise"]
def rates(lr, pixels, momentum):
    """(rate for a mean, that rate once the velocity has built up)."""
    # your lines


check_rates(rates)

# %% tags=["solution"]
check_rates.solution()

# %% [markdown]
# <details><summary><b>5.</b> To think about: with "mean", an image with few valid pixels has as
# much to say as one with many. With "sum" it has not. Which is fairer?</summary> Each valid pixel
# counts the same with "sum", each image with "mean". With photographs of nearly one size and
# little void the two differ little. Where half of the images are hardly labelled, "mean" lets a
# few pixels shout.
# </details>
#
# <details><summary><b>6.</b> To think about: the proof needed a net that does not pad. What
# changes with padding?</summary>
# A patch that is cut out sees zeros all around, where the same window inside the image sees its
# neighbours. The whole image is still a minibatch of windows, but not of those patches.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - Each pixel has a softmax loss; void has none, and no gradient.
# - A sum over pixels wants a rate as many times smaller: 1e-10 is about 2e-5 for a mean.
# - A whole image is a minibatch of all its windows, at a fraction of the cost.
#
# <!-- notes -->
# The loss: [minifcn/functions/loss.py](../minifcn/functions/loss.py), and in NumPy, in two
# functions: [kernels/reference/loss.py](../kernels/reference/loss.py). Patches:
# [minifcn/dense/patches.py](../minifcn/dense/patches.py).
#
# Next: [09 · Upsampling](09_upsampling.ipynb).
