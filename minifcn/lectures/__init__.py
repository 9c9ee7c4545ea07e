"""Slides for lectures, made of the tutorials' marked cells: a file each, no network needed.

read.py        executed notebooks: which cells are slides, which text is speaker notes
formulas.py    TeX as MathML
markup.py      Markdown and code as HTML
outputs.py     what cells printed and drew
page.py        whole pages, and the index of them
slides.html, slides.css, slides.js      one lecture: arrow keys, overview, notes, print
article.html, article.css               the index, and the lecturers' page
colours.css                             the colours of both, in light and in dark
"""

from .page import Built, build

__all__ = ["Built", "build"]
