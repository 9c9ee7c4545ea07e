"""Code of the library inside a notebook, folded: what a tutorial built is what the library has."""

import inspect
from html import escape

STYLE = "border-left: 3px solid #999; padding-left: 0.8em; overflow-x: auto"


class Folded:
    """A line that unfolds to code where HTML is shown, and is that line elsewhere."""

    def __init__(self, summary: str, code: str):
        self.summary, self.code = summary, code

    def __repr__(self) -> str:
        return self.summary

    def _repr_html_(self) -> str:
        return (
            f"<details><summary>{escape(self.summary)}</summary>"
            f'<pre style="{STYLE}"><code>{escape(self.code)}</code></pre></details>'
        )


def folded_source(thing, label: str = "the library's code") -> Folded:
    """The source of a function, class, method or module, under a line that names it."""
    thing = inspect.unwrap(getattr(thing, "__func__", thing))
    thing = getattr(thing, "py_func", thing)  # what Numba compiles
    module = thing.__name__ if inspect.ismodule(thing) else thing.__module__
    name = module if inspect.ismodule(thing) else f"{module}.{thing.__qualname__}"
    return Folded(f"{label}, {name}", inspect.cleandoc("\n" + inspect.getsource(thing)))
