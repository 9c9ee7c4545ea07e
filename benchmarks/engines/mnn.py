"""MNN's turns."""

from pathlib import Path

import MNN
import numpy as np


class Forward:
    """net.mnn on the CPU in float32 (precision "high"); algorithms as MNN chooses them."""

    def __init__(self, case: str, threads: int):
        self.net = MNN.Interpreter(str(Path(case) / "net.mnn"))
        settings = {"backend": "CPU", "precision": "high", "numThread": threads}
        self.session = self.net.createSession(settings)
        self.about = {"version": MNN.version(), "threads": threads}
        self.images = np.load(Path(case) / "input.npy")
        self.source = self.net.getSessionInput(self.session)

    def run(self):
        # The session uses its input's memory for other maps: it must be filled for every run
        self.source.copyFrom(_host(self.images))
        self.net.runSession(self.session)

    def result(self):
        scores = self.net.getSessionOutput(self.session)
        host = _host(np.zeros(scores.getShape(), np.float32))
        scores.copyToHostTensor(host)
        return {"score": np.array(host.getNumpyData(), np.float32).reshape(scores.getShape())}


def _host(array):
    """An (N, C, H, W) tensor in ordinary memory."""
    layout = MNN.Tensor_DimensionType_Caffe
    return MNN.Tensor(array.shape, MNN.Halide_Type_Float, array, layout)
