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
# # 09 · How does a coarse score map become a picture again?
#
# Every coarse score is spread through a kernel, and where the spreads overlap they are added: a
# convolution run backwards.
#
# <!-- notes -->
# You need: convolution and its gradient, col2im (tutorial 04), and coordinate maps (tutorial 05).
# You get: interpolation and transposed convolution as one operation, the kernel sizes and crop
# offsets of the published nets derived, and an answer with a cell to each of the five questions
# that everybody asks about this layer. It takes about forty minutes.

# %%
from fractions import Fraction

import numpy as np

import minifcn as mf
from minifcn import dense, nn
from minifcn import functions as F
from minifcn.geometry import Axis
from minifcn.teaching import panels, progress, quick, seconds, show
from minifcn.teaching.upsampling import check_kernel, check_size_and_offset, check_transposed
from minifcn.viz.colormap import COLOURS

mf.manual_seed(0)
rng = np.random.default_rng(0)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A net of stride $f$ scores one pixel in $f \times f$
#
# Its score map is a small picture. The labels are wanted for the large one.
#
# <!-- notes -->
# On the left scores of one class, made up here: positive where the class is. In the middle every
# pixel takes the nearest score; the labels would have corners of 8 pixels. On the right the scores
# between are interpolated, and the border of the region is a curve. That is the job of this
# tutorial; what the score map never knew, no interpolation brings back. Skips do (tutorial 12).

# %%
rows, columns = np.mgrid[:7, :10]
coarse = 2.6 - np.hypot(rows - 3.2, (columns - 4.5) / 1.3)

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(1, 3, size=(10, 2.9))
enlarged = [
    dense.interpolate(coarse[None, None], 8, kind)[0, 0] for kind in ("nearest", "bilinear")
]
for one, values, title in zip(axes, [coarse, *enlarged], ("scores", "nearest", "interpolated")):
    H, W = values.shape
    one.imshow(values, cmap="cividis")
    one.contour(values, [0], colors="white", linewidths=2)
    one.set_title(f"{title}, {H} × {W}")
show(figure, f"A score map of {coarse.shape[0]} by {coarse.shape[1]}, enlarged by 8 with nearest "
     "neighbours, which shows blocks, and by interpolation, whose zero line curves.")  # fmt: skip

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Interpolation, seen from the output
#
# Output $o$ lies at $\frac{o + 1/2}{f} - \frac12$ among the inputs: pixels are squares, and their
# **middles** count. Near inputs count more:
#
# $$y_o = \sum_i x_i \; h\left(\tfrac{o + 1/2}{f} - \tfrac12 - i\right), \qquad
#   h(d) = \max(0,\ 1 - |d|)$$


# %% slideshow={"slide_type": "-"}
def gather(x, f):
    y = np.zeros(f * len(x))
    for o in range(len(y)):
        place = (o + 0.5) / f - 0.5
        for i in range(len(x)):
            y[o] += x[i] * max(0, 1 - abs(place - i))
    return y


x = np.array([4.0, 8.0, 0.0, 4.0])
print(gather(x, 2))

# %% [markdown]
# Work out one of them by hand: output 2 lies at 2.5 / 2 − 0.5 = 0.75, so it takes 1/4 of `x[0]`
# and 3/4 of `x[1]`, which is 7. The first output lies at −0.25. Its other neighbour is outside of
# the map and counts as zero: 3/4 of 4 is 3. Keep an eye on these borders.

# %%
assert gather(x, 2)[2] == 0.25 * x[0] + 0.75 * x[1] == 7
assert gather(x, 2)[0] == 0.75 * x[0] == 3

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The same sum, seen from the input
#
# Input $i$ adds a tent of $x_i$ to the outputs around it; here $f = 4$. The tents are flat on top
# because no output lies right where an input does.

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
f, kernel = 4, np.array([1, 3, 5, 7, 7, 5, 3, 1]) / 8
figure, axes = panels(size=(8, 3.4))
total = np.zeros(4 * f + f)
for i, value in enumerate(x):
    places = np.arange(i * f, i * f + 2 * f) - f / 2
    axes.plot(places, value * kernel, "o-", ms=4, color=COLOURS[i], label=f"{value:g} × kernel")
    total[i * f : i * f + 2 * f] += value * kernel
axes.plot(np.arange(len(total)) - f / 2, total, "k--", lw=2, label="sum")
axes.set(xlabel="output pixel", ylabel="score", xticks=range(-2, 18, 2))
axes.legend(frameon=False, ncols=2)
show(
    figure,
    f"Four tents, of the inputs {x.tolist()}, each 8 outputs wide and 4 apart, and their sum.",
)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Spread and add: transposed convolution
#
# $$y_{si + j} \leftarrow y_{si + j} + x_i\, w_j, \qquad s(n - 1) + k - 2p \text{ outputs}$$
#
# <!-- notes -->
# The loop over the outputs has become a loop over the inputs, and the formula of the tent has
# become a list of k numbers. The last input begins at s(n - 1) and is k long: that is the size.
# Padding cuts p off at both ends.


# %% slideshow={"slide_type": "-"}
def spread(x, w, s, p=0):
    n, k = len(x), len(w)
    y = np.zeros(s * (n - 1) + k)
    for i in range(n):
        y[s * i : s * i + k] += x[i] * w
    return y[p : len(y) - p]


w = np.array([1, 3, 3, 1]) / 4
print(spread(x, w, 2, p=1))
assert np.allclose(spread(x, w, 2, p=1), gather(x, 2))

# %% [markdown]
# You have seen `+=` into windows before. It is `col2im` of tutorial 04, the backward pass of a
# convolution: there each output's gradient went back to the pixels that its window had read. With
# $y = \text{conv}(x, w)$ of stride $s$,
#
# $$\langle \text{conv}(x, w),\ u \rangle = \langle x,\ \text{spread}(u, w) \rangle$$
#
# so `spread` is the transpose of that convolution. A convolution of stride $s$ makes maps $s$
# times smaller; this one makes them $s$ times larger, "convolution with a stride of $1/s$". The
# name *deconvolution*, which the paper uses, promises more than it does: it undoes the sizes, not
# the numbers.


# %%
def convolve(x, w, s):
    return np.array([x[i : i + len(w)] @ w for i in range(0, len(x) - len(w) + 1, s)])


for n, k, s in ((4, 4, 2), (3, 5, 3), (5, 2, 4)):
    u, w = rng.standard_normal(n), rng.standard_normal(k)
    image = rng.standard_normal(s * (n - 1) + k)
    left, right = convolve(image, w, s) @ u, image @ spread(u, w, s)
    assert np.isclose(left, right)
    there_and_back = convolve(spread(u, w, s), w, s)
    assert there_and_back.shape == u.shape
    assert not np.allclose(there_and_back, u)
    print(f"n={n} k={k} s={s}: {left:.6f} = {right:.6f}")


# %% [markdown] slideshow={"slide_type": "slide"}
# ## Two dimensions: the same, twice


# %%
def spread2d(x, w, s, p=0):
    (H, W), (KH, KW) = x.shape, w.shape
    y = np.zeros((s * (H - 1) + KH, s * (W - 1) + KW))
    for i in range(H):
        for j in range(W):
            y[s * i : s * i + KH, s * j : s * j + KW] += x[i, j] * w
    return y[p : y.shape[0] - p, p : y.shape[1] - p]


# %% tags=["hide-input"]
small, kernel = np.array([[4.0, 8.0, 2.0]]), np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 16
parts = [small * (np.arange(3) == i) for i in range(3)] + [small]

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(2, 2, size=(9, 4.8))
for one, part, title in zip(
    axes.flat, parts, ("4 × kernel", "8 × kernel", "2 × kernel", "their sum")
):
    values = spread2d(part, kernel, 2)
    one.imshow(values, cmap="cividis", vmin=0, vmax=8)
    for (i, j), v in np.ndenumerate(values):
        if v:
            one.text(j, i, f"{v:.3g}", ha="center", va="center", fontsize=10,
                     color="white" if v < 4 else "black")  # fmt: skip
    one.set(title=title, xticks=[], yticks=[])
show(figure, f"The inputs 4, 8 and 2 spread through a kernel of 4 by 4 with stride 2, each alone "
     f"and summed: {spread2d(small, kernel, 2).shape[0]} by "
     f"{spread2d(small, kernel, 2).shape[1]} outputs.")  # fmt: skip


# %%
def test(transposed):
    for (H, W), (KH, KW), s, p in (((2, 3), (4, 4), 2, 1), ((4, 2), (3, 5), 3, 0)):
        x, w = rng.standard_normal((H, W)), rng.standard_normal((KH, KW))
        settings = {"stride": s, "padding": p}
        library = F.conv_transpose2d(
            mf.Tensor(x[None, None]), mf.Tensor(w[None, None]), **settings
        )
        np.testing.assert_allclose(transposed(x, w, s, p), library.data[0, 0])
        print(f"{H}x{W} by {KH}x{KW}, stride {s}, padding {p}: right")


test(spread2d)


# %% [markdown]
# One input pixel at a time is slow. All input pixels meet tap $(i, j)$ of the kernel at once, on a
# grid of every $s$-th output pixel: two loops over the kernel, however large the map. The same
# test again, and the time.


# %%
def spread_by_taps(x, w, s, p=0):
    (H, W), (KH, KW) = x.shape, w.shape
    y = np.zeros((s * (H - 1) + KH, s * (W - 1) + KW))
    for i in range(KH):
        for j in range(KW):
            y[i : i + s * (H - 1) + 1 : s, j : j + s * (W - 1) + 1 : s] += x * w[i, j]
    return y[p : y.shape[0] - p, p : y.shape[1] - p]


test(spread_by_taps)
large, w = rng.standard_normal(quick((96, 128), (12, 16))), rng.standard_normal((4, 4))
for function in (spread2d, spread_by_taps):
    print(f"{function.__name__:14} {1e3 * seconds(function, large, w, 2):8.2f} ms")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The bilinear kernel
#
# $$w_{ij} = \left(1 - \frac{|i - c|}{f}\right)\left(1 - \frac{|j - c|}{f}\right), \qquad
#   c = \frac{k - 1}{2}, \quad k = 2f \text{ or } 2f - 1$$
#
# <!-- notes -->
# Bilinear: linear along each axis, one after the other, so the kernel is a product. An odd kernel
# has its peak on a tap, an even one between two, where the peak itself is cut off. With kernel
# size 2f - f % 2 and padding f // 2 the output is f times as large as the input: the usual choice
# where a map is to be resized.


# %% slideshow={"slide_type": "-"}
def triangle(k):
    f = (k + 1) // 2
    return 1 - np.abs(np.arange(k) - (k - 1) / 2) / f


for k in (3, 4, 7, 8):
    print(k, triangle(k))

# %% [markdown]
# Its sum is $f^2$, because one pixel becomes $f \times f$. A constant map stays constant:
# every output's shares add up to 1. And at the border they do not, because the shares of inputs
# outside the map are missing.

# %%
for f in (2, 3, 8, 32):
    assert f * (5 - 1) + (2 * f - f % 2) - 2 * (f // 2) == 5 * f  # 5 inputs
    for k in (2 * f - 1, 2 * f):
        w = np.outer(triangle(k), triangle(k))
        assert np.isclose(w.sum(), f**2)
        ones = spread_by_taps(np.ones((3, 4)), w, f)
        inside = ones[k - f : f * 3, k - f : f * 4]
        assert np.allclose(inside, 1)
        print(
            f"f={f:2} k={k:2}: sum {w.sum():6g}, inside {inside.max():g}, corner {ones[0, 0]:.3g}"
        )

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Question 1. Why a kernel of 64 for a stride of 32?
#
# The middle of the kernel must land where the score belongs. VGG's scores lie **between** pixels;
# an even kernel has its middle there too.
#
# $$\text{start}' = \text{start} + \frac{\text{stride}}{s}\left(p - \frac{k - 1}{2}\right)$$
#
# <!-- notes -->
# This is the coordinate map of tutorial 05, once more for the transposed operation.
# Crop offset: how many pixels of the upsampled map lie before pixel 0 of the image, which is minus
# its start. (Here p = 0, and s is all of the stride, so that the quotient is 1.) It has to be a
# whole number, or labels are half a pixel beside the objects. 12.5 and 13 are where the first
# scores of FCN-VGG16 and FCN-AlexNet lie with the authors' padding of 100; the kernels that fit
# are those in their published nets, 64 and 63, and so are the offsets, 19 and 18.


# %% slideshow={"slide_type": "-"}
def crop_offset(start, k):
    return Fraction(k - 1, 2) - start


for name in ("fcn32s-vgg16", "fcn32s-alexnet"):
    net = mf.models.build(name, width=0.02)
    traced = mf.geometry.trace(net)
    start = traced["score_fr"].axes[0].start
    for k in (63, 64):
        offset = float(crop_offset(start, k))
        print(f"{name:14} kernel {k}: crop {offset}")

# %% [markdown]
# One of the two kernels gives a whole number, and it is not the same for both nets. AlexNet's
# pools are 3 wide, so its maps stay on pixels; VGG's are 2 wide. The library derives kernel and
# offset from this condition.

# %%
for name, kernel, offset in (("fcn32s-vgg16", 64, 19), ("fcn32s-alexnet", 63, 18)):
    net = mf.models.build(name, width=0.02)
    assert net["upscore"].kernel_size == (kernel, kernel)
    assert net["score"].offset == (offset, offset)
    print(*mf.geometry.why_these_kernels(net))

# %% [markdown]
# What happens to those who do not ask? A much-used recipe takes a ResNet, whose windows are all
# odd and padded by half, and puts kernel 64, stride 32, padding 16 on top. The sizes are perfect.

# %%
axis = Axis()
for k, s, p in ((7, 2, 3), (3, 2, 1), (3, 2, 1), (3, 2, 1), (3, 2, 1)):
    axis = axis.window(k, s, p, d=1)  # d: dilation
print("scores lie at", axis.stride, "* o +", axis.start)
for k, p in ((64, 16), (63, 31)):
    up = axis.transposed(k, 32, p, d=1)
    print(f"kernel {k}, padding {p}: output pixel o lies at image pixel o + ({float(up.start):g})")
assert axis.transposed(64, 32, 16, d=1).start == Fraction(-31, 2)

# %% [markdown]
# The labels come out 15.5 pixels below and to the right of the objects. No error
# tells of it: the net has to learn to look that far to the side, as well as it can.

# %% tags=["hide-input"]
ys, xs = np.mgrid[:256, :320]
truth = 70.0 - np.hypot(ys - 120, xs - 150)
scores = truth[::32, ::32][None, None]
figure, axes = panels(1, 2, size=(8.4, 3.4))
for one, k, p in zip(axes, (64, 63), (16, 31)):
    extra = 31 if k == 63 else 0  # so that the sizes are the same
    found = F.upsample_bilinear(mf.Tensor(scores), 32, k, p, extra).data[0, 0]
    iu = ((found > 0) & (truth > 0)).sum() / ((found > 0) | (truth > 0)).sum()
    one.imshow(found > 0, cmap="cividis")
    one.contour(truth, [0], colors="white", linewidths=2)
    one.set(title=f"kernel {k}, padding {p}: IU {iu:.2f}", xticks=[], yticks=[])
show(figure, "A disc sampled at every 32nd pixel and upsampled with kernel 64 lies below and "
     "right of its true outline by 15.5 pixels; with kernel 63 it lies on it.")  # fmt: skip

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Question 2. Why only the diagonal of the weights?
#
# The layer's weights are $K \times K \times k \times k$: from every class to every class. Off the
# diagonal, one class's scores become **another's**.


# %% slideshow={"slide_type": "-"}
scores = np.zeros((1, 2, 5, 7))
scores[0, 0, 1:4, 2:5] = 1  # only class 0 has been seen

diagonal = nn.init.bilinear((2, 2, 4, 4)).astype(float)
everywhere = diagonal.copy()
everywhere[0, 1] = 0.8 * diagonal[0, 0]  # from class 0 to class 1

for name, w in (("diagonal", diagonal), ("everywhere", everywhere)):
    weight = mf.Tensor(w)
    up = F.conv_transpose2d(mf.Tensor(scores), weight, stride=2)
    print(f"{name:10} class 0 up to {up.data[0, 0].max():g},",
          f"class 1 up to {up.data[0, 1].max():g}")  # fmt: skip

# %% [markdown]
# Class 1 was nowhere, and now it is. Interpolation asks "what lies between?", one class at a time,
# so all weights from one class to another are zero.
#
# Then they need not be multiplied either. With as many groups as classes there are only the
# diagonal's weights; and since the kernel is a product, rows and columns can be done one after the
# other. Three ways, one result. (21 classes and kernel 64: FCN-32s.)

# %%
(K, f), (H, W) = quick((21, 32), (5, 8)), (12, 16)
scores = mf.Tensor(rng.standard_normal((1, K, H, W)).astype(np.float32))
full = mf.Tensor(nn.init.bilinear((K, K, 2 * f, 2 * f)))
alone = mf.Tensor(nn.init.bilinear((K, 1, 2 * f, 2 * f)))
three = {
    "all K x K kernels": lambda: F.conv_transpose2d(scores, full, stride=f),
    "K groups": lambda: F.conv_transpose2d(scores, alone, stride=f, groups=K),
    "rows, then columns": lambda: F.upsample_bilinear(scores, f, 2 * f, 0),
}
first = three["all K x K kernels"]().data
for name, way in three.items():
    np.testing.assert_allclose(way().data, first, rtol=0, atol=1e-5)
    print(f"{name:19} {1e3 * seconds(way):7.2f} ms")

# %% [markdown]
# Groups spare all products but one in K. Do not be surprised if they spare no time: K small
# matrix products, one after the other, keep a machine less busy than one large product, even if
# that one is mostly made of zeros. Rows and then columns is the way to go, and needs the fewest
# products of all.

# %%
products = {
    "all K x K kernels": K * K * (2 * f) ** 2 * H * W,
    "K groups": K * (2 * f) ** 2 * H * W,
    "rows, then columns": K * 2 * f * H * W + K * 2 * f * (f * (H - 1) + 2 * f) * W,
}
for name, count in products.items():
    print(f"{name:19} {count / 1e6:8.1f} million products")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Question 3. Which sizes can it take?
#
# All of them: nothing in the layer knows a size.

# %% slideshow={"slide_type": "-"}
net = mf.models.build("fcn32s-mini", 4, padding="aligned").eval()
for size in ((64, 96), (50, 77), (33, 1)):
    image = mf.Tensor(np.zeros((1, 3, *size), np.float32))
    with mf.no_grad():
        low = net(image, until="score_fr")
        up = net(image, until="upscore")
        out = net(image)
    print(*(m.shape[2:] for m in (image, low, up, out)), sep=" -> ")
    assert out.shape[2:] == size

# %% [markdown]
# Image, coarse scores, upsampled scores, result; `until` names the layer whose map is wanted. The
# pools round up, so the upsampled map is never too small; what is too much is cropped. (With
# `padding="aligned"` the map begins at pixel 0, and no offset is left: tutorial 11.)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Question 4. Learned or fixed?
#
# The kernel is a weight like any other. Here one starts bilinear and is trained to bring back
# shapes that were averaged over $4 \times 4$ pixels.


# %%
def masks(split, count):
    labels = [mf.data.scene(0, split, i)[1] for i in range(count)]
    fine = np.stack([(label > 0) & (label < 255) for label in labels])[:, None]
    return mf.Tensor(fine.astype(np.float32))


def error(layer, fine):
    difference = layer(F.avg_pool2d(fine, 4)) - fine
    return (difference * difference).mean()


train, test_masks = masks("train", 16), masks("val", 16)

# %%
learned = nn.ConvTranspose2d(1, 1, 8, stride=4, padding=2)
before = learned.weight.data.copy()
solver = mf.train.Solver(learned, lr=3)
for _ in progress(range(quick(150, 20)), "steps"):
    solver.zero_grad()
    error(learned, train).backward()
    solver.step()

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
fixed = nn.UpsampleBilinear(4)
print(f"fixed   {float(error(fixed, test_masks).data):.5f}")
print(f"learned {float(error(learned, test_masks).data):.5f}")
assert error(learned, test_masks).data < error(fixed, test_masks).data

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(1, 2, size=(7.2, 2.9))
after = learned.weight.data
for one, w, title in zip(axes, (before, after), ("bilinear", "learned")):
    picture = one.imshow(w[0, 0], cmap="cividis", vmin=min(0, after.min()), vmax=after.max())
    one.set_title(f"{title}: {w.min():.2f} to {w.max():.2f}")
figure.colorbar(picture, ax=axes)
show(figure, f"The bilinear kernel of 8 by 8, from {before.min():.2f} to {before.max():.2f}, "
     f"and the learned one, steeper, from {after.min():.2f} to {after.max():.2f}.")  # fmt: skip

# %% [markdown]
# Learning helps, on its own task, and not by much: it is one linear filter before and after, the
# same at every place. The CVPR paper learned the upsampling between its skips and fixed the last
# one; the nets that the authors released fix them all, because it made no significant difference.
# Fixed or not, the gradient passes through to the scores, so the net below learns in either case:

# %%
scores = mf.Tensor(np.ones((1, 1, 2, 3), np.float32), requires_grad=True)
fixed(scores).sum().backward()
print(scores.grad[0, 0])
assert scores.grad.all()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Question 5. Bilinear resizing or deconvolution?
#
# The same numbers, except at the border.

# %% slideshow={"slide_type": "-"}
scores = rng.standard_normal((1, 1, 6, 9))
up = F.upsample_bilinear(mf.Tensor(scores), 4).data
zeros = dense.interpolate(scores, 4, outside="zeros")
edge = dense.interpolate(scores, 4, outside="edge")

assert np.allclose(zeros, up)
same = np.isclose(edge, up)[0, 0]
assert same[2:-2, 2:-2].all()
assert not same[:2].any()
print(f"{same.sum()} of {same.size} pixels are equal")

# %% [markdown]
# Library functions that resize repeat the edge; a transposed convolution has zeros outside, and
# fades out. (That is for resizing by pixel middles, `align_corners=False` in PyTorch. With
# `align_corners=True` the corner pixels of both maps are laid on each other, the stride is
# $(fn-1)/(n-1)$ and depends on the size: no convolution does that.) The reference nets crop the
# border away. Prefer the transposed convolution where the filter is to be learned, or where the
# result is to be exactly the published nets'.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Checkerboards
#
# A constant map goes in. What comes out is the **sum of the kernel's taps that meet there**, and
# there are $s \times s$ kinds of there.


# %%
def shares(w, s):
    steps = range(s)
    return np.array([[w[i::s, j::s].sum() for j in steps] for i in steps])


kernels = {
    "3 × 3, all 1": np.ones((3, 3)),
    "4 × 4, random": rng.uniform(0, 1, (4, 4)),
    "4 × 4, all 1": np.ones((4, 4)),
    "4 × 4, bilinear": np.outer(triangle(4), triangle(4)),
}
for name, w in kernels.items():
    print(f"{name:16}", shares(w, 2).round(2).tolist())

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(1, 4, size=(10, 2.5))
for one, (name, w) in zip(axes, kernels.items()):
    values = spread_by_taps(np.ones((5, 6)), w / shares(w, 2).mean(), 2)
    one.imshow(values, cmap="cividis", vmin=0, vmax=1.8)
    least, most = shares(w, 2).min(), shares(w, 2).max()
    one.set(title=f"{name}\n{least:.3g} to {most:.3g}", xticks=[], yticks=[])
show(figure, "A constant map upsampled by 2: a checkerboard with a kernel of 3 by 3 ones, another "
     "with a random kernel of 4 by 4; constant inside with 4 by 4 ones and bilinear.")  # fmt: skip

# %% [markdown]
# Under a kernel of 3 with stride 2, outputs are made of 1, 2 or 4 inputs in turns, and so unevenly
# with every size that is no multiple of the stride. With a multiple each is made of equally many,
# but the weights need not be even: a random kernel makes patterns all the same, and training has
# to remove them. The bilinear kernels, even and odd, have equal shares, so a constant map stays
# constant; start there.

# %%
for k in (3, 4):
    assert np.allclose(shares(np.outer(triangle(k), triangle(k)), 2), 1)
for name, w in kernels.items():
    inside = spread_by_taps(np.ones((5, 6)), w, 2)[4:8, 4:8]
    assert np.allclose(inside, np.tile(shares(w, 2), (2, 2)))
    print(f"{name:16} uneven by {np.ptp(inside) / inside.mean():.0%}")

# %% [markdown]
# ## Your turn
#
# **1.** The bilinear kernel of any height and width.


# %% tags=["exercise"]
def bilinear_kernel(KH, KW):
    """An array (KH, KW)."""
    # your lines


check_kernel(bilinear_kernel)

# %% tags=["solution"]
check_kernel.solution()

# %% [markdown]
# **2.** Transposed convolution of one map by spreading, with a stride for each axis, and without
# padding. The check holds it against the convolution whose transpose it must be.


# %% tags=["exercise"]
def transposed(x, w, stride):
    """x (H, W), w (KH, KW), stride (vertical, horizontal)."""
    # your lines


check_transposed(transposed)

# %% tags=["solution"]
check_transposed.solution()

# %% [markdown]
# **3.** `n` scores, `f` pixels apart, the first one at pixel `start` of the image (a fraction),
# are upsampled by `f` with a kernel of `k` and no padding. How many outputs are there, and how
# many of them lie before pixel 0 of the image?


# %% tags=["exercise"]
def size_and_offset(n, start, k, f):
    """A whole number, and a fraction: whole if the kernel fits."""
    # your lines


check_size_and_offset(size_and_offset)

# %% tags=["solution"]
check_size_and_offset.solution()

# %% [markdown]
# <details><summary><b>4.</b> To think about: interpolating by 2 and then by 16, is that
# interpolating by 32?</summary> With odd kernels, whose peak is a tap, it is: linear pieces of
# linear pieces. With even kernels it nearly is. The first pass cuts the peak flat, because no
# output lies on an input, and the second interpolates what is left. Tutorial 12 meets this where
# FCN-16s starts from FCN-32s.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - Upsampling spreads every score through a kernel and adds: a convolution's backward pass.
# - 64 for VGG, 63 for AlexNet: the kernel whose middle meets the pixels' grid.
# - One class at a time; bilinear to start with; fixed does it.
#
# <!-- notes -->
# The operation is [minifcn/functions/upsample.py](../minifcn/functions/upsample.py) and
# `ConvTranspose2d` in [minifcn/functions/conv.py](../minifcn/functions/conv.py); the kernels in
# NumPy are [kernels/reference/upsample.py](../kernels/reference/upsample.py) and
# `conv2d_grad_input` in [kernels/reference/conv.py](../kernels/reference/conv.py); how kernel and
# padding are found is `bilinear_fit` in [minifcn/models/fcn.py](../minifcn/models/fcn.py).
#
# Next: [10 · Shift-and-stitch](10_shift_and_stitch.ipynb).
