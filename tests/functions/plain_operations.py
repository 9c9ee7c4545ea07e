"""Operations without windows: pointwise ones, losses, products, reductions, moves."""

from collections.abc import Callable

import numpy as np
from drawing import Case, away_from_zero, distinct, normal, operation, pair, sometimes, whole

import minifcn as mf
from minifcn import functions as F

# -- pointwise, and along the channels ---------------------------------------------------------


def _maps(rng, numbers=normal) -> np.ndarray:
    return numbers(rng, *pair(rng, 1, 4), *pair(rng, 1, 7))


def _unary(name: str, oracle: Callable, numbers=normal) -> None:
    function = getattr(F, name)
    operation(name)(
        lambda rng: Case((_maps(rng, numbers),), function, lambda torch, x: oracle(torch)(x), {})
    )


_unary("relu", lambda torch: torch.relu, distinct)
_unary("sigmoid", lambda torch: torch.sigmoid)
_unary("tanh", lambda torch: torch.tanh)
_unary("exp", lambda torch: torch.exp)
_unary("log", lambda torch: torch.log, lambda rng, *shape: rng.uniform(0.5, 3, shape))


def _along(name: str) -> None:
    @operation(name)
    def draw(rng):
        axis = whole(rng, -4, 3)
        return Case(
            (3 * _maps(rng),),
            lambda x: getattr(F, name)(x, axis),
            lambda torch, x: getattr(torch, name)(x, axis),
            {"axis": axis},
        )


_along("softmax")
_along("log_softmax")


@operation("dropout", linear="0")
def _dropout(rng):
    p, seed = float(rng.uniform(0.05, 0.9)), whole(rng, 0, 10**6)

    def run(x):
        mf.manual_seed(seed)
        return F.dropout(x, p)

    def oracle(torch, x):
        mf.manual_seed(seed)
        kept = F.dropout(mf.Tensor(np.ones(tuple(x.shape))), p).numpy() > 0
        return x * torch.from_numpy(kept) / (1 - p)

    return Case((_maps(rng),), run, oracle, {"p": p, "seed": seed})


@operation("local_response_norm")
def _local_response_norm(rng):
    size = whole(rng, 1, 6)
    beta = sometimes(rng, 0.75, float(rng.uniform(0.2, 1.5)))
    settings = {"alpha": float(rng.uniform(0.01, 2)), "beta": beta, "k": float(rng.uniform(1, 3))}
    x = normal(rng, whole(rng, 1, 2), whole(rng, 1, 7), *pair(rng, 1, 5))
    return Case(
        (x,),
        lambda x: F.local_response_norm(x, size, **settings),
        lambda torch, x: torch.nn.functional.local_response_norm(x, size, **settings),
        {"size": size, **settings},
    )


@operation("cross_entropy")
def _cross_entropy(rng):
    N, K, size = whole(rng, 1, 3), whole(rng, 1, 6), sometimes(rng, pair(rng, 1, 5), ())
    reduction = str(rng.choice(["mean", "sum", "batch", "none"]))
    ignore_index = int(rng.choice([255, K, -1]))
    labels = rng.integers(0, K, (N, *size))
    labels[rng.random(labels.shape) < 0.3] = ignore_index
    labels[(0,) * labels.ndim] = rng.integers(0, K)  # PyTorch's mean over no pixel is NaN
    if ignore_index >= 0:
        labels = labels.astype(rng.choice([np.uint8, np.int32, np.int64]))
    weight = sometimes(rng, None, rng.uniform(0.1, 2, K))

    def run(scores):
        w = None if weight is None else weight.astype(scores.dtype)
        return F.cross_entropy(scores, labels, w, ignore_index, reduction)

    def oracle(torch, scores):
        w = None if weight is None else torch.from_numpy(weight)
        y = torch.nn.functional.cross_entropy(
            scores,
            torch.from_numpy(labels.astype(np.int64)),
            w,
            ignore_index=ignore_index,
            reduction="sum" if reduction == "batch" else reduction,
        )
        return y / N if reduction == "batch" else y

    scores = 3 * normal(rng, N, K, *size)
    settings = {"reduction": reduction, "ignore_index": ignore_index, "weight": weight}
    return Case((scores,), run, oracle, settings)


# -- products ----------------------------------------------------------------------------------


@operation("linear", linear="01+2")
def _linear(rng):
    N, I, O = whole(rng, 1, 4), whole(rng, 1, 6), whole(rng, 1, 5)
    b = sometimes(rng, (), (normal(rng, O),))
    return Case(
        (normal(rng, N, I), normal(rng, O, I), *b),
        F.linear,
        lambda torch, *inputs: torch.nn.functional.linear(*inputs),
        {},
    )


@operation("matmul", linear="01")
def _matmul(rng):
    (L, M), N = pair(rng, 1, 5), whole(rng, 1, 5)
    stack = tuple(whole(rng, 1, 3) for _ in range(whole(rng, 0, 2)))
    a, b = (normal(rng, *_repeated(rng, stack), *shape) for shape in ((L, M), (M, N)))
    return Case((a, b), F.matmul, lambda torch, a, b: a @ b, {})


def _repeated(rng, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that broadcasts to ``shape``: leading axes gone, others of length 1."""
    shape = shape[whole(rng, 0, len(shape)) if rng.random() < 0.4 else 0 :]
    return tuple(1 if rng.random() < 0.3 else n for n in shape)


def _binary(name: str, linear: str, numbers=(normal, normal)) -> None:
    @operation(name, linear, integers=name != "div")
    def draw(rng):
        shape = tuple(whole(rng, 1, 5) for _ in range(whole(rng, 1, 4)))
        a, b = (np.asarray(make(rng, *_repeated(rng, shape))) for make in numbers)
        return Case((a, b), getattr(F, name), lambda torch, a, b: getattr(torch, name)(a, b), {})


_binary("add", "0+1")
_binary("sub", "0+1")
_binary("mul", "01")
_binary("div", "0", (normal, away_from_zero))


@operation("neg", linear="0", integers=True)
def _neg(rng):
    return Case((_maps(rng),), F.neg, lambda torch, x: -x, {})


@operation("pow")
def _pow(rng):
    exponent = sometimes(rng, float(rng.uniform(-3, 3)), whole(rng, -2, 4))
    return Case(
        (rng.uniform(0.5, 2, _maps(rng).shape),),
        lambda x: F.pow(x, exponent),
        lambda torch, x: torch.pow(x, exponent),
        {"exponent": exponent},
    )


# -- reductions, and operations that move elements ---------------------------------------------


def _reduction(name: str) -> None:
    @operation(name, linear="0", integers=name == "sum")
    def draw(rng):
        x = normal(rng, *(whole(rng, 1, 5) for _ in range(whole(rng, 1, 4))))
        axes = rng.permutation(x.ndim)[: whole(rng, 1, x.ndim)] - sometimes(rng, 0, x.ndim)
        axis = [None, int(axes[0]), tuple(int(a) for a in axes)][whole(rng, 0, 2)]
        keepdims = bool(rng.random() < 0.5)

        def oracle(torch, x):
            every = tuple(range(x.ndim)) if axis is None else axis
            return getattr(torch, name)(x, every, keepdims)

        return Case(
            (x,),
            lambda x: getattr(F, name)(x, axis, keepdims),
            oracle,
            {"axis": axis, "keepdims": keepdims},
        )


_reduction("sum")
_reduction("mean")


@operation("max", integers=True)
def _max(rng):
    x = distinct(rng, *(whole(rng, 1, 5) for _ in range(whole(rng, 1, 4))))
    axis = sometimes(rng, None, whole(rng, -x.ndim, x.ndim - 1))
    keepdims = bool(rng.random() < 0.5)

    def oracle(torch, x):
        every = tuple(range(x.ndim)) if axis is None else axis
        return torch.amax(x, every, keepdims)

    return Case(
        (x,), lambda x: F.max(x, axis, keepdims), oracle, {"axis": axis, "keepdims": keepdims}
    )


@operation("reshape", linear="0", integers=True)
def _reshape(rng):
    lengths = [whole(rng, 1, 4) for _ in range(4)]
    x = normal(rng, *lengths)
    at = whole(rng, 0, 3)
    shape = [lengths[i] for i in rng.permutation(4)]
    shape[at : at + 2] = [int(np.prod(shape[at : at + 2]))]
    if rng.random() < 0.5:
        shape[whole(rng, 0, len(shape) - 1)] = -1
    shape = tuple(shape)
    return Case(
        (x,), lambda x: F.reshape(x, shape), lambda torch, x: x.reshape(shape), {"shape": shape}
    )


@operation("transpose", linear="0", integers=True)
def _transpose(rng):
    ndim = whole(rng, 1, 4)
    x = normal(rng, *(whole(rng, 1, 5) for _ in range(ndim)))
    axes = tuple(int(a) - sometimes(rng, 0, ndim) for a in rng.permutation(ndim))
    return Case(
        (x,), lambda x: F.transpose(x, axes), lambda torch, x: x.permute(axes), {"axes": axes}
    )


@operation("getitem", linear="0", integers=True)
def _getitem(rng):
    x = normal(rng, *(whole(rng, 2, 6) for _ in range(4)))
    index = []
    for n in x.shape[: whole(rng, 1, 4)]:
        start = whole(rng, 0, n - 1)
        part = slice(start, whole(rng, start + 1, n), whole(rng, 1, 3))
        index.append([part, whole(rng, -n, n - 1), slice(None), slice(-1, None)][whole(rng, 0, 3)])
    if rng.random() < 0.3:
        index.insert(whole(rng, 0, len(index)), None)
    if rng.random() < 0.3:
        index.append(Ellipsis)
    index = tuple(index)
    return Case((x,), lambda x: F.getitem(x, index), lambda torch, x: x[index], {"index": index})


@operation("cat", linear="0+1+2", integers=True)
def _cat(rng):
    shape, axis = [whole(rng, 1, 4) for _ in range(4)], whole(rng, -4, 3)
    arrays = []
    for _ in range(whole(rng, 1, 3)):
        shape[axis] = whole(rng, 1, 4)
        arrays.append(normal(rng, *shape))
    return Case(
        tuple(arrays),
        lambda *inputs: F.cat(inputs, axis),
        lambda torch, *inputs: torch.cat(inputs, axis),
        {"axis": axis},
    )


@operation("crop", linear="0", integers=True)
def _crop(rng):
    x = _maps(rng)
    H, W = x.shape[2:]
    top, left = whole(rng, 0, H - 1), whole(rng, 0, W - 1)
    height, width = whole(rng, 1, H - top), whole(rng, 1, W - left)
    return Case(
        (x,),
        lambda x: F.crop(x, (top, left), (height, width)),
        lambda torch, x: x[:, :, top : top + height, left : left + width],
        {"offset": (top, left), "size": (height, width)},
    )


@operation("pad", linear="0", integers=True)
def _pad(rng):
    top, bottom, left, right = (whole(rng, 0, 4) for _ in range(4))
    return Case(
        (_maps(rng),),
        lambda x: F.pad(x, (top, bottom, left, right)),
        lambda torch, x: torch.nn.functional.pad(x, (left, right, top, bottom)),
        {"padding": (top, bottom, left, right)},
    )
