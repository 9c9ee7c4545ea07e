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
# # 06 · How does a network learn to read digits?
#
# It guesses, a loss says how wrong it was, and every weight moves a little against its slope.
#
# <!-- notes -->
# You need: [04 · convolution](04_convolution.ipynb) and [05 · layers
# compose](05_layers_compose.ipynb). You get: LeNet, trained on real digits to
# read ones that it has never seen, and the checks that tell you early when a training is broken.
# It takes about an hour.

# %%
from functools import partial

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

import minifcn as mf
from minifcn import functions as F
from minifcn import geometry, nn
from minifcn.teaching import FAST, panels, progress, quick, show
from minifcn.teaching.lenet import check_counts, check_he_scale, check_loss, check_momentum_step
from minifcn.viz.colormap import COLOURS

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Digits, written by people
#
# 8 x 8 pixels each, in seventeen shades.
#
# <!-- notes -->
# They come with scikit-learn, so nothing is downloaded: digits written by
# thirteen people (the test half of UCI's "optical recognition of handwritten
# digits", 1998).

# %%
digits = load_digits()
images, labels = digits.images / 16, digits.target
assert np.array_equal(np.unique(digits.images), range(17))
images.shape, np.bincount(labels)

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(3, 8, size=(7.6, 3.1))
for ax, image, label in zip(axes.flat, images, labels):
    ax.imshow(image, cmap="gray")
    ax.set_title(int(label), fontsize=12)
    ax.axis("off")
show(
    figure,
    f"{axes.size} digits of {images.shape[1]} x {images.shape[2]} pixels, their class above.",
)

# %% [markdown]
# LeNet (LeCun et al. 1998) was made for 28 x 28 pixels, in which the digit fills a box of 20 x 20.
# We enlarge ours to that. Be clear about what this gives: **nothing that was not there**. An
# enlarged image holds the same 64 numbers, and a smaller net would read them as well. We do it so
# that the net is the published one, and because the next tutorial slides it over a page, where a
# digit needs some paper around it.


# %%
def enlarged(image):
    box = Image.fromarray(image.astype(np.float32)).resize((20, 20), Image.Resampling.BILINEAR)
    return np.pad(np.asarray(box), 4)


x = np.stack([enlarged(image) for image in images])[:, None]
y = labels
assert x.shape == (1797, 1, 28, 28)
x.dtype, x.shape

# %% [markdown]
# Some digits are kept back. A net that is asked about digits that it was trained on may have
# learned them by heart; only the others tell whether it can read.

# %%
order = np.random.default_rng(0).permutation(len(x))
seen, unseen = order[:1297], order[1297:]
assert not set(seen) & set(unseen)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A layer is a function that owns numbers
#
# A **parameter** is a tensor that is trained. A **module** knows its parameters, and those of the
# modules inside it.


# %% slideshow={"slide_type": "-"}
class Parameter(mf.Tensor):
    def __init__(self, data):
        super().__init__(data, requires_grad=True)


class Module:
    def parameters(self):
        for value in vars(self).values():
            if isinstance(value, Parameter):
                yield value

    def __call__(self, x):
        return self.forward(x)


# %% [markdown]
# Two modules: one that has a weight and a bias, and one that has other modules. The second is all
# that it takes to stack layers.


# %%
class Linear(Module):
    def __init__(self, weight, bias):
        self.weight, self.bias = Parameter(weight), Parameter(bias)

    def forward(self, x):
        return F.linear(x, self.weight, self.bias)


# %%
class Sequential(Module):
    def __init__(self, *layers):
        self.layers = layers

    def parameters(self):
        return (p for layer in self.layers for p in layer.parameters())

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


# %% [markdown]
# The library's `nn.Module`, `nn.Parameter` and `nn.Sequential` are this, with names: a parameter
# called `conv1.weight` can be saved, found again and given its own learning rate. Ours and theirs,
# with the same numbers inside, must agree.

# %%
theirs = nn.Sequential({"first": nn.Linear(784, 30), "second": nn.Linear(30, 10)})
numbers = [p.numpy() for p in theirs.parameters()]
ours = Sequential(Linear(*numbers[:2]), Linear(*numbers[2:]))

flat = mf.Tensor(x[:5].reshape(5, 784))
assert np.array_equal(ours(flat).numpy(), theirs(flat).numpy())
assert [p.shape for p in ours.parameters()] == [p.shape for p in theirs.parameters()]
[name for name, _ in theirs.named_parameters()]

# %% [markdown] slideshow={"slide_type": "slide"}
# ## LeNet: two convolutions, two fully connected layers
#
# <!-- notes -->
# This is LeNet as Caffe's users know it; `ip` is their "inner product". Windows and pooling are
# those of 04 and 05. What is new is the end: `Flatten` lays a map out as one long vector, and a
# fully connected layer, `Linear`, looks at all of it at once. There is no rectifier behind the
# convolutions: the maxima are not linear either.


# %% slideshow={"slide_type": "-"}
def lenet():
    layers = {
        "conv1": nn.Conv2d(1, 20, 5),
        "pool1": nn.MaxPool2d(2, 2),
        "conv2": nn.Conv2d(20, 50, 5),
        "pool2": nn.MaxPool2d(2, 2),
        "flatten": nn.Flatten(),
        "ip1": nn.Linear(50 * 4 * 4, 500),
        "relu1": nn.ReLU(),
        "ip2": nn.Linear(500, 10),
    }
    return nn.Sequential(layers)


# %%
for row in geometry.trace(lenet(), (28, 28)).rows:
    shape = " x ".join(map(str, row.shape[1:]))
    print(f"{row.name:8} {shape:12} {row.parameters:8,} numbers {row.macs:9,} products")

# %% [markdown]
# Look at where the numbers are and where the work is: `ip1` has most of the weights, the
# convolutions do most of the multiplying. The library's LeNet is the same net:

# %%
published = mf.models.build("lenet")
own = {name: p.shape for name, p in lenet().named_parameters()}
assert own == {name: p.shape for name, p in published.named_parameters()}

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The loss: how surprised is the net by the truth?
#
# $$p_k = \frac{e^{s_k}}{\sum_j e^{s_j}} \qquad \text{loss} = -\log\, p_{\text{label}}$$

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
scores = np.array([1.0, 3.0, 0.5, 2.0])
p = np.exp(scores) / np.exp(scores).sum()
figure, axes = panels(1, 3, size=(8.6, 2.7))
axes[0].bar(range(4), scores)
axes[0].set(title="scores", xlabel="class", xticks=range(4))
axes[1].bar(range(4), p, color=COLOURS[1])
axes[1].set(title="probabilities", xlabel="class", xticks=range(4), ylim=(0, 1))
share = np.linspace(0.01, 1, 100)
axes[2].plot(share, -np.log(share), color="black")
axes[2].plot(p, -np.log(p), "o", color=COLOURS[1])
axes[2].set(title="loss", xlabel="probability of the truth")
show(figure, "Scores 1, 3, 0.5, 2 become probabilities of " + ", ".join(f"{v:.2f}" for v in p)
     + "; the loss of a class is minus the logarithm of its probability.")  # fmt: skip

# %% [markdown]
# **Softmax** makes probabilities of scores: positive, and together 1. The loss is 0 for a net that
# is sure and right, and has no limit for one that is sure and wrong. Written as the formula says:


# %%
def naive_loss(scores, label):
    with np.errstate(all="ignore"):
        return float(-np.log(np.exp(scores[label]) / np.exp(scores).sum()))


naive_loss(scores, 1), naive_loss(scores + 1000, 1)

# %% [markdown] slideshow={"slide_type": "slide"}
# ## $e^{1000}$ is not a number that a computer has
#
# Only differences of scores count: take the largest away first.
#
# $$\text{loss} = \log \sum_j e^{s_j - m} + m - s_{\text{label}} \qquad m = \max_j s_j$$


# %% slideshow={"slide_type": "-"}
def loss(scores, label):
    m = scores.max()
    return float(np.log(np.exp(scores - m).sum()) + m - scores[label])


assert np.isclose(loss(scores, 1), naive_loss(scores, 1))
assert np.isclose(loss(scores + 1000, 1), loss(scores, 1))
assert np.isclose(loss(scores, 1), F.cross_entropy(scores[None], np.array([1])).data)
loss(scores, 1), loss(scores + 1000, 1)

# %% [markdown]
# This is called **log-sum-exp**. Its gradient is worth remembering:
# $\partial\,\text{loss} / \partial s_k = p_k - [k = \text{label}]$, where the bracket is 1 at the
# label and 0 elsewhere.

# %%
s = mf.Tensor(scores[None], requires_grad=True)
F.cross_entropy(s, np.array([1])).backward()
assert np.allclose(s.grad[0], p - (np.arange(4) == 1))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What should the weights be before anything is learned?
#
# Try zero.

# %% slideshow={"slide_type": "-"}
model = lenet()
for p in model.parameters():
    p.data[...] = 0
F.cross_entropy(model(mf.Tensor(x[:50])), y[:50]).backward()
for name, p in model.named_parameters():
    print(f"{name:12} largest gradient {np.abs(p.grad).max():.3g}")

# %% [markdown]
# Only the last bias learns anything. A layer's gradient is what comes from behind times what came
# from the front, and both are zero. The last bias will learn how frequent each digit is, and that
# is where such a training stays: always the same answer. An FCN whose layers all start at zero
# shows it as a label map that is all background.
#
# Random numbers, then. How large? What counts is the **fan-in**: the number of products that one
# output sums up.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Too small dies out, too large explodes


# %%
def activations(scale, depth=8, width=256):
    """What ReLU layers make of digits; scale(fan_in) is the standard deviation of weights."""
    rng, maps = np.random.default_rng(0), []
    a = x[seen[:200]].reshape(200, -1)
    for _ in range(depth):
        w = scale(a.shape[1]) * rng.standard_normal((width, a.shape[1]))
        a = np.maximum(a @ w.T, 0)
        maps.append(a)
    return maps


scales = {
    "0.5/sqrt(fan-in)": lambda n: 0.5 / np.sqrt(n),
    "sqrt(2/fan-in)": lambda n: np.sqrt(2 / n),
    "3/sqrt(fan-in)": lambda n: 3 / np.sqrt(n),
}

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(1, 3, size=(9.2, 3.1), sharey=True)
for ax, (name, scale) in zip(axes, scales.items()):
    for layer, colour in zip((1, 3, 5, 8), COLOURS):
        values = activations(scale)[layer - 1]
        ax.hist(np.log10(values[values > 0]), np.linspace(-6, 3, 73), histtype="step", lw=1.8,
            color=colour, label=f"layer {layer}")  # fmt: skip
    ax.set(title=name, xlabel="activation", xticks=(-6, -3, 0, 3), yticks=[])
    ax.set_xticklabels([f"$10^{{{n}}}$" for n in (-6, -3, 0, 3)])
axes[0].set_ylabel("how many")
axes[0].legend(frameon=False, fontsize=10)
show(figure, "Histograms of activations of layers 1, 3, 5, 8: with 0.5/sqrt(fan-in) each layer "
     "is smaller, with sqrt(2/fan-in) they stay, with 3/sqrt(fan-in) each is larger.")  # fmt: skip

# %% [markdown] slideshow={"slide_type": "-"}
# **He's scale**: standard deviation $\sqrt{2 / \text{fan-in}}$, for layers with ReLU.
#
# <!-- notes -->
# A sum of $n$ independent products has $n$ times the variance of one, so weights of variance
# $1/n$ keep it; ReLU throws away half of it, hence the 2 (He et al. 2015).

# %%
growth = {}
for name, scale in scales.items():
    sizes = [np.sqrt(np.mean(a**2)) for a in activations(scale)]
    growth[name] = sizes[-1] / sizes[0]
    print(f"{name:18}" + "".join(f"{size:9.2g}" for size in sizes))
assert growth["0.5/sqrt(fan-in)"] < 0.01
assert 0.5 < growth["sqrt(2/fan-in)"] < 2
assert growth["3/sqrt(fan-in)"] > 100

# %% [markdown]
# Each row is the size (root mean square) of the activations behind layers 1 to 8. In the first
# they shrink by a constant factor a layer, and so do gradients on their way back: the first layers
# hardly learn. In the last they grow by one. `nn.Conv2d` and `nn.Linear` start with He's.

# %% [markdown]
# ## First check: the loss before training
#
# A net that knows nothing should give each of ten digits a tenth, and $-\log \frac{1}{10} = \log
# 10$.


# %%
def loss_of(model, chosen):
    return F.cross_entropy(model(mf.Tensor(x[chosen])), y[chosen])


mf.manual_seed(0)
model = lenet()
print(f"log 10            {np.log(10):.3f}")
print(f"He's weights      {loss_of(model, seen[:500]).data:.3f}")
model["ip2"].weight.data[...] = 0
print(f"last layer zero   {loss_of(model, seen[:500]).data:.3f}")
assert np.isclose(loss_of(model, seen[:500]).data, np.log(10), rtol=1e-5)

# %% [markdown]
# A loss that starts at 20, or at 0.1, means that labels, scores or the scale of the input are not
# what you think. He's weights start above $\log 10$: random scores are opinions, most of
# them wrong. With the *last* layer zero it is exact. FCN's authors start their score layers so.
#
# <details><summary>To think about: why may the last layer be zero, when all layers may
# not?</summary> Its input is not zero, so its gradient is not; after one step it is no longer
# zero, and the layers before it get gradients, too. They are random, so their neurons differ from
# the beginning.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Momentum: a ball instead of a walker
#
# $$V \leftarrow \mu V + \alpha\,(g + \lambda w) \qquad w \leftarrow w - V$$


# %%
def descend(momentum, lr, steps=40):
    """The way down a long valley, 25 times as steep across as along."""
    w, v = np.array([-9.0, 1.5]), np.zeros(2)
    path = [w]
    for _ in range(steps):
        v = momentum * v + lr * np.array([1.0, 25.0]) * w
        w = w - v
        path.append(w)
    return np.array(path)


# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(2, 1, size=(7.4, 3.9), sharex=True)
east, north = np.meshgrid(np.linspace(-10, 4, 120), np.linspace(-3.2, 3.2, 60))
for ax, momentum in zip(axes, (0.0, 0.8)):
    path = descend(momentum, 0.03)
    ax.contour(east, north, east**2 / 2 + 12.5 * north**2, 12, colors="#bbbbbb", linewidths=1)
    ax.plot(*path.T, "o-", ms=4, lw=1.2, color=COLOURS[0])
    ax.plot(0, 0, "x", color=COLOURS[1], ms=11, mew=3)
    left, steps = np.linalg.norm(path[-1]), len(path) - 1
    ax.set_title(f"momentum {momentum}: {left:.2f} from the lowest point after {steps} steps")
    ax.set(yticks=[])
show(figure, "Two ways down a narrow valley: without momentum it creeps along the bottom, with "
     "momentum 0.8 it arrives.")  # fmt: skip

# %% [markdown]
# The learning rate $\alpha$ cannot be much larger: across the valley the steps would overshoot,
# each further than the one before.

# %%
assert np.abs(descend(0.0, lr=0.09)[-1]).max() > 100

# %% [markdown]
# Along the valley such steps are small. The velocity $V$ remembers: what points the same way every
# time adds up, what changes its sign cancels. How well it remembers is $\mu$, the **momentum**.
# $\lambda$ is **weight decay**: without a reason to be large, weights shrink. **Stochastic**
# gradient descent does not look at all images for a step, but at a few drawn at random, a
# **minibatch**: a noisy estimate of the gradient, but many of them for the price of one exact one.
#
# In five lines. `w.rate` and `w.decay` belong to the parameter: biases learn twice as fast and do
# not decay, as in the authors' definitions of FCN.


# %%
def sgd_step(model, velocity, lr, momentum=0.9, decay=5e-4):
    for name, w in model.named_parameters():
        g = w.grad + decay * w.decay * w.data
        velocity[name] = momentum * velocity.get(name, 0) + lr * w.rate * g
        w.data = w.data - velocity[name]


# %% [markdown]
# The learning rate stands inside the velocity, as in Caffe. PyTorch has it outside, which is the
# same as long as the rate does not change.


# %%
def few_steps(step_with):
    mf.manual_seed(0)
    model = lenet()
    step = step_with(model)
    for chosen in np.split(seen[:160], 5):
        model.zero_grad()
        loss_of(model, chosen).backward()
        step()
    return model.state_dict()


mine = few_steps(lambda model: partial(sgd_step, model, {}, 0.01))
library = few_steps(lambda model: mf.train.Solver(model, 0.01).step)
for name in library:
    np.testing.assert_allclose(mine[name], library[name], rtol=1e-4, atol=1e-6)

# %% [markdown]
# After five steps every weight agrees with the library's `Solver`, which from here on does the
# same, in place.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Second check: learn twenty images by heart
#
# <!-- notes -->
# Before a long training, try a tiny one. A net with 431,080 numbers must be able to memorise
# twenty images; where it cannot, something is wrong with the code, and no amount of data will
# help.

# %%
assert sum(p.size for p in lenet().parameters()) == 431080

# %% slideshow={"slide_type": "-"}
mf.manual_seed(0)
model = lenet()
solver = mf.train.Solver(model, lr=0.01)
few, course = seen[:20], []
for _ in range(40):
    solver.zero_grad()
    error = loss_of(model, few)
    error.backward()
    solver.step()
    course.append(float(error.data))

# %%
right = model(mf.Tensor(x[few])).numpy().argmax(axis=1) == y[few]
assert right.all()
assert course[-1] < 0.05

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, ax = panels(size=(6.2, 3))
ax.plot(range(1, len(course) + 1), course)
ax.axhline(np.log(10), color=COLOURS[6], ls="--")
ax.text(len(course), np.log(10), "log 10", ha="right", va="bottom")
ax.set(xlabel="step", ylabel="loss of 20 images", ylim=(0, None))
show(figure, f"The loss of twenty images falls from {course[0]:.2f} to {course[-1]:.4f}.")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Now with all of them


# %%
def train(model, chosen, epochs, lr=0.01, batch=32):
    solver, losses, rng = mf.train.Solver(model, lr), [], np.random.default_rng(0)
    steps = len(chosen) // batch
    for step in progress(range(epochs * steps)):
        if step % steps == 0:  # an epoch: once through all images, in a new order
            shuffled = rng.permutation(chosen)
        first = step % steps * batch
        minibatch = shuffled[first : first + batch]
        solver.zero_grad()
        error = loss_of(model, minibatch)
        error.backward()
        solver.step()
        losses.append(float(error.data))
    return losses


# %%
def read(model, images):
    with mf.no_grad():
        return model(mf.Tensor(images)).numpy().argmax(axis=1)


mf.manual_seed(0)
model = lenet()
losses = train(model, seen, epochs=quick(8, 1))
accuracy = np.mean(read(model, x[unseen]) == y[unseen])
assert FAST or accuracy > 0.97
print(f"{accuracy:.1%} of {len(unseen)} unseen digits")

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, ax = panels(size=(6.4, 3))
ax.plot(range(1, len(losses) + 1), losses, color=COLOURS[6], lw=1, label="a minibatch")
smooth = np.convolve(losses, np.ones(20) / 20, "valid")
ax.plot(np.arange(20, 20 + len(smooth)), smooth, lw=2.2, label="mean of 20 steps")
ax.set(xlabel="step", ylabel="loss", ylim=(1e-3, 5), yscale="log")
ax.legend(frameon=False)
ax.set_title(f"{accuracy:.1%} of the unseen digits are read right", fontsize=12)
show(figure, f"The loss during training falls from {losses[0]:.2f} to {smooth[-1]:.3f}; "
     f"{accuracy:.1%} of unseen digits are right.")  # fmt: skip

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Which digits are taken for which?
#
# <!-- notes -->
# The confusion matrix: row by row what a digit is, column by column what it was read as. What lies
# on the diagonal is right. Segmentation counts pixels in the same way, and all of its measures are
# computed from that table.

# %%
found = read(model, x[unseen])
counts = np.zeros((10, 10), int)
np.add.at(counts, (y[unseen], found), 1)
matrix = mf.metrics.ConfusionMatrix(10).update(y[unseen], found)
assert np.array_equal(counts, matrix.counts)
assert np.isclose(np.trace(counts) / counts.sum(), matrix.pixel_accuracy)


# %% tags=["hide-input"]
def draw_counts(ax):
    ax.imshow(np.sqrt(counts), cmap="cividis")  # the root: one mistake shall be seen beside fifty
    for i, j in np.argwhere(counts):
        colour = "black" if counts[i, j] > 15 else "white"
        ax.text(j, i, counts[i, j], ha="center", va="center", color=colour, fontsize=11)
    ax.set(xticks=range(10), yticks=range(10), xlabel="read as", ylabel="is")


# %% tags=["hide-input", "cover"] slideshow={"slide_type": "-"}
wrong = np.flatnonzero(found != y[unseen])[:8]
figure = panels(size=(8.6, 4.4))[0]
figure.clear()
left, right = figure.subfigures(1, 2, width_ratios=(1.1, 1))
draw_counts(left.subplots())
for ax, number in zip(right.subplots(2, 4).flat, range(8)):
    ax.axis("off")
    if number < len(wrong):
        which = wrong[number]
        ax.imshow(x[unseen[which], 0], cmap="gray")
        ax.set_title(f"{y[unseen[which]]} as {found[which]}", fontsize=12)
show(figure, f"Confusion matrix of {counts.sum()} unseen digits, {np.trace(counts)} on the "
     f"diagonal, and beside it {len(wrong)} of the mistakes.")  # fmt: skip

# %% [markdown]
# Beside the matrix stand mistakes. Would you have read them?
#
# ## What "unseen" means
#
# We shuffled before we split. People wrote one after the other, and the file seems to have kept
# that order; so after shuffling each writer is in both halves, and the net has seen *other digits
# of the same hands*. Split without shuffling, and the last 500 are by people whose hand it hardly
# knows.

# %%
mf.manual_seed(0)
stranger = lenet()
train(stranger, np.arange(1297), epochs=quick(8, 1))
of_strangers = np.mean(read(stranger, x[1297:]) == y[1297:])
assert FAST or of_strangers < accuracy
print(f"shuffled {accuracy:.1%}, in order {of_strangers:.1%}")

# %% [markdown]
# Nothing about the net has changed, only the question. Which one is right depends on what the net
# is for: readers of letters meet new hands every day. When you read an accuracy, ask how the test
# images were chosen.

# %% [markdown] slideshow={"slide_type": "slide"}
# ## What the first layer looks for
#
# Ten of its twenty filters of 5 x 5, and where each answers to a digit.

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
filters = model["conv1"].weight.numpy()[:, 0]
with mf.no_grad():
    answers = model["conv1"](mf.Tensor(x[unseen[:1]])).numpy()[0]
strength = np.abs(filters).sum(axis=(1, 2)).argsort()[::-1][:10]
figure, axes = panels(2, 10, size=(9, 2.1))
for column, k in enumerate(strength):
    axes[0, column].imshow(filters[k], cmap="cividis")
    axes[1, column].imshow(answers[k], cmap="gray")
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
axes[0, 0].set_ylabel("filter")
axes[1, 0].set_ylabel("its map")
show(figure, f"The ten strongest filters, and their maps on a {y[unseen[0]]}: strokes and edges.")

# %% [markdown]
# Nobody drew these filters: they were random, and the loss moved them. In some you can see edges
# of one direction, light on one side and dark on the other. With a thousand digits and eight
# epochs much of the random start is still there; nets that are trained on a million photographs
# show clean edges and colours (Krizhevsky et al. 2012, figure 3).
#
# ## Your turn
#
# **1.** Loss and gradient of one digit. `scores` is a vector; return the loss and the vector of
# slopes. The third case by hand has a score of 1000.


# %% tags=["exercise"]
def loss_and_gradient(scores, label):
    """(loss, gradient): minus the logarithm of softmax at the label, and its slopes."""
    # your lines


check_loss(loss_and_gradient)

# %% tags=["solution"]
check_loss.solution()

# %% [markdown]
# **2.** How large should initial weights be? `shape` is that of a weight, the outputs first:
# `[K, C, KH, KW]` of a convolution, `[O, I]` of a fully connected layer.


# %% tags=["exercise"]
def he_scale(shape):
    """The standard deviation that keeps activations as they are, through ReLUs."""
    # your lines


check_he_scale(he_scale)

# %% tags=["solution"]
check_he_scale.solution()

# %% [markdown]
# **3.** One step of stochastic gradient descent with momentum and weight decay, by Caffe's rule,
# for the weights of one layer. Make new arrays.


# %% tags=["exercise"]
def momentum_step(w, g, v, lr, momentum, decay):
    """(w, v) after the step."""
    # your lines


check_momentum_step(momentum_step)

# %% tags=["solution"]
check_momentum_step.solution()

# %% [markdown]
# **4.** The confusion matrix, without a loop over images if you can. Beware of
# `counts[labels, predictions] += 1`: why does it not do?


# %% tags=["exercise"]
def confusion(labels, predictions, num_classes):
    """counts[i, j]: how many of class i were predicted to be class j."""
    # your lines


check_counts(confusion)

# %% tags=["solution"]
check_counts.solution()

# %% [markdown]
# <details><summary><b>5.</b> To think about: all weights start at the same number, say 0.1,
# instead of zero. Gradients are then not zero. Does it learn?</summary>
# All neurons of a layer then compute the same, get the same gradient and stay equal for ever: the
# layer has one neuron, many times. It is chance that tells neurons apart.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - Loss: minus the logarithm of the truth's probability; at the start, $\log K$.
# - Start random, at He's scale; check the loss, memorise twenty images, then train.
# - Each weight moves against its slope, with a memory: momentum.
#
# <!-- notes -->
# The net: [minifcn/models/lenet.py](../minifcn/models/lenet.py). Modules and parameters:
# [minifcn/nn/module.py](../minifcn/nn/module.py), initial weights:
# [minifcn/nn/init.py](../minifcn/nn/init.py). The solver:
# [minifcn/train/solver.py](../minifcn/train/solver.py), and its step in NumPy:
# [kernels/reference/solver.py](../kernels/reference/solver.py).
#
# Next: [07 · How does a classifier become a heat map?](07_fully_connected_is_convolution.ipynb)
