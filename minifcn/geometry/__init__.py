"""Where every pixel of every map looks: sizes, strides, receptive fields, offsets, derived.

One axis of a map is an affine coordinate map: pixel o of the map is centred on pixel

    x = stride * o + start

of the image. Exact fractions, composed along the net.

axis.py       one axis, and what convolutions and their transposes make of it
trace.py      a walk through a net with shapes only; offsets and receptive fields
padding.py    the least padding with which every image is covered
summary.py    a net layer by layer
"""

from .axis import Axis
from .padding import covers, smallest_padding
from .summary import summary, why_these_kernels
from .trace import (
    TRACE_SIZE,
    Row,
    Trace,
    channels_of,
    derive_offsets,
    fields_at,
    offsets,
    receptive_field,
    trace,
)

__all__ = [
    "TRACE_SIZE",
    "Axis",
    "Row",
    "Trace",
    "channels_of",
    "covers",
    "derive_offsets",
    "fields_at",
    "offsets",
    "receptive_field",
    "smallest_padding",
    "summary",
    "trace",
    "why_these_kernels",
]
