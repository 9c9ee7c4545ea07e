"""The confusion matrix: n[i, j] pixels of class i were predicted to be class j."""

import numpy as np

from .device import launch, module_of

THREADS = 256
PIXELS = 4096  # that a block counts, at least
CELLS = 12 * 1024  # numbers of the matrix that a block counts, at most: 48 KB of shared memory
NUMBERS = 2**22  # of all blocks' counts, at most
C_TYPES = {"uint8": "unsigned char", "int64": "long long"}


def confusion_counts(labels, predictions, num_classes: int, ignore_index: int):
    """counts[i, j] = number of pixels with label i and prediction j (Long et al. 2015, section 5).

    labels and predictions: integer arrays of one shape. Pixels labelled ignore_index are left
    out, whatever is predicted there. Returns (num_classes, num_classes) int64.
    """
    labels, predictions = _flat(labels), _flat(predictions)
    P, whole = labels.size, num_classes**2
    pixels = max(PIXELS, -(-P // max(1, NUMBERS // whole)))
    blocks, cells = max(1, -(-P // pixels)), min(whole, CELLS)
    parts = module_of(labels).empty((blocks, whole), np.int32)
    launch("confusion.cu", "count_pairs", (blocks, -(-whole // cells)), (THREADS,), labels,
           predictions, parts, np.int64(ignore_index), num_classes, cells, pixels, P,
           shared=cells * parts.itemsize, label_type=C_TYPES[labels.dtype.name],
           prediction_type=C_TYPES[predictions.dtype.name])  # fmt: skip
    return parts.sum(axis=0, dtype=np.int64).reshape(num_classes, num_classes)


def _flat(a):
    """One axis, and one of two integer types: each pair of types is compiled for itself."""
    dtype = np.uint8 if a.dtype == np.uint8 else np.int64
    return module_of(a).ascontiguousarray(a, dtype).reshape(-1)
