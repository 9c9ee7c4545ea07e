"""Nets with weights from files of other engines."""

import numpy as np
import pytest

from minifcn import Tensor, data, geometry, models, nn, no_grad, train
from minifcn.io import WeightsError, save_checkpoint, save_tensors

pytest.importorskip("google.protobuf")
from minifcn.io import save_caffemodel


def alive(net):
    rng = np.random.default_rng(0)
    for parameter in net.parameters():
        scale = np.sqrt(2 / parameter[0].size) if parameter.ndim > 1 else 0.3
        parameter.data = (rng.standard_normal(parameter.shape) * scale).astype(np.float32)
    return net.eval()


def scores(net, size=(40, 50)):
    x = np.random.default_rng(1).standard_normal((1, 3, *size)).astype(np.float32)
    with no_grad():
        return net(Tensor(x)).data


DEFINITION = """
name: "small"
input: "data" input_dim: 1 input_dim: 3 input_dim: 40 input_dim: 50
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "score_fr" type: "Convolution" bottom: "conv1" top: "score_fr"
  convolution_param { num_output: 21 kernel_size: 1 } }
layer { name: "upscore" type: "Deconvolution" bottom: "score_fr" top: "upscore"
  param { lr_mult: 0 }
  convolution_param { num_output: 21 bias_term: false kernel_size: 3 stride: 2 } }
layer { name: "score" type: "Crop" bottom: "upscore" bottom: "data" top: "score" }
"""


@pytest.fixture
def definition(tmp_path):
    path = tmp_path / "deploy.prototxt"
    path.write_text(DEFINITION)
    return str(path)


def test_a_definition_with_its_weights(tmp_path, definition):
    rng = np.random.default_rng(0)
    arrays = {
        "conv1.weight": rng.standard_normal((4, 3, 3, 3)).astype(np.float32),
        "conv1.bias": rng.standard_normal(4).astype(np.float32),
        "score_fr.weight": rng.standard_normal((21, 4, 1, 1)).astype(np.float32),
        "score_fr.bias": np.zeros(21, np.float32),
    }
    save_caffemodel(tmp_path / "w.caffemodel", arrays)
    net, spec = train.load_model(tmp_path / "w.caffemodel", definition)
    assert spec.class_names == data.VOC_CLASSES
    assert spec.preprocessing == data.CAFFE
    assert not net.training
    np.testing.assert_array_equal(net["conv1"].weight.data, arrays["conv1.weight"])
    # The file has no filter for the deconvolution, which is not trained: it interpolates
    np.testing.assert_array_equal(net["upscore"].weight.data, nn.init.bilinear((21, 21, 3, 3)))
    assert geometry.offsets(net) == {"score": (1, 1)}
    assert scores(net).shape == (1, 21, 40, 50)
    photo = np.random.default_rng(2).integers(0, 256, (33, 44, 3), dtype=np.uint8)
    assert train.predict(net, photo).shape == (33, 44)


def test_weights_that_a_definition_lacks_are_named(tmp_path, definition):
    save_caffemodel(tmp_path / "w", {"conv1.weight": np.zeros((4, 3, 3, 3), np.float32)})
    message = r"w: no weights for conv1\.bias, score_fr\.weight, score_fr\.bias of "
    with pytest.raises(WeightsError, match=message):
        train.load_model(tmp_path / "w", definition)
    wrong = {"conv1.weight": np.zeros((5, 3, 3, 3), np.float32)}
    save_caffemodel(tmp_path / "w", wrong)
    with pytest.raises(WeightsError, match=r"conv1\.weight and|conv1\.weight of"):
        train.load_model(tmp_path / "w", definition)


def test_a_net_by_its_name_has_as_many_classes_as_the_weights(tmp_path):
    ours = alive(models.build("squeezenet1.1", 7))
    save_caffemodel(tmp_path / "w.caffemodel", ours.state_dict())
    net, spec = train.load_model(tmp_path / "w.caffemodel", "squeezenet1.1")
    assert spec.class_names == [f"class {k}" for k in range(7)]
    np.testing.assert_array_equal(scores(net, (227, 227)), scores(ours, (227, 227)))
    names = list("abcdefg")
    assert (
        train.load_model(tmp_path / "w.caffemodel", "squeezenet1.1", names)[1].class_names == names
    )
    with pytest.raises(ValueError, match=r"2 names for the 7 classes of squeezenet1\.1"):
        train.load_model(tmp_path / "w.caffemodel", "squeezenet1.1", ["a", "b"])


def test_an_fcn_by_its_name(tmp_path):
    ours = alive(models.build("fcn8s-squeezenet", 5))
    save_tensors(tmp_path / "w", ours.state_dict())
    net, spec = train.load_model(tmp_path / "w", "fcn8s-squeezenet")
    assert len(spec.class_names) == 5
    np.testing.assert_array_equal(scores(net), scores(ours))


def test_a_checkpoint_says_what_it_is(tmp_path):
    ours = alive(models.build("fcn16s-squeezenet", 2, padding="aligned", width=0.1))
    rule = data.Preprocessing("RGB", (1, 2, 3), (4, 5, 6))
    spec = train.ModelSpec("fcn16s-squeezenet", ["a", "b"], "aligned", 0.1, preprocessing=rule)
    save_checkpoint(tmp_path / "w", ours.state_dict(), {}, {"model": spec.as_dict()})
    net, found = train.load_model(tmp_path / "w")
    assert found == spec
    np.testing.assert_array_equal(scores(net), scores(ours))


def test_weights_stay_writable_and_apart_from_the_file(tmp_path):
    ours = alive(models.build("lenet"))
    save_tensors(tmp_path / "w", ours.state_dict())
    before = (tmp_path / "w").read_bytes()
    net, _ = train.load_model(tmp_path / "w", "lenet")
    for parameter in net.parameters():
        parameter.data += 1
    assert (tmp_path / "w").read_bytes() == before
