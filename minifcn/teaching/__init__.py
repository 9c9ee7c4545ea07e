"""What the tutorials share: pictures with text alternatives, times, and checks of exercises.

show.py        pictures, times, progress; ``quick`` for small sizes
exercise.py    holes to fill, and checks that say where an answer first goes wrong
compare.py     the first place where two results differ
source.py      the library's own code, folded

and one file of exercises a topic; the tutorials of ``tutorials/`` say which they use.
"""

from .exercise import Case, Exercise, Law, Verdict, adjoint_law, gradient_law, library_backward
from .show import FAST, panels, progress, quick, seconds, show, show_svg
from .source import folded_source

__all__ = [
    "FAST",
    "Case",
    "Exercise",
    "Law",
    "Verdict",
    "adjoint_law",
    "folded_source",
    "gradient_law",
    "library_backward",
    "panels",
    "progress",
    "quick",
    "seconds",
    "show",
    "show_svg",
]
