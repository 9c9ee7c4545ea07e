"""Whole nets, forward and training step, one by one and recorded, beside PyTorch."""

from functools import lru_cache

from minifcn.kernels.cuda.graph import Captured

from .net_contestants import CONFIGS, Contestants, unattended
from .place import difference, products, set_precision, set_torch_precision
from .timing import Entry, brief, contest

SECONDS = {"forward": 1.2, "step": 2.0}
MODES = ("forward", "step")
PRECISIONS = ("tf32", "float32")


def cases(place, options):
    """For every net and size: what it computes, then forward and step in both precisions."""
    make = lru_cache(1)(lambda config: Contestants(place, config, options.folder))
    for config in CONFIGS[:1] + CONFIGS[-1:] if place.tiny else CONFIGS:
        yield f"{config}: results", lambda c=config: _results(place, make(c))
        for precision in PRECISIONS[: 1 if place.tiny else None]:
            for mode in MODES:
                name = f"{config}: {mode} {precision}"
                yield name, lambda c=config, m=mode, p=precision: _measure(place, make(c), m, p)


def _measure(place, both: Contestants, mode: str, precision: str) -> dict:
    """Everybody's median and memory."""
    both.train(mode == "step")
    entries, held = _ours(place, both, mode, precision)
    theirs = (both.their_forward if mode == "forward" else both.their_step)(precision)
    entries["PyTorch"] = Entry(lambda i: theirs(), ours=False, graph=False)
    entries["PyTorch captured"] = Entry(lambda i: theirs(), ours=False, calls=1)
    memory = {
        "ours": _guarded(lambda: _our_memory(place, entries["ours"])),
        "PyTorch": _guarded(lambda: _their_memory(place, theirs)),
    }
    results = contest(place, entries, SECONDS[mode])
    for name, nbytes in held.items():
        memory[name] = _guarded(lambda n=nbytes: place.pool_bytes() + n())
    for name, size in memory.items():
        if name in results:
            results[name]["bytes"] = size
    return {"net": str(both.config), "mode": mode, "precision": precision,
            "batch": both.config.batch, "contestants": results}  # fmt: skip


def _ours(place, both: Contestants, mode: str, precision: str):
    """Entries "ours" (one by one), and "ours captured ..." for everything that multiplies; and
    functions that say how much memory the recordings hold.

    A step is recorded as the library does it, up to the gradients, and whole.
    """
    there, held = _products(place, precision), {}
    inputs = (both.images,) if mode == "forward" else (both.images, both.labels)
    if mode == "forward":
        runs = {"ours": both.forward(there[0])}
    else:
        runs = {"ours": both.step(there[0], both.gradients())}
    for product in there:
        name = f"ours captured {product}"
        if mode == "forward":
            runs[name] = Captured(both.forward(product))
            held[name] = lambda c=runs[name]: c.nbytes
        else:
            whole = Captured(unattended(both.step(product, both.gradients())))
            runs[f"{name}, whole"], held[f"{name}, whole"] = whole, lambda c=whole: c.nbytes
            recorded = _guarded(both.recorded_gradients)
            if recorded is not None:
                runs[name] = both.step(product, recorded)
                held[name] = lambda g=recorded: g.nbytes
    entries = {
        name: Entry(lambda i, r=run: r(*inputs), ours=True, graph=False)
        for name, run in runs.items()
    }
    return entries, held


def _products(place, precision: str) -> list[str]:
    """What computes a precision; in a dry run the first of it alone."""
    return products(place, precision)[: 1 if place.tiny else None]


def _our_memory(place, entry: Entry) -> int:
    """What CuPy's pool holds at most while this runs, with the weights."""
    place.free()
    for _ in range(2):
        entry.function(0)
    place.synchronize()
    return place.pool_bytes()


def _their_memory(place, run) -> int:
    """What PyTorch has allocated at most while this runs, with the weights."""
    import torch

    if place.emulated:
        run()
        return 0
    place.free()
    torch.cuda.reset_peak_memory_stats()
    for _ in range(2):
        run()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated()


def _guarded(measure):
    """What a measurement gives, or None: it is not worth a case."""
    try:
        return measure()
    except Exception as error:
        print(f"memory: {brief(error)}")
        return None


def _results(place, both: Contestants) -> dict:
    """Relative errors, PyTorch's float32 being the judge: scores; loss and gradients without
    dropout."""
    both.train(False)
    exact = both.their_forward("float32")()
    forwards = {"PyTorch tf32": both.their_forward("tf32")}
    steps = {"PyTorch tf32": lambda: _their_gradients(both, "tf32")}
    for precision in PRECISIONS:
        for product in _products(place, precision):
            run, captured = both.forward(product), f"{product} captured"
            forwards[product] = lambda r=run: r(both.images)
            forwards[captured] = lambda r=run: _replayed(Captured(r), both.images)
            steps[product] = lambda p=product: _our_gradients(both, p, False)
            steps[captured] = lambda p=product: _our_gradients(both, p, True)
    right = _their_gradients(both, "float32")
    found = {
        "scores": {
            n: _guarded(lambda r=r: difference(place, r(), exact)) for n, r in forwards.items()
        },
        "step": {n: _guarded(lambda r=r: _compared(place, r(), right)) for n, r in steps.items()},
    }
    both.twin.zero_grad()
    both.net.zero_grad()
    return found


def _replayed(captured, *inputs):
    """What a replay gives: the first call records."""
    captured(*inputs)
    return captured(*inputs).copy()


def _our_gradients(both, product: str, recorded: bool) -> dict:
    """Name -> gradient, and "loss"; of a replay, if recorded."""
    import minifcn as mf

    set_precision(product)
    run = both.recorded_gradients() if recorded else both.gradients()
    for _ in range(1 + recorded):
        loss = run(mf.Tensor.of(both.images), both.labels)
    found = {name: p.grad for name, p in both.net.named_parameters() if p.grad is not None}
    return {"loss": loss.data, **found}


def _their_gradients(both, precision: str) -> dict:
    set_torch_precision(precision)
    both.twin.zero_grad(set_to_none=True)
    loss = both.their_loss(both.their_images, both.their_labels)
    loss.backward()
    named = both.twin.named_weights().items()
    return {"loss": loss.detach(), **{n: p.grad for n, p in named if p.grad is not None}}


def _compared(place, mine: dict, right: dict) -> dict:
    """The relative errors: of the loss, and of the worst gradient."""
    place.synchronize()
    names = [name for name in mine if name in right]
    errors = {name: difference(place, mine[name], right[name]) for name in names}
    loss = errors.pop("loss")
    worst = max(errors, key=errors.get)
    return {"loss": loss, "worst gradient": errors[worst], "of": worst, "compared": len(errors)}
