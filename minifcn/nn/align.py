"""Layers that bring two maps onto each other. Their offsets are derived, never typed.

A map's pixel stands for a place in the image; two maps of the same stride may start at different
places. ``geometry.derive_offsets(net)`` walks through a net, works out where every map starts, and
tells these layers the difference.
"""

from .. import functions as F
from ..autograd import hooks
from .module import Module


class Aligned(Module):
    """A layer with an offset: x's pixel i + offset lies where reference's pixel i lies."""

    def __init__(self):
        super().__init__()
        self.offset = None

    def resolve(self, x, reference) -> tuple[int, int]:
        """The offset, asked of a geometry trace at first; RuntimeError where there is none."""
        for hook in hooks.active():
            if self.offset is None:
                self.offset = hook.align(x, reference)
        if self.offset is None:
            raise RuntimeError(
                f"{type(self).__name__} does not know its offset: "
                "call geometry.derive_offsets(net) once the net is built"
            )
        return self.offset

    def describe(self) -> str:
        return f"offset {self.offset}"


class Crop(Aligned):
    """Cut x to the size of a reference map or image, at the derived offset (Caffe's Crop)."""

    def forward(self, x, reference):
        return F.crop(x, self.resolve(x, reference), reference.shape[2:])


class Fuse(Aligned):
    """The sum of two score maps over the pixels that both have.

    In the authors' nets, padded by 100, the finer map is larger and is cut at the offset; in the
    aligned geometry the offset is 0 and the upsampled map may be larger by less than its factor.
    """

    def forward(self, coarse, fine):
        offset = self.resolve(fine, coarse)
        starts = [(max(0, -o), max(0, o)) for o in offset]
        size = tuple(
            min(a - start, b - shifted)
            for a, b, (start, shifted) in zip(
                coarse.shape[2:], fine.shape[2:], starts, strict=True
            )
        )
        return _cut(coarse, [s for s, _ in starts], size) + _cut(
            fine, [s for _, s in starts], size
        )


def _cut(x, offset, size):
    whole = tuple(offset) == (0, 0) and size == x.shape[2:]
    return x if whole else F.crop(x, tuple(offset), size)
