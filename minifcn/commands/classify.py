"""Say what a photograph shows, and where.

  minifcn classify cat.jpg --model squeezenet --weights squeezenet_v1.0.safetensors
  minifcn classify street.jpg --weights vgg16.pth --heatmap cab.png --class "cab, hack"

Prints the likeliest classes of the photograph's centre. --heatmap slides the classifier over the
whole photograph, at its own size, by computing it as a fully convolutional net, and draws the
probability of one class. WEIGHTS may be a file of Caffe, PyTorch or Keras, or safetensors; how the
net wants its colours is known from the file. The classes' names are read from
imagenet_classes.txt beside it, unless --class-names says where.
"""

from pathlib import Path

from . import options
from .options import UsageError

NAME = "classify"
BESIDE = "imagenet_classes.txt"


def add_arguments(parser) -> None:
    """The options."""
    add = parser.add_argument
    add("images", metavar="IMAGE", nargs="+", help="photographs")
    add("--weights", metavar="FILE", required=True, help=options.WEIGHTS)
    options.add_model(add)
    add("--class-names", metavar="FILE", help="a name a line")
    add(
        "--top",
        type=options.positive,
        default=5,
        metavar="N",
        help="how many classes (default: 5)",
    )
    add("--heatmap", metavar="FILE", help="draw where the class is, over the one photograph")
    add("--class", dest="wanted", metavar="NAME", help="of the heat map: a class's number or a "
        "part of its name (default: the likeliest)")  # fmt: skip


def run(arguments) -> int:
    """Load, classify, print; draw."""
    from .. import data, train, viz

    if arguments.heatmap and len(arguments.images) > 1:
        raise UsageError(f"--heatmap is of one photograph; got {len(arguments.images)}")
    if arguments.wanted and not arguments.heatmap:
        raise UsageError("--class says what --heatmap shall show, which is not given")
    names = _names(arguments)
    model, spec = train.load_model(arguments.weights, arguments.model, names)
    if model.input_shape is None or None in model.input_shape:
        raise UsageError(f"{spec.name} scores every pixel: see 'minifcn segment'")
    for path in arguments.images:
        image = data.read_image(path)
        shares = train.class_probabilities(model, image, spec.preprocessing)
        order = (-shares).argsort(kind="stable")[: arguments.top]
        print(f"{path}:")
        for k in order:
            print(f"  {shares[k]:6.1%}  {spec.class_names[k]}")
        if arguments.heatmap:
            k = order[0] if arguments.wanted is None else _index(arguments.wanted, spec)
            coarse, heat = train.class_heat(model, image, int(k), spec.preprocessing)
            viz.save_image(arguments.heatmap, viz.heatmap(image, heat))
            print(
                f"{arguments.heatmap}: {spec.class_names[k]}, up to {coarse.max():.1%}; "
                f"{coarse.shape[0]}x{coarse.shape[1]} windows in one pass"
            )
    return 0


def _names(arguments) -> list[str] | None:
    """The classes' names, without ImageNet's numbers and quotation marks where they have any."""
    path = Path(arguments.class_names or Path(arguments.weights).with_name(BESIDE))
    if arguments.class_names is None and not path.is_file():
        return None
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: no list of names ({error})") from None
    return [_plain(line) for line in lines if line.strip()]


def _plain(line: str) -> str:
    """'n02124075 Egyptian cat' as Egyptian cat."""
    name = line.strip().strip("'\"")
    number, _, rest = name.partition(" ")
    is_wordnet = number[:1] == "n" and len(number) == 9 and number[1:].isdigit()
    return rest if is_wordnet and rest else name


def _index(wanted: str, spec) -> int:
    """The class with this number, of this name, or the one with this in its name."""
    names = [name.lower() for name in spec.class_names]
    if wanted.isdigit() and int(wanted) < len(names):
        return int(wanted)
    text = wanted.lower()
    exact = [k for k, name in enumerate(names) if text == name or text in name.split(", ")]
    found = exact or [k for k, name in enumerate(names) if text in name]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(f"--class {wanted!r}: none of the {len(names)} classes is called so")
    shown = "; ".join(f"{k} {spec.class_names[k]}" for k in found[:5])
    raise UsageError(f"--class {wanted!r}: {len(found)} classes are called so: {shown}")
