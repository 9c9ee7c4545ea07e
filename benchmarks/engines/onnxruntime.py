"""ONNX Runtime's turns."""

from pathlib import Path

import numpy as np
import onnxruntime


class Forward:
    """net.onnx on the CPU provider, all graph optimisations (its default)."""

    def __init__(self, case: str, threads: int):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        path = str(Path(case) / "net.onnx")
        self.session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        self.about = {"version": onnxruntime.__version__, "threads": threads}
        self.image = {"data": np.load(Path(case) / "input.npy")}

    def run(self):
        self.scores = self.session.run(["score"], self.image)[0]

    def result(self):
        return {"score": self.scores}
