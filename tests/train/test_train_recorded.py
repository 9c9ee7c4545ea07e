"""The training loop on a device, anew at every step and with recorded work."""

import numpy as np
import pytest
from small_runs import assert_same_weights, log_rows, trainer, weights

from minifcn import use_backend

OPTIONS = [
    {"iterations": 4},
    {"iterations": 4, "class_weight": np.array([1, 2, 0.5], np.float32)},
    {"iterations": 2, "accumulate": 2},  # added up, so not recorded
]


@pytest.mark.parametrize("options", OPTIONS, ids=["plain", "weighted", "accumulated"])
def test_recorded_training_is_the_same_to_the_bit(options, device, tmp_path):
    """Without dropout, whose masks are drawn elsewhere then."""
    found = []
    with use_backend(device):
        for name, recorded in (("anew", False), ("recorded", True)):
            run = trainer(tmp_path / name, recorded=recorded, **options)
            run.model["drop9"].p = 0.0
            run.fit()
            found.append(weights(run.model))
    assert_same_weights(*found)
    assert log_rows(tmp_path / "anew") == log_rows(tmp_path / "recorded")
