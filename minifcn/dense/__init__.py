"""From a coarse output to one for every pixel (Long et al. 2015, section 3.2).

A net whose output has stride f scores every f-th pixel. Three ways to score all of them:

stitch.py   shift-and-stitch: run it on f x f shifted images, and interlace what comes out
rarefy.py   filter rarefaction: take the strides out, and spread the filters behind them
upsample.py interpolation: guess what lies between, by a transposed convolution

The first two give the same numbers, to the bit; the third is what the paper uses.
"""

from .rarefy import enlarged, rarefy
from .stitch import shift_and_stitch

__all__ = ["enlarged", "rarefy", "shift_and_stitch"]
