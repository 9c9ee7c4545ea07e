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
# # 00 · Can a computer colour every object in a picture?
#
# Yes: a small network learns it from labelled pictures, in less than a minute.
#
# <!-- notes -->
# You need: Python, and arrays as NumPy has them; nothing about neural networks. You get: a network
# that you have trained yourself, and a number that says how good it is. It takes about fifteen
# minutes. This is the only tutorial that uses what it does not explain: it shows where the journey
# goes. The others build every part of it before your eyes.

# %%
import numpy as np

import minifcn as mf
import minifcn.functions as F
from minifcn.data import HorizontalFlip, Loader
from minifcn.metrics import boundary_distance
from minifcn.teaching import FAST, folded_source, panels, progress, quick, show
from minifcn.teaching.first_segmentation import (
    check_mean_accuracy,
    check_weighted_iu,
    draw_labels,
    draw_legend,
    draw_scenes,
)

# %% [markdown]
# ## Pictures with answers
#
# A network learns from examples, here from drawn scenes: up to four objects of five kinds over a
# cluttered ground. The library draws more kinds; five are enough for a first minute. The seed
# makes every run draw the same scenes. Those of the second list are never trained on: a network
# that knows its pictures by heart would shine on the first list and fail on the second.

# %%
KINDS = ["ball", "fish", "house", "tree", "umbrella"]
CLASSES = ["background", *KINDS]
train = draw_scenes(KINDS, quick(400, 8), size=(64, 96), seed=0)
unseen = draw_scenes(KINDS, quick(60, 8), size=(64, 96), seed=1)
image, label = unseen[6]
image.shape, image.dtype, label.shape, label.dtype

# %%
folded_source(draw_scenes)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A picture and its answer

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(1, 2, size=(8, 3.1))
axes[0].imshow(image)
axes[0].set_title("image: three bytes a pixel")
axes[0].axis("off")
draw_labels(axes[1], label, "label map: one class a pixel")
draw_legend(figure, CLASSES)
names = ", ".join(CLASSES[k] for k in np.unique(label) if 0 < k < 255)
show(figure, f"A drawn scene beside its label map, which has these classes: {names}.")

# %% [markdown] slideshow={"slide_type": "-"}
# A **segmentation** gives every pixel a class.
#
# <!-- notes -->
# On the left is what the computer gets, on the right what it shall return. Not one word for the
# whole picture, and not a box around each object, but an answer for every pixel. That is semantic
# segmentation. Two balls that touch would have one colour: it asks for the kind of thing, not for
# the individual.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A label map is an array of integers
#
# 0 is the background, 1 to 5 are the kinds. 255 is **void**: nobody says what the pixel is.
#
# <!-- notes -->
# These are the pixels around the first corner of an object. Between an object and what is behind
# it lies a seam of void. Whoever labels photographs by hand cannot say exactly where the edge is,
# so the PASCAL VOC data set leaves such pixels out, and the drawn scenes do the same. A void pixel
# is neither right nor wrong. Forgetting that is a common mistake: if void were taught as a class,
# or as background, every object would be taught to have a rim that is none.

# %% slideshow={"slide_type": "-"}
top, left = np.argwhere((label > 0) & (label < 255))[0]
label[top - 2 : top + 5, max(0, left - 4) : left + 4]

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How good is an answer?
#
# Begin with the laziest one: *everything is background*.
#
# **Pixel accuracy**: the share of pixels that are right, void pixels left out.


# %% slideshow={"slide_type": "-"}
def pixel_accuracy(pairs):
    right = total = 0
    for label, prediction in pairs:
        valid = label != 255
        right += (label == prediction)[valid].sum()
        total += valid.sum()
    return right / total


lazy = [(label, np.zeros_like(label)) for _, label in unseen]
accuracy = pixel_accuracy(lazy)
print(f"{100 * accuracy:.1f} per cent of the pixels are right")
assert accuracy > 0.6

# %% [markdown]
# A good mark for an answer that has found nothing. Most pixels are background, in photographs too,
# so pixel accuracy says little about the objects. A fair measure asks for each class on its own,
# and punishes both what was missed and what was claimed.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Intersection over union
#
# $$\mathrm{IU}_k = \frac{\text{pixels that are } k \text{ in both maps}}
# {\text{pixels that are } k \text{ in one or in both}}$$

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
kind = max(range(1, len(CLASSES)), key=lambda k: (label == k).sum())
truth = label == kind
moved = np.roll(truth, (-5, 10), axis=(0, 1))
both, either = (truth & moved).sum(), (truth | moved).sum()
figure, axes = panels(1, 3, size=(9, 2.5))
pictures = [truth, moved, truth + 2.0 * moved]
titles = ["truth", "a guess", f"{both} in both, {either} in either: {both / either:.2f}"]
for axis, picture, title in zip(axes, pictures, titles):
    axis.imshow(picture, "cividis", vmin=0, vmax=3 if picture is pictures[2] else 1)
    axis.set_title(title, fontsize=11)
    axis.axis("off")
show(figure, f"A {CLASSES[kind]}, a guess beside it, and both: {both} of {either} pixels agree.")

# %% [markdown] slideshow={"slide_type": "-"}
# **Mean IU**: its mean over the classes.
#
# <!-- notes -->
# Miss a part of the object and the numerator shrinks; claim too much and the denominator grows.
# A guess that is shifted by a few pixels loses a lot. The counts are summed over all pictures
# before dividing, class by class. This is the number that papers on segmentation report.


# %%
def iu(pairs, k):
    both = either = 0
    for label, prediction in pairs:
        valid = label != 255
        truth, guess = (label == k)[valid], (prediction == k)[valid]
        both += (truth & guess).sum()
        either += (truth | guess).sum()
    return both / either


def mean_iu(pairs):
    return np.mean([iu(pairs, k) for k in range(len(CLASSES))])


# %% [markdown]
# ## The lazy answer, measured again


# %%
for k, name in enumerate(CLASSES):
    print(f"{name:12} IU {100 * iu(lazy, k):5.1f}")
print(f"\npixel accuracy {100 * pixel_accuracy(lazy):5.1f}")
print(f"mean IU        {100 * mean_iu(lazy):5.1f}")
assert mean_iu(lazy) < 0.2

# %% [markdown]
# Mean IU is not fooled: five of the six classes have 0. The library's `ConfusionMatrix` counts the
# same, in one go; from here on it does the measuring.

# %%
matrix = mf.metrics.ConfusionMatrix(len(CLASSES))
for truth, prediction in lazy:
    matrix.update(truth, prediction)
assert np.isclose(matrix.mean_iu, mean_iu(lazy))
assert np.isclose(matrix.pixel_accuracy, pixel_accuracy(lazy))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A network, by its name
#
# Numbers in: the pixels. Numbers out: **a score for every class, at every pixel**.

# %% slideshow={"slide_type": "-"}
mf.manual_seed(0)
net = mf.models.build("fcn8s-mini", num_classes=len(CLASSES), padding="aligned")
x = mf.data.to_input(image)[None]  # one picture: (N, C, H, W)
scores = net(mf.Tensor(x))
print(f"{net.num_parameters():,} weights")
print(f"{x.shape} -> {scores.shape}")

# %% [markdown]
# A network is a function with many adjustable numbers, its **weights**. The class with the highest
# score at a pixel is the prediction there. Fresh from the factory this net scores every class with
# 0 everywhere; the first class wins the draw, and that is the lazy answer again.

# %%
assert not scores.numpy().any()
assert not mf.train.predict(net, image).any()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Training: look, compare, change a little
#
# 1. **Look** at a few pictures: compute scores.
# 2. **Compare** them with the labels: one number, the **loss**.
# 3. Ask each weight: **which way** does the loss get smaller?
# 4. **Change** all weights a little, that way. Again.
#
# <!-- notes -->
# The loss is small where the right class has a high probability. Step 3 is the backward pass: for
# every one of the weights a slope. Step 4 is the solver's. The size of a step, called the learning
# rate, falls to zero towards the end. Pictures are mirrored at random: a mirrored fish is a fish.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The training loop

# %% slideshow={"slide_type": "-"}
STEPS, RATE = quick(600, 4), 3e-3
loader = Loader(train, batch_size=8, shuffle=True, transform=HorizontalFlip())
solver = mf.train.Adam(net, RATE)
losses, film = [], {}
for step, (images, labels) in zip(progress(range(STEPS)), loader.forever()):
    if step in (30, 60, 120, 240):
        film[step] = mf.train.predict(net, image)
    solver.lr = RATE * (1 - step / STEPS)
    loss = F.cross_entropy(net(mf.Tensor(images)), labels)  # look, compare
    solver.zero_grad()
    loss.backward()  # which way?
    solver.step()  # change
    losses.append(loss.item())

# %% tags=["hide-input"]
film[STEPS] = mf.train.predict(net, image)
width = max(1, len(losses) // 30)
smooth = np.convolve(losses, np.ones(width) / width, mode="valid")
figure, axes = panels(size=(7, 3))
axes.plot(losses, color="#bbbbbb", linewidth=0.8, label="each step")
axes.plot(np.arange(len(smooth)) + width // 2, smooth, label=f"mean of {width} steps")
axes.set(xlabel="step", ylabel="loss", ylim=(0, None))
axes.legend(frameon=False)
show(figure, f"The loss falls from {losses[0]:.2f} to {np.mean(losses[-20:]):.2f}.")

# %% [markdown]
# It starts at $\ln 6$: six classes, all equally likely.

# %%
assert np.isclose(losses[0], np.log(6), atol=1e-6)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What it sees, step by step

# %% tags=["hide-input", "cover"] slideshow={"slide_type": "-"}
figure, axes = panels(2, 3, size=(9, 4.6))
axes = axes.ravel()
for axis, (step, prediction) in zip(axes, film.items()):
    right = 100 * pixel_accuracy([(label, prediction)])
    draw_labels(axis, prediction, f"after {step} steps: {right:.0f} %")
for axis in axes[len(film) :]:
    draw_labels(axis, label, "truth")
draw_legend(figure, CLASSES)
show(
    figure,
    f"One unseen scene's prediction after {', '.join(map(str, film))} steps, and its truth.",
)

# %% [markdown] slideshow={"slide_type": "-"}
# The same unseen scene, as training goes on, and the share of right pixels.
#
# <!-- notes -->
# The quickest gain is to learn how common each class is: then all is background. After that it
# pays to find out where something is, and what. Thin parts and sharp rims come last, or not at all
# in so short a training.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Scenes that it has never seen

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
predictions = [mf.train.predict(net, image) for image, _ in unseen]
figure, axes = panels(3, 4, size=(9.5, 5.4))
for column, i in zip(axes.T, (0, 1, 3, 4)):
    column[0].imshow(unseen[i][0])
    column[0].axis("off")
    draw_labels(column[1], unseen[i][1])
    draw_labels(column[2], predictions[i])
for row, word in zip(axes, ("image", "truth", "prediction")):
    row[0].set_title(word, loc="left")
draw_legend(figure, CLASSES)
show(figure, "Four unseen scenes, each with its truth and the network's prediction below.")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How good is it?

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
found = mf.metrics.ConfusionMatrix(len(CLASSES))
for (_, truth), prediction in zip(unseen, predictions):
    found.update(truth, prediction)
print(f"{'':16}{'all background':>15}{'network':>10}")
for measure in ("pixel_accuracy", "mean_iu"):
    before, after = (100 * getattr(m, measure) for m in (matrix, found))
    print(f"{measure:16}{before:15.1f}{after:10.1f}")
for name, before, after in zip(CLASSES, matrix.iu, found.iu):
    print(f"  IU {name:11}{100 * before:15.1f}{100 * after:10.1f}")
assert FAST or found.mean_iu > 0.7

# %% [markdown]
# ## Where does it err?
#
# The picture marks what is wrong. Much of it lies along the edges of objects: how much, the cell
# after it counts, by the distance of a pixel from the nearest pixel with another label.

# %% tags=["hide-input"]
figure, axes = panels(1, 4, size=(10, 2.2))
for axis, i in zip(axes, (0, 1, 3, 4)):
    (photo, truth), prediction = unseen[i], predictions[i]
    wrong = (truth != prediction) & (truth != 255)
    grey = (photo.mean(axis=2, keepdims=True) // 32) / 7 * 0.6 + 0.4
    axis.imshow(np.where(wrong[..., None], (0.84, 0.37, 0), grey))
    axis.set_title(f"{wrong.sum()} pixels wrong")
    axis.axis("off")
show(figure, "The same four scenes in grey with the wrongly predicted pixels marked.")

# %%
wrong, near = [], []
for (_, truth), prediction in zip(unseen, predictions):
    valid = truth != 255
    wrong.append((truth != prediction)[valid])
    near.append((boundary_distance(truth, 4) <= 4)[valid])
wrong, near = np.concatenate(wrong), np.concatenate(near)
print(f"near an edge (4 pixels): {100 * near.mean():.0f} per cent of all pixels,")
print(f"and {100 * near[wrong].mean():.0f} per cent of the wrong ones")
assert FAST or near[wrong].mean() > near.mean()

# %% [markdown]
# The others lie deep inside a region: a patch of the ground that was taken for an object, or a
# piece of an object that was missed or taken for another kind.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A picture of another size
#
# <!-- notes -->
# The network was trained on pictures of 64 x 96 pixels. It contains nothing that knows this size:
# it is **fully convolutional**. So a larger picture, with more objects, is no different.

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(2, 3, size=(10.5, 4))
for row, seed in zip(axes, (10, 4)):
    wide, truth = draw_scenes(KINDS, 1, size=(90, 200), seed=seed)[0]
    prediction = mf.train.predict(net, wide)
    assert prediction.shape == truth.shape == (90, 200)
    row[0].imshow(wide)
    row[0].axis("off")
    draw_labels(row[1], truth)
    right = 100 * pixel_accuracy([(truth, prediction)])
    draw_labels(row[2], prediction, f"prediction: {right:.0f} % of the pixels right")
for axis, title in zip(axes[0], ("image: 90 x 200 pixels", "truth")):
    axis.set_title(title)
draw_legend(figure, CLASSES)
show(figure, "Two scenes wider than any it was trained on, their truths and predictions.")

# %% [markdown] slideshow={"slide_type": "-"}
# Nothing in the network knows how large a picture is.
#
# <!-- notes -->
# That is what "fully convolutional" means, and why one network does for photographs of all sizes.
# The second scene is here because it is hard: its ground has the colour of an umbrella. Wherever
# ground is taken for umbrella, the network has learned a colour and not a shape; how much, differs
# from training to training. Before you trust a network, look for the picture that breaks it.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The journey
#
# | word | | tutorial |
# |---|---|---|
# | slope, backward pass | which way to change a weight | 01, 02, 03 |
# | convolution | one small window, everywhere | 04, 05 |
# | network | layers of it, from pixels to scores | 06, 07 |
# | loss | how wrong, at every pixel | 08 |
# | upsampling | from coarse scores to all pixels | 09, 10 |
# | FCN-32s | this network's plain form | 11 |
# | skips | where sharp edges come from | 12 |

# %% [markdown]
# The whole series, with the question that each tutorial answers:
#
# - [01 · How does a program know its own derivative?](01_chain_rule.ipynb)
# - [02 · What turns thirty lines for numbers into an engine for
#   networks?](02_tensors_and_functions.ipynb)
# - [03 · Are the gradients right?](03_gradient_checks.ipynb)
# - [04 · What is a convolution, and how does it become one matrix product?](04_convolution.ipynb)
# - [05 · What does one output of a deep network see?](05_layers_compose.ipynb)
# - [06 · How does a network learn to read digits?](06_lenet_learns_digits.ipynb)
# - [07 · How does a classifier become a heat map?](07_fully_connected_is_convolution.ipynb)
# - [08 · What is the loss of a whole image?](08_loss_for_every_pixel.ipynb)
# - [09 · How does a coarse score map become a picture again?](09_upsampling.ipynb)
# - [10 · Is shift-and-stitch the same as filter rarefaction?](10_shift_and_stitch.ipynb)
# - [11 · How does a photograph become a label map?](11_fcn32s.ipynb)
# - [12 · Where does the detail come from?](12_skips.ipynb)
# - [17 · Where does the memory go?](17_memory.ipynb)
# - [18 · Why is one convolution a hundred times faster than another?](18_fast_on_a_cpu.ipynb)
# - [20 · Where do the numbers of the paper's Table 1 come from?](20_table_1.ipynb)
#
# ## Your turn
#
# In an exercise you write a few lines where it says so. The check under them works a small case by
# hand, then tries random ones, and says where an answer first goes wrong. A solution can be
# unfolded: it is the library's own code.
#
# **1.** Pixel accuracy asks all pixels at once. **Mean accuracy** asks each class that occurs in
# the labels which share of its pixels was found, and takes the mean of the shares.


# %% tags=["exercise"]
def my_mean_accuracy(labels, predictions, K):
    """Classes are 0 ... K - 1; two integer arrays (H, W), void left out. Returns a number."""
    # your lines


check_mean_accuracy(my_mean_accuracy)

# %% tags=["solution"]
check_mean_accuracy.solution()

# %% [markdown]
# The solution counts pairs of classes first: `counts[i, j]` pixels of class `i` were predicted to
# be class `j`. The right ones are those on the diagonal, and a row is all of a class's pixels.
#
# **2.** **Frequency weighted IU**: the IU of every class, times its share of the labelled pixels,
# summed. There are two traps: what is predicted at void pixels, and a class that occurs nowhere.


# %% tags=["exercise"]
def my_weighted_iu(labels, predictions, K):
    """Classes are 0 ... K - 1; two integer arrays (H, W), void left out. Returns a number."""
    # your lines


check_weighted_iu(my_weighted_iu)

# %% tags=["solution"]
check_weighted_iu.solution()

# %% [markdown]
# Pixel accuracy, mean accuracy, mean IU and this one are the four measures that the paper reports
# whose nets this series builds (Long, Shelhamer and Darrell 2015).
#
# <details><summary><b>3.</b> To think about: a network claims one ball of 100 pixels, exactly
# where it is, and misses nothing else. On another picture it does the same with a ball of 10,000
# pixels, but claims 20,000. What is the IU of "ball" over both pictures, and what is the mean of
# the two pictures' IUs?</summary>
# Summed first: 10,100 pixels in both, 20,100 in either, about a half. Averaged over pictures: 1
# and 1/2, three quarters. Averaged over pictures, a small object counts as much as a large one.
# That is another measure; the paper's are of the first kind.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - A segmentation is an array of integers: a class for every pixel.
# - Pixel accuracy flatters the lazy; mean IU asks every class.
# - A network learns it: look, compare, which way, change a little.
#
# <!-- notes -->
# The training loop of the library is the one above with a log, checkpoints and a schedule:
# [minifcn/train/trainer.py](../minifcn/train/trainer.py). The measures are in
# [minifcn/metrics.py](../minifcn/metrics.py), and the scenes are drawn in
# [minifcn/data/compose.py](../minifcn/data/compose.py).
#
# Next, from the beginning:
# [01 · How does a program know its own derivative?](01_chain_rule.ipynb).
