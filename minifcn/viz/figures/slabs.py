"""The maps of a net that are worth a slab: those on the way from the image to the scores."""

from dataclasses import dataclass, field

from ... import geometry, nn
from ...geometry import Row

POINTWISE = (
    nn.ReLU, nn.Dropout, nn.LocalResponseNorm, nn.Scale, nn.Power, nn.ChannelScale, nn.Channels
)  # fmt: skip


@dataclass
class Slab:
    """Consecutive layers whose maps are of one size: their names, and the trace of the last."""

    names: list[str]
    row: Row
    fused: str = ""  # the layer whose map was added here
    layers: list[str] = field(default_factory=list)  # all of them, ReLUs and such too

    @property
    def label(self) -> str:
        """conv1 for conv1_1 and conv1_2; else the first and the last name. Where a sum closes the
        slab, it is told by what was added."""
        names = [n for n in self.names if not n.startswith("fuse")] or self.names
        if len(names) == 1:
            return names[0]
        heads = {name.rpartition("_")[0] for name in names}
        if len(heads) == 1 and all(name.rpartition("_")[2].isdigit() for name in names):
            return heads.pop() or ", ".join(names)
        return f"{names[0]}–{names[-1]}" if len(names) > 2 else ", ".join(names)

    @property
    def lines(self) -> list[str]:
        """The label, cut into short lines."""
        parts = self.label.replace("–", "–\n").replace(", ", ",\n").split("\n")
        cut = (p.replace("_", "_\n", 1) if len(p) > 8 else p for p in parts)
        return "\n".join(cut).split("\n")

    @property
    def stride(self) -> str:
        return str(self.row.axes[0].stride)


def slabs(net: nn.Net, size: tuple[int, int], coarse: bool = False) -> list[Slab]:
    """The slabs of a net for images of a size, without the image itself.

    coarse: one slab for all layers of equal height and width, whatever their channels. Raises
    ValueError for a model that is no ``Net`` of maps, one of several streams or outputs, and one
    whose last map is not of the image's size.
    """
    if not isinstance(net, nn.Net):
        raise ValueError(f"wants a Net; got a {type(net).__name__}")
    if any(isinstance(module, nn.Linear) for _, module in net.named_modules()):
        raise ValueError("this net scores whole images, not pixels: it has Linear layers")
    starts = [n for n, r in net.reads.items() if "data" in r and not isinstance(net[n], nn.Crop)]
    if len(starts) > 1 or len(net.outputs) > 1:
        several = net.outputs if len(net.outputs) > 1 else starts
        raise ValueError(f"a net of one stream can be drawn; this one has {', '.join(several)}")
    traced = geometry.trace(net, size)
    found: list[Slab] = []
    for name in main_path(net):
        row = traced[name]
        if len(row.shape) != 4 or row.axes is None:
            raise ValueError(
                f"layer {name!r} makes no map of the image: this net scores no pixels"
            )
        fused = next(iter(net.reads[name][1:]), "") if isinstance(net[name], nn.Fuse) else ""
        last, short = found[-1] if found else None, name.split("/")[0]
        if last and (short == last.names[-1] or isinstance(net[name], POINTWISE)):
            last.row = row  # inside of one module, or the same map, element by element
        elif last and _together(net, last.row, row, coarse):
            last.names.append(short)
            last.row, last.fused = row, fused or last.fused
        else:
            found.append(Slab([short], row, fused))
        found[-1].layers.append(name)
    if found[-1].row.shape[2:] != tuple(size):
        raise ValueError(
            f"the scores of {found[-1].row.name!r} are {found[-1].row.shape[2:]}, not of the "
            f"image's size {tuple(size)}: this net scores no pixels"
        )
    return found


def _together(net: nn.Net, before: Row, row: Row, coarse: bool) -> bool:
    """Whether a map belongs to the slab of the one before it."""
    if before.shape[2:] != row.shape[2:] or row.name.startswith("score"):
        return False
    pools = {isinstance(net[r.name], (nn.MaxPool2d, nn.AvgPool2d)) for r in (before, row)}
    return coarse or (before.shape == row.shape and pools == {False})


def main_path(net: nn.Net) -> list[str]:
    """Layers from the first to the last, where several join by way of the coarsest."""
    name, path = net.tail, []
    while name != "data":
        path.append(name)
        name = net.reads[name][0]
    return path[::-1]


def sources(net: nn.Net, name: str) -> set[str]:
    """All layers that a layer was made from, itself included."""
    found, stack = set(), [name]
    while stack:
        name = stack.pop()
        if name not in found and name != "data":
            found.add(name)
            stack += net.reads[name]
    return found
