"""Photographs of any kind in, label masks out: reading, labelling, the files written."""

import io
import os
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from seglib.config import RunConfig
from seglib.data.cache import resize_image
from seglib.data.photos import SUFFIXES, find_photos, read_photo
from seglib.data.transforms import normalize
from seglib.errors import ImageError
from seglib.evaluation import predictor
from seglib.evaluation.predict import predict_files
from seglib.evaluation.predictor import Predictor, working_size
from seglib.labels import CAMVID_11, ClassSet, label_by_name
from seglib.models import build_model
from seglib.records import save_record

RED, GREEN, BLUE = (250, 0, 0), (0, 250, 0), (0, 0, 250)
THREE = ClassSet("three", tuple(label_by_name(name) for name in ("road", "car", "sky")))
FIVE = ClassSet("five", CAMVID_11.labels[:5])


def halves(height: int = 32, width: int = 48) -> np.ndarray:
    """A picture that is red on the left and blue on the right."""
    image = np.zeros((height, width, 3), dtype=np.uint8)
    image[:, : width // 2], image[:, width // 2 :] = RED, BLUE
    return image


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(image: Image.Image | np.ndarray, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, depth: int, color_type: int, rows: bytes) -> bytes:
    """A PNG written by hand, for what Pillow cannot write."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


# --- reading photographs ---------------------------------------------------------------------


def test_photo_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(noise(20, 30)))
    image = read_photo(tmp_path / "a.png")
    assert image.dtype == np.uint8
    assert np.array_equal(image, noise(20, 30))
    assert np.array_equal(read_photo(encoded(noise(20, 30))), image)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_camera_orientation_is_applied(orientation: int) -> None:
    upright = noise(20, 30)
    stored = {  # how a camera stores the upright picture under each EXIF orientation
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(read_photo(encoded(np.ascontiguousarray(stored), exif=exif)), upright)


def test_broken_metadata_does_not_refuse_the_picture() -> None:
    content = encoded(halves(), exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01")
    assert np.array_equal(read_photo(content), halves())


def test_16_bit_grey_keeps_its_range() -> None:
    values = np.linspace(0, 65535, 400).astype(np.uint16).reshape(20, 20)
    image = read_photo(encoded(values))
    assert image[0, 0].tolist() == [0, 0, 0]
    assert image[-1, -1].tolist() == [255, 255, 255]
    assert np.array_equal(image[..., 1], values // 257)


def test_16_bit_colour_is_reduced() -> None:
    row = b"\0" + struct.pack(">HHH", 65535, 32768, 0) * 20
    assert read_photo(png(20, 20, 16, 2, row * 20))[5, 5].tolist() == [255, 128, 0]


@pytest.mark.parametrize("mode", ("L", "1", "LA", "P", "RGBA", "CMYK", "YCbCr", "I"))
def test_every_mode_becomes_rgb(mode: str) -> None:
    kind = {"CMYK": "TIFF", "YCbCr": "TIFF", "I": "TIFF"}.get(mode, "PNG")
    image = read_photo(encoded(Image.fromarray(halves()).convert(mode), kind))
    assert image.shape == (32, 48, 3)
    assert image.dtype == np.uint8


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
    palette.info["transparency"] = palette.getpixel((0, 0))
    image = read_photo(encoded(palette, transparency=palette.getpixel((0, 0))))
    assert image[0, 0].tolist() == [255, 255, 255]
    assert image[0, -1].tolist() != [255, 255, 255]


def test_phone_photograph_with_a_second_picture_is_read() -> None:
    second = Image.fromarray(np.zeros_like(halves()))
    content = encoded(halves(), "MPO", save_all=True, append_images=[second])
    assert Image.open(io.BytesIO(content)).n_frames == 2
    assert read_photo(content)[0, 0, 0] > 200


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "text")
    return buffer.getvalue()


def animation(kind: str) -> bytes:
    frames = [Image.fromarray(noise(20, 20, seed)) for seed in range(3)]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:])


BAD = {
    "empty": (b"", "empty"),
    "zip.jpg": (zipped(), "zip archive"),
    "text.png": (b"hello world, no picture here", "not an image"),
    "page.jpg": (b"<!DOCTYPE html><html></html>", "web page"),
    "report.png": (b"%PDF-1.7 something", "PDF"),
    "phone.jpg": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
    "cut.png": (encoded(noise(64, 64))[:5000], "truncated or damaged"),
    "cut.jpg": (encoded(noise(64, 64), "JPEG")[:1500], "truncated or damaged"),
    "head.png": (encoded(noise(64, 64))[:20], "damaged|not an image"),
    "dot.png": (encoded(noise(1, 1)), "1x1 pixels are too few, at least 16x16"),
    "low.png": (encoded(noise(15, 400)), "400x15 pixels are too few"),
    "film.gif": (animation("GIF"), "holds 3 pictures"),
    "film.webp": (animation("WEBP"), "holds 3 pictures"),
    "pages.tif": (animation("TIFF"), "holds 3 pictures"),
    "bomb.png": (png(60_000, 60_000, 8, 2, b""), "more than 100 megapixels"),
    "large.png": (png(12_000, 9_000, 8, 2, b""), "12000x9000 pixels are more than 100 megapixels"),
    "float.tif": (encoded(Image.new("F", (20, 20)), "TIFF"), "floating-point"),
    "drawing.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\n", "not an image"),
}


@pytest.mark.parametrize("name", BAD)
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


@pytest.mark.parametrize("cut", range(9, 700, 23))
def test_no_truncation_gets_past_the_one_line(cut: int) -> None:
    """Wherever a file ends, the answer is a picture or an ImageError, never a traceback."""
    for kind in ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"):
        content = encoded(noise(16, 16), kind)[:cut]
        try:
            assert read_photo(content).shape == (16, 16, 3)
        except ImageError as problem:
            assert "\n" not in str(problem)


@pytest.mark.parametrize("kind", ("PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP", "AVIF"))
def test_no_damage_gets_past_the_one_line(kind: str) -> None:
    try:
        sound = encoded(noise(16, 16), kind)
    except (KeyError, OSError):
        pytest.skip(f"this Pillow cannot write {kind}")
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        content = bytearray(sound)
        for position in rng.integers(min(len(content), 400), size=3):
            content[position] = rng.integers(256)
        try:
            assert read_photo(bytes(content)).shape[2] == 3
        except ImageError as problem:
            assert "\n" not in str(problem)
            refused += 1
    assert refused > 0


def test_missing_and_special_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="nowhere.jpg: cannot be read .no such file"):
        read_photo(tmp_path / "nowhere.jpg")
    with pytest.raises(ImageError, match="folder"):
        read_photo(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jpg")
        with pytest.raises(ImageError, match="not a regular file"):
            read_photo(tmp_path / "pipe.jpg")


def test_folders_are_searched_and_sorted(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "deep/c.webp", "notes.txt", ".hidden.png", "out/a_color.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    found = find_photos([tmp_path], without=tmp_path / "out")
    assert [str(path.relative_to(tmp_path)) for path in found] == ["a.png", "b.JPG", "deep/c.webp"]
    assert find_photos([tmp_path / "a.png", tmp_path], without=tmp_path / "out")[0].name == "a.png"
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="empty: no images in this folder"):
        find_photos([tmp_path / "empty"])
    with pytest.raises(ImageError, match="gone.png: no such file"):
        find_photos([tmp_path / "gone.png"])
    assert ".jpg" in SUFFIXES


# --- labelling one image ---------------------------------------------------------------------


class Channels(nn.Module):
    """The class is the strongest colour channel; remembers the sizes that it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, int]] = []

    def forward(self, image: Tensor) -> Tensor:
        self.shapes.append(tuple(image.shape[-2:]))
        return image


def small_network(seed: int = 0) -> nn.Module:
    """Random convolutions and pooling with a receptive field of 22 pixels."""
    torch.manual_seed(seed)
    return build_model("fcn", 5, width=4).eval()


def logits_by_hand(model: nn.Module, image: np.ndarray, size: tuple[int, int]) -> Tensor:
    """Resize, normalise, run, enlarge: (C, H, W) in plain PyTorch."""
    small = torch.from_numpy(resize_image(image, size).copy()).permute(2, 0, 1)[None]
    with torch.no_grad():
        return functional.interpolate(model(normalize(small)), image.shape[:2], mode="bilinear")[0]


@pytest.mark.parametrize("strips", (False, True))
@pytest.mark.parametrize("trained_at", (None, (48, 64)))
def test_logits_are_enlarged_before_the_winner_is_taken(
    trained_at: tuple[int, int] | None, strips: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the photograph's own size and at that of training; also if not all fits at once."""
    if strips:
        monkeypatch.setattr(predictor, "STRIP_VALUES", 5 * 143 * 7)  # seven rows
    image, model = noise(101, 143), small_network()
    size = working_size((101, 143), trained_at, trained_at) if trained_at else (101, 143)
    logits = logits_by_hand(model, image, size)
    found = Predictor(model, FIVE, trained_at)(image, confidence=True)
    assert found.indices.dtype == np.uint8 and found.confidence.dtype == np.float32
    assert (found.indices == logits.argmax(0).numpy()).mean() > 0.9999  # a tie may fall otherwise
    assert np.allclose(found.confidence, logits.softmax(0).amax(0), atol=1e-5)
    assert Predictor(model, FIVE, trained_at)(image).confidence is None


def test_a_batch_is_seen_at_the_training_size_and_labelled_at_the_size_asked_for() -> None:
    """Unlike a photograph from anywhere, a dataset's are resized without regard to proportions."""
    model, images = Channels(), [noise(40, 60, seed) for seed in range(3)]
    label = Predictor(model, THREE, (16, 48)).label
    assert [found.indices.shape for found in label(images)] == [(40, 60)] * 3
    sizes = [(20, 30), (40, 60), (70, 90)]
    found = list(label(images, sizes))
    assert model.shapes == [(16, 48)] * 2
    assert [each.indices.shape for each in found] == sizes
    network = Predictor(small_network(), FIVE, (16, 48))
    (alone,) = network.label(images[2:], sizes[2:])
    assert np.array_equal(alone.indices, list(network.label(images, sizes))[2].indices)


def test_few_enlarged_logits_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A photograph of twelve megapixels would need a gigabyte of logits."""
    monkeypatch.setattr(predictor, "STRIP_VALUES", 1000)
    for size in ((90, 80), (300, 500)):
        strips = list(predictor._enlarged(torch.rand(2, 90, 80), size))
        assert max(strip.numel() for strip in strips) <= 1000
        assert sum(strip.shape[1] for strip in strips) == size[0]


def test_dropout_is_off() -> None:
    model = nn.Sequential(nn.Dropout(0.9), small_network()).train()
    first, second = (Predictor(model, FIVE)(noise(40, 40)).indices for _ in range(2))
    assert np.array_equal(first, second)


def test_working_size_by_hand() -> None:
    # The training scenes' own proportions give exactly the training size.
    assert working_size((360, 480), (192, 256), (360, 480)) == (192, 256)
    assert working_size((3000, 4000), (192, 256), (360, 480)) == (192, 256)
    # Twice as wide: the same number of pixels.
    assert working_size((360, 960), (192, 256), (360, 480)) == (136, 362)
    # Scenes 2:1 that were squeezed to a square: a square photo is squeezed as much.
    assert working_size((1024, 2048), (256, 256), (1024, 2048)) == (256, 256)
    height, width = working_size((1000, 1000), (256, 256), (1024, 2048))
    assert height / width == pytest.approx(2, abs=0.02)
    assert min(working_size((16, 60_000), (192, 256), (360, 480))) == 32


# --- files -----------------------------------------------------------------------------------

PREDICTOR = Predictor(Channels(), THREE)


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_three_files_for_each_photo(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "street.png").write_bytes(encoded(halves()))
    (tmp_path / "in" / "other.jpg").write_bytes(encoded(halves(40, 20)[:, ::-1], "JPEG"))
    written = predict_files(PREDICTOR, [tmp_path / "in"], tmp_path / "out", progress=False)
    assert sorted(path.name for path in written) == sorted(os.listdir(tmp_path / "out"))
    assert [path.name for path in written[3:]] == [
        "street_labelIds.png",
        "street_color.png",
        "street_overlay.png",
    ]
    label_ids, color, overlay = (read(path) for path in written[3:])
    assert label_ids.dtype == np.uint8
    assert label_ids.shape == (32, 48)
    assert set(label_ids[:, :24].ravel()) == {7}
    assert set(label_ids[:, 24:].ravel()) == {23}
    assert color[0, 0].tolist() == [128, 64, 128]
    blend = 0.45 * np.array(RED) + 0.55 * np.array([128, 64, 128])
    assert overlay[5, 5].tolist() == blend.round().tolist()


def test_results_inside_the_input_folder_are_not_labelled_again(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(halves()))
    first = predict_files(PREDICTOR, [tmp_path], tmp_path / "out", progress=False)
    assert predict_files(PREDICTOR, [tmp_path], tmp_path / "out", progress=False) == first


def test_one_bad_photo_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    (tmp_path / "b.png").write_bytes(encoded(halves()))
    with pytest.raises(ImageError, match="a.png: not an image.*; 1 of 2 images labelled") as caught:
        predict_files(PREDICTOR, [tmp_path], tmp_path / "out", progress=False)
    assert "\n" not in str(caught.value)
    assert len(os.listdir(tmp_path / "out")) == 3
    with pytest.raises(ImageError, match="^[^;]*a.png: not an image"):
        predict_files(PREDICTOR, [tmp_path / "a.png"], tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_photos_of_one_name_are_refused_before_work_starts(tmp_path: Path) -> None:
    for name in ("a.png", "deep/A.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(encoded(halves()))
    with pytest.raises(ImageError, match="same files"):
        predict_files(PREDICTOR, [tmp_path], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_output_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(encoded(halves()))
    with pytest.raises(ImageError, match="a.png: is a file, expected a folder"):
        predict_files(PREDICTOR, [tmp_path / "a.png"], tmp_path / "a.png")

    def full_disk(self, path, **options) -> None:
        Path(path).write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full_disk)
    with pytest.raises(ImageError, match="a_labelIds.png: cannot be written .No space left"):
        predict_files(PREDICTOR, [tmp_path / "a.png"], tmp_path / "out")
    assert os.listdir(tmp_path / "out") == []  # nothing half-written is left


def test_no_input_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no image was given"):
        predict_files(PREDICTOR, [], tmp_path)


def test_recorded_run_labels_a_photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGLIB_RESULTS", str(tmp_path / "results"))
    torch.manual_seed(0)
    model = build_model("fcn", CAMVID_11.num_classes, width=4).eval()
    config = RunConfig(
        dataset="camvid", model="fcn", width=4, image_size=(48, 64), precision="fp32"
    )
    record = save_record(
        config, history=[], scores={}, environment={}, state=model.state_dict(), predictions={}
    )
    image = noise(90, 120)
    (tmp_path / "a.png").write_bytes(encoded(image))
    written = predict_files(record, [tmp_path / "a.png"], tmp_path / "out", device="cpu")
    expected = logits_by_hand(model, image, (48, 64)).argmax(0).to(torch.uint8).numpy()
    assert np.array_equal(read(written[0]), CAMVID_11.decode(expected))
