"""Figures for lectures, drawn from the nets and the operations themselves.

Every function returns a ``matplotlib.figure.Figure`` for a slide, whose numbers are computed by
the library when it is drawn, and whose ``get_label()`` says in a sentence what is to be seen: the
alternative text. ``save_drawing`` writes both. ``minifcn draw`` does all of it by command.

pen.py            pages, grids of numbers, arrows, brackets: what all figures are drawn with
saving.py         SVG and PNG files that carry their alternative text, equal to the byte
values.py         the values and gradients inside a computation
expression.py     "b = a + a; c = b * b" as a computation, without running any other code
graph.py          computational graphs
convolution.py    the pixels that a convolution reads
transposed.py     transposed convolution: spread through the kernel, overlaps summed
bilinear.py       the kernel of bilinear interpolation
rarefied.py       a filter with zeros between its numbers, and why it fits the denser map
stitched.py       shift-and-stitch
fcn.py            a net as slabs, from the image to the label map
slabs.py          the maps of a net that are worth a slab
skips.py          32s, 16s and 8s as one graph
field.py          what a score sees, in theory and in effect
"""

import importlib

_HOMES = {
    "figure_bilinear": "bilinear",
    "figure_convolution": "convolution",
    "figure_fcn": "fcn",
    "figure_graph": "graph",
    "figure_rarefied": "rarefied",
    "figure_receptive_field": "field",
    "figure_shift_and_stitch": "stitched",
    "figure_skips": "skips",
    "figure_transposed": "transposed",
    "graph_of": "values",
    "graph_of_expression": "expression",
    "save_drawing": "saving",
    "drawing_svg": "saving",
    "Watch": "values",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
