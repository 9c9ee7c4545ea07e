"""The structural rows of the paper's Table 1, from the graphs alone (Long et al. 2015)."""

from dataclasses import dataclass

from .. import geometry, nn
from . import build, convolutionalize

NETS = {"alexnet": "FCN-AlexNet", "vgg16": "FCN-VGG16", "googlenet": "FCN-GoogLeNet"}
CLASSES = 21


@dataclass(frozen=True)
class Structure:
    """A column of the table.

    depth: convolutions on the longest way from the image to the scores; convolutions: all that
    learn; parameters: of all of them; field: pixels of the image that a score sees; field_pooled:
    with the average pool that the classifier has before its last layer, where it has one; stride:
    of the scores.
    """

    name: str
    depth: int
    convolutions: int
    parameters: int
    field: int
    field_pooled: int | None
    stride: int


def structures() -> list[Structure]:
    """The three nets of the table as FCN-32s with 21 classes."""
    found = []
    with nn.init.without_values():
        for name, title in NETS.items():
            net = build(f"fcn32s-{name}", CLASSES)
            traced = geometry.trace(net)
            score = traced["score_fr"]
            classifier = convolutionalize(build(name))
            pooled = any(isinstance(layer, nn.AvgPool2d) for layer in classifier._modules.values())
            found.append(
                Structure(
                    title,
                    score.depth,
                    sum(row.kind == "Conv2d" for row in traced.rows),
                    net.num_parameters(),
                    score.axes[0].field,
                    geometry.receptive_field(classifier)[0] if pooled else None,
                    int(score.axes[0].stride),
                )
            )
    return found


def table1() -> str:
    """The table as text, with what the paper prints below."""
    columns = structures()
    rows = [
        ("", *(c.name for c in columns)),
        ("convolution layers, in depth", *(str(c.depth) for c in columns)),
        ("convolution layers, all", *(str(c.convolutions) for c in columns)),
        ("parameters", *(f"{c.parameters:,}" for c in columns)),
        ("", *(f"{c.parameters / 1e6:.0f}M" for c in columns)),
        ("receptive field", *(str(c.field) for c in columns)),
        ("with the average pool", *(str(c.field_pooled or "-") for c in columns)),
        ("maximum stride", *(str(c.stride) for c in columns)),
        (),
        ("the paper: layers", "8", "16", "22"),
        ("the paper: parameters", "57M", "134M", "6M"),
        ("the paper: receptive field", "355", "404", "907"),
        ("the paper: maximum stride", "32", "32", "32"),
    ]
    width = max(len(row[0]) for row in rows if row)
    text = "\n".join(
        row[0].ljust(width) + "".join(cell.rjust(16) for cell in row[1:]) if row else ""
        for row in rows
    )
    return text + (
        "\n\nGoogLeNet's 907 count the average pool of 7x7, six strides of 32 more than 715. As an"
        "\nFCN the net is used without that pool and without the classifier behind it."
    )
