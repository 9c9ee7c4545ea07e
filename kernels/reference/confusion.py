"""The confusion matrix: n[i, j] pixels of class i were predicted to be class j."""

import numpy as np


def confusion_counts(labels, predictions, num_classes: int, ignore_index: int):
    """counts[i, j] = number of pixels with label i and prediction j (Long et al. 2015, section 5).

    labels and predictions: integer arrays of one shape. Pixels labelled ignore_index are left
    out, whatever is predicted there. Returns (num_classes, num_classes) int64.
    """
    valid = labels != ignore_index
    pairs = labels[valid].astype(np.int64) * num_classes + predictions[valid]
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)
