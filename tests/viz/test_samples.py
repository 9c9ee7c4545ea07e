"""The picture of samples: panels hold exactly the pixels they should."""

import numpy as np
import pytest
from PIL import Image

from minifcn.viz.colormap import colorize, voc_colormap
from minifcn.viz.samples import draw_samples

rng = np.random.default_rng(0)
NAMES = ["background", "cat", "dog $2", "a rather long name of a class"]


def sample(H, W, classes=4):
    image = rng.integers(0, 256, (H, W, 3), dtype=np.uint8)
    label = rng.integers(0, classes, (H, W), dtype=np.uint8)
    label[0, 0] = 255
    return image, label


def read(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def contains(picture, part):
    """Whether ``part`` appears in the picture, pixel for pixel."""
    h, w = part.shape[:2]
    rows, columns = np.nonzero((picture == part[0, 0]).all(axis=-1))
    return any(
        np.array_equal(picture[y : y + h, x : x + w], part)
        for y, x in zip(rows, columns, strict=True)
    )


def test_small_pictures_are_enlarged_by_whole_factors(tmp_path):
    image, label = sample(20, 30)
    other = np.where(label == 255, 3, label)
    draw_samples(tmp_path / "a.png", [image], [label], [other], NAMES)
    picture = read(tmp_path / "a.png")
    scale = 420 // 30
    for part in (image, colorize(label), colorize(other)):
        assert contains(picture, part.repeat(scale, axis=0).repeat(scale, axis=1))


def test_panels_follow_rows_and_columns(tmp_path):
    """Every cell has one colour of its own; their places in the picture form the table."""
    palette = np.array([[10 * k, 255 - 10 * k, 7] for k in range(9)], np.uint8)
    images = [np.full((40, 40, 3), colour, np.uint8) for colour in palette[:2]]
    columns = [[np.full((40, 40), 2 + 2 * c + r) for r in range(2)] for c in range(3)]
    draw_samples(
        tmp_path / "a.png",
        images,
        columns[0],
        [("32s", columns[1]), ("8s", columns[2])],
        palette=palette,
    )
    picture = read(tmp_path / "a.png")
    centre = {}
    for k in range(8):
        ys, xs = np.nonzero((picture == palette[k]).all(axis=-1))
        keep = ys < picture.shape[0] * 0.85  # not the legend
        centre[k] = np.array([np.median(ys[keep]), np.median(xs[keep])])
    first_row, second_row = [0, 2, 4, 6], [1, 3, 5, 7]
    for row in (first_row, second_row):
        assert len({centre[k][0] for k in row}) == 1
        xs = [centre[k][1] for k in row]
        assert xs == sorted(xs)
    for upper, lower in zip(first_row, second_row, strict=True):
        assert centre[upper][0] < centre[lower][0]
        assert centre[upper][1] == centre[lower][1]


def test_large_labels_keep_their_colours(tmp_path):
    """Reduced by the nearest pixel: in the panel of labels no mixed colour appears."""
    image = np.zeros((700, 900, 3), np.uint8)
    label = rng.integers(0, 4, (700, 900), dtype=np.uint8)
    draw_samples(tmp_path / "a.png", [image], [label])
    picture = read(tmp_path / "a.png")
    inner = picture[60:300, picture.shape[1] // 2 + 20 : -30].reshape(-1, 3)
    found = {tuple(colour) for colour in np.unique(inner, axis=0).tolist()}
    assert found == {tuple(colour) for colour in voc_colormap()[:4].tolist()}


def test_size_stays_bounded_for_the_worst_photographs(tmp_path):
    samples = [sample(375, 500, classes=2) for _ in range(8)]
    flat = [np.zeros_like(label) for _, label in samples]
    draw_samples(tmp_path / "a.png", [image for image, _ in samples], flat, flat)
    assert (tmp_path / "a.png").stat().st_size < 1_500_000


def legend_texts(tmp_path, monkeypatch, *args, **kwargs):
    """The texts of the picture, taken from the figure just before it is written."""
    import minifcn.viz.samples as samples

    seen = []
    real = samples.save_figure

    def spy(path, figure):
        seen.extend(text.get_text() for text in figure.texts)
        real(path, figure)

    monkeypatch.setattr(samples, "save_figure", spy)
    draw_samples(tmp_path / "a.png", *args, **kwargs)
    return seen


def test_legend_names_the_classes_that_occur(tmp_path, monkeypatch):
    image = np.zeros((8, 8, 3), np.uint8)
    truth = np.full((8, 8), 1)
    truth[0] = 255
    texts = legend_texts(tmp_path, monkeypatch, [image], [truth], [np.full((8, 8), 9)], NAMES)
    assert texts == ["image", "truth", "prediction", "cat", "class 9", "ignored"]


def test_titles_of_rows_and_columns(tmp_path, monkeypatch):
    image, label = sample(8, 8, classes=1)
    texts = legend_texts(
        tmp_path,
        monkeypatch,
        np.stack([image, image]),
        None,
        [("FCN-8s", np.stack([label, label]))],
        row_titles=["first\nIU 63.2", "second"],
    )
    assert texts == ["image", "FCN-8s", "first\nIU 63.2", "second", "class 0", "ignored"]


def test_images_alone_and_of_several_sizes(tmp_path):
    images = [sample(*size)[0] for size in [(50, 30), (20, 60), (1, 1)]]
    draw_samples(tmp_path / "a.png", images)
    picture = read(tmp_path / "a.png")
    for image in images:
        assert contains(picture, image.repeat(7, axis=0).repeat(7, axis=1))


def test_dollar_signs_and_many_classes(tmp_path):
    image = np.zeros((16, 16, 3), np.uint8)
    label = np.arange(256).reshape(16, 16)
    names = [f"$\\frac{k}$" for k in range(255)]
    draw_samples(tmp_path / "a.png", [image], [label], class_names=names)
    picture = read(tmp_path / "a.png")
    legend = picture[26 + 16 * 26 + 8 :]  # below the titles and the panel
    for colour in voc_colormap()[:255:16]:
        assert (legend == colour).all(axis=-1).any()


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (([], []), "no sample"),
        (([np.zeros((2, 2, 3), np.uint8)], []), "1 images but 0 label maps under 'truth'"),
        (
            ([np.zeros((2, 2, 3), np.uint8)], None, [("8s", [])]),
            "1 images but 0 label maps under '8s'",
        ),
        (([np.zeros((2, 2, 3), np.uint8)], [np.zeros((2, 3), int)]), r"\(2, 2, 3\) and 'truth'"),
    ],
)
def test_columns_that_do_not_fit(tmp_path, args, text):
    with pytest.raises(ValueError, match=text):
        draw_samples(tmp_path / "a.png", *args)
    assert list(tmp_path.iterdir()) == []


def test_row_titles_that_do_not_fit(tmp_path):
    with pytest.raises(ValueError, match="1 images but 2 row titles"):
        draw_samples(tmp_path / "a.png", [np.zeros((2, 2, 3), np.uint8)], row_titles=["a", "b"])
