"""OpenVINO's turns."""

from pathlib import Path

import numpy as np
import openvino


class Forward:
    """net.onnx compiled for latency, in float32 (its default would be bfloat16 where the CPU has
    it, another piece of work)."""

    def __init__(self, case: str, threads: int):
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": "f32",
        }
        core = openvino.Core()
        model = core.compile_model(core.read_model(Path(case) / "net.onnx"), "CPU", settings)
        version = openvino.__version__.split("-")[0]
        used = model.get_property("INFERENCE_NUM_THREADS")
        self.about = {"version": version, "threads": int(used)}
        self.request = model.create_infer_request()
        image = np.load(Path(case) / "input.npy")
        self.request.set_input_tensor(openvino.Tensor(image, shared_memory=True))
        self.image = image

    def run(self):
        self.request.infer()

    def result(self):
        return {"score": self.request.get_output_tensor().data}
