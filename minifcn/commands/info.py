"""Print versions, the machine, and the networks there are.

  minifcn info

What to quote with a question or a measurement.
"""

NAME = "info"
NEEDED = ("numpy", "numba", "pillow", "matplotlib", "safetensors")
OPTIONAL = ("cupy", "protobuf", "h5py", "onnx")  # CUDA, Caffe's files, Keras's, ONNX's


def add_arguments(parser) -> None:
    """None but the common ones."""


def run(arguments) -> int:
    """Look and print."""
    import importlib.metadata
    import os
    import platform

    from .. import __version__, backends, models

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
    print("models: " + ", ".join(models.names()))
    print("classifiers: " + ", ".join(models.classifiers()))
    print("nets of other data sets: " + ", ".join(models.compositions()))
    return 0
