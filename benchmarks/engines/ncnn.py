"""ncnn's turns."""

from pathlib import Path

import ncnn
import numpy as np


class Forward:
    """net.ncnn.param in float32, image by image. ncnn chooses its own algorithms (Winograd among
    them); light mode, its default, returns memory as it goes."""

    def __init__(self, case: str, threads: int):
        self.net = ncnn.Net()
        options = self.net.opt
        options.num_threads = threads
        options.use_vulkan_compute = False
        for name in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"):
            setattr(options, name, False)
        if self.net.load_param(str(Path(case) / "net.ncnn.param")):
            raise RuntimeError("ncnn cannot read net.ncnn.param")
        if self.net.load_model(str(Path(case) / "net.ncnn.bin")):
            raise RuntimeError("ncnn cannot read net.ncnn.bin")
        self.about = {"version": ncnn.__version__, "threads": threads}
        images = np.load(Path(case) / "input.npy")
        self.images = [ncnn.Mat(image).clone() for image in images]
        (self.source,), (self.sink,) = self.net.input_names(), self.net.output_names()

    def run(self):
        self.scores = []
        for image in self.images:
            extractor = self.net.create_extractor()
            extractor.input(self.source, image)
            code, scores = extractor.extract(self.sink)
            if code:
                raise RuntimeError(f"ncnn's extract failed with {code}")
            self.scores.append(scores)

    def result(self):
        return {"score": np.stack([np.array(scores) for scores in self.scores])}
