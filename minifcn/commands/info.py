"""Print versions, the machine with its GPU, and the networks there are.

  minifcn info

What to quote with a question or a measurement.
"""

NAME = "info"
NEEDED = ("numpy", "numba", "pillow", "matplotlib", "safetensors")
# CUDA 12's, CUDA 13's, Caffe's files, Keras's, ONNX's
OPTIONAL = ("cupy-cuda12x", "cupy-cuda13x", "protobuf", "h5py", "onnx")


def add_arguments(parser) -> None:
    """None but the common ones."""


def run(arguments) -> int:
    """Look and print."""
    import importlib.metadata
    import os
    import platform

    from .. import __version__, backends, gpu, models

    print(f"minifcn {__version__}, Python {platform.python_version()}, {platform.platform()}")
    for package in (*NEEDED, *OPTIONAL):
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            version = "not installed"
        print(f"  {package:12} {version}")
    backend = backends.current_backend()
    threads = f", {backends.get_num_threads()} threads" if backend == "cpu" else ""
    print(f"backend {backend}{threads} of {os.cpu_count()} cores")
    print(f"GPU: {gpu.describe()}")
    print("models: " + ", ".join(models.names()))
    print("classifiers: " + ", ".join(models.classifiers()))
    print("nets of other data sets: " + ", ".join(models.compositions()))
    return 0
