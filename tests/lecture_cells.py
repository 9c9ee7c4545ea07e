"""Small notebooks made for tests of the slides."""

import base64
import io
import json
from pathlib import Path

from PIL import Image

TITLE = "# 03 · How wide is a *window*?\n\nAs wide as `k`."


def markdown(text, mark=None, **metadata):
    return {"cell_type": "markdown", "metadata": _metadata(mark, metadata), "source": text}


def code(text, *outputs, mark=None, tags=()):
    return {"cell_type": "code", "metadata": _metadata(mark, {"tags": list(tags)}),
            "source": text, "outputs": list(outputs), "execution_count": None}  # fmt: skip


def _metadata(mark, more):
    return more | ({} if mark is None else {"slideshow": {"slide_type": mark}})


def stream(text):
    return {"output_type": "stream", "name": "stdout", "text": text}


def result(alt=None, **data):
    """An output of any kinds, with a text alternative for its picture."""
    data = {key.replace("_", "/").replace("/svg", "/svg+xml"): data[key] for key in data}
    metadata = {key: {"alt": alt} for key in data if alt and key.startswith("image/")}
    return {"output_type": "display_data", "data": data, "metadata": metadata}


def png(width=320, height=200, colour=(0, 114, 178)):
    stream = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(stream, format="PNG")
    return base64.b64encode(stream.getvalue()).decode()


def write(folder, *cells, name="03_made.ipynb"):
    """A notebook of these cells behind the title; its path."""
    path = Path(folder) / name
    path.parent.mkdir(exist_ok=True)
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": list(cells)}
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


def made(folder):
    """A notebook with everything that slides can show."""
    return write(
        folder,
        markdown(TITLE + "\n\n<!-- notes -->\nWelcome.", "slide"),
        markdown(
            "## A formula & a list\n\n$$y_{ij} = \\sum_{a,b} w_{ab}\\, x_{si+a, sj+b}$$\n\n"
            "- one $\\frac{a}{b}$\n- [two](https://example.org/)\n\n"
            "<!-- notes -->\nSay it slowly.",
            "slide",
        ),
        markdown("First this.", "fragment"),
        markdown("Then that.", "fragment"),
        markdown("Unmarked, for readers."),
        markdown("## Code\n\n| net | offset |\n|---|---|\n| FCN-8s | 31 |", "slide"),
        code("def f(x):\n    return x < 1  # why", stream("True\n"), mark="-"),
        code("draw()", result("a blue field", image_png=png()), mark="slide", tags=["hide-input"]),
        markdown("Below a picture.\n\n<details><summary>Why?</summary>\n\nSo.\n\n</details>", "-"),
        markdown("These are the last notes.", "notes"),
    )
