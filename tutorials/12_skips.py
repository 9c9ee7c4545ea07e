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
# # 12 · Where does the detail come from?
#
# From the layers that have not yet thrown it away: they score too, and the scores are added.
#
# <!-- notes -->
# You need: FCN-32s and its coordinates (11). You get: FCN-16s and FCN-8s, trained in stages from
# FCN-32s, their crop offsets derived, and measurements of what each skip adds, where, and at what
# cost. It takes about forty minutes. What the measurements say about our small net on drawn scenes
# is printed as it comes out; where it differs from the paper's, that is said.

# %%
import numpy as np

import minifcn as mf
import minifcn.functions as F
from minifcn import nn
from minifcn.data import HorizontalFlip, Loader
from minifcn.metrics import ConfusionMatrix, boundary_distance
from minifcn.models import build, copy_weights

# %%
from minifcn.teaching import FAST, folded_source, panels, progress, quick, show
from minifcn.teaching.first_segmentation import draw_labels, draw_legend, draw_scenes
from minifcn.teaching.skips import (
    check_copy,
    check_fuse,
    check_near_boundary,
    check_offset_between,
)
from minifcn.viz import figure_skips

# %% tags=["hide-input", "cover"] slideshow={"slide_type": "slide"}
show(figure_skips("vgg16", (500, 500)))

# %% [markdown] slideshow={"slide_type": "-"}
# `fc7` knows **what**; `pool4` and `pool3` know **where**.
#
# <!-- notes -->
# The deepest map has seen most of the image at once and keeps one place in 32 x 32 pixels. The
# pools before it have smaller windows, and one place in 16 x 16 and 8 x 8 pixels. Each gets a
# score layer of its own, a 1 x 1 convolution; the coarse scores are upsampled by 2 and the two are
# added. FCN-16s does that once, FCN-8s twice (Long et al. 2015, section 4.2 and figure 3).

# %% [markdown]
# ## Data and a training loop
#
# Scenes with eight kinds of objects, some of them with thin parts. The loop is tutorial 11's, over
# the library's loader; `pixel_loss` is the cross-entropy of all pixels that are not void.

# %%
KINDS = ["bird", "boat", "car", "chair", "fish", "house", "tree", "umbrella"]
CLASSES, SIZE = ["background", *KINDS], (80, 112)
K = len(CLASSES)
train, val = [], []
for i in progress(range(quick(30, 2)), "times twenty scenes"):
    train += draw_scenes(KINDS, quick(20, 8), SIZE, seed=100 + i)
for i in progress(range(quick(5, 1)), "times twenty others"):
    val += draw_scenes(KINDS, quick(20, 8), SIZE, seed=200 + i)


# %%
def fit(net, steps, rate, loss=mf.train.pixel_loss):
    loader = Loader(train, 8, shuffle=True, transform=HorizontalFlip())
    solver, losses = mf.train.Adam(net, rate), []
    for step, (x, labels) in zip(progress(range(steps)), loader.forever()):
        solver.lr = rate * min(1, (step + 1) / 30) * (1 - step / steps)
        solver.zero_grad()
        value = loss(net, mf.Tensor(x), labels)
        value.backward()
        solver.step()
        losses.append(value.item())
    return losses


# %%
def measure(predict):
    matrix = ConfusionMatrix(K)
    for image, label in val:
        matrix.update(label, predict(image))
    return matrix


def predictor(net):
    return lambda image: mf.train.predict(net, image)


results = {}

# %% [markdown]
# ## First stage: FCN-32s

# %%
LONG, SHORT = quick(230, 2), quick(115, 2)  # steps of the first stage, and of the next two
mf.manual_seed(0)
net32 = build("fcn32s-mini", K, padding="aligned")
fit(net32, LONG, rate=3e-3)
results["32s"] = measure(predictor(net32))
print(results["32s"].summary())

# %% [markdown]
# ## A second opinion
#
# `pool4` has twice as many places in each direction. A 1 x 1 convolution turns its channels into
# scores. Before two maps can be added, pixel must lie on pixel.
#
# ## Where do the two maps lie?
#
# Tutorial 11 gave every map a stride and a start, in pixels of the image. In the authors'
# geometry, with 100 pixels of padding, the two maps that meet have the same stride, but not the
# same start.

# %%
offset = {}
with nn.init.without_values():
    vgg8 = build("fcn8s-vgg16")
traced = mf.geometry.trace(vgg8, (500, 500))
for fine, coarse in (("score_pool4", "upscore2"), ("score_pool3", "upscore_pool4")):
    places = [traced[name].axes[0] for name in (fine, coarse)]
    for name, axis in zip((fine, coarse), places):
        print(f"{name:14} pixel o lies at {axis.stride!s:>2} o + {float(axis.start):6.1f}")
    start_fine, start_coarse = (axis.start for axis in places)
    offset[fine] = (start_coarse - start_fine) / places[0].stride
    print(f"{'':14} ({float(start_coarse):g} - {float(start_fine):g}) / {places[0].stride}"
          f" = {offset[fine]}\n")  # fmt: skip
assert list(offset.values()) == [5, 9]

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The same stride, another start

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(size=(9, 2.9))
common = traced["upscore2"].shape[2]
for y, (name, cut) in enumerate((("score_pool4", offset["score_pool4"]), ("upscore2", 0))):
    axis, count = traced[name].axes[0], traced[name].shape[2]
    centres = float(axis.start) + float(axis.stride) * np.arange(count)
    kept = (np.arange(count) >= cut) & (np.arange(count) < cut + common)
    axes.plot(centres[kept], np.full(kept.sum(), -y), "o", color="#0072b2", markersize=4)
    axes.plot(centres[~kept], np.full((~kept).sum(), -y), "x", color="#d55e00", markersize=5)
    axes.text(-260, -y, f"{name}: {count}", va="center")
for edge in (-0.5, 499.5):
    axes.axvline(edge, color="#999999", linewidth=1)
axes.set(xlim=(-265, 640), ylim=(-1.5, 0.5), yticks=[], xlabel="pixel of an image of 500")
axes.spines["left"].set_visible(False)
show(figure, "score_pool4 and upscore2 along one axis: 5 places of score_pool4 are cut before.")

# %% [markdown] slideshow={"slide_type": "-"}
# Cut 5 places of `score_pool4` before, and pixel lies on pixel.
#
# <!-- notes -->
# Crosses are cut away. The score map of pool4 covers the image and its padding; the upsampled
# scores cover less, because fc6 is not padded. The last crops, 27 for FCN-16s and 31 for FCN-8s,
# are the start of the upsampled map, as the 19 of FCN-32s was. A larger first padding moves the
# starts of all maps alike, so 5 and 9 do not depend on it.

# %%
with nn.init.without_values():
    vgg16s = build("fcn16s-vgg16")
print("FCN-16s", {name: o[0] for name, o in mf.geometry.offsets(vgg16s).items()})
print("FCN-8s ", {name: o[0] for name, o in mf.geometry.offsets(vgg8).items()})
aligned = build("fcn8s-mini", K, padding="aligned")
assert set(mf.geometry.offsets(aligned).values()) == {(0, 0)}

# %% [markdown]
# In the aligned geometry, which our nets use, all offsets are 0; cropping only takes off what is
# too much at the end.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## FCN-16s by hand
#
# Two maps of the trunk, two score layers, a sum. (`net.outputs` names the maps to be returned.)


# %% slideshow={"slide_type": "-"}
def up(x, factor, size):
    """Upsampled, aligned, and cut to a size."""
    wide = F.upsample_bilinear(x, factor, 2 * factor, factor // 2)
    return F.crop(wide, 0, size)


def scores_16s(net, image):
    net.outputs = ("pool4", "score_fr")
    pool4, coarse = net(image)
    net.outputs = ()
    fine = net["score_pool4"](pool4)
    fused = up(coarse, 2, fine.shape[2:]) + fine
    return up(fused, 16, image.shape[2:])


# %% [markdown]
# **The test**: the library's `fcn16s-mini` with random numbers in its score layers.

# %%
net16 = build("fcn16s-mini", K, padding="aligned")
rng = np.random.default_rng(0)
for name in ("score_fr", "score_pool4"):
    weight = net16[name].weight
    weight.assign(rng.normal(0, 0.1, weight.shape))
x = mf.Tensor(np.stack([mf.data.to_input(image) for image, _ in val[:2]]))
theirs = net16(x).numpy()
assert theirs.any()
close = {"rtol": 1e-4, "atol": 1e-4 * np.abs(theirs).max()}
assert np.allclose(scores_16s(net16, x).numpy(), theirs, **close)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A new skip changes nothing, at first
#
# Copy the weights of FCN-32s **by name**. `score_pool4` is new, and zero: the sum is what it was.

# %% slideshow={"slide_type": "-"}
net16 = build("fcn16s-mini", K, padding="aligned")
report = copy_weights(net16, net32.state_dict())
print("new:", *report.kept)

# until: the name of the map to stop at
fused = net16(x, until="fuse_pool4")
coarse = up(net32(x, until="score_fr"), 2, fused.shape[2:])
assert np.allclose(fused.numpy(), coarse.numpy(), atol=1e-5)
same = [(predictor(net16)(i) == predictor(net32)(i)).mean() for i, _ in val]
print(f"{100 * np.mean(same):.1f} per cent of all labels are the same")

# %% [markdown]
# Not quite all. By hand: the sum with zero is the coarse map, upsampled by 2 and then by 16.
# FCN-32s upsamples by 32 at once. The picture shows both for one coarse place that has a score of
# 1.

# %%
spike = np.zeros((1, 1, 3, 5), np.float32)
spike[..., 2] = 1  # the same in all rows: only columns matter
at_once = up(mf.Tensor(spike), 32, (96, 160)).numpy()[0, 0, 48]
twice = up(up(mf.Tensor(spike), 2, (6, 10)), 16, (96, 160)).numpy()[0, 0, 48]
print(f"peaks {at_once.max():.3f} and {twice.max():.3f}")
assert 0 < np.abs(at_once - twice).max() < 0.3

# %% tags=["hide-input"]
figure, axes = panels(size=(7, 2.8))
axes.plot(at_once, label="by 32")
axes.plot(twice, "--", label="by 2, then by 16")
axes.set(xlabel="pixel", ylabel="score", xlim=(16, 144))
axes.legend(frameon=False)
show(
    figure,
    f"One place interpolated in two ways: peaks of {at_once.max():.2f} and {twice.max():.2f}.",
)

# %% [markdown]
# Interpolating by 2 and then by 16 is *almost* interpolating by 32: the peak is cut flat.
#
# <!-- notes -->
# So some labels along the borders of regions change. Apart from that FCN-16s begins where FCN-32s
# stopped.

# %% [markdown]
# ## Second and third stage: 16s, 8s

# %%
losses16 = fit(net16, SHORT, rate=2e-3)
results["16s"] = measure(predictor(net16))

net8 = build("fcn8s-mini", K, padding="aligned")
copy_weights(net8, net16.state_dict())
fit(net8, SHORT, rate=2e-3)
results["8s"] = measure(predictor(net8))

# %% [markdown]
# **The control.** FCN-8s has now had more steps of training than FCN-32s. To see what the skips
# add, and not what patience adds, FCN-32s gets the same steps at the same rates, stage by stage.

# %%
longer = net32
for name in ("32s, as 16s", "32s, as 8s"):
    before, longer = longer, build("fcn32s-mini", K, padding="aligned")
    copy_weights(longer, before.state_dict())
    fit(longer, SHORT, rate=2e-3)
    results[name] = measure(predictor(longer))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What a skip adds
#
# "32s, as 8s": FCN-32s after as many steps as FCN-8s.

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
MEASURES = ("pixel_accuracy", "mean_accuracy", "mean_iu", "frequency_weighted_iu")


def table(names):
    print(f"{'':14}{'pixel acc.':>11}{'mean acc.':>11}{'mean IU':>9}{'f.w. IU':>9}")
    for name in names:
        values = [100 * getattr(results[name], measure) for measure in MEASURES]
        print(f"{name:14}" + "".join(f"{v:{w}.1f}" for v, w in zip(values, (11, 11, 9, 9))))


table(["32s", "32s, as 16s", "16s", "32s, as 8s", "8s"])
iu = {name: matrix.mean_iu for name, matrix in results.items()}
assert FAST or (iu["32s, as 16s"] < iu["16s"] and iu["32s, as 8s"] < iu["8s"])
assert FAST or iu["32s"] < iu["32s, as 8s"]

# %% [markdown]
# More steps help FCN-32s; the same steps with skips help more. In the paper (table 2, VOC 2011)
# the gains are smaller, 59.4, 62.4 and 62.7 mean IU. One reason is known from tutorial 11: its
# objects are many cells of 32 pixels large, ours are a few, so the stride costs us more.

# %% tags=["hide-input"] slideshow={"slide_type": "slide"}
kinds = [len(np.unique(label[(label > 0) & (label < 255)])) for _, label in val]
chosen = np.argsort(np.abs(np.array(kinds) - 2.6), kind="stable")[:3]  # with three kinds
nets = {"32s, as 8s": longer, "16s": net16, "8s": net8}
figure, axes = panels(3, 5, size=(10.5, 5.2))
for row, i in zip(axes, chosen):
    row[0].imshow(val[i][0])
    row[0].axis("off")
    draw_labels(row[1], val[i][1])
    for axis, net in zip(row[2:], nets.values()):
        draw_labels(axis, mf.train.predict(net, val[i][0]))
for axis, title in zip(axes[0], ("image", "truth", *nets)):
    axis.set_title(title)
draw_legend(figure, CLASSES, 5)
show(figure, "Three unseen scenes, their truths, and the predictions of FCN-32s, 16s and 8s.")

# %% [markdown]
# ## Which classes gain?

# %% tags=["hide-input"]
order = np.argsort(results["8s"].iu - results["32s, as 8s"].iu)
figure, axes = panels(size=(8, 3.4))
for shift, name in zip((-0.27, 0, 0.27), nets):
    axes.bar(np.arange(K) + shift, 100 * results[name].iu[order], 0.25, label=name)
axes.set_xticks(range(K), [CLASSES[k] for k in order], rotation=20)
axes.set(ylabel="IU", ylim=(0, 100))
axes.legend(frameon=False, ncols=3, loc="upper left")
most, least = CLASSES[order[-1]], CLASSES[order[0]]
show(figure, f"IU of each class for the three nets; {least} gains least, {most} most.")

# %%
for k in order[::-1]:
    before, after = (100 * results[name].iu[k] for name in ("32s, as 8s", "8s"))
    print(f"{CLASSES[k]:12} {before:5.1f} -> {after:5.1f}   {after - before:+5.1f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Where in the picture?
#
# Accuracy of the pixels at each distance from the nearest pixel with another label, void included.

# %% [markdown]
# `boundary_distance`, which tutorial 00 used, lets a front move away from all boundaries, one
# pixel a step:

# %%
folded_source(boundary_distance)


# %%
def by_distance(net, most=14):
    right, total = np.zeros(most + 1), np.zeros(most + 1)
    for image, label in val:
        distance = boundary_distance(label, most)
        hits, valid = mf.train.predict(net, image) == label, label != 255
        for d in range(1, most + 1):
            right[d] += hits[valid & (distance == d)].sum()
            total[d] += (valid & (distance == d)).sum()
    return right[1:] / total[1:]


profile = {name: by_distance(net) for name, net in nets.items()}

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(size=(7, 3))
for (name, accuracy), style in zip(profile.items(), ("o-", "s--", "^:")):
    axes.plot(range(1, len(accuracy) + 1), 100 * accuracy, style, label=name)
axes.set(xlabel="distance to the nearest boundary, pixels", ylabel="pixels right, per cent")
axes.legend(frameon=False)
near = ", ".join(f"{name} {100 * accuracy[0]:.0f}" for name, accuracy in profile.items())
show(figure, f"Accuracy by distance from a boundary; beside it, in per cent: {near}.")

# %%
gain = profile["8s"] - profile["32s, as 8s"]
print(f"8s over 32s: {100 * gain[:3].mean():+.1f} points within 3 pixels of a boundary,")
print(f"             {100 * gain[10:].mean():+.1f} points further than 10 pixels away")
assert FAST or gain[:3].mean() > gain[10:].mean()

# %% [markdown]
# ## What does each stream say?
#
# Everything behind the score layers is linear: sums, interpolation, crops. So the scores of FCN-8s
# are the sum of three pictures, one for each stream, and we can look at them apart.


# %%
def streams(net, image):
    net.outputs = ("score_fr", "score_pool4", "score_pool3")
    fr, pool4, pool3 = net(image)
    net.outputs = ()
    four, three, full = pool4.shape[2:], pool3.shape[2:], image.shape[2:]
    return {
        "fc7": up(up(up(fr, 2, four), 2, three), 8, full),
        "pool4": up(up(pool4, 2, three), 8, full),
        "pool3": up(pool3, 8, full),
    }


parts = {name: part.numpy() for name, part in streams(net8, x).items()}
assert np.allclose(sum(parts.values()), net8(x).numpy(), rtol=1e-4, atol=1e-3)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Three streams and their sum

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
label = val[0][1]
k = max(range(1, K), key=lambda k: (label == k).sum())
heats = {name: part[0, k] - part[0, 0] for name, part in parts.items()}
heats["sum"] = sum(heats.values())
limit = abs(heats["sum"].max())
figure, axes = panels(1, 5, size=(12, 2.2))
axes[0].imshow(val[0][0])
axes[0].set_title("image")
for axis, (name, heat) in zip(axes[1:], heats.items()):
    drawn = axis.imshow(heat, "cividis", vmin=-limit, vmax=limit)
    axis.set_title(name)
for axis in axes:
    axis.axis("off")
figure.colorbar(drawn, ax=axes[4], shrink=0.8)
show(figure, f"Score of {CLASSES[k]} less that of background: of fc7, pool4, pool3, and the sum.")

# %% [markdown] slideshow={"slide_type": "-"}
# The score of one class less that of the background: three pictures and their sum.
#
# <!-- notes -->
# Each stream draws with its own grain: one score for 32, 16 and 8 pixels.

# %% [markdown]
# Are the finer streams nets of their own? Take FCN-8s and leave out streams. And, because streams
# that learned to work together are not made to work alone, train a net from scratch on `pool3`
# alone, for as many steps as the first stage of FCN-32s had.


# %%
def only(*names):
    def predict(image):
        with mf.no_grad():
            parts = streams(net8, mf.Tensor(mf.data.to_input(image)[None]))
        return sum(parts[name].numpy() for name in names)[0].argmax(axis=0)

    return predict


# %%
class Pool3Only(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = build("fcn32s-mini", K, padding="aligned")
        self.score = nn.Conv2d(64, K, 1, weight_init=nn.init.zeros)

    def forward(self, image):
        return up(self.score(self.trunk(image, until="pool3")), 8, image.shape[2:])


# %%
mf.manual_seed(0)
shallow = Pool3Only()
fit(shallow, LONG, rate=3e-3)
alone = {"8s, fc7 only": only("fc7"), "8s, pool4 only": only("pool4")}
alone |= {"8s, pool3 only": only("pool3"), "pool3, trained": predictor(shallow)}
results |= {name: measure(predict) for name, predict in alone.items()}

# %%
table(["32s", "8s", *alone])
field = (
    mf.geometry.receptive_field(net8, "pool3")[0],
    mf.geometry.receptive_field(net8, "relu7")[0],
)
print(f"\na place of pool3 sees {field[0]} pixels a side, one of fc7 {field[1]}")
assert field[0] == 22
only_one = [results[name].mean_iu for name in alone if name.startswith("8s")]
assert FAST or max(only_one) < results["8s"].mean_iu
assert FAST or results["32s"].mean_iu < results["pool3, trained"].mean_iu

# %% [markdown]
# Two observations. Each stream of FCN-8s alone is worse than the sum: they have learned to add up.
# And the shallow net does better than FCN-32s after as many steps. Likely reasons: these kinds
# have colours and textures of their own, so a window of 22 pixels tells much; its scores are
# finer; and a net that is four convolutions shorter learns sooner. In a photograph a window of
# that size may show a patch of fur.
#
# ## All at once
#
# Three stages are tedious. The authors later trained FCN-8s in one go, with the maps of the skips
# multiplied by 0.01 (`pool4`) and 0.0001 (`pool3`), and got 65.4 mean IU in the place of 65.5
# (their repository, VOC 2011). The factors belong to VGG-16 with its ImageNet weights, whose pools
# differ much in scale; ours differ little, as the next cell shows, and do without.

# %%
spread = {name: net32(x, until=name).numpy().std() for name in ("pool3", "pool4", "relu7")}
for name, value in spread.items():
    print(f"{name}: standard deviation {value:.2f}")
assert FAST or max(spread.values()) < 10 * min(spread.values())

# %%
mf.manual_seed(0)
together = build("fcn8s-mini", K, padding="aligned")
fit(together, LONG + 2 * SHORT, rate=3e-3)
results["8s, at once"] = measure(predictor(together))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## In stages, or all at once?

# %% slideshow={"slide_type": "-"}
table(["32s, as 8s", "8s", "8s, at once"])

# %% [markdown] slideshow={"slide_type": "-"}
# The same number of steps on the same scenes. The authors' trunk **knows ImageNet** before the
# first stage; ours begins with nothing.
#
# <!-- notes -->
# The authors' two ways end a tenth of a point apart; here all at once is better by what the table
# says. A likely reason: from scratch the trunk itself must be learned, and the skips give its
# first layers a short way to the loss from the first step on. (The learning rates are not quite
# the same either: one fall from 3e-3 here, three shorter ones there.) So staging is not a law: it
# fits a trunk that is good already.

# %%
assert FAST or results["8s, at once"].mean_iu > results["8s"].mean_iu + 0.03

# %% [markdown]
# ## Why the sum, and not the maximum?
#
# The authors also tried the maximum of the two maps, and found that it made learning difficult.
# Look at the gradients: a sum passes them on to both streams. A maximum passes them to the one
# that won, pixel by pixel, class by class; and who wins changes as they learn. `a + relu(b - a)`
# is a maximum.


# %%
def fused_by_maximum(net, image, labels):
    net.outputs = ("pool4", "score_fr")
    pool4, coarse = net(image)
    net.outputs = ()
    fine = net["score_pool4"](pool4)
    a = up(coarse, 2, fine.shape[2:])
    return F.cross_entropy(up(a + F.relu(fine - a), 16, image.shape[2:]), labels)


maximum = build("fcn16s-mini", K, padding="aligned")
copy_weights(maximum, net32.state_dict())
losses_max = fit(maximum, SHORT, rate=2e-3, loss=fused_by_maximum)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Sum or maximum?

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
width = max(1, SHORT // 12)
figure, axes = panels(size=(7, 2.8))
for name, values, style in (("sum", losses16, "-"), ("maximum", losses_max, "--")):
    smooth = np.convolve(values, np.ones(width) / width, mode="valid")
    axes.plot(np.arange(len(smooth)) + width / 2, smooth, style, label=name)
axes.set(xlabel=f"step (means of {width})", ylabel="loss", ylim=(0, None))
axes.legend(frameon=False)
ends = [np.mean(values[-width:]) for values in (losses16, losses_max)]
show(
    figure,
    f"Loss of FCN-16s from the same start: sum ends at {ends[0]:.2f}, maximum {ends[1]:.2f}.",
)

# %% [markdown] slideshow={"slide_type": "-"}
# From the same weights, on the same scenes. With a maximum the new skip is **not** neutral at the
# start: zeros win over every negative score.

# %%
print(f"first loss: sum {losses16[0]:.3f}, maximum {losses_max[0]:.3f}")
print(f"last {width} steps: sum {ends[0]:.3f}, maximum {ends[1]:.3f}")
assert FAST or losses_max[0] > losses16[0]

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What do skips cost?
#
# Almost nothing: the maps are there already.

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
costs = {}
for name in ("fcn32s-vgg16", "fcn16s-vgg16", "fcn8s-vgg16"):
    with nn.init.without_values():
        rows = mf.geometry.trace(build(name), (500, 500)).rows
    costs[name] = [sum(row.parameters for row in rows), sum(row.macs for row in rows) / 1e9]
    print(f"{name}: {costs[name][0]:,} parameters, {costs[name][1]:.2f} G multiply-adds")
counts = [parameters for parameters, _ in costs.values()]
print("new parameters:", counts[1] - counts[0], "and", counts[2] - counts[1])
assert (counts[1] - counts[0], counts[2] - counts[1]) == (21 * 513, 21 * 257) == (10773, 5397)

# %% [markdown]
# A score layer is 21 classes times the channels of its pool, and 21 biases: 512 channels of
# `pool4`, 256 of `pool3`.
#
# ## Your turn
#
# **1.** Fuse two score maps. `coarse` is (N, K, H, W); pixel (0, 0) of it lies on pixel `offset`
# of `fine`, which is larger.


# %% tags=["exercise"]
def fuse(coarse, fine, offset):
    """The sum over the pixels of coarse; offset is (rows, columns)."""
    # your lines


check_fuse(fuse)

# %% tags=["solution"]
check_fuse.solution()

# %% [markdown]
# **2.** The offset itself, from coordinates. A map is given as (stride, start): pixel `o` lies at
# `stride * o + start`. Both have the same stride.


# %% tags=["exercise"]
def offset_of(fine, coarse):
    """Which pixel of the finer map lies on pixel 0 of the coarse one? An integer."""
    # your lines


check_offset_between(offset_of)

# %% tags=["solution"]
check_offset_between.solution()

# %% [markdown]
# **3.** From one stage to the next: the new net's arrays by name, with the old one's values where
# the name is known there and the number of values fits, brought into the new array's shape. New
# names keep what they have; names that are gone are forgotten.


# %% tags=["exercise"]
def take_over(new, old):
    """Two dictionaries, name -> array. Returns a dictionary with the names of new."""
    # your lines


check_copy(take_over)

# %% tags=["solution"]
check_copy.solution()

# %% [markdown]
# **4.** Accuracy near boundaries only: of the pixels at most `width` away from another label, what
# share is right? Void pixels do not count, but they do make a boundary. `boundary_distance(labels,
# most)` tells the distances.


# %% tags=["exercise"]
def near_boundary_accuracy(labels, predictions, width):
    """A number between 0 and 1, of two label maps (H, W)."""
    # your lines


check_near_boundary(near_boundary_accuracy)

# %% tags=["solution"]
check_near_boundary.solution()

# %% [markdown]
# <details><summary><b>5.</b> To think about: the authors train 16s with a learning rate a hundred
# times smaller than 32s, and 8s with one a hundred times smaller still. Why so small?</summary>
# The trunk and the coarse scores are at the end of a long training, and large steps would undo it.
# The new layer starts at zero, where the prediction is already that of the coarser net, and needs
# to learn only corrections to it.
# </details>
#
# <details><summary><b>6.</b> To think about: why not go on, with pool2 and pool1?</summary>
# The authors met diminishing returns at 8s and stopped. Tutorial 11's upper bounds say why: at
# stride 8 a perfect net would have 96.4 on VOC. Most of what is missing is no longer detail. And a
# place of VGG-16's pool2 sees 16 pixels a side, which in a photograph say little about a class.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - Finer maps score too; coordinates say where to cut, and the scores are added.
# - A new skip starts at zero, so it begins with the coarser net's prediction.
# - What it adds lies along boundaries, and costs next to nothing.
#
# <!-- notes -->
# The heads are [minifcn/models/fcn.py](../minifcn/models/fcn.py), the small trunk is
# [minifcn/models/mini.py](../minifcn/models/mini.py), the sum of two maps
# [minifcn/nn/align.py](../minifcn/nn/align.py), weights by name
# [minifcn/models/surgery.py](../minifcn/models/surgery.py), the loop
# [minifcn/train/trainer.py](../minifcn/train/trainer.py), the measures
# [minifcn/metrics.py](../minifcn/metrics.py). `minifcn demo` trains these three nets for longer,
# on all twenty kinds.
#
# Next: [17 · Where does the memory go?](17_memory.ipynb).
