"""The kernel of bilinear interpolation."""

from fractions import Fraction
from math import lcm

import numpy as np

from ... import functions as F
from .pen import BLUE, HEIGHT, INK, MUTED, ORANGE, SMALL, TEXT, WIDTH, Page, drawable, tint

LARGEST = 64  # factor
WRITTEN = 9  # kernels up to this size show their numbers
ROOM = 3.5  # inches


def figure_bilinear(factor: int = 2, kernel_size: int | None = None):
    """The bilinear kernel of a factor, as numbers, as a profile and as a surface.

    kernel_size: 2 * factor - factor % 2 by default; the authors' nets also have 2 * factor - 1
    (``functions.bilinear_filter``). Raises ValueError for a factor below 1 or above 64, and for a
    kernel that is neither.
    """
    f = drawable("factor", factor, LARGEST)
    k = 2 * f - f % 2 if kernel_size is None else kernel_size
    if k not in (2 * f - 1, 2 * f):
        raise ValueError(f"the kernel of factor {f} is {2 * f - 1} or {2 * f}; got {kernel_size}")
    w = np.asarray(F.bilinear_filter((k, k)), float)
    profile = w[k // 2] / w[k // 2].max() * np.sqrt(w.max())
    common = lcm(*(Fraction(float(v)).limit_denominator(4 * LARGEST**2).denominator
                   for v in w.flat))  # fmt: skip
    page = Page(WIDTH, HEIGHT, f"The bilinear kernel for upsampling by {f}: {k} × {k}")
    _numbers(page, w, common)
    _profile(page, profile)
    _surface(page, w)
    total = w.sum()
    page.text(
        WIDTH / 2,
        HEIGHT - 0.75,
        f"w[i, j] = (1 − |i − c| / f) (1 − |j − c| / f)     with f = {f} and the centre "
        f"c = (k − 1) / 2 = {(k - 1) / 2:g}",
        TEXT,
    )
    page.text(
        WIDTH / 2,
        HEIGHT - 0.4,
        f"all weights together: {total:.6g}; on average {total / f**2:.6g} for each of the "
        f"{f} × {f} pixels that one pixel becomes",
        TEXT,
        color=MUTED,
    )
    return page.finished(
        f"Bilinear kernel of factor {f}: {k} × {k} weights, along one axis "
        f"{', '.join(f'{v:.4g}' for v in profile[: WRITTEN + 1])}{', ...' * (k > WRITTEN + 1)}; "
        f"their sum is {total:.6g}."
    )


def _numbers(page: Page, w, common: int) -> None:
    k = len(w)
    side, left, top = ROOM / k, 0.45, 1.45
    fills = [[tint(BLUE, 0.1 + 0.85 * v / w.max()) for v in row] for row in w]
    if k <= WRITTEN:
        whole = np.rint(w * common).astype(int)
        np.testing.assert_allclose(whole / common, w, rtol=1e-9)
        page.cells(left, top, side, [[str(v) for v in row] for row in whole], fills)
        over = f"weights × {common}" if common > 1 else "weights"
    else:
        page.axes.imshow(
            w, extent=(left, left + ROOM, top + ROOM, top), cmap="Blues", vmin=0, zorder=1
        )
        page.rectangle(left, top, ROOM, ROOM, "none", INK)
        page.axes.set_xlim(0, page.width)
        page.axes.set_ylim(page.height, 0)
        over = f"weights, {w.min():.3g} to {w.max():.3g}"
    page.text(left + ROOM / 2, top - 0.25, over, TEXT)


def _profile(page: Page, profile) -> None:
    k = len(profile)
    axes = page.figure.add_axes((4.75 / WIDTH, 1.95 / HEIGHT, 3.0 / WIDTH, 3.25 / HEIGHT))
    axes.vlines(range(k), 0, profile, color=BLUE, linewidth=max(1.0, 26 / k))
    axes.plot(range(k), profile, "o", color=ORANGE, markersize=max(2.5, 9 - k / 4))
    axes.set_ylim(0, 1.08)
    axes.set_xlim(-0.8, k - 0.2)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.tick_params(labelsize=SMALL)
    axes.set_xlabel("i", fontsize=TEXT)
    axes.spines[["top", "right"]].set_visible(False)
    page.text(6.25, 1.2, "along one axis: 1 − |i − c| / f", TEXT)


def _surface(page: Page, w) -> None:
    import mpl_toolkits.mplot3d  # noqa: F401  (makes "3d" known)

    k = len(w)
    place = (7.75 / WIDTH, 1.35 / HEIGHT, 3.8 / WIDTH, 4.3 / HEIGHT)
    axes = page.figure.add_axes(place, projection="3d")
    grid = np.arange(k)
    axes.plot_surface(
        *np.meshgrid(grid, grid), w, cmap="Blues", vmin=-0.4 * w.max(), vmax=w.max(),
        edgecolor="#00456b", linewidth=0.4, rcount=min(k, 32), ccount=min(k, 32),
    )  # fmt: skip
    axes.view_init(elev=28, azim=-58)
    axes.set_zlim(0, 1)
    axes.tick_params(labelsize=SMALL, pad=0)
    for axis in (axes.xaxis, axes.yaxis):
        axis.get_major_locator().set_params(integer=True, nbins=5)
    axes.set_facecolor("none")
    page.text(9.75, 1.2, "as a surface", TEXT)
