"""Operations with windows: the trilinear form, bilinear upsampling, pooling."""

from drawing import (
    Case,
    distinct,
    extent,
    normal,
    operation,
    pair,
    per_axis,
    pool_windows,
    sometimes,
    whole,
    windows,
)

from minifcn import functions as F

# -- the trilinear form ------------------------------------------------------------------------


def _window(rng) -> dict:
    return {
        "stride": sometimes(rng, (1, 1), pair(rng, 1, 3)),
        "padding": sometimes(rng, (0, 0), pair(rng, 0, 3)),
        "dilation": sometimes(rng, (1, 1), pair(rng, 1, 3)),
        "groups": sometimes(rng, 1, whole(rng, 1, 3)),
    }


@operation("conv2d", linear="01+2")
def _conv2d(rng):
    window, size, kernel_size = _window(rng), pair(rng, 1, 9), pair(rng, 1, 4)
    groups, (Cg, Kg) = window["groups"], pair(rng, 1, 3)
    axes = window["stride"], window["padding"], window["dilation"]
    per_axis(windows, size, kernel_size, *axes)
    x, w = (
        normal(rng, whole(rng, 1, 2), groups * Cg, *size),
        normal(rng, groups * Kg, Cg, *kernel_size),
    )
    b = sometimes(rng, (), (normal(rng, groups * Kg),))
    return Case(
        (x, w, *b),
        lambda *inputs: F.conv2d(*inputs, **window),
        lambda torch, *inputs: torch.nn.functional.conv2d(*inputs, **window),
        window,
    )


@operation("conv2d_relu")
def _conv2d_relu(rng):
    plain = _conv2d(rng)
    return Case(
        plain.inputs,
        lambda *inputs: F.conv2d_relu(*inputs, **plain.settings),
        lambda torch, *inputs: torch.relu(plain.oracle(torch, *inputs)),
        plain.settings,
    )


@operation("conv_transpose2d", linear="01+2")
def _conv_transpose2d(rng):
    window, size, kernel_size = _window(rng), pair(rng, 1, 6), pair(rng, 1, 4)
    groups, (Kg, Cg) = window["groups"], pair(rng, 1, 3)
    window["output_padding"] = tuple(whole(rng, 0, s - 1) for s in window["stride"])
    per_axis(
        lambda n, k, s, p, d, extra: (n - 1) * s - 2 * p + extent(k, d) + extra,
        size,
        kernel_size,
        window["stride"],
        window["padding"],
        window["dilation"],
        window["output_padding"],
    )
    x, w = (
        normal(rng, whole(rng, 1, 2), groups * Kg, *size),
        normal(rng, groups * Kg, Cg, *kernel_size),
    )
    b = sometimes(rng, (), (normal(rng, groups * Cg),))
    return Case(
        (x, w, *b),
        lambda *inputs: F.conv_transpose2d(*inputs, **window),
        lambda torch, *inputs: torch.nn.functional.conv_transpose2d(*inputs, **window),
        window,
    )


@operation("conv2d_weight", linear="01")
def _conv2d_weight(rng):
    window, size, kernel_size = _window(rng), pair(rng, 1, 9), pair(rng, 1, 4)
    groups, N, (Cg, Kg) = window["groups"], whole(rng, 1, 2), pair(rng, 1, 3)
    axes = window["stride"], window["padding"], window["dilation"]
    output_size = per_axis(windows, size, kernel_size, *axes)
    x, y = normal(rng, N, groups * Cg, *size), normal(rng, N, groups * Kg, *output_size)

    def oracle(torch, x, y):
        """The gradient of <y, conv2d(x, w)> in w, recorded in its turn."""
        w = x.new_zeros(groups * Kg, Cg, *kernel_size, requires_grad=True)
        product = (y * torch.nn.functional.conv2d(x, w, **window)).sum()
        return torch.autograd.grad(product, w, create_graph=True)[0]

    return Case(
        (x, y),
        lambda x, y: F.conv2d_weight(x, y, kernel_size, **window),
        oracle,
        {"kernel_size": kernel_size, **window},
    )


@operation("upsample_bilinear", linear="0")
def _upsample_bilinear(rng):
    N, C, size = whole(rng, 1, 2), whole(rng, 1, 3), pair(rng, 1, 6)
    factor = pair(rng, 1, 4)
    extra = tuple(whole(rng, 0, f - 1) for f in factor)
    usual = rng.random() < 0.3
    kernel_size = tuple(2 * f - f % 2 for f in factor) if usual else pair(rng, 1, 9)
    padding = tuple(f // 2 for f in factor) if usual else pair(rng, 0, 3)
    per_axis(
        lambda n, k, s, p, extra: (n - 1) * s - 2 * p + k + extra,
        size,
        kernel_size,
        factor,
        padding,
        extra,
    )
    settings = {"kernel_size": kernel_size, "padding": padding, "output_padding": extra}

    def tent(k: int) -> list[float]:
        """Falls linearly from the centre of k taps."""
        return [1 - abs(i - (k - 1) / 2) / ((k + 1) // 2) for i in range(k)]

    def oracle(torch, x):
        vertical, horizontal = (x.new_tensor(tent(k)) for k in kernel_size)
        w = torch.outer(vertical, horizontal).repeat(C, 1, 1, 1)
        return torch.nn.functional.conv_transpose2d(
            x, w, stride=factor, padding=padding, output_padding=extra, groups=C
        )

    shown = {} if usual else {"kernel_size": kernel_size, "padding": padding}
    return Case(
        (normal(rng, N, C, *size),),
        lambda x: F.upsample_bilinear(x, factor, output_padding=extra, **shown),
        oracle,
        {"factor": factor, **settings},
    )


@operation("upsample_cross_entropy")
def _upsample_cross_entropy(rng):
    """An upsampling, whose result is cropped, and the labels of what is left."""
    fine = _upsample_bilinear(rng)
    (x,), up = fine.inputs, fine.settings
    axes = x.shape[2:], up["factor"], up["kernel_size"], up["padding"], up["output_padding"]
    grown = [(n - 1) * s + k - 2 * p + e for n, s, k, p, e in zip(*axes, strict=True)]
    top, left = offset = tuple(whole(rng, 0, n - 1) for n in grown)
    H, W = (whole(rng, 1, n - o) for n, o in zip(grown, offset, strict=True))
    N, K = x.shape[:2]
    labels = rng.integers(0, K, (N, H, W))
    labels[rng.random(labels.shape) < 0.3] = 255
    labels[0, 0, 0] = 0  # PyTorch's mean over no pixel is NaN
    reduction = str(rng.choice(["mean", "sum", "batch", "none"]))
    weight = sometimes(rng, None, rng.uniform(0.1, 2, K))

    def run(x):
        w = None if weight is None else weight.astype(x.dtype)
        settings = {"offset": offset, "weight": w, "reduction": reduction}
        return F.upsample_cross_entropy(x, labels, **up, **settings)

    def oracle(torch, x):
        y = torch.nn.functional.cross_entropy(
            fine.oracle(torch, x)[:, :, top : top + H, left : left + W],
            torch.from_numpy(labels),
            None if weight is None else torch.from_numpy(weight),
            ignore_index=255,
            reduction="sum" if reduction == "batch" else reduction,
        )
        return y / N if reduction == "batch" else y

    shown = {"offset": offset, "size": (H, W), "weight": weight, "reduction": reduction}
    return Case((3 * x,), run, oracle, {**up, **shown})


# -- pooling -----------------------------------------------------------------------------------


def _pooling(rng):
    kernel_size, size = pair(rng, 1, 4), pair(rng, 1, 9)
    window = {
        "kernel_size": kernel_size,
        "stride": pair(rng, 1, 3),
        "padding": sometimes(
            rng, tuple(whole(rng, 0, k // 2) for k in kernel_size), pair(rng, 0, 3)
        ),
        "dilation": sometimes(rng, (1, 1), pair(rng, 1, 3)),
        "ceil_mode": bool(rng.random() < 0.5),
    }
    both = (window["ceil_mode"],) * 2
    axes = kernel_size, window["stride"], window["padding"], window["dilation"], both
    output_size = per_axis(pool_windows, size, *axes)
    return (whole(rng, 1, 2), whole(rng, 1, 3), *size), window, output_size


def _framed(torch, x, window, value: float):
    """x in its padding, and as far to the right and below as any window may reach."""
    (PH, PW), (KH, KW), (DH, DW) = window["padding"], window["kernel_size"], window["dilation"]
    (SH, SW) = window["stride"]
    right, below = PW + SW + extent(KW, DW), PH + SH + extent(KH, DH)
    return torch.nn.functional.pad(x, (PW, right, PH, below), value=value)


@operation("max_pool2d")
def _max_pool2d(rng):
    shape, window, (OH, OW) = _pooling(rng)

    def oracle(torch, x):
        if all(2 * p <= k for p, k in zip(window["padding"], window["kernel_size"], strict=True)):
            return torch.nn.functional.max_pool2d(x, **window)
        framed = _framed(torch, x, window, -torch.inf)  # more padding than PyTorch takes
        settings = {name: window[name] for name in ("kernel_size", "stride", "dilation")}
        return torch.nn.functional.max_pool2d(framed, **settings)[:, :, :OH, :OW]

    x = distinct(rng, *shape)
    return Case((x,), lambda x: F.max_pool2d(x, **window), oracle, window)


@operation("avg_pool2d", linear="0")
def _avg_pool2d(rng):
    shape, window, (OH, OW) = _pooling(rng)

    def oracle(torch, x):
        plain = all(
            2 * p <= k for p, k in zip(window["padding"], window["kernel_size"], strict=True)
        )
        if plain and window["dilation"] == (1, 1):
            settings = {name: value for name, value in window.items() if name != "dilation"}
            return torch.nn.functional.avg_pool2d(x, **settings)
        # PyTorch neither dilates nor pads so far: a sum over the taps, divided by their number
        PH, PW = window["padding"]
        inside = torch.nn.functional.pad(torch.ones_like(x), (PW, PW, PH, PH), value=1.0)
        H, W = inside.shape[2:]
        framed = _framed(torch, x, window, 0.0)
        counted = torch.zeros_like(framed)
        counted[:, :, :H, :W] = 1
        w = x.new_ones(x.shape[1], 1, *window["kernel_size"])
        settings = {"stride": window["stride"], "dilation": window["dilation"]}
        sums, counts = (
            torch.nn.functional.conv2d(image, w, groups=x.shape[1], **settings)
            for image in (framed, counted)
        )
        return (sums / counts)[:, :, :OH, :OW]

    x = normal(rng, *shape)
    return Case((x,), lambda x: F.avg_pool2d(x, **window), oracle, window)
