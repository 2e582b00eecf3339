"""Photographs in, label masks out: labelling, and the files that are written."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from photographs import RED, encoded, halves, noise
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from seglib.config import RunConfig
from seglib.data.images import resize_image
from seglib.data.transforms import normalize
from seglib.errors import ImageError, SeglibError
from seglib.evaluation import predictor
from seglib.evaluation.predict import predict_files
from seglib.evaluation.predictor import Predictor, working_size
from seglib.labels import CAMVID_11, ClassSet, label_by_name
from seglib.models import build_model
from seglib.records import save_record

THREE = ClassSet("three", tuple(label_by_name(name) for name in ("road", "car", "sky")))
FIVE = ClassSet("five", CAMVID_11.labels[:5])


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
def test_logits_are_enlarged_before_the_winner_is_taken(trained_at, strips, monkeypatch) -> None:
    """At the photograph's own size and at that of training; also if not all fits at once."""
    if strips:
        monkeypatch.setattr(predictor, "WHOLE_VALUES", 0)
        monkeypatch.setattr(predictor, "STRIP_VALUES", 5 * 143 * 7)  # seven rows
        monkeypatch.setattr(predictor, "TILE", 48)
        monkeypatch.setattr(predictor, "MARGIN", 16)  # the network looks 14 pixels around
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
    (alone,) = network.label(images[2:], sizes[2:], confidence=True)
    *_, last = network.label(images, sizes, confidence=True)
    np.testing.assert_allclose(alone.confidence, last.confidence, rtol=1e-5)


def test_few_enlarged_logits_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A photograph of twelve megapixels would need a gigabyte of logits."""
    monkeypatch.setattr(predictor, "WHOLE_VALUES", 1000)
    monkeypatch.setattr(predictor, "STRIP_VALUES", 1000)
    for size in ((90, 80), (300, 500)):
        strips = list(predictor._enlarged(torch.rand(2, 90, 80), size))
        assert max(strip.numel() for strip in strips) <= 1000
        assert sum(strip.shape[1] for strip in strips) == size[0]
    model, image = Channels(), noise(90, 200)
    whole = Predictor(model, THREE)(image).indices
    monkeypatch.setattr(predictor, "TILE", 40)
    monkeypatch.setattr(predictor, "MARGIN", 10)
    assert np.array_equal(Predictor(model, THREE)(image).indices, whole)
    assert len(model.shapes) == 1 + 3 * 5 and max(model.shapes[1:]) == (60, 60)


@pytest.mark.parametrize("image", [
    np.zeros((32, 48, 3)), np.zeros((32, 48, 3), bool), np.zeros((32, 48, 4), np.uint8),
    np.zeros((32, 48), np.uint8), np.zeros((3, 32, 48), np.uint8), np.zeros((0, 48, 3), np.uint8),
    np.uint8(3), None, torch.zeros(32, 48, 3), Image.new("RGB", (48, 32)),
])
def test_what_is_no_photograph_is_told(image) -> None:
    predictor = Predictor(Channels(), THREE, (16, 48))
    for label in (predictor, lambda image: predictor.label([image], [(9, 9)])):
        with pytest.raises(ImageError, match=r"expected an array of uint8 RGB \(H, W, 3\)"):
            label(image)


def test_dropout_is_off() -> None:
    model = nn.Sequential(nn.Dropout(0.9), small_network()).train()
    first, second = (Predictor(model, FIVE)(noise(40, 40), True).confidence for _ in range(2))
    assert np.array_equal(first, second)


def test_with_flip_left_and_right_are_treated_alike() -> None:
    torch.manual_seed(0)
    network = nn.Conv2d(3, 3, 5, padding=2)  # with weights that are not symmetrical
    image = noise(40, 30)
    plain, both = (Predictor(network, THREE, flip=flip) for flip in (False, True))
    mirrored = both(image[:, ::-1].copy()).indices[:, ::-1]
    assert (both(image).indices == mirrored).all()
    assert (plain(image).indices != mirrored).any()


def test_working_size_by_hand() -> None:
    assert working_size((360, 480), (192, 256), (360, 480)) == (192, 256)  # that of training
    assert working_size((360, 960), (192, 256), (360, 480)) == (136, 362)  # the same work
    assert working_size((1024, 2048), (256, 256), (1024, 2048)) == (256, 256)  # squeezed alike
    height, width = working_size((1000, 1000), (256, 256), (1024, 2048))
    assert height / width == pytest.approx(2, abs=0.02)
    assert min(working_size((16, 60_000), (192, 256), (360, 480))) == 32


# --- files -----------------------------------------------------------------------------------

PREDICTOR = Predictor(Channels(), THREE)


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_three_files_for_each_photo(tmp_path: Path) -> None:
    (tmp_path / "street.png").write_bytes(encoded(halves()))
    (tmp_path / "other.jpg").write_bytes(encoded(halves(40, 20)[:, ::-1], "JPEG"))
    written, again = (
        predict_files(PREDICTOR, [tmp_path], tmp_path / "out", progress=False) for _ in range(2)
    )
    assert written == again  # results inside the input folder are not labelled again
    assert sorted(path.name for path in written) == sorted(os.listdir(tmp_path / "out"))
    files = ["street_labelIds.png", "color_street.png", "overlay_street.jpg"]
    assert [path.name for path in written[3:]] == files
    label_ids, color, overlay = (read(path) for path in written[3:])
    assert label_ids.dtype == np.uint8 and label_ids.shape == (32, 48)
    assert (label_ids[:, :24] == 7).all() and (label_ids[:, 24:] == 23).all()
    assert color[0, 0].tolist() == [128, 64, 128]
    blend = 0.45 * np.array(RED) + 0.55 * np.array([128, 64, 128])
    assert overlay[5, 5] == pytest.approx(blend, abs=3)  # JPEG


def test_one_bad_photo_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    (tmp_path / "b.png").write_bytes(encoded(halves()))
    line = "a.png: cannot be read: not an image.*; 1 of 2 images labelled"
    with pytest.raises(ImageError, match=line) as caught:
        predict_files(PREDICTOR, [tmp_path], tmp_path / "out", progress=False)
    assert "\n" not in str(caught.value)
    assert len(os.listdir(tmp_path / "out")) == 3
    with pytest.raises(ImageError, match="^[^;]*a.png: cannot be read: not an image"):
        predict_files(PREDICTOR, [tmp_path / "a.png"], tmp_path / "other")
    assert os.listdir(tmp_path / "other") == []


def photos(folder: Path, *names: str) -> Path:
    """A folder with pictures of these names, and with files that are none."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture = Path(name).suffix.lower() in (".jpg", ".jfif", ".png")
        (folder / name).write_bytes(encoded(halves()) if picture else b"no picture")
    return folder


def labelled(*inputs: Path | str, into: Path) -> list[str]:
    """The names that labelled photographs have within `into`."""
    written = predict_files(PREDICTOR, inputs, into, progress=False)
    assert len(written) == len(set(written))
    return [str(path.relative_to(into)).removesuffix("_labelIds.png") for path in written[::3]]


def test_subfolders_are_kept_and_links_followed_once(tmp_path, capsys) -> None:
    folder = photos(
        tmp_path / "week", "tue/1.JPG", "mon/1.jpg", "scan.jfif", "mon/color_1.png", "tue/x.HEIC",
        "a/2.heic", "notes", "__MACOSX/3.jpg", "._1.jpg", ".hidden/4.jpg", "tue/._1.jpg",
    )
    elsewhere = photos(tmp_path / "elsewhere", "5.png")
    for link, target in (("zoo", elsewhere), ("a/up", folder), ("zoo/loop", folder)):
        (folder / link).symlink_to(target)
    found = labelled(folder, into=tmp_path / "out")
    assert found == ["mon/1", "mon/color_1", "scan", "tue/1", "zoo/5"]
    kinds = "note: passed over, no images of a known kind: 2 .heic, 1 notes\n"
    assert capsys.readouterr().err == kinds
    both = labelled(folder / "mon", folder / "tue", folder / "scan.jfif", into=tmp_path / "both")
    assert both == ["mon/1", "mon/color_1", "tue/1", "scan"]


@pytest.mark.parametrize("output", [".", "photos", "photos/deep/out", "..", "out"])
def test_results_are_not_labelled_again_wherever_they_lie(tmp_path, monkeypatch, output) -> None:
    folder = photos(tmp_path / "home/photos", "one.jpg", "deep/color_two.jpg", "x_overlay.png")
    monkeypatch.chdir(tmp_path / "home")
    names = ["deep/color_two", "one", "x_overlay"]
    for inputs in (["photos"], ["photos"], [folder], ["photos", "photos/one.jpg"]):
        kept = "photos/" if len(inputs) > 1 else ""
        assert labelled(*inputs, into=Path(output)) == [kept + name for name in names]
    assert len(labelled(tmp_path, into=tmp_path / "all")) == 3


def test_masks_of_cityscapes_are_no_photographs(tiny_tree, tmp_path) -> None:
    names = labelled(tiny_tree, into=tmp_path)
    assert len(names) == 12 and names[0] == "leftImg8bit/test/northtown/northtown_000009_000019"


@pytest.mark.parametrize("names", [("deep/a.png", "deep/A.jpg"), ("a.png", "overlay_a.jpg")])
def test_nothing_is_written_over_another_file(tmp_path: Path, names) -> None:
    folder = photos(tmp_path, *names)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ImageError, match="would take the place of"):
        predict_files(PREDICTOR, [folder], folder)
    assert sorted(tmp_path.rglob("*")) == before


def test_missing_input_and_output_that_cannot_be_written_are_named(tmp_path, monkeypatch) -> None:
    with pytest.raises(ImageError, match="no image was given"):
        predict_files(PREDICTOR, [], tmp_path)
    (tmp_path / "a.png").write_bytes(encoded(halves()))
    for output in (tmp_path / "a.png", tmp_path / "a.png" / "out"):
        with pytest.raises(SeglibError, match="a.png(/out)?: this folder can't be written"):
            predict_files(None, [tmp_path / "a.png"], output)  # before the network is needed
    with pytest.raises(ImageError, match="gone.png: no such file"):
        predict_files(PREDICTOR, [tmp_path / "gone.png"], tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="empty: no images in this folder"):
        predict_files(PREDICTOR, [tmp_path / "empty"], tmp_path)

    def full_disk(self, path, **options) -> None:
        Path(path).write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full_disk)
    with pytest.raises(ImageError, match="a_labelIds.png: cannot be written .No space left"):
        predict_files(PREDICTOR, [tmp_path / "a.png"], tmp_path / "out")
    assert os.listdir(tmp_path / "out") == []  # nothing half-written is left


def test_recorded_run_labels_a_photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGLIB_RESULTS", str(tmp_path / "results"))
    torch.manual_seed(0)
    model = build_model("fcn", CAMVID_11.num_classes, width=4).eval()
    config = RunConfig("camvid", "fcn", width=4, image_size=(48, 48), precision="fp32")
    state = {name: value * (value.ndim > 1) for name, value in model.state_dict().items()}
    model.load_state_dict(state)  # without biases, so that classes differ from pixel to pixel
    record = save_record(config, state=state, history=[], scores={}, environment={}, predictions={})
    (tmp_path / "a.png").write_bytes(encoded(image := noise(90, 120)))
    recorded = Predictor.from_record(record, "cpu")
    written = predict_files(recorded, [tmp_path / "a.png"], tmp_path / "out", progress=False)
    expected = logits_by_hand(model, image, (48, 48)).argmax(0).to(torch.uint8).numpy()
    assert np.array_equal(read(written[0]), CAMVID_11.decode(expected))
