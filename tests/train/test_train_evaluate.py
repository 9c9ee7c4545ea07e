"""Prediction and evaluation of whole images, against the definitions done by hand."""

import json

import numpy as np
import pytest
from small_runs import SPEC, Squares

from minifcn import Tensor, data, manual_seed, models, no_grad, train


class Mixed(Squares):
    """Images of several sizes, one without a single labelled pixel."""

    def __init__(self):
        sizes = (20, 24), (9, 40), (33, 9), (16, 16)
        rng = np.random.default_rng(3)
        self.samples = [self.draw(rng, *size) for size in sizes]
        self.samples[3][1][:] = 255


def scoring_net(**options):
    """A net whose score layers say something about every image."""
    manual_seed(1)
    net = models.build(SPEC.name, 3, padding="aligned", width=0.1, **options)
    rng = np.random.default_rng(2)
    for name, parameter in net.named_parameters():
        if name.startswith("score") and name.endswith("weight"):
            parameter.data = rng.standard_normal(parameter.shape).astype(np.float32)
    return net


def scores_of(net, image, mean=(104.00699, 116.66877, 122.67892)):
    """The scores of one image, (K, H, W), with the input prepared by hand: BGR less the mean."""
    x = np.stack([image[:, :, channel] for channel in (2, 1, 0)]).astype(np.float32)
    x -= np.array(mean, np.float32)[:, None, None]
    with no_grad():
        return net(Tensor(x[None])).data[0]


@pytest.mark.parametrize("size", [(1, 1), (20, 24), (33, 7)])
def test_a_prediction_is_the_class_with_the_highest_score(size):
    net = scoring_net().eval()
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    labels = train.predict(net, image)
    assert labels.shape == size
    assert labels.dtype == np.uint8
    scores = scores_of(net, image)
    for row, column in np.ndindex(size):
        best = max(range(3), key=lambda k: scores[k, row, column])
        assert labels[row, column] == best
    np.testing.assert_array_equal(
        train.predict(net, image, data.RAW),
        scores_of(net, image, mean=(0, 0, 0)).argmax(axis=0),
    )


def by_hand(net, dataset, count):
    """n[i, j], pixels of class i predicted to be j, one pixel after the other."""
    n = np.zeros((3, 3), int)
    for image, label in dataset.samples[:count]:
        predicted = scores_of(net, image).argmax(axis=0)
        for i, j in zip(label.ravel().tolist(), predicted.ravel().tolist(), strict=True):
            if i != 255:
                n[i, j] += 1
    return n


@pytest.mark.parametrize("limit", [None, 2, 99])
def test_one_confusion_matrix_of_all_pixels(limit):
    net, dataset = scoring_net(), Mixed()
    net.eval()
    n = by_hand(net, dataset, limit)
    assert np.count_nonzero(n) >= 6
    matrix = train.evaluate(net, dataset, limit=limit, progress=False)
    np.testing.assert_array_equal(matrix.counts, n)
    t, p = n.sum(axis=1), n.sum(axis=0)
    iu = [n[i, i] / (t[i] + p[i] - n[i, i]) for i in range(3)]
    assert matrix.mean_iu == pytest.approx(np.mean(iu))
    assert matrix.pixel_accuracy == pytest.approx(np.trace(n) / n.sum())


@pytest.mark.parametrize("training", [True, False])
def test_evaluating_switches_dropout_off_and_back(training):
    net, dataset = scoring_net().train(training), Mixed()
    first, again = (train.evaluate(net, dataset, progress=False).counts for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert all(module.training is training for _, module in net.named_modules())


def test_a_failing_image_leaves_the_mode_as_it_was():
    class Broken(Mixed):
        def __getitem__(self, i):
            raise OSError("gone")

    net = scoring_net()
    with pytest.raises(OSError, match="gone"):
        train.evaluate(net, Broken(), progress=False)
    assert net.training


def test_a_checkpoint_keeps_the_preprocessing():
    rule = data.Preprocessing("RGB", (127.5, 127.5, 127.5), (127.5, 127.5, 127.5))
    spec = train.ModelSpec("fcn32s-mini", ["a", "b", "c"], "aligned", preprocessing=rule)
    values = json.loads(json.dumps(spec.as_dict()))
    assert train.ModelSpec.from_dict(values) == spec
    del values["preprocessing"]  # as in checkpoints from before
    assert train.ModelSpec.from_dict(values).preprocessing == data.CAFFE
    net = scoring_net().eval()
    image = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    with no_grad():
        scores = net(Tensor((image.transpose(2, 0, 1)[None].astype(np.float32) - 127.5) / 127.5))
    np.testing.assert_array_equal(train.predict(net, image, rule), scores.data[0].argmax(axis=0))
