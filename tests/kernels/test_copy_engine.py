"""Hopper's copy engine, played by the CPU: what it fetches, and what it finds wrong."""

import numpy as np
import pytest
from minifcn.kernels.cuda import patches
from minifcn.kernels.cuda.device import launch
from minifcn.kernels.cuda.tensor_map import tensor_map
from on_device import table

ROWS = 16  # of 32 numbers, in the box that is fetched

PROBES = """#include "hopper.cuh"
const int NUMBERS = 16 * 32;

template <int WAITS>
__device__ void fetched(const TensorMap* map, float* y, int column, int row) {
  DYNAMIC_SHARED(float, room);
  __shared__ Barrier full;
  if (threadIdx.x == 0) barrier_init(&full, 1), barriers_are_made();
  __syncthreads();
  if (threadIdx.x == 0) {
    barrier_announce(&full, 4 * NUMBERS);
    fetch(room, map, &full, column, row);
  }
  if (WAITS == 1) barrier_wait(&full, 0);
  for (int i = threadIdx.x; i < NUMBERS; i += blockDim.x) y[i] = room[i];
  if (WAITS == 2) barrier_wait(&full, 0);
  if (WAITS == 3) barrier_wait(&full, 0), barrier_wait(&full, 1);
}
"""
KERNELS = {"careless": 0, "patient": 1, "hasty": 2, "stuck": 3}
TWICE = """
extern "C" __global__ void twice(const __grid_constant__ TensorMap map, float* y, int column,
                                 int row) {
  DYNAMIC_SHARED(float, room);
  __shared__ Barrier full[2];
  if (threadIdx.x == 0) {
    for (int i = 0; i < 2; i++) {
      barrier_init(&full[i], 1);
      barrier_announce(&full[i], 4 * NUMBERS);
      fetch(room, &map, &full[i], column, row + i);
    }
  }
  __syncthreads();
  for (int i = 0; i < 2; i++) {
    barrier_wait(&full[i], 0);
    for (int j = threadIdx.x; j < NUMBERS; j += blockDim.x) y[i * NUMBERS + j] = room[j];
  }
}
"""


@pytest.fixture
def probe(monkeypatch, tmp_path):
    """probe(kernel, x, column, row): what it writes of boxes of x that begin there, as the rows of
    boxes lie in shared memory."""
    monkeypatch.setenv("MINIFCN_CACHE", str(tmp_path / "compiled"))
    gpu, file = table("emulated").module, tmp_path / "probe.cu"
    # The emulator takes a file's kernels by their names
    made = "".join(
        f'extern "C" __global__ void {name}(const __grid_constant__ TensorMap map, float* y, '
        f"int column, int row) {{ fetched<{waits}>(&map, y, column, row); }}\n"
        for name, waits in KERNELS.items()
    )
    file.write_text(PROBES + made + TWICE)

    def run(kernel, x, column, row):
        x, y = gpu.asarray(x), gpu.zeros((2, ROWS, 32), np.float32)
        size, pitch = (40, x.shape[0]), x.shape[1]
        boxes = tensor_map(x, size, (pitch,), (32, ROWS))
        launch(str(file), kernel, (1,), (64,), boxes, y, column, row, shared=4 * ROWS * 32)
        return y.get()

    return run


def unswizzled(rows):
    """Piece c of row r lies at place c ^ (r % 8)."""
    pieces = rows.reshape(ROWS, 8, 4)
    return np.stack([pieces[r, np.arange(8) ^ r % 8] for r in range(ROWS)]).reshape(ROWS, 32)


@pytest.mark.parametrize(("column", "row"), [(0, 0), (8, 3), (-5, -2), (20, 9), (40, 0), (0, 30)])
def test_a_box_with_zeros_around_the_array(probe, column, row):
    x = np.arange(1, 21 * 44 + 1, dtype=np.float32).reshape(21, 44)  # 40 columns of each row
    around = np.pad(x[:, :40], 100)
    expected = around[100 + row :, 100 + column :][:ROWS, :32]
    np.testing.assert_array_equal(unswizzled(probe("patient", x, column, row)[0]), expected)


def test_numbers_are_rounded_to_tf32(probe):
    x = np.zeros((ROWS, 40), np.float32)
    x[0, :4] = 1 + 2**-10, 1 + 2**-12, 1 + 2**-11 + 2**-20, -3 - 3 * 2**-11
    found = unswizzled(probe("patient", x, 0, 0)[0])[0, :4]
    assert found.tolist() == [1 + 2**-10, 1, 1 + 2**-10, -3 - 2 * 2**-10]


def test_who_does_not_wait_reads_what_was_there_before(probe):
    x = np.ones((ROWS, 40), np.float32)
    assert np.isnan(probe("hasty", x, 0, 0)[0]).all()
    with pytest.raises(RuntimeError, match="careless: block 0,0,0 ends before a copy"):
        probe("careless", x, 0, 0)
    assert (probe("patient", x, 0, 0)[0] == 1).all()  # after the failure too


def test_a_round_that_nobody_completes(probe):
    with pytest.raises(RuntimeError, match="stuck: a barrier in shared memory: not all threads"):
        probe("stuck", np.ones((ROWS, 40), np.float32), 0, 0)


def test_a_place_that_is_still_in_use_is_spoiled(probe):
    """Both boxes are in one place: the first, fetched last, is what both reads find."""
    x = np.arange(17 * 40, dtype=np.float32).reshape(17, 40)
    first, second = map(unswizzled, probe("twice", x, 0, 0))
    np.testing.assert_array_equal(first, x[:16, :32])
    np.testing.assert_array_equal(second, first)


def test_maps_are_turned_patch_by_patch_by_hand():
    """Of a map of 3 x 3 pixels in patches of 2 x 2: each has four of its 64 places filled, even
    pixels first."""
    gpu = table("emulated").module
    maps = gpu.asarray(np.arange(1, 19, dtype=np.float32).reshape(1, 3, 3, 2))
    rows = gpu.full((2, 4 * 64), 7, np.float32)
    launch("turn.cu", "turn_patches", (4, 1), (256,), maps, rows, 1, 3, 3, 2, 2, 2, real="float")
    filled = rows.get().reshape(2, 4, 64)
    pixels = np.array([[0, 1, 3, 4], [2, -1, 5, -1], [6, 7, -1, -1], [8, -1, -1, -1]])
    for channel in (0, 1):
        expected = np.where(pixels < 0, 0, 2 * pixels + 1 + channel)
        np.testing.assert_array_equal(filled[channel, :, [0, 4, 1, 5]].T, expected)
    assert filled[..., [2, 3, 6, 7]].max() == filled[..., 8:].max() == 0


def test_filters_are_turned_by_hand():
    gpu = table("emulated").module
    w = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)  # filters, taps, channels
    turned = gpu.full((4, 3, 2), -1, np.float32)
    launch(
        "turn.cu", "turn_filters", (1, 1, 3), (32, 8), gpu.asarray(w), turned, 2, 4, real="float"
    )
    np.testing.assert_array_equal(turned.get(), w[:, ::-1].transpose(2, 1, 0))


WINDOWS = {
    "3x3": (3, 3, 1, 1, 1, 1, 1, 1),
    "7x7": (7, 7, 1, 1, 0, 0, 1, 1),
    "1x1": (1, 1, 1, 1, 0, 0, 1, 1),
    "5x2 with strides": (5, 2, 2, 3, 0, 0, 1, 4),
    "too far apart": (3, 3, 1, 1, 64, 64, 64, 64),
    "too wide": (1, 400, 1, 1, 0, 0, 1, 1),
}
MADE = [(1, 16, 16, 512, 4096), (2, 175, 89, 64, 64), (1, 1, 900, 36, 68)]  # N, OH, OW, C, K


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("made", MADE, ids=str)
def test_patches_fit(made, name):
    """Into shared memory and the boxes that can be fetched, and they cover the maps."""
    window, (N, OH, OW, C, K) = WINDOWS[name], made
    whole, weight = patches.plan(*made, window), patches.weight_plan(*made, window)
    assert (whole is None) == (weight is None) == name.startswith("too")
    if whole is None:
        return
    for plan, pixels in ((whole, patches.PIXELS), (weight, patches.FEW_PIXELS)):
        (h, w), (rows, columns) = plan.patch, plan.seen
        assert h * w <= pixels
        assert rows == (h - 1) * window[2] + (window[0] - 1) * window[6] + 1
        assert columns == (w - 1) * window[3] + (window[1] - 1) * window[7] + 1
        assert max(rows, columns) <= 256
        assert 2 <= min(plan.places) <= max(plan.places) <= patches.DEEPEST
        boxes = (2 if plan is weight else 1) * -(-rows * columns * 128 // 1024) * 1024
        assert plan.shared == plan.places[0] * boxes + plan.places[1] * plan.columns * 128
        assert plan.shared <= 226 * 1024
        assert 0 < plan.used <= 1
    (h, w), columns = whole.patch, whole.columns
    assert whole.grid[:2] == (N * -(-OH // h) * -(-OW // w), -(-K // columns))
    assert weight.grid[0] == -(-C // 64) * -(-K // 64)
    assert weight.grid[1] * 9 >= window[0] * window[1]
