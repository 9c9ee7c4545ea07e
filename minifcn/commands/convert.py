"""Convert weights from one kind of file to another.

  minifcn convert VGG_ILSVRC_16_layers.caffemodel vgg16.safetensors --model vgg16
  minifcn convert squeezenet1_1.pth squeezenet.safetensors
  minifcn convert runs/train fcn.caffemodel

IN is read whatever it is: safetensors, a checkpoint or a run's folder, .caffemodel, PyTorch's .pth
(torchvision's VGG-16, AlexNet, GoogLeNet and SqueezeNet under our names), Keras's HDF5. OUT is
what its ending says: .safetensors, .caffemodel, or .pth, which torch.load reads. Into
safetensors goes what is known of the net, too: --model, or what the file tells; how it wants its
images is then known to 'classify', 'segment' and 'train'.
"""

from pathlib import Path

from . import options
from .options import UsageError

NAME = "convert"
ENDINGS = (".safetensors", ".caffemodel", ".pth")


def add_arguments(parser) -> None:
    """The options."""
    add = parser.add_argument
    add("source", metavar="IN", help=options.WEIGHTS)
    add("target", metavar="OUT", help=f"a file that ends in {', '.join(ENDINGS)}")
    options.add_model(add)


def run(arguments) -> int:
    """Read, check against the net, write."""
    from .. import io, train

    ending = Path(arguments.target).suffix.lower()
    if ending not in ENDINGS:
        raise UsageError(f"{arguments.target}: the ending is none of {', '.join(ENDINGS)}")
    source = train.find_checkpoint(arguments.source)
    if Path(arguments.target).exists() and source.samefile(arguments.target):
        raise UsageError(f"{arguments.target}: IN and OUT are the same file")
    weights = io.load_weights(source)
    if not weights.arrays:
        raise ValueError(f"{source}: holds no arrays")
    arrays, spec = weights.arrays, None
    model = arguments.model or weights.model
    if model:
        net, spec = train.net_with(weights, source, model)
        arrays = net.state_dict()
    if ending == ".safetensors":
        if spec and not model.endswith(".prototxt"):
            io.save_checkpoint(arguments.target, arrays, {}, {"model": spec.as_dict()})
        else:
            io.save_tensors(arguments.target, arrays)
    else:
        {".caffemodel": io.save_caffemodel, ".pth": io.save_pytorch}[ending](
            arguments.target, arrays
        )
    values = sum(array.size for array in arrays.values())
    left = sorted(set(weights.arrays) - set(arrays))
    print(f"{source}: {weights.kind}{f', {model}' if model else ''}")
    if left:
        more = ", ..." if len(left) > 4 else ""
        print(f"not of {model}, left out: {', '.join(left[:4])}{more}")
    print(f"{arguments.target}: {len(arrays)} arrays, {values:,} values")
    return 0
