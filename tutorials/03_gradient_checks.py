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
# # 03 · Are the gradients right?
#
# Move all inputs at once in a random direction, weigh the outputs at random, and compare two
# numbers.
#
# <!-- notes -->
# You need: [02 · tensors and functions](02_tensors_and_functions.ipynb). You get: checks that find
# a wrong backward pass in two evaluations of the function, and a table of what each of them cannot
# see. It takes about forty minutes.

# %%
import numpy as np

import minifcn as mf
from minifcn import functions as F
from minifcn.autograd import Function, gradcheck
from minifcn.teaching import FAST, panels, progress, quick, seconds, show
from minifcn.teaching.gradient_checks import (
    check_adjoint,
    check_five_point,
    check_kink,
    check_two_inputs,
)

mf.use_backend("reference")  # NumPy, as the formulas say
rng = np.random.default_rng(0)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A wrong gradient trains, too
#
# <!-- notes -->
# The network of tutorial 02, twice. One of them has a rectifier whose backward pass forgets where
# it was shut. Nothing crashes, no shape is wrong, and the loss falls. Without the other curve
# nobody would notice. So a falling loss proves nothing about gradients.


# %% slideshow={"slide_type": "-"}
class ForgetfulReLU(Function):
    def forward(self, x):
        return np.maximum(x, 0)

    def backward(self, gy):
        return gy  # right: only where x was above 0


# %%
def inside(points):
    radius, angle = np.hypot(*points.T), np.arctan2(points[:, 1], points[:, 0])
    return np.where(radius < 0.62 + 0.22 * np.cos(3 * angle), 1.0, -1.0)[:, None]


def network(hidden=48):
    rng = np.random.default_rng(0)
    arrays = [0.7 * rng.standard_normal((2, hidden)), 0.5 * rng.standard_normal(hidden)]
    arrays += [rng.standard_normal((hidden, 1)) / np.sqrt(hidden), np.zeros(1)]
    return [mf.Tensor(a, requires_grad=True) for a in arrays]


# %%
def losses_with(relu):
    weights, losses = network(), []
    w1, b1, w2, b2 = weights
    points = np.random.default_rng(0).uniform((-1.2, -1.0), (1.2, 1.0), (500, 2))
    for _ in progress(range(quick(2000, 200))):
        error = relu(mf.Tensor(points) @ w1 + b1) @ w2 + b2 - inside(points)
        loss = (error * error).mean()
        loss.backward()
        for w in weights:
            w.data -= 0.05 * w.grad
            w.grad = None
        losses.append(loss.item())
    return losses


# %%
right, wrong = losses_with(F.relu), losses_with(lambda x: ForgetfulReLU()(x))
assert FAST or right[-1] < wrong[-1] < wrong[0] / 2

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(size=(6.4, 2.7))
for losses, name, style in ((wrong, "wrong gradient", "--"), (right, "right gradient", "-")):
    axes.plot(losses, style, label=name)
axes.set(xlabel="step", ylabel="loss", ylim=(0, 1))
axes.legend(frameon=False)
told = f"from {wrong[0]:.2f} to {wrong[-1]:.2f}, with the right gradient to {right[-1]:.2f}"
show(figure, f"With a wrong gradient the loss falls {told}, in {len(right)} steps.")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A slope from two evaluations
#
# <!-- notes -->
# One-sided: from the point ahead. Central: from behind to ahead. By Taylor's formula the first is
# wrong by about $\frac{h}{2} f''$; in the second that term cancels, and $\frac{h^2}{6} f'''$ is
# left. Both cost two evaluations. In the picture the step is large, so that there is something to
# see.


# %%
def f(x):
    return np.exp(np.sin(x))


def slope(x):  # by the chain rule
    return np.cos(x) * f(x)


def one_sided(f, x, h):
    return (f(x + h) - f(x)) / h


def central(f, x, h):
    return (f(x + h) - f(x - h)) / (2 * h)


# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(size=(6.4, 3))
xs, at, h = np.linspace(0.2, 2.2, 200), 1.2, 0.7
axes.plot(xs, f(xs), color="black", label="$f(x) = e^{\\sin x}$")
lines = {
    "tangent": (at, slope(at), "-"),
    "central": (at - h, central(f, at, h), "--"),
    "one-sided": (at, one_sided(f, at, h), ":"),
}
for name, (start, s, style) in lines.items():
    axes.plot(xs, f(start) + s * (xs - start), style, lw=2, label=f"{name}: slope {s:.2f}")
axes.plot(at + h * np.arange(-1, 2), f(at + h * np.arange(-1, 2)), "ko")
axes.set(xlabel="x", xticks=[at - h, at, at + h])
axes.legend(frameon=False, loc="lower right")
told = ", ".join(f"{name} {s:.2f}" for name, (_, s, _) in lines.items())
show(figure, f"Slopes of a curve at x = {at} with the step h = {h}: {told}.")

# %% [markdown] slideshow={"slide_type": "-"}
# $$\text{one-sided } \frac{f(x + h) - f(x)}{h} \qquad\qquad
# \text{central } \frac{f(x + h) - f(x - h)}{2h}$$

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How small a step?
#
# <!-- notes -->
# From right to left the error falls as the formula says: with $h$, or with $h^2$. Then it rises.
# Two nearly equal numbers are subtracted; each is rounded to 16 digits, a relative error
# $\varepsilon$, and dividing by $h$ makes it $\varepsilon/h$. The best step balances the two: near
# $\sqrt{\varepsilon}$, or near $\sqrt[3]{\varepsilon}$. With 32-bit numbers not even the best step
# gives six digits, so gradients are checked in 64 bits, whatever a network is trained in.

# %%
steps = 10.0 ** np.arange(-13, 0, 0.25)
places = np.linspace(0, 2, 50)
curves = {
    "one-sided": (one_sided, places),
    "central": (central, places),
    "central, float32": (central, places.astype(np.float32)),
}
errors = {
    name: np.array([np.mean(abs(rule(f, x, x.dtype.type(h)) - slope(places))) for h in steps])
    for name, (rule, x) in curves.items()
}
best = {name: steps[np.nanargmin(e)] for name, e in errors.items()}

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(size=(7, 3.4))
for (name, e), mark in zip(errors.items(), "osD"):
    axes.loglog(steps, e, mark + "-", ms=3, label=name)
falls = steps[steps > best["central"]]
axes.loglog(falls, falls**2 / 3, ":", color="black")
axes.text(2e-4, 2e-9, "$h^2$")
rises = steps[steps < best["central"]]
axes.loglog(rises, np.finfo(float).eps / rises, ":", color="black")
axes.text(2e-10, 2e-8, "$\\varepsilon / h$")
axes.set(xlabel="step h", ylabel="error of the slope", ylim=(1e-12, 10))
axes.legend(frameon=False, loc="lower left")
told = ", ".join(f"{name} {e.min():.0e} at h = {best[name]:.0e}" for name, e in errors.items())
show(figure, f"Error of the slope against the step, V-shaped. The least: {told}.")

# %%
eps, eps32 = np.finfo(np.float64).eps, np.finfo(np.float32).eps
assert 0.1 < best["one-sided"] / eps ** (1 / 2) < 10
assert 0.1 < best["central"] / eps ** (1 / 3) < 10
assert 0.1 < best["central, float32"] / eps32 ** (1 / 3) < 10
assert errors["central, float32"].min() > 1e-6
assert np.mean(abs(central(f, places, 1e-5) - slope(places))) < 1e-9
for name, e in errors.items():
    print(f"{name:17} best step {best[name]:.0e}, error there {e.min():.0e}")

# %% [markdown]
# This library takes central differences of step 1e-5 in 64 bits: close to the best, and so exact
# that an error of one in a million is no rounding but a mistake.
#
# ## Many inputs: one slope for each, or one for all
#
# A network has not one input, but a million weights. Moving them one at a time costs two
# evaluations each. Or all move together, along a direction $v$. Where the output is an array, its
# elements are weighed with numbers $u$ and summed: then there is one slope again. A backward pass
# that begins with $u$ (tutorial 02 called it `gy`) gives its gradient.


# %%
def directional(f, x, v, u, h=1e-5):
    ahead, behind = np.vdot(u, f(x + h * v)), np.vdot(u, f(x - h * v))
    return (ahead - behind) / (2 * h)


def elementwise(f, x, u, h=1e-5):
    slopes = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        v = np.zeros_like(x)
        v[i] = 1.0
        slopes[i] = directional(f, x, v, u, h)
    return slopes


# %% [markdown] slideshow={"slide_type": "slide"}
# ## The slope along a direction is a scalar product
#
# <!-- notes -->
# Left: a function of two inputs, its gradient as the arrow in black, and twelve directions of
# length 1. Right: the slope along each, measured with two evaluations, and the scalar product with
# the gradient. A wrong gradient would be another wave, and would meet this one in two directions
# only. So a direction drawn at random finds it, with probability one.


# %%
def bowl(x):
    return F.tanh(x[0]) * x[1] + 0.3 * x[1] * x[1]


def plain(f):  # the same function, of arrays
    return lambda x: f(mf.Tensor(x)).data


# %%
x = mf.Tensor(np.array([0.5, 1.0]), requires_grad=True)
bowl(x).backward()
angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
slopes = [directional(plain(bowl), x.data, v, 1.0) for v in directions]
assert np.allclose(slopes, directions @ x.grad, atol=1e-9)

# %% tags=["hide-input", "cover"] slideshow={"slide_type": "-"}
figure, (left, right) = panels(1, 2, size=(8.6, 3.4))
line, turn = np.linspace(-1.2, 1.2, 60), np.linspace(0, 2 * np.pi, 100)
plane = np.stack(np.meshgrid(x.data[0] + line, x.data[1] + line))
left.contour(*plane, plain(bowl)(plane), 14, cmap="cividis")
for v in directions:
    left.annotate("", x.data + v, x.data, arrowprops={"arrowstyle": "->", "color": "#0072b2"})
left.annotate("", x.data + x.grad, x.data, arrowprops={"color": "black", "width": 2})
left.set(aspect="equal", title="gradient, and directions v", xlabel="$x_1$", ylabel="$x_2$")
wave = np.stack([np.cos(turn), np.sin(turn)], axis=1) @ x.grad
right.plot(turn, wave, color="black", label="$\\langle g, v \\rangle$")
right.plot(angles, slopes, "o", color="#0072b2", label="two evaluations")
right.set(title="slope along v", xlabel="angle of v, radians")
right.legend(frameon=False, loc="lower left")
show(figure, f"Contours with the gradient ({x.grad[0]:.2f}, {x.grad[1]:.2f}); the slopes along "
     f"{len(angles)} directions lie on the curve of the scalar product.")  # fmt: skip

# %% [markdown] slideshow={"slide_type": "-"}
# $$\text{slope along } v = \langle g, v \rangle = \sum_i g_i v_i$$

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Two evaluations in the place of 2n
#
# <!-- notes -->
# One direction does not name the element that is wrong. So: a direction to see whether anything is
# wrong, the elements of a small example to see where.

# %% slideshow={"slide_type": "-"}
f = plain(F.tanh)
for n in (100, 1000, quick(5000, 2000)):
    x, u, v = rng.standard_normal((3, n))
    each = seconds(elementwise, f, x, u, repeat=1)
    one = seconds(directional, f, x, v, u)
    print(f"{n:6,} inputs: each element {1e3 * each:9.2f} ms,",
          f"one direction {1e3 * one:6.3f} ms")  # fmt: skip

# %% [markdown]
# A mistake in one element among many is diluted: along a random direction its share shrinks like
# $1/\sqrt{n}$. It takes very many elements until it hides below one in a million:

# %%
for n in (100, 10_000, 1_000_000):
    g = rng.standard_normal(n)
    wrong = g.copy()
    wrong[0] += 1
    found = []
    for v in rng.standard_normal((5, n)):
        found.append(abs(wrong @ v - g @ v) / abs(g @ v))
    print(f"1 of {n:9,} wrong: relative error {np.median(found):.0e}")
    assert np.median(found) > 1e-6

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Why the upstream gradient must be random
#
# A network's output is an array; a slope needs a number. Take the sum, and the gradient that
# arrives at the output, the **upstream** gradient, is all ones.
#
# <!-- notes -->
# Ones upside down are ones. A backward pass that permutes gy, or transposes it, or sends it to the
# wrong neighbour, gives the same result as the right one. Such mistakes are the usual ones in
# convolutions, where everything is a matter of indices.

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(1, 4, size=(9, 2.2))
for pair, gy in ((axes[:2], np.ones((3, 4))), (axes[2:], rng.standard_normal((3, 4)))):
    kind = "ones" if gy.std() == 0 else "random"
    for panel, array, title in zip(pair, (gy, gy[::-1]), ("", ", upside down")):
        panel.imshow(array, vmin=-2, vmax=2, cmap="cividis")
        panel.set(title=kind + title, xticks=[], yticks=[])
show(figure, "Four arrays 3×4: ones, the same upside down, where nothing changes, random "
     "numbers, and the same upside down, where everything does.")  # fmt: skip

# %% [markdown]
# To see it, an operation of our own: every number plus twice its left neighbour minus half of the
# one above, with wrap-around. Its backward pass goes the other way: who is a left neighbour gets
# something back from the right. Beside it, two that are wrong.


# %%
def mix(x):
    return x + 2 * np.roll(x, 1, axis=1) - 0.5 * np.roll(x, 1, axis=0)


def back(gy):
    return gy + 2 * np.roll(gy, -1, axis=1) - 0.5 * np.roll(gy, -1, axis=0)


def wrong_way(gy):
    return gy + 2 * np.roll(gy, 1, axis=1) - 0.5 * np.roll(gy, 1, axis=0)


def upside_down(gy):
    return back(gy[::-1])


# %% [markdown]
# The first test sums, as many do, and moves every element. The second moves one direction only,
# but weighs at random. An error counts in parts of the slope, and may be one in a million. A
# direction may happen to be level, though, where every rounding is large in parts of almost
# nothing; so the slope counts as at least $10^{-3}\,|u|\,|v|$.


# %%
def near(a, b, floor=0.0, tolerance=1e-6):
    norm = np.linalg.norm
    return norm(a - b) <= tolerance * max(norm(a), norm(b), floor)


def by_the_sum(f, backward, x, rng):
    u = np.ones(x.shape)
    return near(backward(u), elementwise(f, x, u))


def by_one_direction(f, backward, x, rng):
    u, v = rng.standard_normal((2, *x.shape))
    floor = 1e-3 * np.linalg.norm(u) * np.linalg.norm(v)
    return near(np.vdot(backward(u), v), directional(f, x, v, u), floor)


# %% tags=["hide-input"] slideshow={"slide_type": "-"}
x, passed = rng.standard_normal((3, 4)), {}
for test in (by_the_sum, by_one_direction):
    for backward in (back, wrong_way, upside_down):
        good = passed[test, backward] = test(mix, backward, x, rng)
        word = "passes" if good else "WRONG"
        print(f"{test.__name__:18} {backward.__name__:12} {word}")

# %% [markdown]
# Ones let both mistakes pass, although every element was tried; random weights find them along a
# single direction.

# %%
assert list(passed.values()) == [True, True, True, True, False, False]

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Linear operations: a check without a step
#
# $$\langle u,\ A x \rangle = \langle A^\top u,\ x \rangle$$
#
# <!-- notes -->
# For a linear operation the backward pass is the transposed matrix, its *adjoint*, whatever the
# point, and both sides are the same sum in another order. There is no h, so there is no error but
# rounding. Much of what a segmentation network does is linear. The operations in the table are
# built in tutorials 04, 05 and 09; here they are closed boxes whose backward pass is on trial.

# %%
w = mf.Tensor(rng.standard_normal((3, 2, 3, 2)))
linear = {
    "conv2d": lambda x: F.conv2d(x, w, stride=(2, 1), padding=(1, 0)),
    "conv_transpose2d": lambda x: F.conv_transpose2d(
        x, mf.Tensor(w.data.swapaxes(0, 1)), stride=2
    ),
    "avg_pool2d": lambda x: F.avg_pool2d(x, (2, 3)),
    "upsample_bilinear": lambda x: F.upsample_bilinear(x, 2),
    "pad": lambda x: F.pad(x, (1, 2, 3, 0)),
    "crop": lambda x: F.crop(x, (1, 2), (4, 3)),
}


# %%
def both_checks(f, x):
    leaf = mf.Tensor(x, requires_grad=True)
    y = f(leaf)
    u, v = rng.standard_normal(y.shape), rng.standard_normal(x.shape)
    y.backward(u)
    adjoint = abs(np.vdot(u, y.data) - np.vdot(leaf.grad, x))
    differences = abs(directional(plain(f), x, v, u) - np.vdot(leaf.grad, v))
    norm = np.linalg.norm
    return adjoint / (norm(u) * norm(y.data)), differences / (norm(leaf.grad) * norm(v))


# %% slideshow={"slide_type": "-"}
x = rng.standard_normal((2, 2, 6, 7))
print(f"{'error of the check':20}{'adjoint':>10}{'differences':>14}")
for name, f in linear.items():
    adjoint, differences = both_checks(f, x)
    print(f"{name:20}{adjoint:10.0e}{differences:14.0e}")
    assert adjoint < 1e-14
    assert differences < 1e-9

# %% [markdown]
# Rounding only, in the first column; in the second the error of differences. So an adjoint check
# can ask for $10^{-12}$ where differences are granted $10^{-6}$. In between lies a gradient that
# went through 32 bits somewhere on its way:

# %%
x, u = rng.standard_normal((2, 3, 4))
rounded = back(u).astype(np.float32).astype(np.float64)
left, right = np.vdot(u, mix(x)), np.vdot(rounded, x)
print(f"<u, Ax> - <rounded, x> = {abs(left - right):.0e}")
assert 1e-12 < abs(left - right) / np.linalg.norm(u) < 1e-6

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Kinks: there is no slope, there are two
#
# <!-- notes -->
# At 0 the rectifier has the slope 0 behind and 1 ahead. The central difference gives the mean of
# the two; the backward pass must choose one, and this library's chooses 0. Neither is wrong, and
# yet they disagree. A maximum of equal numbers is the same: moved up, each of them is the greatest
# one; moved down, none is missed.

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(size=(6.2, 2.8))
xs, relu = np.linspace(-1, 1, 201), plain(F.relu)
axes.plot(xs, relu(xs), color="black", label="max(x, 0)")
middle = central(relu, np.float64(0), 0.5)
axes.plot(xs, middle * xs + 0.25, "--", label=f"central difference: slope {middle:.1f}")
axes.plot(xs, 0 * xs, ":", lw=3, label="backward pass: slope 0")
axes.plot([-0.5, 0, 0.5], relu(np.array([-0.5, 0, 0.5])), "ko")
axes.set(xlabel="x", xticks=[-0.5, 0, 0.5], yticks=[0, 1])
axes.legend(frameon=False, loc="upper left")
show(figure, f"The rectifier at its kink: a central difference says {middle:.1f}, backward 0.")


# %%
def gradient(f, x):
    x = mf.Tensor(np.array(x), requires_grad=True)
    f(x).sum().backward()
    return x.grad


for name, f, at in (("max(x, 0)", F.relu, [0.0]), ("max of both", F.max, [2.0, 2.0])):
    numeric = elementwise(plain(f), np.array(at), 1.0)
    print(f"{name:12} at {at}: differences {numeric.round(6)}, backward {gradient(f, at)}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## How to see a kink
#
# Slope ahead minus slope behind, then **half the step**: does that halve it, or does it stay?
#
# <!-- notes -->
# For a smooth function the difference of the two slopes is about $h f''$. At a kink it is the jump
# of the slope, whatever the step. A kink beside the point is seen by steps that reach over it.


# %% slideshow={"slide_type": "-"}
def jump(f, x, h):
    ahead, behind = f(x + h) - f(x), f(x) - f(x - h)
    return (ahead - behind) / h


# %% tags=["hide-input"] slideshow={"slide_type": "-"}
hs = 10.0 ** np.arange(-5, -0.9, 0.25)
curves = {
    "tanh at 0.3: smooth": (np.tanh, 0.3, "o-"),
    "relu at 0: a kink": (relu, 0.0, "s--"),
    "relu at 0.001: a kink beside": (relu, 0.001, "D:"),
}
figure, axes = panels(size=(6.6, 3))
for name, (f, at, style) in curves.items():
    axes.loglog(hs, [abs(jump(f, np.float64(at), h)) + 1e-9 for h in hs], style, ms=4, label=name)
axes.set(xlabel="step h", ylabel="slope ahead − behind", ylim=(1e-7, 9))
axes.legend(frameon=False, loc="lower right")
show(figure, "The jump of the slope against the step: of tanh it falls with the step, at the kink "
     "it stays 1, beside a kink it is nothing for small steps.")  # fmt: skip

# %%
for name, f, at in (("tanh at 0.3", np.tanh, 0.3), ("relu at 0", relu, 0.0)):
    ratio = jump(f, np.float64(at), 5e-4) / jump(f, np.float64(at), 1e-3)
    print(f"{name:12} jump at half the step / jump at the step = {ratio:.3f}")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## All of it in one call: gradcheck
#
# <!-- notes -->
# The library's check does what you have seen: 64 bits, a random upstream gradient, and for each
# input three random directions, or every element (`elementwise=True`). What falls on a kink is
# left out and counted. Where every comparison did, nothing was compared, and that is not called
# right.


# %%
def forgetful_relu(x):
    return ForgetfulReLU()(x)


def verdict_of(name, function, x, **options):
    report = gradcheck(function, [x], raise_on_error=False, **options)
    word = str(report).split(":")[0].removeprefix("gradient ")
    print(f"{name:23}{function.__name__:15}{word:17}", end="")
    print(f"{report.checked:2} compared, {len(report.kinks)} at kinks")


# %%
x = rng.standard_normal((4, 5))
zeros = x.copy()
zeros[1, 2] = zeros[3, 0] = 0.0
runs = {
    "random inputs": (x, {}),
    "two zeros, elements": (zeros, {"elementwise": True}),
    "two zeros, directions": (zeros, {}),
}

# %% slideshow={"slide_type": "-"}
for name, (inputs, options) in runs.items():
    for function in (F.relu, forgetful_relu):
        verdict_of(name, function, inputs, **options)

# %% [markdown]
# Drawn at random, no element lies on the kink, and directions tell right from wrong. With two
# zeros among the inputs, the elementwise check leaves these out, and compares all others. A
# *direction* moves all elements, also those on the kink: nothing is left to compare, and the right
# rectifier is not told from the wrong one. So draw your inputs without zeros. And where a check
# says wrong, it says where:

# %%
report = gradcheck(forgetful_relu, [zeros], elementwise=True, raise_on_error=False)
print(report)
assert zeros[report.worst_position] < 0  # where the rectifier was shut

# %% [markdown]
# ## Break it on purpose
#
# A test that has never failed has not been tested. Five ways to break `mix`, and which test finds
# which. The last is a wrong *forward* pass, whose backward pass is right for what it does.


# %%
def forgets(gy):
    return gy - 0.5 * np.roll(gy, -1, axis=0)


def rounded(gy):
    return back(gy).astype(np.float32).astype(np.float64)


def mix_wrongly(x):
    return x + 2 * np.roll(x, -1, axis=1) - 0.5 * np.roll(x, -1, axis=0)


# %%
pairs = {
    "nothing wrong": (mix, back),
    "to the wrong side": (mix, wrong_way),
    "rows upside down": (mix, upside_down),
    "a neighbour forgotten": (mix, forgets),
    "rounded to 32 bits": (mix, rounded),
    "forward wrong as well": (mix_wrongly, wrong_way),
}


# %% [markdown]
# Two tests stand above. Three more: random weights for every element, the adjoint identity, and
# one small case worked out by hand: a single 1 in the corner must give 1 there, 2 to its right,
# and -1/2 below it.


# %%
def by_every_element(f, backward, x, rng):
    u = rng.standard_normal(x.shape)
    return near(backward(u), elementwise(f, x, u))


def by_the_adjoint(f, backward, x, rng):
    u, y = rng.standard_normal(x.shape), f(x)
    scale = np.linalg.norm(u) * np.linalg.norm(y)
    return abs(np.vdot(u, y) - np.vdot(backward(u), x)) <= 1e-12 * scale


def by_hand(f, backward, x, rng):
    x = np.array([[1.0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    return np.array_equal(f(x), [[1, 2, 0, 0], [-0.5, 0, 0, 0], [0, 0, 0, 0]])


# %%
tests = {
    "sum, every\nelement": by_the_sum,
    "random, every\nelement": by_every_element,
    "random, one\ndirection": by_one_direction,
    "adjoint": by_the_adjoint,
    "by hand": by_hand,
}


# %%
class Counted:  # a function that counts its calls
    def __init__(self, f):
        self.f, self.calls = f, 0

    def __call__(self, x):
        self.calls += 1
        return self.f(x)


# %%
trials = 100
found, calls = np.zeros((len(pairs), len(tests)), int), []
for column, test in enumerate(tests.values()):
    for row, (f, backward) in enumerate(pairs.values()):
        for seed in range(trials):
            rng, count = np.random.default_rng(seed), Counted(f)
            found[row, column] += not test(count, backward, rng.standard_normal((3, 4)), rng)
    calls.append(count.calls)

# %% tags=["hide-input"] slideshow={"slide_type": "slide"}
figure, axes = panels(size=(9, 3.6))
axes.imshow(found, vmin=0, vmax=1.3 * trials, cmap="cividis", aspect="auto")
for (i, j), n in np.ndenumerate(found):
    axes.text(j, i, n, ha="center", va="center", size=13, color="black" if n > 50 else "white")
titles = [f"{name}\n{n} evaluation{'s' * (n > 1)}" for name, n in zip(tests, calls)]
axes.set_xticks(range(len(tests)), titles)
axes.set_yticks(range(len(pairs)), pairs)
axes.tick_params(length=0, labeltop=True, labelbottom=False)
told = "; ".join(f"{name}: {' '.join(map(str, row))}" for name, row in zip(pairs, found))
show(figure, f"How often of {trials} trials each of {len(tests)} tests finds a mistake. {told}.")

# %% [markdown] slideshow={"slide_type": "-"}
# How often of 100 each test finds it. **No gradient check sees a wrong forward pass.**
#
# <!-- notes -->
# The first column is the popular test, and the weakest: it misses both permutations. One random
# direction finds as much as all elements do. Only the adjoint identity sees the 32 bits. And a
# forward pass that computes something else needs a case by hand, or an independent second
# implementation: this library has both.

# %%
assert not found[0].any()  # what is right passes everywhere
assert (found[1:3] == [0, trials, trials, trials, 0]).all()
assert (found[3] == [trials, trials, trials, trials, 0]).all()
assert found[4, 3] == trials
assert found[4, :3].max() < trials / 10
assert (found[5] == [0, 0, 0, 0, trials]).all()

# %% [markdown]
# ## Your turn
#
# **1.** A better difference. A central one of step $h$ has an error near $c\,h^2$, one of step
# $2h$ near $4c\,h^2$. Combine the four values $f(x \pm h)$, $f(x \pm 2h)$ so that these errors
# cancel.


# %% tags=["exercise"]
def five_point(f, x, h):
    """The slope of f at x, with an error of order h^4."""
    # your lines


check_five_point(five_point)

# %% tags=["solution"]
check_five_point.solution()

# %% [markdown]
# **2.** A function of two arrays. Move both at once, `a` along `va` and `b` along `vb`, and weigh
# the output with `u`. A central difference, in two evaluations of `f`.


# %% tags=["exercise"]
def slope_of_two(f, a, b, va, vb, u, h):
    """The slope of <u, f(a, b)> along the direction (va, vb)."""
    # your lines


check_two_inputs(slope_of_two)

# %% tags=["solution"]
check_two_inputs.solution()

# %% [markdown]
# **3.** How far is `backward` from being the transposed of the linear `f`, as seen by `x` and `u`?


# %% tags=["exercise"]
def adjoint_error(f, backward, x, u):
    """|<u, f(x)> - <backward(u), x>|."""
    # your lines


check_adjoint(adjoint_error)

# %% tags=["solution"]
check_adjoint.solution()

# %% [markdown]
# **4.** Is there a kink of `f` at the number `x`, or within a step `h` of it? Look at two steps,
# `h` and `h / 2`. Mind rounding: a straight line has no kink.


# %% tags=["exercise"]
def is_kink(f, x, h):
    """True or False."""
    # your lines


check_kink(is_kink)

# %% tags=["solution"]
check_kink.solution()

# %% [markdown]
# <details><summary><b>5.</b> To think about: the check of a network's loss fails, but those of all
# its layers pass. What may be wrong?</summary>
# What lies between the layers: a gradient that is added in place where it must not be, a layer
# that is used twice, something that is drawn at random anew in every evaluation, such as dropout.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - Central differences, in 64 bits, with a step near $\sqrt[3]{\varepsilon}$.
# - A random direction and a random upstream gradient: two evaluations find what all elements do.
# - Linear operations need no step; kinks are left out; the forward pass needs a test of its own.
#
# <!-- notes -->
# [minifcn/autograd/check.py](../minifcn/autograd/check.py) is this tutorial: `gradcheck`,
# `adjoint_check`, `_is_kink`. Every operation of the library is tested with it, on every backend.
#
# Next, the operation that all the rest is about: [04 · Convolution](04_convolution.ipynb).
