"""PyTorch's files of weights (.pt, .pth), without PyTorch and without executing anything in them.

pickles.py   the machine that reads the pickle in such a file
objects.py   what the pickle may name: storages, tensors, dictionaries
files.py     the two formats, and where in them the numbers lie
weights.py   a file to arrays and back
"""

from .weights import load_pytorch, save_pytorch

__all__ = ["load_pytorch", "save_pytorch"]
