"""Pictures: arrays in, files out. Matplotlib is loaded when first needed.

colormap.py    label maps as colours, alone or over the photograph
samples.py     photographs, truths and predictions side by side, with a legend
curves.py      what a training log tells
roofline.py    what a machine can do, and how near to it kernels come
heat.py        where in a photograph something is found
fields.py      what a pixel of a network's output sees, over a picture
ways.py        what ways to score every pixel cost
graph.py       a graph of functions as SVG or DOT text
picture.py     picture files, written whole
figures/       figures for lectures, drawn from the nets and the operations themselves
"""

import importlib

_HOMES = {
    "colorize": "colormap",
    "overlay": "colormap",
    "voc_colormap": "colormap",
    "draw_curves": "curves",
    "read_log": "curves",
    "draw_fields": "fields",
    "heatmap": "heat",
    "Edge": "graph",
    "Node": "graph",
    "draw_graph": "graph",
    "graph_dot": "graph",
    "graph_svg": "graph",
    "save_figure": "picture",
    "save_image": "picture",
    "draw_roofline": "roofline",
    "draw_ways": "ways",
    "draw_samples": "samples",
    "Watch": "figures",
    "drawing_svg": "figures",
    "figure_bilinear": "figures",
    "figure_convolution": "figures",
    "figure_fcn": "figures",
    "figure_graph": "figures",
    "figure_rarefied": "figures",
    "figure_receptive_field": "figures",
    "figure_shift_and_stitch": "figures",
    "figure_skips": "figures",
    "figure_transposed": "figures",
    "graph_of": "figures",
    "graph_of_expression": "figures",
    "save_drawing": "figures",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
