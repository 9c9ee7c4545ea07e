"""Measure a trained network on a data set.

  minifcn evaluate runs/train --data camvid --split val

Prints the IU of every class and the paper's four measures, from one confusion matrix over all
pixels that are not ignored. FILE is a run's folder (its best checkpoint), a checkpoint file, or,
with --model, weights from elsewhere.
"""

from . import options

NAME = "evaluate"


def add_arguments(parser) -> None:
    """The options."""
    add = parser.add_argument
    add("weights", metavar="FILE", help=options.WEIGHTS)
    options.add_model(add)
    add("--data", metavar="DIR", required=True, help="the data set's folder")
    add("--kind", choices=("auto", "scenes", "voc", "camvid", "folder"), default="auto")
    add("--split", default="val", help="default: val")
    add("--limit", type=options.positive, metavar="N", help="only the first N images")
    add("--json", metavar="FILE", help="write the measures to this file too")


def run(arguments) -> int:
    """Load, evaluate, print."""
    from .. import data, io, train

    model, spec = train.load_model(arguments.weights, arguments.model)
    extra = {"class_names": spec.class_names} if arguments.kind == "folder" else {}
    dataset = data.open_dataset(arguments.data, arguments.split, arguments.kind, **extra)
    if dataset.num_classes != len(spec.class_names):
        raise ValueError(
            f"{arguments.weights}: a net of {len(spec.class_names)} classes; "
            f"{arguments.data} has {dataset.num_classes}"
        )
    how = {"limit": arguments.limit, "preprocessing": spec.preprocessing}
    matrix = train.evaluate(model, dataset, **how)
    print(matrix.per_class_table(dataset.class_names))
    print(matrix.summary())
    if arguments.json:
        io.write_json(arguments.json, matrix.as_dict(per_class=True))
    return 0
