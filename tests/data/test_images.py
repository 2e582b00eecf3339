"""Photographs of any kind and masks: how they are read, which way up, and what is refused."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from photographs import BLUE, encoded, halves, noise
from PIL import Image

from seglib.data import images
from seglib.data.images import read_instance_ids, read_label_ids, read_mask, read_photo
from seglib.errors import DatasetError, ImageError


def png(width: int, height: int, depth: int, color_type: int, rows: bytes) -> bytes:
    """A PNG written by hand: each row is a zero byte and its pixels, from the top left one on."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.fixture(params=["imagecodecs", "Pillow"])
def decoder(request, monkeypatch):
    """Both ways to decode a mask: with imagecodecs and as without it."""
    if request.param == "Pillow":
        monkeypatch.setattr(images, "png_decode", None)
    elif images.png_decode is None:
        pytest.skip("imagecodecs is not installed: '.[speed]'")


# --- which way up ------------------------------------------------------------------------------

CORNERS = np.full((16, 20), 7, np.uint8)
CORNERS[0, 0], CORNERS[0, -1], CORNERS[-1, 0], CORNERS[-1, -1] = 23, 11, 21, 26


def by_hand(values: np.ndarray, depth: int, channels: int = 1) -> bytes:
    """A PNG of `values` (H, W), the same in every channel, row by row from the top."""
    kind = {1: 0, 3: 2}[channels]
    pixels = np.repeat(values[..., None], channels, 2).astype(f">u{depth // 8}")
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    return png(values.shape[1], values.shape[0], depth, kind, rows)


def test_masks_and_photographs_are_read_from_the_top_left_on(tmp_path: Path, decoder) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(by_hand(CORNERS, 8))
    assert np.array_equal(read_label_ids(path), CORNERS)
    assert np.array_equal(read_mask(path), CORNERS)
    assert np.array_equal(read_photo(path), np.repeat(CORNERS[..., None], 3, 2))
    path.write_bytes(by_hand(CORNERS.astype(int) * 1000 + 1, 16))
    assert np.array_equal(read_instance_ids(path), CORNERS.astype(int) * 1000 + 1)
    path.write_bytes(by_hand(CORNERS, 8, channels=3))
    assert np.array_equal(read_photo(path), np.repeat(CORNERS[..., None], 3, 2))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_camera_orientation_is_applied(orientation: int) -> None:
    upright = noise(20, 30)
    stored = {  # how a camera stores the upright picture under each EXIF orientation
        1: upright, 2: upright[:, ::-1],
        3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.transpose(1, 0, 2), 6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2), 8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(read_photo(encoded(np.ascontiguousarray(stored), exif=exif)), upright)


# --- photographs -------------------------------------------------------------------------------


def test_broken_metadata_does_not_refuse_the_picture() -> None:
    content = encoded(halves(), exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01")
    assert np.array_equal(read_photo(content), halves())


def tiff(values: np.ndarray) -> bytes:
    """A compressed TIFF file of colours (H, W, 3) of 16 bits, which Pillow can't write."""
    height, data = len(values), zlib.compress(values.astype("<u2").tobytes())
    tags = [(256, values.shape[1]), (257, height), (258, 134), (259, 8), (262, 2), (273, 140),
            (277, 3), (278, height), (279, len(data)), (284, 1)]
    entries = [struct.pack("<HHII", tag, 3, 3 if tag == 258 else 1, value) for tag, value in tags]
    start = b"II*\0" + struct.pack("<IH", 8, len(tags)) + b"".join(entries)
    return start + struct.pack("<IHHH", 0, 16, 16, 16) + data


def test_colours_of_16_bits() -> None:
    row = b"\0" + struct.pack(">HHH", 65535, 32768, 0) * 20
    assert read_photo(png(20, 20, 16, 2, row * 20))[5, 5].tolist() == [255, 128, 0]
    row = b"\0" + struct.pack(">HHHH", 65535, 65535, 32768, 0) * 10  # gray and alpha
    assert read_photo(png(20, 20, 16, 4, row * 20))[5, 4:6].tolist() == [[255] * 3] * 2
    row = b"\0" + struct.pack(">HHH", 4095, 2048, 0) * 20  # 12 bits, which Pillow would blacken
    with pytest.raises(ImageError, match="16-bit colours that use 14 bits or fewer"):
        read_photo(png(20, 20, 16, 2, row * 20))
    with pytest.raises(ImageError, match="16-bit colours that use 14 bits or fewer"):
        read_photo(tiff(np.full((20, 20, 3), 4095)))


def pgm(values: np.ndarray, highest: int) -> bytes:
    height, width = values.shape
    return b"P5\n%d %d\n%d\n" % (width, height, highest) + values.astype(">u2").tobytes()


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "int32"])
def test_gray_of_any_number_of_bits_is_neither_black_nor_white(bits: int, kind: str) -> None:
    ramp = np.linspace(0, 2**bits - 1, 400).round().reshape(20, 20)
    kind, dtype = ("TIFF", np.int32) if kind == "int32" else (kind, np.uint16)
    expected = np.linspace(0, 255, 400).reshape(20, 20)
    image = read_photo(encoded(ramp.astype(dtype), kind))
    assert np.abs(image[..., 0] - expected).max() < 1.1
    if bits > 8:  # a dark picture is only known to be dark where its file says how bright it may be
        assert np.abs(read_photo(pgm(ramp // 4, 2**bits - 1))[..., 0] - expected / 4).max() < 1.3


@pytest.mark.parametrize("mode", ("L", "1", "LA", "P", "RGBA", "CMYK", "YCbCr", "I"))
def test_every_mode_becomes_rgb(mode: str) -> None:
    kind = "TIFF" if mode in ("CMYK", "YCbCr", "I") else "PNG"
    image = read_photo(encoded(Image.fromarray(halves()).convert(mode), kind))
    assert image.shape == (32, 48, 3) and image.dtype == np.uint8
    grey = ("L", "1", "LA", "I")
    right = Image.fromarray(halves()).convert("L" if mode in grey else "RGB").convert("RGB")
    # "1" has black and white dots for a grey: their mean counts.
    assert np.abs(image.astype(float) - right).mean() < 12 or mode == "1"
    assert abs(image.mean() - np.mean(right)) < 12


def test_cmyk_jpeg_keeps_its_colours() -> None:
    image = read_photo(encoded(Image.fromarray(halves()).convert("CMYK"), "JPEG", quality=95))
    assert np.abs(image.astype(int) - halves()).max() < 12


def test_hidden_colours_under_transparency_do_not_appear() -> None:
    pixels = np.dstack([halves(), np.full((32, 48), 255, np.uint8)])
    pixels[:, :24, 3] = 0  # the red half is transparent
    image = read_photo(encoded(pixels))
    assert image[0, 0].tolist() == [255, 255, 255]
    assert image[0, -1].tolist() == list(BLUE)
    palette = Image.fromarray(halves()).quantize(2)
    image = read_photo(encoded(palette, transparency=palette.getpixel((0, 0))))
    assert image[0, 0].tolist() == [255, 255, 255]
    assert image[0, -1].tolist() != [255, 255, 255]


def test_phone_photograph_with_a_second_picture_is_read() -> None:
    second = Image.fromarray(np.zeros_like(halves()))
    content = encoded(halves(), "MPO", save_all=True, append_images=[second])
    assert Image.open(io.BytesIO(content)).n_frames == 2
    assert read_photo(content)[0, 0, 0] > 200


def animation(kind: str) -> bytes:
    frames = [Image.fromarray(noise(20, 20, seed)) for seed in range(3)]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:])


BAD = {
    "text.png": (b"hello world, no picture here", "not an image.*use JPEG, PNG"),
    "phone.jpg": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
    "drawing.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\n", "not an image"),
    "cut.png": (encoded(noise(64, 64))[:5000], "truncated"), "empty": (b"", "not an image"),
    "cut.jpg": (encoded(noise(64, 64), "JPEG")[:1500], "truncated"),
    "head.png": (encoded(noise(64, 64))[:20], "truncated|not an image"),
    "dot.png": (encoded(noise(1, 1)), "1x1 pixels are too few, at least 16x16"),
    "low.png": (encoded(noise(15, 400)), "400x15 pixels are too few"),
    "film.gif": (animation("GIF"), "holds 3 pictures"),
    "film.webp": (animation("WEBP"), "holds 3 pictures"),
    "pages.tif": (animation("TIFF"), "holds 3 pictures"),
    "bomb.png": (png(60_000, 60_000, 8, 2, b""), "more than 100 megapixels"),
    "large.png": (png(12_000, 9_000, 8, 2, b""), "more than 100 megapixels"),
    "float.tif": (encoded(Image.new("F", (20, 20)), "TIFF"), "floating-point"),
    "raw.dng": (encoded(noise(20, 20), "TIFF", tiffinfo={254: 1}), "smaller copy .* raw files do"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_bad_photo_gets_one_line_that_names_it(name: str, tmp_path: Path) -> None:
    content, message = BAD[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ImageError, match=message) as caught:
        read_photo(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    with pytest.raises(ImageError, match="^upload: "):
        read_photo(content, name="upload")


def test_missing_and_special_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="nowhere.jpg: no such file"):
        read_photo(tmp_path / "nowhere.jpg")
    with pytest.raises(ImageError, match="folder"):
        read_photo(tmp_path)
    (tmp_path / "sparse.png").write_bytes(encoded(noise(20, 20)))
    os.truncate(tmp_path / "sparse.png", 12 * 10**9)
    for read in (read_photo, read_label_ids):
        with pytest.raises(ImageError, match="sparse.png: 12.0 GB, more than any picture"):
            read(tmp_path / "sparse.png")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jpg")
        with pytest.raises(ImageError, match="not a regular file"):
            read_photo(tmp_path / "pipe.jpg")


# --- masks -------------------------------------------------------------------------------------

TURNED = Image.Exif()
TURNED[0x0112] = 3


@pytest.mark.parametrize("options", [{"compress_level": 0}, {"transparency": 1, "exif": TURNED}])
@pytest.mark.parametrize("kind", ["8 bits", "16 bits", "palette"])
@pytest.mark.parametrize("read", [read_mask, read_label_ids, read_instance_ids])
def test_every_kind_of_mask_gives_the_stored_values(tmp_path, decoder, read, kind, options):
    path = tmp_path / "mask.png"
    values = np.random.default_rng(0).integers(0, 34, (9, 13)).astype(np.uint8)
    image = Image.fromarray(values.astype(np.uint16) if kind == "16 bits" else values)
    if kind == "palette":
        image.putpalette(list(range(255, -1, -1)) * 3)
    image.save(path, **options)
    assert np.array_equal(read(path), values)


def test_masks_that_do_not_fit(tmp_path: Path, decoder) -> None:
    def refused(read, pixels: np.ndarray, *arguments, **options) -> str:
        path = tmp_path / "mask.png"
        Image.fromarray(pixels).save(path, **options)
        with pytest.raises(DatasetError, match="^[^\n]*mask.png: [^\n]*$") as caught:
            read(path, *arguments)
        return str(caught.value)

    ids, color = np.full((6, 8), 7, np.uint8), np.zeros((6, 8, 4), np.uint8)
    assert "mask is 6x8 (height x width), its image is 6x9" in refused(read_mask, ids, (6, 9))
    assert "its image is 6x9" in refused(read_instance_ids, ids.astype(np.uint16), (6, 9))
    for read in (read_label_ids, read_instance_ids):
        assert "one channel of 8 or 16 bits, found mode RGBA" in refused(read, color)
    assert "label id 40 is outside" in refused(read_label_ids, ids + 33)
    assert "label id 263 is outside" in refused(read_label_ids, ids + np.uint16(256))
    assert "found mode 1" in refused(read_label_ids, ids > 0)
    for bits in (2, 4):  # which Pillow would stretch to 0..255
        assert f"8 or 16 bits, found mode L;{bits}" in refused(read_label_ids, ids, bits=bits)
    for format, quality in (("JPEG", 100), ("WEBP", 90), ("TIFF", 90)):
        message = refused(read_label_ids, ids, format=format, quality=quality)
        assert f"must be a PNG file, found {format}" in message


def test_instance_ids_of_the_whole_table(tmp_path):
    path = tmp_path / "a_instanceIds.png"
    known = np.array([[0, 33, 1000, 1999, 26000, 33999]], np.uint16)
    Image.fromarray(known).save(path)
    found = read_instance_ids(path)
    assert found.dtype == np.uint16 and np.array_equal(found, known)
    for value, label_id in {34: 34, 999: 999, 34000: 34, 65535: 65}.items():
        Image.fromarray(np.array([[7, value, 26000]], np.uint16)).save(path)
        with pytest.raises(DatasetError, match=f"label id {label_id} is outside the table's 0..33"):
            read_instance_ids(path)


def test_truncated_and_missing_masks(tmp_path: Path, decoder) -> None:
    path = tmp_path / "mask.png"
    content = encoded(np.random.default_rng(0).integers(0, 34, (64, 64), np.uint8))
    starts = ((content[:-500], "truncated"), (content[:9], ""), (b"no", "not an image"))
    for start, message in starts:
        path.write_bytes(start)
        with pytest.raises(DatasetError, match=f"mask.png: .*{message}"):
            read_label_ids(path)
    with pytest.raises(DatasetError, match="gone.png: no such file"):
        read_label_ids(tmp_path / "gone.png")
