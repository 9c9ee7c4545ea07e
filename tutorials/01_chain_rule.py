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
# # 01 · How does a program know its own derivative?
#
# It writes down what it did, one operation at a time, and reads the list backwards.
#
# <!-- notes -->
# You need: Python, and the derivative of a product. You get: an engine of thirty lines that
# differentiates any expression, and the reason why an operation must wait for all that used it. It
# takes about twenty-five minutes. Every tutorial begins in a fresh kernel: run the cells from the
# top.

# %%
import math

from minifcn.teaching import panels, seconds, show, show_svg
from minifcn.teaching.chain_rule import check_count_uses, check_product, check_tanh
from minifcn.viz import graph_svg

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A slope is a ratio of small changes
#
# <!-- notes -->
# Move the input a little, see how far the output moves. That is a derivative without any rule, and
# it is how all rules of these tutorials are tested. The code moves it both ways, which is more
# exact (tutorial 03 says why). It costs two evaluations for every input: for the 134 million
# weights of a large network, 268 million for one step.


# %%
def f(x):
    return math.tanh(x) * x


def slope(f, x, h=1e-6):
    return (f(x + h) - f(x - h)) / (2 * h)


slope(f, 1.0)

# %% tags=["hide-input"] slideshow={"slide_type": "-"}
figure, axes = panels(size=(6, 3))
xs = [i / 50 for i in range(-20, 111)]
axes.plot(xs, [f(x) for x in xs], label="y = x tanh x")
axes.plot(xs, [f(1) + slope(f, 1) * (x - 1) for x in xs], "--", label=f"slope {slope(f, 1):.3f}")
axes.plot(1, f(1), "ko")
axes.legend(frameon=False)
show(figure, f"x tanh x with its tangent at x = 1, of slope {slope(f, 1):.3f}.")

# %% [markdown] slideshow={"slide_type": "-"}
# $$\frac{dy}{dx} = \lim_{h \to 0} \frac{f(x + h) - f(x - h)}{2h}$$

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Write down what was done
#
# Every number remembers **what it was made from**, and its **slope** along each of these inputs.
#
# | operation | slopes |
# |---|---|
# | $y = a + b$ | $1$ and $1$ |
# | $y = a \cdot b$ | $b$ and $a$ |
# | $y = \tanh x$ | $1 - y^2$ |

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A number that remembers


# %% slideshow={"slide_type": "-"}
class Number:
    def __init__(self, value, inputs=(), slopes=(), name=""):
        self.value, self.inputs, self.slopes = value, inputs, slopes
        self.name, self.grad = name, 0.0

    def __add__(self, other):
        return Number(self.value + other.value, (self, other), (1.0, 1.0), "+")

    def __mul__(self, other):
        return Number(self.value * other.value, (self, other), (other.value, self.value), "×")


# %%
def tanh(x):
    y = math.tanh(x.value)
    return Number(y, (x,), (1 - y * y,), "tanh")


# %% [markdown]
# The same expression with `Number`s has the same value. What is new: the result still holds the
# whole calculation.

# %%
x = Number(1.0, name="x")
y = tanh(x) * x
assert y.value == f(1.0)
y.name, [i.name for i in y.inputs], y.slopes

# %% [markdown]
# A drawing of it walks from the end to the inputs. Each box is a number: its name, its value, and
# `grad`, its *gradient*. There the slope of the end along this number will be gathered; it is
# still zero everywhere.


# %%
def draw(end, alt):
    seen, edges, waiting = {id(end): end}, [], [end]
    while waiting:
        node = waiting.pop()
        for i in node.inputs:
            edges.append((id(i), id(node)))
            if id(i) not in seen:
                seen[id(i)] = i
                waiting.append(i)
    boxes = [
        (k, n.name, f"{n.value:.3g}, grad {n.grad:.3g}", "function" if n.inputs else "input")
        for k, n in seen.items()
    ]
    show_svg(graph_svg(boxes, edges), alt)


# %% tags=["hide-input"] slideshow={"slide_type": "slide"}
draw(y, "The graph of x times tanh x: x is used twice, by tanh and by the product.")

# %% [markdown] slideshow={"slide_type": "-"}
# **Along a path slopes multiply. Where paths meet, they add.**
#
# $$\frac{dy}{dx} = \sum_{\text{paths } x \to y}\ \prod_{\text{steps}} \text{slope}$$
#
# <!-- notes -->
# That is the whole chain rule. In the picture $x$ reaches the result on two paths: straight into
# the product, with the slope $\tanh x$, and through tanh, with $x \cdot (1 - \tanh^2 x)$. What
# follows adds up all paths without walking every one of them.

# %% [markdown]
# ## First attempt: walk every path
#
# From the end, carry the product of the slopes; whoever is reached adds it to its gradient.


# %%
def walk_all_paths(node, carried=1.0):
    node.grad += carried
    for i, slope_to_i in zip(node.inputs, node.slopes):
        walk_all_paths(i, carried * slope_to_i)


# %% [markdown]
# The test compares with the slope that two evaluations give. The first function uses its input
# once, the second on two paths, the others on four.


# %%
def doubled_twice(x):
    b = x + x
    return b + b


def square_and_tanh(x):
    b = x * x
    return b + tanh(b)


cases = {
    "tanh(x)": (tanh, math.tanh),
    "x tanh(x)": (lambda x: tanh(x) * x, f),
    "b = x + x, b + b": (doubled_twice, doubled_twice),
    "b = x x, b + tanh(b)": (square_and_tanh, lambda x: x * x + math.tanh(x * x)),
}


# %%
def test(backward):
    for name, (traced, plain) in cases.items():
        x, expected = Number(0.7), slope(plain, 0.7)
        backward(traced(x))
        right = abs(x.grad - expected) < 1e-8
        print(f"{name:20} {x.grad:.6f} {'right' if right else f'WRONG: {expected:.6f}'}")


test(walk_all_paths)

# %% [markdown]
# Right, and useless: doubling a number $n$ times makes $2^n$ paths.


# %%
def doubled(times):
    x = Number(1.0)
    y = x
    for _ in range(times):
        y = y + y
    return y


for times in (4, 8, 12, 16):
    took = seconds(walk_all_paths, doubled(times), repeat=1)
    print(f"{times:7} additions: {1e3 * took:8.2f} ms")

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Second attempt: visit each number when it is reached
#
# A number passes on its gradient as soon as some arrives. What can go wrong?


# %% slideshow={"slide_type": "-"}
def pass_on_at_once(end):
    end.grad, waiting = 1.0, [end]
    while waiting:
        node = waiting.pop(0)
        for i, slope_to_i in zip(node.inputs, node.slopes):
            i.grad += node.grad * slope_to_i
            waiting.append(i)


test(pass_on_at_once)

# %% [markdown]
# The third is twice too much. Follow it: `b + b` sends 1 to `b` twice, so `b` waits in the list
# twice. When its first turn comes, its gradient is 2 already, and it passes on all of that; and
# again at its second turn. So let everyone wait in the list only once:


# %%
def one_turn_each(end):
    end.grad, waiting, seen = 1.0, [end], {end}
    while waiting:
        node = waiting.pop(0)
        for i, slope_to_i in zip(node.inputs, node.slopes):
            i.grad += node.grad * slope_to_i
            if i not in seen:
                seen.add(i)
                waiting.append(i)


test(one_turn_each)

# %% [markdown]
# Now the last one is too little. In `b + tanh(b)` the sum reaches `b` first, and `b` has its turn
# before `tanh(b)` has sent its share. One turn is right, but *when*?

# %% [markdown] slideshow={"slide_type": "slide"}
# ## A number may pass on its gradient when everything that used it has
#
# 1. Count how often each number is used.
# 2. Start at the end. A number that has heard from **all** its uses is ready.
#
# <!-- notes -->
# That is a topological order, found from the end: Kahn's algorithm (1962). Both passes are loops.
# A recursive search finds an order too, until the graph is deeper than Python's stack.


# %%
def count_uses(end):
    uses, waiting = {}, [end]
    while waiting:
        for i in waiting.pop().inputs:
            uses[i] = uses.get(i, 0) + 1
            if uses[i] == 1:
                waiting.append(i)
    return uses


# %% slideshow={"slide_type": "-"}
def backward(end):
    uses = count_uses(end)
    end.grad, ready = 1.0, [end]
    while ready:
        node = ready.pop()
        for i, slope_to_i in zip(node.inputs, node.slopes):
            i.grad += node.grad * slope_to_i
            uses[i] -= 1
            if uses[i] == 0:
                ready.append(i)


test(backward)

# %% [markdown]
# Right, and every operation is visited once. The time grows with the operations, no longer with
# the paths, also in a graph of a hundred thousand operations, far deeper than Python's stack.

# %%
for times in (4, 8, 12, 16, 100_000):
    took = seconds(backward, doubled(times), repeat=1)
    print(f"{times:7} additions: {1e3 * took:8.2f} ms")

# %% tags=["hide-input"] slideshow={"slide_type": "slide"}
a, b, c = Number(2.0, name="a"), Number(-3.0, name="b"), Number(10.0, name="c")
product = a * b
result = tanh(product + c) * product
backward(result)
assert abs(a.grad - slope(lambda a: math.tanh(-3 * a + 10) * -3 * a, 2.0)) < 1e-8
draw(result, f"The graph of tanh(ab + c) times ab with values and gradients; a has {a.grad:.3g}.")

# %% [markdown] slideshow={"slide_type": "-"}
# One pass backwards, and **every** number knows its slope.

# %% [markdown]
# All inputs got their gradient in one pass, however many there are. That is why a network with 134
# million weights can be trained at all: one pass in the place of 268 million evaluations.
#
# ## Your turn
#
# Each check works a small case by hand, then tries random ones, and says where an answer first
# goes wrong. Under each one a solution can be unfolded: it is the library's own code.
#
# **1.** A product `y = a * b` has heard from all its uses: its gradient is `gy`. What do `a` and
# `b` get? They may be arrays, multiplied element by element.


# %% tags=["exercise"]
def product_backward(gy, a, b):
    """The gradients of a and b, as a pair."""
    # your lines


check_product(product_backward)

# %% tags=["solution"]
check_product.solution()

# %% [markdown]
# **2.** The same for `y = tanh(x)`, where `y` was kept instead of `x`. Why is that enough?


# %% tags=["exercise"]
def tanh_backward(gy, y):
    """The gradient of x."""
    # your lines


check_tanh(tanh_backward)

# %% tags=["solution"]
check_tanh.solution()

# %% [markdown]
# **3.** The order. `inputs` maps each name to the names that it was made from. How often is each
# used by what leads to `end`? A number that is used twice by the same operation counts twice;
# numbers that `end` does not depend on are not in the answer.


# %% tags=["exercise"]
def uses_by_name(end, inputs):
    """A dictionary: name -> number of uses."""
    # your lines


check_count_uses(uses_by_name)

# %% tags=["solution"]
check_count_uses.solution()

# %% [markdown]
# <details><summary><b>4.</b> To think about: after a second <code>backward</code> over the same
# graph of b = x + x, b + b the gradient of x is not 8, twice 4, but 12. Why?</summary>
# Gradients are added to what is there. An input that is used by two results wants that. But b,
# in between, still holds the 2 of the first pass, and now passes on 4. So the library keeps
# gradients of numbers in between in a table that it throws away.
# </details>

# %%
end = doubled(2)  # the graph of question 4
x = end.inputs[0].inputs[0]
backward(end)
backward(end)
assert x.grad == 12

# %% [markdown] slideshow={"slide_type": "slide"}
# ## Recap
#
# - A number remembers what it was made from, and the slopes.
# - Along a path slopes multiply; over paths they add.
# - Count uses first; a number passes on its gradient when all its uses have reported.
#
# <!-- notes -->
# The library's engine is this code with arrays in the place of numbers:
# [minifcn/autograd/engine.py](../minifcn/autograd/engine.py), `_count_uses` and `backward`; the
# operations are in [minifcn/autograd/arithmetic.py](../minifcn/autograd/arithmetic.py).
#
# Next: [02 · Tensors and functions](02_tensors_and_functions.ipynb).
