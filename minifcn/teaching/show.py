"""Pictures in notebooks: small, readable without colours, and with a text alternative."""

import io
import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator

FAST = os.environ.get("MINIFCN_FAST", "") not in ("", "0")  # small sizes, to see that all runs
DPI = 80
PICTURE_BYTES = 32_000  # of a PNG; larger ones, of photographs mostly, make do with fewer colours


def quick(full, fast):
    """``full``, or ``fast`` where MINIFCN_FAST is set and only the code is to be tried."""
    return fast if FAST else full


def panels(rows: int = 1, columns: int = 1, size: tuple[float, float] | None = None, **options):
    """A figure and its axes, like ``pyplot.subplots``; size in inches, (width, height).

    Colours are those of Okabe and Ito (2008), which everyone can tell apart.
    """
    import matplotlib
    from matplotlib import pyplot

    from ..viz.colormap import COLOURS

    style = {
        "axes.prop_cycle": matplotlib.cycler(color=COLOURS),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "figure.dpi": DPI,
        "font.size": 11,
    }
    size = size or (3.2 * columns, 3.0 * rows)
    with matplotlib.rc_context(style):
        return pyplot.subplots(rows, columns, figsize=size, layout="constrained", **options)


def show(figure, alt: str = "") -> None:
    """Display a Matplotlib figure as PNG of 80 dpi and close it.

    alt: what it shows, for those who do not see it; the figure's own label where it has one.
    Raises ValueError without either.
    """
    from matplotlib import pyplot

    alt = alt or str(figure.get_label())
    if not alt:
        raise ValueError("show: say in a sentence what the picture shows: show(figure, 'A ...')")
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DPI, bbox_inches="tight", facecolor="white",
        metadata={"Software": None})  # fmt: skip
    pyplot.close(figure)
    png = _compact(stream.getvalue())
    _display({"image/png": png, "text/plain": alt}, {"image/png": {"alt": alt}})


def _compact(png: bytes) -> bytes:
    """The same picture in 256 colours; in 128 or 64 where it is larger than PICTURE_BYTES."""
    from PIL import Image

    whole = Image.open(io.BytesIO(png)).convert("RGB")
    for colours in (256, 128, 64):
        if colours < 256 and len(png) <= PICTURE_BYTES:
            break
        stream = io.BytesIO()
        fewer = whole.quantize(colours, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        fewer.save(stream, "PNG", optimize=True)
        png = stream.getvalue()
    return png


def show_svg(text: str, alt: str) -> None:
    """Display a drawing given as SVG text, such as ``viz.graph_svg`` makes."""
    _display({"image/svg+xml": text, "text/plain": alt}, {"image/svg+xml": {"alt": alt}})


def seconds(function: Callable, *args, repeat: int = 5) -> float:
    """The median time of ``function(*args)``, after one call that does not count."""
    function(*args)
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        function(*args)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def progress(items: Iterable, what: str = "steps") -> Iterator:
    """Go through items; one line tells how far, and in the end how long it took."""
    items = items if hasattr(items, "__len__") else list(items)
    start = shown = time.perf_counter()
    line = _Line()
    for number, item in enumerate(items, start=1):
        yield item
        now = time.perf_counter()
        if number < len(items) and now - shown > 0.5:
            left = (now - start) / number * (len(items) - number)
            line.write(f"{number} of {len(items)} {what}, {left:.0f} s to go")
            shown = now
    line.write(f"{len(items)} {what} in {time.perf_counter() - start:.1f} s")


class _Line:
    """One line of output that is written over: in a notebook by its display, else at the end."""

    def __init__(self):
        self.handle = None

    def write(self, text: str) -> None:
        if not _in_notebook():
            return
        from IPython.display import display

        bundle = {"text/plain": text}
        if self.handle is None:
            self.handle = display(bundle, raw=True, display_id=True)
        else:
            self.handle.update(bundle, raw=True)


def _display(bundle: dict, metadata: dict) -> None:
    if not _in_notebook():
        return
    from base64 import b64encode

    from IPython.display import display

    if "image/png" in bundle:
        bundle["image/png"] = b64encode(bundle["image/png"]).decode()
    display(bundle, metadata=metadata, raw=True)


def _in_notebook() -> bool:
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return get_ipython() is not None
