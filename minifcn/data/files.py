"""Reading and writing images and label maps, one file at a time, with nothing taken on trust.

Every error is a DataError of one line that names the file. A photograph comes back as
(H, W, 3) uint8 RGB, a label map as (H, W) uint8 class numbers. The orientation that EXIF may
record is left alone in both: label maps are drawn over the pixels as they are stored.
"""

import contextlib

import numpy as np

from ..io.atomic import atomic_write
from .errors import DataError
from .palette import voc_colormap

MAX_PIXELS = 50_000_000  # a file that claims more is refused before it is decoded
# No format that starts other programs or executes anything (Pillow's EPS runs Ghostscript).
IMAGE_FORMATS = ("JPEG", "PNG", "BMP", "PPM", "TIFF", "WEBP")
LABEL_FORMATS = ("PNG", "BMP", "TIFF", "PPM")


def read_image(path) -> np.ndarray:
    """Reads a photograph as (H, W, 3) uint8 RGB.

    Grey and palette images are expanded, CMYK is converted, transparent parts are laid over
    white, 16-bit grey becomes 8-bit, round(v / 257). EXIF orientation is ignored.
    Raises DataError where the file is missing, damaged, not an image or larger than MAX_PIXELS.
    """
    from PIL import Image

    with _opened(path) as image:
        if image.mode[0] in "IF":
            return _from_deep(np.asarray(image), path)
        if image.mode in ("LA", "PA", "La", "RGBA", "RGBa") or "transparency" in image.info:
            image = image.convert("RGBA")
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image)
        return np.array(image.convert("RGB"))


def read_label(path, num_classes: int, ignore_index: int = 255, relabel=None) -> np.ndarray:
    """Reads a label map as (H, W) uint8: each value is below num_classes, or is ignore_index.

    An indexed (palette) file gives its indices, an 8-bit grey one its values. relabel, a dict
    such as {11: 255}, is applied before the check. Raises DataError where the file is missing
    or damaged, stores colours or 1- or 16-bit values, is a JPEG (which changes the values), or
    where a value is out of range: the message tells which, how many, and where the first is.
    """
    with _opened(path) as image:
        _check_label_storage(image, path)
        label = np.array(image)
    if relabel:
        table = np.arange(256, dtype=np.uint8)
        for old, new in relabel.items():
            table[old] = new
        label = table[label]
    check_label(label, num_classes, ignore_index, path)
    return label


def check_label(label: np.ndarray, num_classes: int, ignore_index: int, where) -> None:
    """Raises DataError if a value of label (H, W) is neither below num_classes nor ignored."""
    counts = np.bincount(label.ravel(), minlength=256)
    bad = [v for v in np.flatnonzero(counts).tolist() if v >= num_classes and v != ignore_index]
    if bad:
        row, column = np.argwhere(label == bad[0])[0].tolist()
        others = f"; also {', '.join(map(str, bad[1:6]))}" if bad[1:] else ""
        raise DataError(
            f"{where}: label {bad[0]} in a set of {num_classes} classes (0..{num_classes - 1}, "
            f"ignored: {ignore_index}): {counts[bad[0]]} pixels, the first at row {row}, "
            f"column {column}{others}"
        )


def write_label(path, label, palette=None) -> None:
    """Writes (H, W) uint8 class numbers as a palette PNG, whole: temporary file, fsync, rename.

    palette is (256, 3) uint8 RGB, by default the VOC colour map; it colours the file for
    viewers, the stored values are the class numbers.
    """
    with written_whole(path) as file:
        indexed(label, palette).save(file, "PNG")


def indexed(label, palette=None):
    """The Pillow image of mode "P" that holds class numbers (H, W) uint8 as its indices."""
    from PIL import Image

    label = np.asarray(label)
    if label.dtype != np.uint8 or label.ndim != 2:
        raise ValueError(f"a label map is (H, W) uint8, not {label.shape} {label.dtype}")
    palette = voc_colormap() if palette is None else np.asarray(palette)
    if palette.shape != (256, 3) or palette.dtype != np.uint8:
        raise ValueError(f"a palette is (256, 3) uint8, not {palette.shape} {palette.dtype}")
    image = Image.fromarray(label)
    image.putpalette(palette.tobytes())
    return image


@contextlib.contextmanager
def written_whole(path):
    """``io.atomic_write`` with a DataError where the file cannot be written."""
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(atomic_write(path))
        except OSError as error:
            raise DataError(f"{path}: cannot be written ({error.strerror})") from None
        yield file


@contextlib.contextmanager
def _opened(path):
    """The decoded Pillow image in path; what Pillow raises becomes a DataError with the path."""
    from PIL import Image

    try:
        with Image.open(path, formats=IMAGE_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DataError(_too_large(path, f"{image.width} x {image.height} pixels"))
            image.load()
            yield image
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except PermissionError:
        raise DataError(f"{path}: no permission to read it") from None
    except IsADirectoryError:
        raise DataError(f"{path}: a folder where an image file is expected") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(_too_large(path, "more than its decoder accepts")) from None
    except Image.UnidentifiedImageError:
        kinds = ", ".join(IMAGE_FORMATS)
        raise DataError(f"{path}: not an image of a known format ({kinds})") from None
    except Exception as error:  # decoders of hostile files raise nearly anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: damaged or incomplete image ({reason})") from error


def _too_large(path, claim: str) -> str:
    return f"{path}: claims {claim}; more than {MAX_PIXELS // 1_000_000} million are refused"


def _from_deep(values: np.ndarray, path) -> np.ndarray:
    """Grey of more than 8 bits as RGB: 0..65535 is scaled to 0..255."""
    if values.dtype.kind == "f" or values.min() < 0 or values.max() > 65535:
        raise DataError(f"{path}: {values.dtype} grey values from {values.min()} to {values.max()}"
                        "; 8 or 16 bits without sign are expected")  # fmt: skip
    grey = np.round(values / 257).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _check_label_storage(image, path) -> None:
    """Raises DataError unless the file holds one unaltered byte a pixel."""
    want = "one byte a pixel is expected, the class number: a palette or 8-bit grey PNG"
    if image.format not in LABEL_FORMATS:
        raise DataError(
            f"{path}: a label map stored as {image.format}, which may alter it; {want}"
        )
    if image.mode in ("RGB", "RGBA"):
        raise DataError(f"{path}: a mask of mode {image.mode}, {_describe_colours(image)}; {want}")
    if image.mode not in ("P", "L"):
        name = {"1": "1-bit", "LA": "grey with transparency"}.get(image.mode, "deeper than 8-bit")
        raise DataError(f"{path}: a {name} mask (mode {image.mode}); {want}")
    depth = _grey_depth(path) if image.format == "PNG" and image.mode == "L" else 8
    if depth != 8:
        raise DataError(f"{path}: a {depth}-bit grey mask, whose values decoders stretch; {want}")


def _describe_colours(image) -> str:
    """How many colours a mask has, and the way out if all are in the VOC colour map."""
    rgb = np.array(image.convert("RGB")).reshape(-1, 3)
    colours = np.unique(rgb, axis=0)
    some = " ".join(str(tuple(c)) for c in colours[:4].tolist())
    text = f"{len(colours)} distinct colours: {some}{' ...' if len(colours) > 4 else ''}"
    known = {tuple(c) for c in voc_colormap().tolist()}
    if all(tuple(c) in known for c in colours.tolist()):
        return text + ", all in the VOC colour map (minifcn.data.colours_to_label converts it)"
    return text + " (a file from an editor: save it as indexed, or map its colours to numbers)"


def _grey_depth(path) -> int:
    """Bits a sample, byte 24 of a PNG file (its IHDR chunk)."""
    with open(path, "rb") as file:
        return file.read(25)[24]
