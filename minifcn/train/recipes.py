"""Settings by name: those of the authors' solver.prototxt files, and this project's own.

A recipe is a set of values for the options of ``minifcn train``.
"""

_AUTHORS = {
    "padding": "reference",
    "upsampling": "fixed",
    "solver": "sgd",
    "momentum": 0.99,
    "weight_decay": 5e-4,
    "schedule": "fixed",
    "loss": "batch",
    "batch_size": 1,
    "accumulate": 1,
    "flip": False,
    "iterations": 100_000,
}

RECIPES = {
    # shelhamer/fcn.berkeleyvision.org, voc-*/solver.prototxt: the loss is summed over pixels, so
    # 1e-10 here is about 2e-5 for a mean over a 500x375 image
    "voc-fcn32s": {**_AUTHORS, "model": "fcn32s-vgg16", "lr": 1e-10},
    "voc-fcn16s": {**_AUTHORS, "model": "fcn16s-vgg16", "lr": 1e-12},
    "voc-fcn8s": {**_AUTHORS, "model": "fcn8s-vgg16", "lr": 1e-14},
    "voc-fcn8s-atonce": {
        **_AUTHORS,
        "model": "fcn8s-atonce-vgg16",
        "lr": 1e-10,
        "iterations": 300_000,
    },
    # a small net from ImageNet weights on any data of a few hundred photographs
    "squeezenet": {
        "model": "fcn4s-squeezenet",
        "padding": "aligned",
        "upsampling": "fixed",
        "solver": "adamw",
        "lr": 3e-4,
        "weight_decay": 1e-4,
        "schedule": "poly",
        "loss": "mean",
        "batch_size": 4,
        "accumulate": 1,
        "flip": True,
        "epochs": 30,
    },
}
