"""Two engines that run ONNX files and are not this one, and what their tests share."""

import numpy as np
import onnx
import pytest

from minifcn import Tensor, geometry, nn, no_grad
from minifcn.io.onnx_export import export_onnx

rng = np.random.default_rng(0)


def randomized(net, seed=0):
    """Every parameter drawn: score layers and biases start at zero."""
    draw = np.random.default_rng(seed)
    for parameter in net.parameters():
        scale = np.sqrt(2 / parameter[0].size) if parameter.ndim > 1 else 0.3
        parameter.data = (draw.standard_normal(parameter.shape) * scale).astype(np.float32)
    return net.eval()


def photograph(*shape, contrast=1):
    return contrast * rng.standard_normal(shape, dtype=np.float32)


def ours(net, x):
    with no_grad():
        output = net(Tensor(x))
    return [o.data for o in (output if isinstance(output, tuple) else (output,))]


def written(tmp_path, net, **options):
    """The path of a file that onnx's checker takes, all shapes inferred."""
    path = tmp_path / "net.onnx"
    export_onnx(path, net, **options)
    onnx.checker.check_model(path, full_check=True)
    return path


def in_python(path):
    """The evaluator of the onnx package: pure Python, slow."""
    reference = pytest.importorskip("onnx.reference")
    session = reference.ReferenceEvaluator(str(path))
    return lambda x: session.run(None, {"data": x})


def in_onnxruntime(path):
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"data": x})


def check(run, net, x, tolerance):
    """Largest difference over largest magnitude, output by output; all depend on x."""
    for found, wanted, blank in zip(run(x), ours(net, x), ours(net, 0 * x), strict=True):
        largest = abs(wanted).max()
        assert found.shape == wanted.shape
        assert found.dtype == np.float32
        assert abs(wanted - blank).max() > 0.01 * largest
        assert abs(found - wanted).max() <= tolerance * largest


ENGINES = [
    pytest.param(in_python, id="python"),
    pytest.param(in_onnxruntime, id="onnxruntime", marks=pytest.mark.oracle),
]


def table(*rows):
    """A net of rows (name, layer, names that it reads) for maps of six channels."""
    net = nn.Net((6, None, None))
    for name, layer, *inputs in rows:
        net.add(name, layer, *inputs)
    geometry.derive_offsets(net)
    return net
