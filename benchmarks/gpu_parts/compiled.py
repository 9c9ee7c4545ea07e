"""PyTorch's compiler. Last, for it takes long: what it cannot do in time is left out."""

from functools import lru_cache

from .net_contestants import CONFIGS, Contestants, unattended
from .place import products
from .timing import Entry, contest

SECONDS = 1.5
CASES = [(0, "forward"), (2, "forward"), (1, "forward"), (0, "step"), (2, "step"), (1, "step")]


def cases(place, options):
    """Forward passes first, then training steps, in TF32."""
    make = lru_cache(1)(lambda config: Contestants(place, config, options.folder))
    for i, mode in CASES[:1] if place.tiny else CASES:
        yield f"{CONFIGS[i]}: {mode}", lambda c=CONFIGS[i], m=mode: _measure(place, make(c), m)


def _measure(place, both: Contestants, mode: str) -> dict:
    """The compiled net, one by one and recorded, beside the eager one and ours."""
    import torch
    from minifcn.kernels.cuda.graph import Captured

    both.train(mode == "step")
    compiled = _not_compiled if place.emulated else torch.compile
    if mode == "forward":
        theirs = both.their_forward("tf32", compiled(both.twin, dynamic=False))
        eager, inputs = both.their_forward("tf32"), (both.images,)
        mine = {p: Captured(both.forward(p)) for p in products(place, "tf32")}
    else:
        theirs = both.their_step("tf32", compiled(both.their_loss, dynamic=False))
        eager, inputs = both.their_step("tf32"), (both.images, both.labels)
        mine = {
            p: Captured(unattended(both.step(p, both.gradients())))
            for p in products(place, "tf32")
        }
    entries = {
        "PyTorch compiled": Entry(lambda i: theirs(), ours=False, graph=False),
        "PyTorch compiled captured": Entry(lambda i: theirs(), ours=False, calls=1),
        "PyTorch captured": Entry(lambda i: eager(), ours=False, calls=1),
    }
    for product, run in mine.items():
        name = f"ours captured {product}"
        entries[name] = Entry(lambda i, r=run: r(*inputs), ours=True, graph=False)
    results = contest(place, entries, SECONDS)
    return {"net": str(both.config), "mode": mode, "precision": "tf32",
            "batch": both.config.batch, "contestants": results}  # fmt: skip


def _not_compiled(function, dynamic: bool):
    """A dry run needs no compiler."""
    return function
