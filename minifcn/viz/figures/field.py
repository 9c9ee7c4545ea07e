"""What a score sees, in theory and in effect."""

import contextlib

import numpy as np

from ... import data, geometry, models, nn, rng
from ...autograd import Tensor
from ...backends import array_module, moved, to_numpy
from ..heat import heatmap
from .pen import COLOURS, HEIGHT, INK, MUTED, PAPER, SMALL, TEXT, WIDTH, Page

SIZE = (192, 256)  # of the scene that is drawn where no image is given
LAYERS = ("pool", "fc7", "score")  # whose fields are drawn, by the start of the name
MOST = 5  # frames
BEYOND = 0.35  # of the picture's longer side: how far outside frames are drawn
HOLDS = (0.5, 0.9)  # parts of the gradient whose squares are told
FRAMES = (*COLOURS[:4], INK)


def figure_receptive_field(
    model="fcn8s-mini",
    image=None,
    pixel: tuple[int, int] | None = None,
    *,
    seed: int = 0,
    preprocessing: data.Preprocessing = data.CAFFE,
    name: str = "",
):
    """The receptive field of a pixel of the scores: the frames that geometry derives, and the
    gradient of that score with respect to the image, as heat (Luo et al. 2016 call the latter the
    effective receptive field).

    model: a ``Net`` or a name for ``models.build`` (padding "aligned", fresh weights); image:
    (H, W, 3) uint8 RGB, by default a drawn scene; pixel: (row, column), by default the middle.
    The score is the highest one of that pixel. Layers whose weights are all zero, as fresh score
    layers are, count with random ones (``seed``). preprocessing: how the weights want an image;
    name: of the model, for the title. Raises ValueError for a pixel that is not in the image and
    for a net whose output has no place in it.
    """
    name = name or (model if isinstance(model, str) else "an FCN")
    if isinstance(model, str):
        model = fresh(model, seed)
    image = data.scene(0, "val", 3, SIZE)[0] if image is None else np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"an image is (H, W, 3) uint8; got {image.dtype} {image.shape}")
    H, W = image.shape[:2]
    pixel = (H // 2, W // 2) if pixel is None else tuple(pixel)
    if not (0 <= pixel[0] < H and 0 <= pixel[1] < W):
        raise ValueError(f"pixel {pixel[0]}, {pixel[1]} is not in an image of {H} x {W}")
    frames = chosen(geometry.fields_at(model, (H, W), pixel))
    if not frames:
        raise ValueError("no layer of this model has a place in the image")
    slope = sensitivity(model, preprocessing.to_input(image), pixel, seed)
    squares = {part: holding(slope, pixel, part) for part in HOLDS}

    page = Page(WIDTH, HEIGHT, f"{name}: what the score at row {pixel[0]}, column {pixel[1]} sees")
    spans = np.array([(0, H - 1, 0, W - 1), *frames.values()])
    beyond = BEYOND * max(H, W)
    edge = 0.02 * max(H, W)
    top, left = np.maximum(spans[:, ::2].min(axis=0), -beyond) - edge
    bottom, right = np.minimum(spans[:, 1::2].max(axis=0), np.add((H, W), beyond)) + edge
    limits = (left, right, bottom, top)
    largest = list(frames.items())[-1]
    _panel(page, 0.25, image, limits, frames, pixel, "in theory: the pixels that it can depend on")
    _panel(page, 6.15, heatmap(image, np.sqrt(slope / slope.max()), 0.75), limits,
           dict([largest]), pixel, "in effect: its gradient with respect to the image",
           squares)  # fmt: skip
    sides = {n: f"{b - t + 1}×{r - l + 1}" for n, (t, b, l, r) in frames.items()}
    held = " and ".join(f"{part:.0%} within {n}×{n} pixels" for part, n in squares.items())
    words = f"brightness: the square root of the gradient's size; of the gradient lie {held}"
    page.text(WIDTH / 2, HEIGHT - 0.25, words, TEXT, color=MUTED)
    told = ", ".join(f"{n} {side}" for n, side in sides.items())
    return page.finished(
        f"Receptive field of the score of {name} at row {pixel[0]}, column {pixel[1]} of an image "
        f"of {H}×{W}. In theory, by layer: {told} pixels. Of its gradient lie {held} around "
        "the pixel."
    )


def fresh(name: str, seed: int, padding: str = "aligned") -> nn.Net:
    """A net with weights that depend on the seed alone."""
    state = rng.get_state()
    rng.manual_seed(seed)
    try:
        return models.build(name, padding=padding)
    finally:
        rng.set_state(state)


def chosen(fields: dict) -> dict:
    """The frames to draw: of pools, the coarsest scores and the last; each field once."""
    found: dict = {}
    for layer, field in fields.items():
        inner = layer.startswith("score_") and not layer.startswith("score_fr")
        if layer.startswith(LAYERS) and not inner and field not in found.values():
            found[layer] = field
    return dict(list(found.items())[-MOST:])


def sensitivity(model: nn.Module, image: np.ndarray, pixel, seed: int = 0) -> np.ndarray:
    """The size of the gradient of a pixel's highest score with respect to every pixel of an input
    (C, H, W), summed over colours: (H, W). The model is left as it was. Raises ValueError where
    the scores have not the image's size."""
    with _frozen(model), _nonzero(model, seed):
        x = model.tensor(image[None])
        x = Tensor.of(x.data, requires_grad=True)
        scores = model(x)
        if scores.shape[2:] != image.shape[1:]:
            raise ValueError(
                f"scores of shape {scores.shape} are not one for each pixel of {image.shape[1:]}"
            )
        best = int(to_numpy(scores.data[0, :, pixel[0], pixel[1]]).argmax())
        scores[0, best, pixel[0], pixel[1]].backward()
    slope = np.abs(to_numpy(x.grad)[0].astype(np.float64)).sum(axis=0)
    if not slope.max() > 0:
        raise ValueError(f"the gradient of the score at {tuple(pixel)} is 0 everywhere")
    return slope


def holding(slope: np.ndarray, pixel, part: float) -> int:
    """The side of the smallest square around a pixel that holds that part of the gradient."""
    rows, columns = np.indices(slope.shape)
    distance = np.maximum(abs(rows - pixel[0]), abs(columns - pixel[1]))
    within = np.bincount(distance.ravel(), slope.ravel()).cumsum()
    return 2 * int(np.searchsorted(within, part * within[-1])) + 1


@contextlib.contextmanager
def _frozen(model):
    """Evaluation mode, and no gradients of parameters."""
    parameters = list(model.parameters())
    before, training = [p.requires_grad for p in parameters], model.training
    model.eval()
    for parameter in parameters:
        parameter.requires_grad = False
    try:
        yield
    finally:
        for parameter, required in zip(parameters, before, strict=True):
            parameter.requires_grad = required
        model.train(training)


@contextlib.contextmanager
def _nonzero(model, seed: int):
    """Filters that are all zero, as random ones."""
    generator, before = np.random.default_rng(seed), {}
    for parameter in model.parameters():
        if parameter.ndim == 4 and not array_module(parameter.data).any(parameter.data):
            before[parameter] = parameter.data
            drawn = generator.normal(0, (2 / np.prod(parameter.shape[1:])) ** 0.5, parameter.shape)
            parameter.data = moved(drawn.astype(parameter.dtype), parameter.data)
    try:
        yield
    finally:
        for parameter, data_ in before.items():
            parameter.data = data_


def _panel(page, x, image, limits, frames, pixel, title, squares=None) -> None:
    from matplotlib.patches import Rectangle

    axes = page.figure.add_axes((x / WIDTH, 0.5 / HEIGHT, 5.6 / WIDTH, 4.72 / HEIGHT), anchor="N")
    H, W = image.shape[:2]
    axes.imshow(image, extent=(-0.5, W - 0.5, H - 0.5, -0.5))
    for number, (name, (top, bottom, left, right)) in enumerate(frames.items()):
        size = right - left + 1, bottom - top + 1
        label = f"{name}: {size[1]}×{size[0]}"
        colour = FRAMES[number + MOST - len(frames)] if len(frames) < MOST else FRAMES[number]
        axes.add_patch(Rectangle((left - 0.5, top - 0.5), *size, fill=False, edgecolor=colour,
                                 linewidth=2.2, label=label))  # fmt: skip
    for (part, side), style in zip((squares or {}).items(), (":", "--"), strict=False):
        corner = pixel[1] - side / 2, pixel[0] - side / 2
        axes.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=PAPER, linewidth=1.8,
                                 linestyle=style, label=f"{part:.0%}: {side}×{side}"))  # fmt: skip
    axes.plot(pixel[1], pixel[0], "+", color=PAPER, markersize=12, markeredgewidth=2)
    axes.set_xlim(*limits[:2])
    axes.set_ylim(*limits[2:])
    axes.set_axis_off()
    legend = axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=SMALL,
                         ncols=3, frameon=False, columnspacing=1.0, handlelength=1.4)  # fmt: skip
    for line in legend.get_patches():
        if tuple(line.get_edgecolor()[:3]) == (1, 1, 1):
            line.set_edgecolor("#888888")
    page.text(x + 2.8, 0.75, title, TEXT)
