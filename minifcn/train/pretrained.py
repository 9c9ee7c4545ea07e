"""Nets with weights from files of any kind, ready to be used."""

import os

from .. import backends, geometry, models, nn
from ..data import VOC_CLASSES, Preprocessing
from ..io import Weights, WeightsError, load_weights
from ..models import copy_weights
from .run import ModelSpec, find_checkpoint


def load_model(
    path: str | os.PathLike, model: str | None = None, classes: list[str] | None = None
) -> tuple[nn.Net, ModelSpec]:
    """The net whose weights are in a file, in evaluation mode; how it is built, and its classes.

    path: a run's folder, a checkpoint, or weights of any kind that ``io.load_weights`` reads.
    model: a name for ``models.build`` or a Caffe definition (.prototxt); not needed where the file
    says it. classes: the names of the classes; of 21 without names those of PASCAL VOC.

    Raises WeightsError, naming the file, where it has no weights for some layer of the net.
    """
    path = find_checkpoint(path)
    return net_with(load_weights(path), path, model, classes)


def net_with(
    weights: Weights,
    path: str | os.PathLike,
    model: str | None = None,
    classes: list[str] | None = None,
) -> tuple[nn.Net, ModelSpec]:
    """``load_model`` for weights that were read already, from ``path``."""
    model = model or weights.model
    if model is None:
        raise WeightsError(f"{path}: which net are these weights for? Say so with --model")
    if weights.spec and model == weights.model:
        try:
            spec = ModelSpec.from_dict(weights.spec)
            with nn.init.without_values():
                net = spec.build()
        except (KeyError, TypeError, ValueError) as error:
            raise WeightsError(f"{path}: holds no net that can be built here: {error}") from error
    else:
        net, scored = _built(model, weights)
        of_voc = VOC_CLASSES if scored == len(VOC_CLASSES) else None
        names = list(of_voc or (f"class {k}" for k in range(scored)))
        rule = Preprocessing(**(weights.preprocessing or {}))
        spec = ModelSpec(model, names, preprocessing=rule)
    report = copy_weights(net, weights.arrays)
    rates = {name: parameter.rate for name, parameter in net.named_parameters()}
    # What is not trained, such as a definition's interpolation, has its values already
    lacking = [name for name in report.kept if rates[name]] + [name for name, *_ in report.misfits]
    if lacking:
        more = f" and {len(lacking) - 4} more" if len(lacking) > 4 else ""
        raise WeightsError(f"{path}: no weights for {', '.join(lacking[:4])}{more} of {model}")
    if classes:
        if len(classes) != len(spec.class_names):
            raise ValueError(
                f"{len(classes)} names for the {len(spec.class_names)} classes of {model}"
            )
        spec.class_names = list(classes)
    backends.prepare()
    return net.eval(), spec


def _built(model: str, weights: Weights) -> tuple[nn.Net, int]:
    """A net for these weights, and how many classes it tells apart."""
    if model.endswith(".prototxt"):
        from ..io.caffe import load_definition

        net = load_definition(model).net
        return net, _num_classes(net)
    with nn.init.without_values():  # they come from the file
        last = _scoring_layer(models.build(model))
        scores = weights.arrays.get(f"{last}.weight")
        net = models.build(model, None if scores is None else len(scores))
        return net, _num_classes(net)


def _scoring_layer(net: nn.Net) -> str:
    """The layer that has a row of weights for each class."""
    names = [name for name, _ in net.named_parameters() if name.endswith(".weight")]
    names = [name.removesuffix(".weight") for name in names]
    return next((name for name in names if name.startswith("score_fr")), names[-1])


def _num_classes(net: nn.Net) -> int:
    size = (net.input_shape or (3, None, None))[1:]
    output = geometry.trace(net, size if None not in size else geometry.TRACE_SIZE).output
    return (output[0] if isinstance(output, tuple) else output).shape[1]
