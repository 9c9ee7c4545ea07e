"""What the tests of training share: a data set of a few coloured squares, and a narrow net."""

import csv

import numpy as np

from minifcn import data, manual_seed, train

CLASSES = ["ground", "red", "blue"]
SPEC = train.ModelSpec("fcn4s-squeezenet", CLASSES, "aligned", 0.05, "fixed", [[0, 0, 0]] * 3)


class Squares:
    """A red and a blue square on grey, an ignored line; (image, label) by number."""

    class_names, num_classes, ignore_index = CLASSES, 3, 255
    palette = data.voc_colormap()

    def __init__(self, count=5, seed=0, size=(20, 24)):
        self.samples = [self.draw(np.random.default_rng([seed, i]), *size) for i in range(count)]

    def draw(self, rng, H, W):
        label = np.zeros((H, W), np.uint8)
        for kind in (1, 2):
            top, left = rng.integers(0, H - 8), rng.integers(0, W - 8)
            label[top : top + 8, left : left + 8] = kind
        colours = np.array([[120, 120, 120], [230, 40, 40], [40, 40, 230]])
        image = colours[label] + rng.integers(-20, 21, (H, W, 3))
        label[:, int(rng.integers(W))] = 255
        return image.astype(np.uint8), label

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, i):
        return self.samples[i]


def trainer(folder=None, *, seed=0, lr=1e-3, solver=train.Adam, loader=None, spec=SPEC, **options):
    """A trainer of that net on those squares: 3 batches an epoch."""
    manual_seed(seed)
    model = (spec or SPEC).build()
    settings = {"batch_size": 2, "shuffle": True, "seed": seed}
    settings |= {"transform": data.HorizontalFlip()} | (loader or {})
    dataset = settings.pop("dataset", None) or Squares()
    defaults = {"iterations": 7, "spec": spec, "folder": folder, "progress": False}
    defaults["validation"] = Squares(2, seed=9)
    return train.Trainer(
        model, solver(model, lr), data.Loader(dataset, **settings), **defaults | options
    )


def log_rows(folder):
    """The rows of log.csv without the one column that measures time."""
    with open(folder / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if k != "images_per_second"} for row in rows]


def weights(model):
    return {name: array.copy() for name, array in model.state_dict().items()}


def assert_same_weights(one, other):
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)
