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
# # 02 · What turns thirty lines for numbers into an engine for networks?
#
# Arrays in the place of numbers, an object for every operation, and care about who owns an array.
#
# <!-- notes -->
# You need: [01 · the chain rule](01_chain_rule.ipynb), and arrays of NumPy. You get: an engine of
# your own that trains a small network, and agrees with the library's to the last digit. It takes
# about forty-five minutes.

# %%
import contextlib
import functools
import operator
import weakref

import numpy as np
from matplotlib.patches import Rectangle

from minifcn.teaching import panels, progress, quick, seconds, show, show_svg
from minifcn.teaching.tensors import check_add_up, check_linear, check_mean
from minifcn.viz import graph_svg

# %% [markdown] slideshow={"slide_type": "slide"}
# ## One object for every number is too many
#
# A matrix product with the numbers of tutorial 01, and the same with arrays:
#
# <!-- notes -->
# Each of the 60 x 16 results takes 24 products and 23 sums, and Python spends its time on making
# an object for each. So a graph must have one node not for a number, but for an operation on whole
# arrays. That is the step of this tutorial.


# %%
class Number:  # tutorial 01, in short
    def __init__(self, value, inputs=(), slopes=()):
        self.value, self.inputs, self.slopes = value, inputs, slopes

    def __add__(self, other):
        return Number(self.value + other.value, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        return Number(self.value * other.value, (self, other), (other.value, self.value))


def product_of_numbers(a, b):
    columns = list(zip(*b))
    terms = [[map(operator.mul, row, column) for column in columns] for row in a]
    return [[functools.reduce(operator.add, t) for t in row] for row in terms]


# %%
rng = np.random.default_rng(0)
a, b = rng.standard_normal((60, 24)), rng.standard_normal((24, 16))
numbers = [[list(map(Number, row)) for row in m] for m in (a, b)]
assert np.allclose([[n.value for n in row] for row in product_of_numbers(*numbers)], a @ b)

# %% slideshow={"slide_type": "-"}
slow = seconds(product_of_numbers, *numbers)
fast = seconds(np.matmul, a, b)
print(f"{60 * 16 * (24 + 23):,} nodes {1e3 * slow:9.3f} ms")
print(f"     1 node  {1e3 * fast:9.3f} ms")
print(f"{slow / fast:,.0f} times faster")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A tensor: an array, its gradient, and the function that made it
#
# <!-- notes -->
# `edge` says where a gradient of this tensor has to go: to the function that made it; to the
# tensor itself if nothing made it, a *leaf*, such as a weight; or nowhere, where nobody wants it.


# %% slideshow={"slide_type": "-"}
class Tensor:
    edges = ()  # a leaf was made from nothing

    def __init__(self, data, requires_grad=False):
        self.data = np.asarray(data, float)
        self.requires_grad = requires_grad
        self.grad = self.function = None

    def edge(self):
        return (self.function or self) if self.requires_grad else None


# %% [markdown]
# The operators make objects of classes that come next.

# %%
Tensor.__add__ = lambda self, other: Add()(self, other)
Tensor.__mul__ = lambda self, other: Mul()(self, other)
Tensor.__matmul__ = lambda self, other: MatMul()(self, other)


# %% [markdown] slideshow={"slide_type": "slide"}
# ## An operation is an object
#
# `forward` and `backward` see arrays; `__call__` sees tensors and **writes down the edges**.
#
# <!-- notes -->
# Engines for a lecture often use closures: a function inside a function, that remembers everything
# around it. An object has a name to print, says what it saves, and can be asked to let go of it.
# `needs` says for each input whether its gradient is wanted.


# %% slideshow={"slide_type": "-"}
class Function:
    saved, freed = (), False

    def __call__(self, *inputs):
        inputs = list(map(as_tensor, inputs))
        self.shapes = [x.data.shape for x in inputs]
        self.needs = self.wanted(inputs)
        y = Tensor(self.forward(*[x.data for x in inputs]))
        if any(self.needs):
            self.edges = [x.edge() for x in inputs]
            y.requires_grad, y.function = True, self
        return y


# %% [markdown]
# Three methods are left: whose gradients are wanted, what is kept for `backward`, and how a
# function lets go of it. (A class that inherits from one of the same name is a way to go on with
# it in a second cell.)


# %%
def as_tensor(x):
    return x if isinstance(x, Tensor) else Tensor(x)


class Function(Function):
    def wanted(self, inputs):
        return [x.requires_grad for x in inputs]

    def save(self, *arrays):
        if any(self.needs):
            self.saved = arrays

    def free(self):
        self.saved, self.edges, self.freed = (), (), True


# %% [markdown] slideshow={"slide_type": "slide"}
# ## Two operations
#
# `backward` takes the gradient `gy` of the output and gives back one for every input. What it
# needs for that, `forward` saves. **A sum needs nothing.**
#
# <!-- notes -->
# In tutorial 01 an operation handed out slopes, and the engine multiplied. With arrays the slopes
# of all outputs towards all inputs would be a huge matrix, the Jacobian, mostly zeros. So each
# operation multiplies by its Jacobian itself, without ever making it: a *vector-Jacobian product*.


# %% slideshow={"slide_type": "-"}
class Add(Function):
    def forward(self, a, b):
        return a + b

    def backward(self, gy):
        return gy, gy


# %% slideshow={"slide_type": "-"}
class Mul(Function):
    def forward(self, a, b):
        self.save(a, b)
        return a * b

    def backward(self, gy):
        a, b = self.saved
        return gy * b, gy * a


# %%
a = Tensor(rng.standard_normal((3, 4)), requires_grad=True)
b = Tensor(rng.standard_normal((3, 4)), requires_grad=True)
y = (a + b) * a
assert np.array_equal(y.data, (a.data + b.data) * a.data)
assert isinstance(y.function, Mul)
[type(edge).__name__ for edge in y.function.edges]

# %% [markdown]
# The edges of the product name the sum, a `Function`, and the leaf `a`. The tensor between, the
# one that `a + b` returned, is in no edge. A drawing says it more clearly; each function also
# tells what it saved.


# %%
def caption(node, names):
    if isinstance(node, Tensor):
        return names[node], "×".join(map(str, node.data.shape)), "parameter"
    shapes = ["×".join(map(str, s.shape)) for s in node.saved if s is not None]
    return type(node).__name__, f"saved {' and '.join(shapes) or 'nothing'}", "function"


# %%
def draw(end, names, alt):
    seen, edges, waiting = {end.edge(): True}, [], [end.edge()]
    while waiting:
        node = waiting.pop()
        for edge in filter(None, node.edges):
            edges.append((id(edge), id(node)))
            if edge not in seen:
                seen[edge] = True
                waiting.append(edge)
    show_svg(graph_svg([(id(n), *caption(n, names)) for n in seen], edges), alt)


# %% tags=["hide-input"] slideshow={"slide_type": "slide"}
draw(y, {a: "a", b: "b"}, "The graph of (a + b) times a: Add saved nothing, Mul saved two arrays.")

# %% [markdown] slideshow={"slide_type": "-"}
# **Edges lead from function to function, never through tensors.** What no function saved dies.
#
# <!-- notes -->
# In a network the arrays between the layers, the *activations*, take most of the memory. A graph
# whose edges went through tensors would keep all of them until the end.

# %% [markdown]
# Python can tell when an object dies: a weak reference does not keep it alive. Fifty sums in a
# row, with our `Add`, and with one that holds on to its input tensors:


# %%
class AddThatKeeps(Add):
    def __call__(self, *inputs):
        self.inputs = inputs
        return super().__call__(*inputs)


def alive(add, times=50):
    watched, y = [], a
    for _ in range(times):
        y = add()(y, b)
        watched.append(weakref.ref(y.data))
    return sum(array() is not None for array in watched)


# %%
print(f"edges from function to function: {alive(Add):2} of 50 sums alive")
print(f"edges through tensors:           {alive(AddThatKeeps):2} of 50 sums alive")
assert alive(Add) == 1  # the last, which we hold ourselves

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Backward: the loop of tutorial 01, with a table of gradients
#
# <!-- notes -->
# Gradients on the way are kept in a table, not on tensors, and leave it when they are used. Only
# leaves keep theirs, and a second result adds to it. Each function is freed when it has run, so
# that memory shrinks while the pass goes on.


# %% slideshow={"slide_type": "-"}
def backward(end, gy=1.0):
    root, owned = end.edge(), set()
    gradients = {root: np.asarray(gy)}
    uses, ready = count_uses(root), [root]
    while ready:
        node = ready.pop()
        gy = gradients.pop(node)
        if isinstance(node, Tensor):
            keep(node, gy)
            continue
        edges, found = node.edges, node.backward(gy)
        node.free()
        for edge, gx in zip(edges, found):
            hand_over(edge, gx, gradients, owned, uses, ready)


# %% [markdown]
# `count_uses` is that of tutorial 01, with one question more, which will matter later. A leaf
# keeps a copy, because somebody else may hold the array too. Handing over a gradient adds it up,
# and finds out whether the receiver has heard from everyone.


# %%
def count_uses(root):
    uses, waiting = {}, [root]
    while waiting:
        node = waiting.pop()
        if getattr(node, "freed", False):
            raise RuntimeError(f"{type(node).__name__} was freed by an earlier backward pass")
        for edge in filter(None, node.edges):
            uses[edge] = uses.get(edge, 0) + 1
            if uses[edge] == 1:
                waiting.append(edge)
    return uses


# %%
def keep(leaf, gy):
    leaf.grad = gy.copy() if leaf.grad is None else leaf.grad + gy


def hand_over(edge, gx, gradients, owned, uses, ready):
    if edge is None:  # nobody wants this gradient
        return
    accumulate(gradients, owned, edge, gx)
    uses[edge] -= 1
    if uses[edge] == 0:
        ready.append(edge)


# %% [markdown]
# One function is left, `accumulate`, which adds. Before it is written, its test: every number of
# every input is moved a little, as in tutorial 01. The result is an array now; what is compared is
# the slope of $\sum gy \cdot y$, with random numbers `gy`, which is what a backward pass that
# begins with `gy` computes.


# %%
def numeric(f, arrays, gy, h=1e-6):
    slopes = [np.zeros_like(array) for array in arrays]
    for array, slope in zip(arrays, slopes):
        for i in np.ndindex(array.shape):
            before = array[i]
            array[i] = before + h
            ahead = np.vdot(gy, f(*map(Tensor, arrays)).data)
            array[i] = before - h
            behind = np.vdot(gy, f(*map(Tensor, arrays)).data)
            array[i] = before
            slope[i] = (ahead - behind) / (2 * h)
    return slopes


# %%
def verdict(found, expected):
    if found.shape != expected.shape:
        return f"WRONG: a gradient {found.shape} for an input {expected.shape}"
    return "right" if np.allclose(found, expected, atol=1e-7) else "WRONG"


def test(name, f, *shapes):
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape) for shape in shapes]
    gy = rng.standard_normal(f(*map(Tensor, arrays)).data.shape)
    expected, inputs = numeric(f, arrays, gy), [Tensor(array, True) for array in arrays]
    given = gy.copy()
    backward(f(*inputs), given)
    verdicts = [verdict(x.grad, e) for x, e in zip(inputs, expected)]
    print(f"{name:14}", ", ".join(verdicts), "" if np.array_equal(given, gy) else "(gy changed)")


# %%
def test_sums():
    test("a + b", lambda a, b: a + b, (3, 4), (3, 4))
    test("(a + b) * a", lambda a, b: (a + b) * a, (3, 4), (3, 4))
    test("x + x", lambda x: x + x, (3, 4))
    test("(a + b) + a", lambda a, b: (a + b) + a, (3, 4), (3, 4))


# %% [markdown] slideshow={"slide_type": "slide"}
# ## First attempt: add in place
#
# The first gradient is put into the table; later ones are added to it. What can go wrong?


# %% slideshow={"slide_type": "-"}
def add_in_place(gradients, owned, node, gx):
    if node in gradients:
        gradients[node] += gx
    else:
        gradients[node] = gx


accumulate = add_in_place
test_sums()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## One array, three names
#
# `Add.backward` hands on the very array that came in, to both inputs. Whoever adds to it in place
# changes it for all: an *aliasing* error.
#
# <!-- notes -->
# In (a + b) + a, the inner sum and `a` hold the same array. When the second gradient of `a` is
# added in place, the gradient of the inner sum grows as well, and `b` gets twice what it should.
# In x + x the result was right by luck, but the caller's own array was changed.

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
gy = np.ones((3, 4))
to_inner, to_a = Add().backward(gy)
holders = {"the caller's gy": gy, "gradient of a + b": to_inner, "gradient of a": to_a}
arrays = {id(array): array for array in holders.values()}
boxes = [(name, name, "", "input") for name in holders]
boxes += [
    (k, "array", "×".join(map(str, array.shape)), "parameter") for k, array in arrays.items()
]
alt = f"{len(holders)} names, and {len(arrays)} array in memory that all of them hold."
show_svg(graph_svg(boxes, [(name, id(array)) for name, array in holders.items()]), alt)

# %%
assert to_inner is gy
assert to_a is gy

# %% [markdown]
# A way out is to make a new array at every addition:


# %%
def add_anew(gradients, owned, node, gx):
    gradients[node] = gradients[node] + gx if node in gradients else gx


accumulate = add_anew
test_sums()

# %% [markdown] slideshow={"slide_type": "slide"}
# ## First kept, second added into a new array, later ones in place
#
# The array of the second addition is **ours**: nobody else can know it.


# %% slideshow={"slide_type": "-"}
def add_to_ours(gradients, owned, node, gx):
    if node not in gradients:
        gradients[node] = gx
    elif node not in owned:
        gradients[node] = gradients[node] + gx
        owned.add(node)
    else:
        gradients[node] += gx


accumulate = add_to_ours
test_sums()

# %% [markdown]
# Right again, and one new array for a tensor that is used many times, where `add_anew` makes one
# at every use. What that is worth, for forty gradients:

# %%
many = [np.ones((300, 800)) for _ in range(40)]


def add_all(rule):
    gradients, owned = {}, set()
    for gx in many:
        rule(gradients, owned, "x", gx)
    return gradients["x"]


assert np.array_equal(add_all(add_anew), add_all(add_to_ours))
for rule in (add_anew, add_to_ours):
    print(f"{rule.__name__:12} {1e3 * seconds(add_all, rule):7.2f} ms")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A bias is repeated, so its gradient is a sum
#
# <!-- notes -->
# A *bias* $b$ is a row that is added to every row of $x$. NumPy repeats a smaller array along the
# axes that it lacks, or where its length is 1: that is broadcasting. Each repeated copy is a path
# from $b_j$ to the result, and over paths slopes add.


# %%
def numbers_in(axes, array, title):
    axes.imshow(array, vmin=-4, vmax=4, cmap="cividis")
    for (i, j), value in np.ndenumerate(array):
        colour = "white" if value < 1 else "black"
        axes.text(j, i, f"{value:.0f}", ha="center", va="center", size=12, color=colour)
    axes.set(title=title, ylim=(2.5, -0.5))
    axes.axis("off")


# %% tags=["hide-input"] slideshow={"slide_type": "-"}
bias, gy = np.array([[1, -2, 3, 0]]), np.array([[1, 0, -1, 2], [0, 2, 1, -3], [1, 1, -4, 0]])
figure, axes = panels(2, 2, size=(6.4, 4))
numbers_in(axes[0, 0], bias, "b")
numbers_in(axes[0, 1], np.broadcast_to(bias, gy.shape), "b, as x + b sees it")
numbers_in(axes[1, 0], gy.sum(axis=0, keepdims=True), "gb: the sums of the columns")
numbers_in(axes[1, 1], gy, "gy")
show(
    figure, f"A bias {bias[0]} repeated in three rows; the columns of gy sum to {gy.sum(axis=0)}."
)

# %% [markdown] slideshow={"slide_type": "-"}
# $$y_{ij} = x_{ij} + b_j \qquad\Rightarrow\qquad gb_j = gy_{1j} + gy_{2j} + gy_{3j}$$

# %% [markdown]
# Our sum does not know that yet:

# %%
test("x + b", lambda x, b: x + b, (3, 4), (4,))

# %% [markdown]
# ## Undo the broadcasting: sum over the axes along which it repeated
#
# Axes that the input did not have at all stand in front. Axes of length 1 stay, as axes of length
# 1. What was not repeated comes back as it is.


# %%
def unbroadcast(g, shape):
    extra = g.ndim - len(shape)
    ones = [extra + i for i, n in enumerate(shape) if n == 1]
    return g.sum(axis=(*range(extra), *ones), keepdims=True).reshape(shape)


class Elementwise(Function):
    def backward(self, gy):
        found = self.elementwise_backward(gy)
        return tuple(g if g.shape == shape else unbroadcast(g, shape)
                     for g, shape in zip(found, self.shapes))  # fmt: skip


# %%
class Add(Elementwise):
    def forward(self, a, b):
        return a + b

    def elementwise_backward(self, gy):
        return gy, gy


# %%
class Mul(Elementwise):
    def forward(self, a, b):
        self.save(a, b)
        return a * b

    def elementwise_backward(self, gy):
        a, b = self.saved
        return gy * b, gy * a


# %% [markdown]
# The same tests again, and those with repeated inputs:

# %%
test_sums()
test("x + b", lambda x, b: x + b, (3, 4), (4,))
test("x * column", lambda x, b: x * b, (3, 4), (3, 1))
test("x * number", lambda x, b: x * b, (3, 4), ())
test("row * column", lambda x, b: x * b, (1, 4), (3, 1))

# %% [markdown] slideshow={"slide_type": "slide"}
# ## The matrix product's two transposes
#
# $$y = x\,w \qquad gx = gy\,w^\top \qquad gw = x^\top gy$$
#
# <!-- notes -->
# In $y_{ij} = \sum_k x_{ik} w_{kj}$ the number $x_{ik}$ meets $w_{kj}$ once for every $j$, so
# $gx_{ik} = \sum_j gy_{ij} w_{kj}$: row times row, which is a product with the transposed. The
# shapes remind you: of the products of gy with w, only one has the shape of x. That fails for
# square matrices, which is why the examples here are not square.


# %%
def blocks(axes, title, shapes, names):
    left = 0
    for (rows, columns), name, sign in zip(shapes, names, ("", "·", "=")):
        axes.text(left - 0.8, 0, sign, ha="center", va="center", size=14)
        axes.add_patch(Rectangle((left, -rows / 2), columns, rows, fc="#dbe9f6", ec="#2f6ea5"))
        axes.text(left + columns / 2, 0, name, ha="center", va="center", size=14)
        axes.text(left + columns / 2, 3.3, f"{rows}×{columns}", ha="center", size=10)
        left += columns + 1.6
    axes.set(xlim=(-0.5, 15.6), ylim=(-3.2, 4), aspect="equal", title=title)
    axes.axis("off")


# %% tags=["hide-input"] slideshow={"slide_type": "-"}
x, w = np.ones((6, 2)), np.ones((2, 3))
gy = x @ w
figure, axes = panels(1, 3, size=(10, 2.3))
blocks(axes[0], "y = x w", [x.shape, w.shape, gy.shape], ["x", "w", "y"])
blocks(axes[1], "gx = gy wᵀ", [gy.shape, w.T.shape, (gy @ w.T).shape], ["gy", "wᵀ", "gx"])
blocks(axes[2], "gw = xᵀ gy", [x.T.shape, gy.shape, (x.T @ gy).shape], ["xᵀ", "gy", "gw"])
show(figure, "Blocks to scale: x 6×2 times w 2×3 is y 6×3, and the two products that go back.")


# %% slideshow={"slide_type": "-"}
class MatMul(Function):
    def forward(self, x, w):
        need_x, need_w = self.needs
        self.save(x if need_w else None, w if need_x else None)
        return x @ w

    def backward(self, gy):
        x, w = self.saved
        gx = None if w is None else gy @ w.T
        return gx, None if x is None else x.T @ gy


# %%
test("x @ w", lambda x, w: x @ w, (6, 2), (2, 3))

# %% [markdown]
# The gradient of `x` needs `w`, that of `w` needs `x`. A network's first layer gets the picture,
# which needs no gradient: then `w` is not saved, and the product for `gx` is not computed.
#
# ## Three more, and a network can be written
#
# The *rectifier*, ReLU for short, is $\max(x, 0)$. It saves its output: where that is above 0, so
# was the input. Backwards a sum becomes a repetition, as repetition became a sum.


# %%
class ReLU(Function):
    def forward(self, x):
        y = np.maximum(x, 0)
        self.save(y)
        return y

    def backward(self, gy):
        (y,) = self.saved
        return (np.where(y > 0, gy, 0.0),)


# %%
class Sum(Function):
    def forward(self, x):
        return x.sum()

    def backward(self, gy):
        return (np.broadcast_to(gy, self.shapes[0]),)


# %%
def relu(x):
    return ReLU()(x)


Tensor.sum = lambda self: Sum()(self)
Tensor.mean = lambda self: self.sum() * (1 / self.data.size)
Tensor.__sub__ = lambda self, other: self + Mul()(other, -1.0)
Tensor.backward = backward

test("relu(x)", relu, (3, 4))
test("x.sum()", Tensor.sum, (3, 4))
test("x.mean()", Tensor.mean, (3, 4))
test("a - b", lambda a, b: a - b, (3, 4), (4,))
test("a layer", lambda x, w, b: relu(x @ w + b).mean(), (6, 2), (2, 3), (3,))

# %% [markdown]
# ## A smaller tool: no_grad
#
# To use a trained network nothing has to be recorded. Recording has one door, `wanted`: while it
# is shut, functions save nothing, and an array dies with the last variable that names it.

# %%
recording = True
Function.wanted = lambda self, inputs: [recording and x.requires_grad for x in inputs]


@contextlib.contextmanager
def no_grad():
    global recording
    before, recording = recording, False
    try:
        yield
    finally:
        recording = before


# %%
def mebibytes_saved(end):
    saved, seen, waiting = {}, set(), [end.function]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Function) and node not in seen:
            seen.add(node)
            saved.update((id(s), s.nbytes) for s in node.saved if s is not None)
            waiting.extend(node.edges)
    return sum(saved.values()) / 2**20


# %%
x = Tensor(rng.standard_normal((4000, 60)))
w = Tensor(rng.standard_normal((60, 80)), requires_grad=True)
print(f"recorded: {mebibytes_saved(relu(x @ w)):.2f} MiB saved")
with no_grad():
    print(f"no_grad:  {mebibytes_saved(relu(x @ w)):.2f} MiB saved")
    assert relu(x @ w).function is None

# %% [markdown]
# ## As deep as you like, and once only
#
# Nothing in this engine is recursive, so a graph of ten thousand operations is no trouble. For a
# recursive search for an order it is:


# %%
def order_by_recursion(node, order):
    for edge in filter(None, node.edges):
        order_by_recursion(edge, order)
    order.append(node)


x = Tensor(rng.standard_normal((2, 3)), requires_grad=True)
y = x
for _ in range(10_000):
    y = y + x
try:
    order_by_recursion(y.edge(), [])
except RecursionError as error:
    print("RecursionError:", error)

# %%
y.sum().backward()
assert np.array_equal(x.grad, np.full((2, 3), 10_001.0))
x.grad

# %% [markdown]
# The pass has freed every function on its way. What was saved is gone, so a second pass over the
# same graph cannot be right. It must not be silently wrong either; that is what the question in
# `count_uses` was for.

# %%
try:
    y.sum().backward()
except RuntimeError as error:
    print("RuntimeError:", error)

# %% [markdown]
# ## A network learns a shape
#
# Points in a rectangle, and a curve. The label of a point is 1 inside and -1 outside. A *two-layer
# perceptron* shall tell them apart: a product and a bias, a rectifier, a product and a bias. It
# has `hidden` numbers between the two layers.


# %%
def inside(points):
    radius, angle = np.hypot(*points.T), np.arctan2(points[:, 1], points[:, 0])
    return np.where(radius < 0.62 + 0.22 * np.cos(3 * angle), 1.0, -1.0)[:, None]


def initial_weights(hidden=48):
    rng = np.random.default_rng(0)
    first, bias = 0.7 * rng.standard_normal((2, hidden)), 0.5 * rng.standard_normal(hidden)
    second = rng.standard_normal((hidden, 1)) / np.sqrt(hidden)
    return [first, bias, second, np.zeros(1)]


# %%
rng = np.random.default_rng(0)
points = rng.uniform((-1.2, -1.0), (1.2, 1.0), (500, 2))
labels = inside(points)
print(f"{(labels > 0).mean():.0%} of the points lie inside")

# %% [markdown]
# The loss is the mean squared distance of the scores from the labels. Each weight is moved a
# little against its gradient, which is then forgotten. Nothing in these lines says whose tensors
# they work on.


# %%
def score(x, weights, relu):
    w1, b1, w2, b2 = weights
    return relu(x @ w1 + b1) @ w2 + b2


def learn(x, t, weights, relu, rate=0.05):
    error = score(x, weights, relu) - t
    loss = (error * error).mean()
    loss.backward()
    for w in weights:
        w.data -= rate * w.grad
        w.grad = None
    return float(loss.data)


# %%
x, t = Tensor(points), Tensor(labels)
weights = [Tensor(w, requires_grad=True) for w in initial_weights()]
error = score(x, weights, relu) - t
names = dict(zip(weights, ("w1", "b1", "w2", "b2")))
graph = (error * error).mean()

# %% tags=["hide-input"]
draw(graph, names, "The graph of the network and its loss: only the weights are leaves.")

# %% [markdown]
# The points and the labels are not in the graph: nobody wants their gradient. (The last `Add`
# takes away the labels, the last `Mul` divides by the number of points.) No `Add` saved anything,
# so the sums before the rectifier are gone already. Now it learns; at the beginning, soon after,
# and at the end the scores of a grid of places are kept for a picture.

# %%
height, width = 60, 72
rows, columns = np.meshgrid(
    np.linspace(-1, 1, height), np.linspace(-1.2, 1.2, width), indexing="ij"
)
grid = np.stack([columns.ravel(), rows.ravel()], axis=1)

# %%
steps = quick(3000, 300)
losses, seen = [], {}
for step in progress(range(steps + 1)):
    if step in (0, steps // 100, steps):
        with no_grad():
            seen[step] = score(Tensor(grid), weights, relu).data.reshape(height, width)
    losses.append(learn(x, t, weights, relu))
accuracy = {n: np.mean((s > 0).ravel() == (inside(grid) > 0).ravel()) for n, s in seen.items()}
assert losses[-1] < losses[0] / 2
assert steps < 3000 or accuracy[steps] > 0.93

# %% tags=["hide-input", "cover"] slideshow={"slide_type": "slide"}
figure, axes = panels(1, 3, size=(9.6, 2.9), sharey=True)
truth, levels = (
    inside(grid).reshape(height, width),
    [-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1],
)
for panel, (step, scores) in zip(axes, seen.items()):
    heat = panel.contourf(columns, rows, scores, levels, extend="both", cmap="cividis")
    panel.contour(columns, rows, truth, [0], colors="white", linestyles="dashed")
    panel.set(title=f"after {step} steps: {accuracy[step]:.0%} right", xlabel="$x_1$")
axes[0].set(ylabel="$x_2$", yticks=[-1, 0, 1])
figure.colorbar(heat, label="score", ticks=[-1, 0, 1])
told = ", ".join(f"{a:.0%} of the places right after {n} steps" for n, a in accuracy.items())
show(figure, f"Scores of the network over the plane, and the true curve, dashed: {told}.")

# %% [markdown] slideshow={"slide_type": "-"}
# **The engine that you have just written trained this.**
#
# <!-- notes -->
# Yellow is inside, blue outside, dashed the truth. The network makes the curve of straight pieces,
# which meet where a rectifier opens. Its input is the two coordinates of one place; tutorial 05
# lets networks look at pictures.

# %% [markdown]
# ## The same with the library's engine
#
# `score` and `learn` do not know whose tensors they work on. With the library's, the same steps
# must give the same numbers, to the last digit. (Its reference backend computes in plain NumPy, in
# the same order as we did.)

# %%
import minifcn as mf

with mf.use_backend("reference"):
    theirs = [mf.Tensor(w, requires_grad=True) for w in initial_weights()]
    x, t = mf.Tensor(points), mf.Tensor(labels)
    same = [learn(x, t, theirs, mf.functions.relu) for _ in progress(range(steps + 1))]
assert same == losses
assert all(np.array_equal(a.data, b.data) for a, b in zip(weights, theirs))
losses[-1], same[-1]

# %% [markdown]
# ## Your turn
#
# **1.** A fully connected layer as the field writes it: `y = x @ weight.T + bias`, with one row of
# `weight` for each output. The gradient `gy` of `y` has arrived.


# %% tags=["exercise"]
def linear_backward(gy, x, weight, bias):
    """The gradients of x, weight and bias."""
    # your lines


check_linear(linear_backward)

# %% tags=["solution"]
check_linear.solution()

# %% [markdown]
# **2.** `y = x.mean(axis=axis)`: what does every element of `x` get? The averaged axis is missing
# in `gy`. (The solution is the library's `Sum`; its mean is that times one over the count.)


# %% tags=["exercise"]
def mean_backward(gy, x, axis):
    """The gradient of x."""
    # your lines


check_mean(mean_backward)

# %% tags=["solution"]
check_mean.solution()

# %% [markdown]
# **3.** The gradients of one tensor arrive, a list of arrays. Return their sum as the engine does:
# a single one as it is; several added up, with one new array in all. Those that arrived belong to
# others.


# %% tags=["exercise"]
def add_up(arrivals):
    """The sum of the arrays."""
    # your lines


check_add_up(add_up)

# %% tags=["solution"]
check_add_up.solution()

# %% [markdown]
# <details><summary><b>4.</b> To think about: why does <code>hand_over</code> count a use down even
# where two edges lead to the same function?</summary>
# Because <code>count_uses</code> counted both. In x + x the leaf x is used twice, hears twice, and
# has its turn after the second time.
# </details>
#
# <details><summary><b>5.</b> <code>w.data -= ...</code> changes an array in place. When would that
# corrupt a gradient?</summary>
# Between forward and backward: a product saved that very array, not a copy of it. After the pass,
# nobody holds it any more.
# </details>

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - One object an operation: it saves what its backward needs, and nothing else.
# - The engine adds: first kept, second into a new array, later ones in place.
# - What was repeated forward is summed backward; a product goes back by two transposes.
#
# <!-- notes -->
# The library's files are this code with checks: [tensor.py](../minifcn/autograd/tensor.py),
# [function.py](../minifcn/autograd/function.py), [engine.py](../minifcn/autograd/engine.py) and
# [arithmetic.py](../minifcn/autograd/arithmetic.py), where `unbroadcast` is.
#
# Our test moved every number of every input. How that is done well, and much faster, is next:
# [03 · Gradient checks](03_gradient_checks.ipynb).
