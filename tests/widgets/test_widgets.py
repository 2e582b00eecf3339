"""What the viewer and the upload panel send to the browser, say, and refuse."""

import base64
import io
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from photographs import encoded, halves
from PIL import Image

from seglib import paths
from seglib.cli import main
from seglib.config import RunConfig
from seglib.data.images import read_label_ids
from seglib.data.tree import list_scenes
from seglib.errors import ConfigError, ImageError, RecordError
from seglib.evaluation.predictor import Prediction, Predictor
from seglib.labels import CAMVID_11, ClassSet, label_by_name
from seglib.records import save_record
from seglib.widgets import PhotoPanel, SceneView, SceneViewer, packing, view_records
from seglib.widgets.upload import PhotoInput

THREE = ClassSet("three", tuple(label_by_name(name) for name in ("road", "car", "sky")))
HOSTILE = "<script>alert('x')</script>"
PHOTO = halves(24, 40)


class Brightest(torch.nn.Module):
    """Red pixels are road, green ones car, blue ones sky."""

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return batch


def truth(height: int = 24, width: int = 40) -> np.ndarray:
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[:, width // 2 :] = 2
    mask[0] = 255
    return mask


def unpacked(content: bytes, scene: dict) -> np.ndarray:
    values = np.frombuffer(zlib.decompress(content), dtype=np.uint8)
    return values.reshape(scene["height"], scene["width"])


# --- the viewer ------------------------------------------------------------------------------


def test_browser_gets_the_photo_and_exactly_the_maps_and_the_confidence() -> None:
    guess = np.zeros((24, 40), dtype=np.uint8)
    sure = np.full((24, 40), 0.876, dtype=np.float16)
    scenes = [SceneView("a", PHOTO, truth())]
    predictions = {"U-Net": {"a": Prediction(guess, sure)}}
    scene = SceneViewer(scenes, THREE, predictions)._scenes[0]
    assert np.abs(np.asarray(Image.open(io.BytesIO(scene["photo"]))) - PHOTO.astype(int)).mean() < 2
    assert np.array_equal(unpacked(scene["truth"], scene), truth())
    entry = scene["models"][0]
    assert np.array_equal(unpacked(entry["labels"], scene), guess)
    assert np.array_equal(unpacked(entry["confidence"], scene), np.full((24, 40), 88))


def test_scores_of_a_scene_are_those_of_the_hand() -> None:
    guess = np.where(truth() == 255, 0, truth())
    guess[:, 30:] = 1  # half of the sky becomes car
    viewer = SceneViewer([("a", PHOTO, truth())], THREE, {"U": {"a": guess}})
    entry = viewer._scenes[0]["models"][0]
    assert entry["iou"] == [1.0, 0.0, 0.5] and entry["miou"] == 0.5


def test_scene_without_truth_or_prediction_has_neither_map_nor_score() -> None:
    guess = np.zeros((24, 40), dtype=np.uint8)
    viewer = SceneViewer([("a", PHOTO), ("b", PHOTO, truth())], THREE, {"U": {"a": guess}})
    first, second = viewer._scenes
    assert first["truth"] is None and first["models"][0]["miou"] is None
    assert second["models"] == [None]


def test_large_scenes_are_reduced_after_they_are_scored() -> None:
    mask = np.zeros((40, 60), dtype=np.uint8)
    mask[::2] = 1  # lines that nearest-pixel reduction would lose
    scenes = [("a", halves(40, 60), mask)]
    viewer = SceneViewer(scenes, THREE, {"U": {"a": mask * 0}}, max_side=30)
    scene = viewer._scenes[0]
    assert (scene["height"], scene["width"]) == (20, 30)
    assert unpacked(scene["truth"], scene).shape == (20, 30)
    assert scene["models"][0]["iou"][:2] == [0.5, 0.0]


@pytest.mark.parametrize(("scenes", "predictions", "line"), [
    ([], {}, "no scene"), ([("a", PHOTO), ("a", PHOTO)], {}, "two scenes are called 'a'"),
    ([("a", PHOTO, truth(20, 40))], {}, "truth of scene 'a': shape"),
    ([("a", PHOTO, truth() + 3)], {}, "class index 3 is not in three"),
    ([("a", PHOTO)], {"U": {"b": truth()}}, "unknown scene 'b'"),
    ([("a", PHOTO)], {"U": {"a": truth()}}, "'U' for scene 'a': class index 255"),
    ([("a", PHOTO.astype(float))], {}, "scene 'a': expected an array of uint8 RGB"),
    ([("a", PHOTO)], {"U": {"a": truth().astype(int)}}, "expected uint8 class indices"),
])
def test_wrong_input_is_named_in_one_line(scenes, predictions, line: str) -> None:
    with pytest.raises((ConfigError, ImageError), match=line) as caught:
        SceneViewer(scenes, THREE, predictions)
    assert "\n" not in str(caught.value)


def test_reader_without_a_kernel_gets_a_picture_and_stable_text() -> None:
    scenes, predictions = [("a", PHOTO, truth())], {"U": {"a": np.zeros((24, 40), np.uint8)}}
    bundles = [DisplayFormatter().format(SceneViewer(scenes, THREE, predictions)) for _ in range(2)]
    pictures = [base64.b64decode(data["image/png"]) for data, _ in bundles]
    assert Image.open(io.BytesIO(pictures[0])).width > 600
    assert pictures[0] == pictures[1]
    for scene in (("a", PHOTO), ("a", PHOTO, truth())):  # also without predictions or truth
        picture = Image.open(io.BytesIO(SceneViewer([scene], THREE).picture()))
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 2
    texts = [data["text/plain"] for data, _ in bundles]
    assert texts == ["SceneViewer(1 scene, three, predictions of U)"] * 2
    assert "application/vnd.jupyter.widget-view+json" in bundles[0][0]


def test_person_gets_the_picture_in_an_output_that_outlives_the_widget(monkeypatch) -> None:
    shown = []
    monkeypatch.setattr(packing, "someone_watches", lambda: True)
    monkeypatch.setattr(packing, "display", lambda data, **options: shown.append(data))
    viewer = SceneViewer([(HOSTILE, PHOTO)], THREE, {HOSTILE: {}})
    data, _ = DisplayFormatter().format(viewer)
    assert "image/png" not in data and "application/vnd.jupyter.widget-view+json" in data
    assert f'data-seglib-still="{viewer.model_id}"' in shown[0]["text/html"]
    assert "<script" not in shown[0]["text/html"] and base64.b64decode(shown[0]["image/png"])


def test_scripts_load_nothing_from_elsewhere() -> None:
    page = packing.browser_part("page.html", "still.css")
    for text in (SceneViewer._esm + SceneViewer._css, PhotoInput._esm + PhotoInput._css, page):
        addresses = [word for word in text.split() if "//" in word and "http" in word]
        assert {*addresses} <= {'"http://www.w3.org/2000/svg";'}  # a name, not an address
        for forbidden in ("import ", "innerHTML", "@import", "url("):
            assert forbidden not in text


# --- recorded runs ---------------------------------------------------------------------------


@pytest.fixture
def recorded(tiny_tree: Path, seglib_home: Path, monkeypatch: pytest.MonkeyPatch) -> list:
    """Two runs on CamVid's classes that keep predictions of two of the three val scenes."""
    monkeypatch.setattr(paths, "data_dir", lambda: tiny_tree.parent / "data_of_widgets")
    folder = paths.data_dir()
    folder.mkdir(exist_ok=True)
    if not (folder / "camvid").exists():
        (folder / "camvid").symlink_to(tiny_tree)
    scenes = list_scenes(folder / "camvid", "val")[:2]
    masks = {scene.name: CAMVID_11.encode(read_label_ids(scene.label_ids)) for scene in scenes}
    records = []
    for seed, miou in ((0, 0.2), (1, 0.7)):
        # One run guesses road everywhere, the other copies the truth.
        guesses = {
            name: CAMVID_11.decode(np.where((mask == 255) | (seed == 0), 3, mask).astype(np.uint8))
            for name, mask in masks.items()
        }
        config = RunConfig(dataset="camvid", model="fcn", width=4, seed=seed)
        parts = {"history": [{"epoch": 1, "train_loss": 1.0}], "environment": {}, "state": None}
        parts |= {"scores": {"val": {"miou": miou}}, "predictions": {"val": guesses}}
        records.append(save_record(config, **parts))
    return records


def test_records_are_shown_over_their_scenes_the_best_first(recorded: list) -> None:
    best = view_records("camvid")
    assert best._models == ["FCN"]  # the better one of a kind
    assert best._scenes[0]["models"][0]["miou"] > 0.9
    viewer = view_records("camvid", records=[record.id for record in recorded[::-1]])
    assert len(viewer._scenes) == 2
    expected = [f"FCN, width 4, {record.id[-8:]}" for record in recorded[::-1]]
    assert viewer._models == expected  # the same options: told apart by the id
    assert view_records("camvid", records={"constant": recorded[0]})._models == ["constant"]
    mious = [entry["miou"] for entry in viewer._scenes[0]["models"]]
    assert mious[0] > 0.9 and mious[1] < 0.2
    scene = viewer._scenes[0]
    assert np.array_equal(unpacked(scene["models"][1]["labels"], scene), np.full((32, 64), 3))


def test_records_that_cannot_be_shown_are_named(recorded: list) -> None:
    with pytest.raises(RecordError, match="keeps predictions of 'test'"):
        view_records("camvid", "test")
    with pytest.raises(RecordError, match="camvid-.*: keeps no predictions of 'test'"):
        view_records("camvid", "test", recorded)
    with pytest.raises(ConfigError, match="run on camvid, not on miniscapes"):
        view_records("miniscapes", records=recorded)


def test_runs_become_one_page_or_are_refused_in_a_line(recorded: list, tmp_path, capsys) -> None:
    page = tmp_path / "new" / "page.html"
    call = ["view", *(record.id for record in recorded), "--output", str(page)]
    texts = []
    for _ in range(2):
        assert main(call) == 0
        texts.append(page.read_text(encoding="utf-8"))
    assert texts[0] == texts[1] and "CamVid (val)" in texts[0]
    assert "page.html: 2 scenes with predictions of FCN, " in capsys.readouterr().out
    page.unlink()
    pdf = tmp_path / "a.pdf"
    pdf.touch()
    for more, line in ((["--split", "test"], "keeps no predictions of 'test'"),
                       (["--split", "tst"], "split 'tst' is unknown"),
                       (["--output", str(pdf)], "a.pdf: expected the name of a page"),
                       (["--output", f"{pdf}/b.html"], "a.pdf: File exists")):
        assert main([*call, *more]) == 2
        told = capsys.readouterr().err
        assert line in told and told.count("\n") == 1
    assert not list(page.parent.iterdir())


def test_confusion_of_two_classes_leads_to_its_scenes() -> None:
    viewer = SceneViewer([("a", PHOTO, truth())], THREE, {"U": {"a": np.zeros((24, 40), np.uint8)}})
    counts = np.frombuffer(zlib.decompress(viewer._scenes[0]["models"][0]["confusion"]), "<u4")
    assert counts.reshape(3, 3).tolist() == [[460, 0, 0], [0, 0, 0], [460, 0, 0]]
    viewer.show_confusion("sky", "road")
    assert (viewer.pair, viewer.chosen, viewer.sort) == ([2, 0], 2, "confusion") and viewer.overview
    with pytest.raises(ConfigError, match="class of three 'bus'"):
        viewer.show_confusion("sky", "bus")


# --- photographs -----------------------------------------------------------------------------


def panel(**options) -> PhotoPanel:
    return PhotoPanel(Predictor(Brightest(), THREE), **options)


def receive(made: PhotoPanel, *files: tuple[str, bytes]) -> dict:
    """Give the panel files as the browser does; returns what it says then."""
    for position, (name, content) in enumerate(files):
        message = {"name": name, "ticket": 1, "position": position, "count": len(files)}
        made._receive(None, message, [memoryview(content)])
    return made.input.told


def test_uploads_are_segmented_and_shown_together_and_failures_named() -> None:
    made, good = panel(), encoded(PHOTO)
    assert "street.png: 40×24 pixels segmented in" in receive(made, ("street.png", good))["line"]
    scene = made.viewer._scenes[0]
    expected = np.where(truth() == 255, truth()[1], truth())
    assert np.array_equal(unpacked(scene["models"][0]["labels"], scene), expected)
    assert unpacked(scene["models"][0]["confidence"], scene).min() > 33
    told = receive(made, ("image.png", good), ("a.txt", b"text"), ("image.png", good))
    names = [scene["name"] for scene in made.viewer._scenes]
    assert names == ["image.png", "image.png (again)"] and len(made.children) == 2
    assert told["wrong"] and told["line"].startswith("a.txt: cannot be read: not an image")


def test_large_photo_is_shown_reduced_and_sent_whole_to_be_saved(monkeypatch) -> None:
    made = panel(photo=halves(60, 90), max_side=45)
    scene = made.viewer._scenes[0]
    assert scene["width"] == 45 and scene["reduced"]
    assert "90×60 pixels segmented" in made.input.told["line"]
    assert "shown at 45×30" in made.input.told["line"]
    sent = []
    monkeypatch.setattr(SceneViewer, "send", lambda self, *message: sent.append(message))
    made.viewer._answer(None, {"request": 6, "scene": "replaced", "models": []}, [])
    asked = {"request": 7, "scene": scene["name"], "models": ["network", ""]}
    made.viewer._answer(None, asked, [])
    (answer, (photo, truth, labels, confidence, *of_none)), = sent
    assert answer == {"request": 7, "height": 60, "width": 90} and [truth, *of_none] == [b""] * 3
    assert unpacked(confidence, answer).min() > 33
    assert np.asarray(Image.open(io.BytesIO(photo))).shape == (60, 90, 3)
    assert unpacked(labels, answer)[:, [0, -1]].tolist() == [[0, 2]] * 60


def test_hostile_upload_gets_one_line_and_keeps_the_last_photo() -> None:
    made = panel(photo=PHOTO)
    before = made.viewer._scenes
    for content, line in ((b"PK\x03\x04", "not an image"), (encoded(PHOTO)[:70], "truncated")):
        told = receive(made, (f"{HOSTILE}.jpg", content))
        assert ".jpg: cannot be read" in told["line"] and line in told["line"] and told["wrong"]
        assert "\n" not in told["line"] and not told["busy"] and made.viewer._scenes == before


def test_failing_network_is_reported_in_the_panel() -> None:
    def failing(image: np.ndarray, confidence: bool) -> None:
        raise RuntimeError("out of\nmemory")

    made = PhotoPanel(failing)
    with pytest.raises(RuntimeError):
        made.segment(PHOTO, "a.png")
    told = receive(made, ("a.png", encoded(PHOTO)))
    assert told["line"] == "a.png: cannot be segmented (out of memory)" and told["wrong"]


def test_panel_has_a_picture_only_when_it_has_a_photo() -> None:
    empty, _ = DisplayFormatter().format(panel())
    full, _ = DisplayFormatter().format(panel(photo=encoded(PHOTO)))
    assert empty["text/plain"] == "PhotoPanel(network)" and "image/png" not in empty
    assert Image.open(io.BytesIO(base64.b64decode(full["image/png"]))).width > 300
    with pytest.raises(ImageError, match="missing.jpg"):
        panel(photo=Path("missing.jpg"))


def test_reading_loads_no_training_study_or_torch(recorded: list, seglib_home: Path) -> None:
    (seglib_home / "data").symlink_to(paths.data_dir())
    show = "from seglib.widgets import view_records; view_records('camvid')._repr_mimebundle_()"
    run = "from seglib.cli import main; main([{}])".format
    heavy = {"torch", "torchvision", "timm", "accelerate", "seglib.training", "scipy.stats"}
    for code in (show, run("'--help'"), run("'runs'"), run("'train', '--help'"),
                 run("'study', '--list'"),
                 run(f"'view', '{recorded[0].id}', '--output', '{seglib_home}/page.html'"),
                 "import seglib.evaluation.evaluate"):
        command = [sys.executable, "-c", f"{code}; import sys; print('loaded', *sys.modules)"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        loaded = set(done.stdout.rpartition("loaded")[2].split())
        scores = code.endswith("evaluate")
        assert heavy & loaded == ({"torch", "torchvision", "accelerate"} if scores else set())
        assert ("study.run" in loaded) == ("study" in code)
