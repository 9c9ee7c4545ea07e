"""Batches on their way to a GPU."""

import numpy as np
import pytest
from on_device import DEVICES, table


@pytest.mark.parametrize("device", DEVICES)
def test_batches_arrive_in_order_and_whole(device):
    """Of one shape and of others, read only after more was asked of the GPU."""
    from minifcn.kernels.cuda.upload import uploaded

    xp, rng = table(device).module, np.random.default_rng(0)
    shapes = [(2, 3, 40, 50)] * 5 + [(1, 3, 7, 9)] * 4
    batches = [
        (rng.standard_normal(shape, np.float32), rng.integers(0, 255, shape[2:], np.uint8))
        for shape in shapes
    ]
    sums = []
    for x, labels in uploaded(iter(batches), xp):
        assert isinstance(x, xp.ndarray)
        sums.append(((x * 2).sum(), labels.astype(np.int64).sum()))
    assert len(sums) == len(batches)
    for (x, labels), (double, total) in zip(batches, sums, strict=True):
        assert float(double) == pytest.approx(2 * float(x.sum(dtype=np.float64)), rel=1e-4)
        assert int(total) == labels.sum()
    assert list(uploaded(iter([]), xp)) == []


@pytest.mark.parametrize("device", DEVICES)
def test_who_stops_early_stops_the_loader(device):
    from minifcn.kernels.cuda.upload import uploaded

    closed = []

    def batches():
        try:
            while True:
                yield (np.ones(3, np.float32),)
        finally:
            closed.append(True)

    made = batches()
    for (x,) in uploaded(made, table(device).module):
        assert float(x.sum()) == 3
        break
    made.close()
    assert closed
