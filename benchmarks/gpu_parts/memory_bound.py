"""The kernels that only move memory: GB/s of the least bytes that must move."""

from .place import set_precision, set_torch_precision
from .timing import Entry, contest

SECONDS = 0.4
BY_AUTOGRAD = (  # PyTorch's calls that are not recorded: they go through autograd, or count steps
    "local_response_norm_grad",
    "cross_entropy_grad",
    "upsample_bilinear_grad",
    "upsample_cross_entropy_grad",
    "sgd_steps",
)


def cases(place, options):
    """A case for every kernel."""
    from .memory_cases import CASES

    for name, make in CASES.items():
        yield name, lambda name=name, make=make: _measure(place, name, make)


def _measure(place, name: str, make) -> dict:
    """Both in turns."""
    set_precision("fma")
    set_torch_precision("float32")
    nbytes, ours, theirs = make(place)
    entries = {
        "ours": Entry(lambda i: ours(), ours=True, graph=name != "sgd_steps"),
        "PyTorch": Entry(lambda i: theirs(), ours=False, graph=name not in BY_AUTOGRAD),
    }
    results = contest(place, entries, SECONDS)
    for result in results.values():
        if "ms" in result:
            result["GB/s"] = 1e-6 * nbytes / result["ms"]
    return {"bytes": nbytes, "contestants": results}
