"""From a coarse output to one for every pixel (Long et al. 2015, section 3.2).

A net whose output has stride f scores every f-th pixel. Three ways to score all of them:

stitch.py       shift-and-stitch: run it on f x f shifted images, and interlace what comes out
rarefy.py       filter rarefaction: take the strides out, and spread the filters behind them
interpolate.py  interpolation: guess what lies between, by a transposed convolution

The first two give the same numbers, to the bit; the third is what the paper uses. And

memory.py       what the maps of a net take while it runs
cost.py         what each way costs, counted and measured
patches.py      a whole image as a minibatch of patches
"""

from .cost import Way, table, ways
from .interpolate import interpolate, learned_upsampling
from .memory import bytes_of_maps
from .patches import patch_mask, receptive_fields
from .rarefy import enlarged, rarefy
from .stitch import shift_and_stitch, shortened

__all__ = [
    "Way",
    "bytes_of_maps",
    "enlarged",
    "interpolate",
    "learned_upsampling",
    "patch_mask",
    "rarefy",
    "receptive_fields",
    "shift_and_stitch",
    "shortened",
    "table",
    "ways",
]
