"""One batch: its loss, and the gradients of all parameters."""

from ..autograd import Tensor, mode
from ..backends import captured, device_of, moved
from ..functions.loss import check_labels
from .scores import pixel_loss


class Gradients:
    """Leaves the gradients of the loss in a model's parameters; returns the loss, a tensor.

    settings: of ``functions.cross_entropy``. recorded: on a device, record the work at the first
    batch of a shape and replay it for those that follow (see ``minifcn.capture``). Otherwise, and
    in the processor's memory, every batch is computed anew.
    """

    def __init__(self, model, *, recorded: bool = False, **settings):
        self.model, self.settings, self.recorded = model, settings, recorded
        self._classes, self._replays = None, {}

    def __call__(self, images: Tensor, labels) -> Tensor:
        """images (N, C, H, W), where the model lives; labels (N, H, W), an array anywhere. Earlier
        gradients are forgotten. Raises what ``cross_entropy`` raises."""
        if not self.recorded or not device_of(images.data):
            return self._computed(images, labels)
        labels = moved(labels, images.data)
        key = images.shape, images.dtype, labels.dtype
        if key not in self._replays:  # whatever is wrong is found while it can be told
            if self.settings.get("weight") is not None:
                self.settings["weight"] = moved(self.settings["weight"], images.data)
            self._computed(images, labels)
            self._replays[key] = captured(self._arrays), self._trained()
        check_labels(labels, self._classes, self.settings.get("ignore_index", 255))
        replay, parameters = self._replays[key]
        loss, *gradients = replay(images.data, labels)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient  # a replay runs no Python: what was forgotten stays so
        return Tensor.of(loss)

    @property
    def nbytes(self) -> int:
        """Memory that recorded work holds."""
        return sum(replay.nbytes for replay, _ in self._replays.values())

    def _computed(self, images, labels) -> Tensor:
        self.model.zero_grad()
        loss = pixel_loss(self.model, images, labels, **self.settings)
        self._classes = loss.function.input_shapes[0][1]
        loss.backward()
        return loss

    def _arrays(self, images, labels) -> tuple:
        """What is recorded: the loss and the gradients, as arrays of the device."""
        with mode.unattended():
            loss = self._computed(Tensor.of(images), labels)
        return loss.data, *(parameter.grad for parameter in self._trained())

    def _trained(self) -> list:
        return [p for p in self.model.parameters() if p.grad is not None]
