"""Images and label maps as files: what is accepted, what is refused, and in what words."""

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from minifcn.data import DataError, read_image, read_label, voc_colormap, write_label
from minifcn.data.files import written_whole

RNG = np.random.default_rng(1)
PICTURE = RNG.integers(0, 256, (5, 7, 3), np.uint8)
LABEL = np.arange(35, dtype=np.uint8).reshape(5, 7) % 21


def one_line(error) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def save(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


def png(width, height, depth=8, colour=2, body=b"x"):
    """A PNG file with a header that claims anything."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(body)), chunk(b"IEND", b""))
    )


# images


def test_rgb_image_comes_back_as_it_is(tmp_path):
    image = read_image(save(tmp_path / "a.png", PICTURE))
    assert image.dtype == np.uint8
    assert image.flags.writeable
    np.testing.assert_array_equal(image, PICTURE)


def test_grey_image_becomes_three_equal_channels(tmp_path):
    image = read_image(save(tmp_path / "a.png", PICTURE[..., 0]))
    np.testing.assert_array_equal(image, np.repeat(PICTURE[..., :1], 3, axis=2))


def test_palette_image_becomes_its_colours(tmp_path):
    write_label(tmp_path / "a.png", LABEL)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), voc_colormap()[LABEL])


def test_transparent_palette_image_is_laid_over_white(tmp_path):
    picture = Image.fromarray(LABEL)
    picture.putpalette(voc_colormap().tobytes())
    picture.save(tmp_path / "a.png", transparency=bytes([0] + [255] * 20))
    want = voc_colormap()[LABEL]
    want[LABEL == 0] = 255
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), want)


def test_transparent_parts_are_laid_over_white(tmp_path):
    alpha = np.zeros((5, 7, 1), np.uint8)
    alpha[:, :3] = 255
    image = read_image(save(tmp_path / "a.png", np.concatenate([PICTURE, alpha], axis=2)))
    np.testing.assert_array_equal(image[:, :3], PICTURE[:, :3])
    assert (image[:, 3:] == 255).all()


def test_16_bit_grey_is_scaled_to_8(tmp_path):
    deep = np.array([[0, 257, 128 * 257, 65535, 100, 200]], np.uint16)
    image = read_image(save(tmp_path / "a.png", deep))
    np.testing.assert_array_equal(image[0, :, 0], [0, 1, 128, 255, 0, 1])
    assert image.shape == (1, 6, 3)


def test_cmyk_jpeg_is_converted(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)
    image = read_image(tmp_path / "a.jpg")
    assert image.shape == (8, 8, 3)
    assert image[..., 0].min() > 200
    assert image[..., 1:].max() < 60


def test_one_bit_image_is_black_and_white(tmp_path):
    save(tmp_path / "a.png", LABEL % 2 == 1)
    assert set(np.unique(read_image(tmp_path / "a.png")).tolist()) == {0, 255}


def test_exif_orientation_is_ignored(tmp_path):
    exif = Image.Exif()
    exif[274] = 6  # "rotate by a quarter to show"
    save(tmp_path / "a.jpg", PICTURE, exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == PICTURE.shape


def test_float_image_is_refused(tmp_path):
    save(tmp_path / "a.tif", np.full((3, 3), 0.5, np.float32))
    with pytest.raises(DataError, match=r"a\.tif: float32 grey values"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("read", [read_image, lambda path: read_label(path, 21)])
@pytest.mark.parametrize("name", ["nothing.png", "folder"])
def test_what_is_not_there_is_named(tmp_path, read, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=name) as error:
        read(tmp_path / name)
    assert ("no such file" in one_line(error)) == (name == "nothing.png")


def test_no_permission_is_said(tmp_path, monkeypatch):
    save(tmp_path / "a.png", PICTURE)

    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(DataError, match=r"a\.png: no permission"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9])
def test_truncated_file_is_named(tmp_path, suffix, share):
    path = save(tmp_path / f"cut.{suffix}", RNG.integers(0, 256, (40, 40, 3), np.uint8))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DataError, match=rf"cut\.{suffix}: (damaged|not an image)") as error:
        read_image(path)
    one_line(error)


def test_flipped_bytes_never_escape_as_other_errors(tmp_path):
    write_label(tmp_path / "a.png", LABEL)
    data = (tmp_path / "a.png").read_bytes()
    refused = accepted = 0
    for i in range(len(data)):
        broken = bytearray(data)
        broken[i] ^= 0x55
        (tmp_path / "b.png").write_bytes(broken)
        try:
            assert read_label(tmp_path / "b.png", 21).dtype == np.uint8
        except DataError as error:
            refused += "b.png: " in str(error)
        else:
            accepted += 1
    assert refused + accepted == len(data)
    assert refused > 50


@pytest.mark.parametrize("side", [8_000, 12_000, 60_000, 2_000_000_000])
def test_hostile_sizes_are_refused_before_decoding(tmp_path, side):
    (tmp_path / "bomb.png").write_bytes(png(side, side))
    with pytest.raises(DataError, match=r"bomb\.png: claims .* refused"):
        read_image(tmp_path / "bomb.png")


def test_formats_that_run_programs_are_refused(tmp_path):
    (tmp_path / "a.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EOF\n")
    with pytest.raises(DataError, match=r"a\.eps: not an image of a known format"):
        read_image(tmp_path / "a.eps")


# labels


@pytest.mark.parametrize("palette", [True, False])
def test_label_values_come_back(tmp_path, palette):
    path = tmp_path / "l.png"
    if palette:
        write_label(path, LABEL)
    else:
        save(path, LABEL)
    label = read_label(path, 21)
    assert label.dtype == np.uint8
    np.testing.assert_array_equal(label, LABEL)


def test_written_label_is_a_palette_png_of_exact_bytes(tmp_path):
    label = np.arange(256, dtype=np.uint8).reshape(16, 16)
    write_label(tmp_path / "l.png", label)
    with Image.open(tmp_path / "l.png") as image:
        assert (image.format, image.mode) == ("PNG", "P")
        np.testing.assert_array_equal(np.array(image), label)
        np.testing.assert_array_equal(np.reshape(image.getpalette(), (256, 3)), voc_colormap())
    assert os.listdir(tmp_path) == ["l.png"]


def test_ignored_value_is_accepted_and_kept(tmp_path):
    label = LABEL.copy()
    label[2, 3] = 255
    write_label(tmp_path / "l.png", label)
    np.testing.assert_array_equal(read_label(tmp_path / "l.png", 21), label)


def test_value_out_of_range_is_told_with_count_and_place(tmp_path):
    label = LABEL.copy()
    label[3, 2] = label[4, 0] = 21
    label[4, 4] = 77
    write_label(tmp_path / "l.png", label)
    with pytest.raises(DataError) as error:
        read_label(tmp_path / "l.png", 21)
    text = one_line(error)
    assert "l.png: label 21 in a set of 21 classes (0..20, ignored: 255)" in text
    assert "2 pixels, the first at row 3, column 2" in text
    assert "also 77" in text


def test_255_is_out_of_range_where_another_value_is_ignored(tmp_path):
    write_label(tmp_path / "l.png", np.array([[0, 1, 255]], np.uint8))
    with pytest.raises(DataError, match="label 255 in a set of 2 classes"):
        read_label(tmp_path / "l.png", 2, ignore_index=0)


def test_relabelling_comes_before_the_check(tmp_path):
    write_label(tmp_path / "l.png", np.array([[0, 10, 11]], np.uint8))
    label = read_label(tmp_path / "l.png", 11, relabel={11: 255})
    np.testing.assert_array_equal(label, [[0, 10, 255]])


def test_rgb_mask_in_voc_colours_is_refused_with_the_way_out(tmp_path):
    save(tmp_path / "l.png", voc_colormap()[LABEL])
    with pytest.raises(DataError) as error:
        read_label(tmp_path / "l.png", 21)
    text = one_line(error)
    assert "l.png: a mask of mode RGB, 21 distinct colours: (0, 0, 0)" in text
    assert "all in the VOC colour map (minifcn.data.colours_to_label" in text
    assert "one byte a pixel is expected" in text


def test_rgb_mask_in_other_colours_is_refused(tmp_path):
    save(tmp_path / "l.png", np.array([[[1, 2, 3], [200, 0, 7]]], np.uint8))
    with pytest.raises(DataError) as error:
        read_label(tmp_path / "l.png", 21)
    assert "2 distinct colours: (1, 2, 3) (200, 0, 7) (a file from an editor" in one_line(error)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((3, 3), bool), "a 1-bit mask"),
        (np.zeros((3, 3), np.uint16), "a deeper than 8-bit mask"),
        (np.zeros((3, 3, 2), np.uint8), "a grey with transparency mask"),
        (np.zeros((3, 3, 4), np.uint8), "a mask of mode RGBA"),
    ],
)
def test_masks_of_other_modes_are_refused(tmp_path, array, words):
    with pytest.raises(DataError, match=rf"l\.png: {words}"):
        read_label(save(tmp_path / "l.png", array), 21)


def test_2_bit_grey_is_refused_because_decoders_stretch_it(tmp_path):
    (tmp_path / "l.png").write_bytes(png(4, 1, depth=2, colour=0, body=b"\x00\x1b"))
    with pytest.raises(DataError, match=r"l\.png: a 2-bit grey mask"):
        read_label(tmp_path / "l.png", 21)


def test_jpeg_mask_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"l\.png: a label map stored as JPEG"):
        read_label(save(tmp_path / "l.png", LABEL, format="JPEG"), 21)


def test_write_label_refuses_wrong_arrays(tmp_path):
    with pytest.raises(ValueError, match="int64"):
        write_label(tmp_path / "l.png", LABEL.astype(np.int64))
    with pytest.raises(ValueError, match="palette"):
        write_label(tmp_path / "l.png", LABEL, voc_colormap()[:21])
    assert os.listdir(tmp_path) == []


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "l.png"
    path.write_bytes(b"old")

    def fail():
        with written_whole(path) as file:
            file.write(b"half of the new")
            raise RuntimeError("the disk is on fire")

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["l.png"]


def test_written_files_are_synced_before_they_are_renamed(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(os, "fsync", lambda _: calls.append("sync"))
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("rename"), replace(a, b)))
    write_label(tmp_path / "l.png", LABEL)
    assert calls[:2] == ["sync", "rename"]  # then the folder


def test_a_write_into_no_folder_says_so(tmp_path):
    with pytest.raises(DataError, match=r"nowhere/l\.png: cannot be written"):
        write_label(tmp_path / "nowhere" / "l.png", LABEL)
