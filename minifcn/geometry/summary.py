"""What a trace tells, as text."""

from .axis import Axis
from .trace import TRACE_SIZE, Trace


def summary(model, size: tuple[int, int] | None = None) -> str:
    """A table: each layer's output, stride, receptive field, coordinate map, parameters, cost.

    size: (height, width) of the image, if not the one that the model was made for, or 500 x 500.
    """
    made_for = (getattr(model, "input_shape", None) or (None,))[1:]
    size = size or (made_for if all(made_for) and made_for else TRACE_SIZE)
    rows = Trace(model, size).rows
    widths = max(len(row.name) for row in rows), max(len(row.kind) for row in rows)
    lines = [
        f"{'layer':{widths[0]}}  {'kind':{widths[1]}}  {'channels':>8} {'height':>6} {'width':>6} "
        f"{'stride':>6} {'field':>6}  {'pixel x of the image':22} {'crop':>4} {'parameters':>11} "
        f"{'MACs (M)':>9} {'MB':>7}"
    ]
    for row in rows:
        C, H, W = (*row.shape[1:], "", "")[:3] if len(row.shape) > 1 else ("", "", "")
        vertical = row.axes[0] if row.axes else None
        place = (
            f"{vertical.stride!s:>6} {vertical.field:6}  {vertical!s:22}"
            if vertical
            else f"{'-':>6} {'-':>6}  {'-':22}"
        )
        lines.append(
            f"{row.name:{widths[0]}}  {row.kind:{widths[1]}}  {C:8} {H:6} {W:6} {place} "
            f"{_both(row.offset):>4} {row.parameters:11,} {row.macs / 1e6:9.1f} "
            f"{row.memory / 2**20:7.1f}"
        )
    totals = sum(row.parameters for row in rows), sum(row.macs for row in rows)
    lines.append(
        f"{totals[0]:,} parameters, {totals[1] / 1e9:.1f} G multiply-adds for one {size[0]}x"
        f"{size[1]} image, {sum(row.memory for row in rows) / 2**20:.0f} MB of maps"
    )
    return "\n".join(lines)


def why_these_kernels(model) -> list[str]:
    """A sentence for every upsampling layer of a ``Net`` whose output is cropped: for which kernel
    the maps meet on whole pixels, and for which not."""
    reads, rows = getattr(model, "reads", {}), {row.name: row for row in Trace(model).rows}
    sentences = []
    for name, sources in reads.items():
        layer = model[name]
        reader = _reader(reads, name)
        upsamples = hasattr(layer, "output_padding") and layer.stride[0] > 1
        if not upsamples or reader is None or rows[reader].offset is None:
            continue
        f, k, p = layer.stride[0], layer.kernel_size[0], layer.padding[0]
        coarse, up, offset = rows[sources[0]].axes[0], rows[name].axes[0], rows[reader].offset[0]
        other = 2 * f - 1 if k == 2 * f else 2 * f
        moved = (up.start - coarse.transposed(other, f, p, 1).start) / up.stride
        sentences.append(
            f"{name}: kernel {k}, because pixel o of {sources[0]} lies at {_place(coarse)} and so "
            f"the offset is {offset}; with {other} it would be {float(offset + moved):g}"
        )
    return sentences


def _reader(reads: dict, name: str) -> str | None:
    return next((reader for reader, sources in reads.items() if name in sources), None)


def _place(axis: Axis) -> str:
    sign = "-" if axis.start < 0 else "+"
    return f"{axis.stride} o {sign} {float(abs(axis.start)):g}"


def _both(pair: tuple[int, int] | None) -> str:
    if pair is None:
        return ""
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]},{pair[1]}"
