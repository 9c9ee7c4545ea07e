"""The confusion matrix: n[i, j] pixels of class i were predicted to be class j."""

import numpy as np

from .compile import kernel
from .tasks import tasks
from .threads import parallel_for

BLOCK = 2**16  # pixels counted into one partial matrix


def confusion_counts(labels, predictions, num_classes: int, ignore_index: int):
    """counts[i, j] = number of pixels with label i and prediction j (Long et al. 2015, section 5).

    labels and predictions: integer arrays of one shape. Pixels labelled ignore_index are left
    out, whatever is predicted there. Returns (num_classes, num_classes) int64.
    """
    labels, predictions = _flat(labels), _flat(predictions)
    blocks = max(1, min(64, -(-labels.size // BLOCK)))
    counts = np.zeros((blocks, num_classes, num_classes), np.int64)
    work = labels.size // blocks
    parallel_for(_count, blocks, labels, predictions, ignore_index, counts, work=work)
    return counts.sum(axis=0)


def _flat(a):
    """One axis, and one of two integer types: each pair of types is compiled for itself."""
    return np.ascontiguousarray(a, None if a.dtype == np.uint8 else np.int64).reshape(-1)


@kernel()
def _count(work, labels, predictions, ignore_index, counts):
    """Block b of the pixels is counted into counts[b]."""
    blocks = len(counts)
    for b in tasks(work):
        for p in range(labels.size * b // blocks, labels.size * (b + 1) // blocks):
            label = np.int64(labels[p])
            if label != ignore_index:
                counts[b, label, np.int64(predictions[p])] += 1
