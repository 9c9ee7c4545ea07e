"""Write a network as an ONNX file, which other engines read.

  minifcn export runs/train --onnx net.onnx
  minifcn export squeezenet1_1.pth --onnx squeezenet.onnx

The file takes images of any size, of a classifier those of its own, and says in its metadata what
the classes are and how images are prepared. Needs the onnx package: pip install 'minifcn[onnx]'.
Where onnxruntime is installed too, it runs the file once, and its output is compared with ours.
"""

from . import options

NAME = "export"
TOLERANCE = 1e-4  # of the largest number in the output
SIZE = {"H": 60, "W": 75}  # of the image that both run, where any will do


def add_arguments(parser) -> None:
    """The options."""
    add = parser.add_argument
    add("weights", metavar="FILE", help=options.WEIGHTS)
    options.add_model(add)
    add("--onnx", metavar="FILE", required=True, help="the file to write")


def run(arguments) -> int:
    """Load, write, compare."""
    import json
    import os

    from .. import train
    from ..io.onnx_export import export_onnx, interface

    model, spec = train.load_model(arguments.weights, arguments.model)
    metadata = {
        "model": spec.name,
        "class_names": json.dumps(spec.class_names),
        "preprocessing": str(spec.preprocessing),
    }
    export_onnx(arguments.onnx, model, metadata=metadata)
    inputs, outputs = interface(model)
    size = os.path.getsize(arguments.onnx) / 1e6
    print(f"{arguments.onnx}: {size:.1f} MB, {_shapes(inputs)} -> {_shapes(outputs)}")
    try:
        import onnxruntime
    except ModuleNotFoundError:
        return 0
    difference = _difference(onnxruntime, arguments.onnx, model, inputs["data"])
    print(f"onnxruntime's output and ours differ by {difference:.1e} of the largest number")
    if not difference <= TOLERANCE:
        raise ValueError(f"{arguments.onnx}: computes something else than the network")
    return 0


def _shapes(maps) -> str:
    return ", ".join(f"{name} ({', '.join(map(str, shape))})" for name, shape in maps.items())


def _difference(onnxruntime, path: str, model, shape) -> float:
    """The largest one between the file's outputs and the model's, relative to the largest number
    in these, on an image of noise. On the processor: a GPU may round to TF32."""
    import numpy as np

    from .. import backends, no_grad

    shape = 1, *(SIZE.get(n, n) for n in shape[1:])
    image = np.random.default_rng(0).uniform(-120, 130, shape).astype(np.float32)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = backends.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    found = session.run(None, {"data": image})
    with no_grad():
        output = model.to("cpu")(model.tensor(image))
    wanted = [x.numpy() for x in (output if isinstance(output, tuple) else (output,))]
    pairs = zip(found, wanted, strict=True)
    return float(np.max([abs(a - b).max() / (abs(b).max() or 1) for a, b in pairs]))
