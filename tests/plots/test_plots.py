"""Figures say what they are given, in the label palette; files have the same bytes each time."""

import base64
import io
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from seglib import plots
from seglib.labels import CITYSCAPES_19, IGNORE_INDEX
from seglib.plots import style

pytestmark = pytest.mark.usefixtures("agg")
CLASSES = CITYSCAPES_19
NETWORKS = {name: style.NETWORKS[name][0] for name in ("FCN", "U-Net", "ViT", "Swin")}


@pytest.fixture
def figures(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGLIB_FIGURES", str(tmp_path))
    return tmp_path


@pytest.fixture
def scene():
    image = np.random.default_rng(0).integers(0, 256, (24, 48, 3), dtype=np.uint8)
    mask = np.full((24, 48), 2, dtype=np.uint8)
    mask[:8], mask[8:12], mask[-2:] = 10, 8, IGNORE_INDEX
    return image, mask


def texts(figure):
    figure.canvas.draw()
    return [text.get_text() for text in figure.findobj(plt.Text) if text.get_text()]


def legend_colors(figure):
    (legend,) = figure.legends
    pairs = zip(legend.get_texts(), legend.get_patches(), strict=True)
    return {text.get_text(): to_rgb(patch.get_facecolor()) for text, patch in pairs}


def run(best, best_epoch=5, **columns):
    epochs = np.arange(1, 6)
    history = {"epoch": epochs, "train_loss": 1 / epochs, "val_loss": 1.2 / epochs,
               "val_miou": best * epochs / 5}
    history = pd.DataFrame(history | columns)
    return SimpleNamespace(id="run", history=history, environment={"best_epoch": best_epoch})


def test_a_network_looks_alike_wherever_it_stands_and_its_variants_are_hollow():
    names = [*NETWORKS, "U-Net, from MiniScapes", "without skips", "U-Net before"]
    looks = plots.looks(names)
    assert looks["U-Net"] == plots.looks(["Swin", "U-Net"])["U-Net"]
    assert {looks[name]["color"] for name in NETWORKS} == set(NETWORKS.values())
    assert len({looks[name]["marker"] for name in NETWORKS}) == len(NETWORKS)
    for variant in ("U-Net, from MiniScapes", "U-Net before"):
        assert looks[variant]["markerfacecolor"] == "white"
        assert looks[variant]["color"] == looks["U-Net"]["color"]
    taken = {part for look in style.NETWORKS.values() for part in look}
    assert not taken & {looks["without skips"]["color"], *style.COLORS, *style.MARKERS}


def test_networks_differ_in_grey_too():
    greys = {name: np.dot(to_rgb(color), (0.30, 0.59, 0.11))
             for name, (color, _) in style.NETWORKS.items()}
    assert min(np.diff(sorted(greys[name] for name in NETWORKS))) > 0.15
    # The pretrained one lies between two of them.
    assert len(greys) == 5 and min(np.diff(sorted(greys.values()))) > 0.09


def test_error_map_tells_right_wrong_and_void_apart(scene):
    image, mask = scene
    guess = np.where((mask == 8) | (mask == IGNORE_INDEX), 0, mask).astype(np.uint8)
    figure = plots.predictions([image], [mask], [guess], CLASSES)
    errors = figure.axes[3].images[0].get_array()
    np.testing.assert_array_equal((errors == style.WRONG).all(axis=-1), mask == 8)
    assert (errors[mask == IGNORE_INDEX] == 255).all()
    assert "wrong pixel" in legend_colors(figure)


def test_curves_are_solid_in_training_dashed_in_validation_and_name_what_is_kept():
    runs = [run(0.5), run(0.25, 3, val_miou=[np.nan, 0.1, 0.2, 0.25, 0.2]), run(0, val_miou=np.nan)]
    figure = plots.curves(runs, ["FCN", "U-Net", "on val"])
    loss, score = figure.axes
    assert [line.get_linestyle() for line in loss.lines] == ["-", "--"] * 3
    assert {line.get_linestyle() for line in score.lines} == {"--"}
    assert {"FCN (50.0)", "U-Net (20.0)", "on val"} <= set(texts(figure))
    assert score.lines[1].get_xdata().tolist() == [2, 3, 4, 5]


def test_class_scores_write_values_beside_a_single_panel():
    scores = {"iou": [0.5] * 17 + [0.75, None], "miou": 0.5}
    words = texts(plots.class_scores({"": ({"FCN": scores}, CLASSES)}))
    assert words.count("50.0") == 18 and words.count("absent") == 1 and "75.0" in words
    two = plots.class_scores({name: ({"FCN": scores}, CLASSES) for name in "ab"})
    assert "75.0" not in texts(two) and texts(two).count("FCN") == 1
    assert two.axes[0].get_yticklabels()[0].get_text() == "motorcycle"  # the best comes first


@pytest.mark.parametrize("name", ["07_test.pdf", "07_test.png"])
def test_saved_bytes_and_settings_do_not_change(figures, name):
    before, contents = dict(plt.rcParams), []
    for _ in range(2):
        figure = plots.curves([run(0.4)], ["FCN"])
        assert figure.get_figwidth() == plots.TEXT_WIDTH
        plots.save_figure(figure, name)
        contents.append((figures / name).read_bytes())
    assert contents[0] == contents[1] and b"CreationDate" not in contents[0]
    assert [path.name for path in figures.iterdir()] == [name]
    assert dict(plt.rcParams) == before


def test_a_shown_figure_is_sharp_small_described_and_closed(figures, monkeypatch):
    photo = np.random.default_rng(0).integers(0, 256, (400, 800, 3), dtype=np.uint8)
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *args, **more: shown.append((args, more)))
    mask, street = photo[..., 0] // 99, plots.label_pictures([photo], ["street"])
    flat = plots.label_pictures([mask], ["street"], CITYSCAPES_19)
    for figure in (plots.curves([run(0.4)], ["FCN"]), flat, street):
        plots.show(figure, "two curves", "07_test.pdf", width=500)
    kinds = ("image/png", "image/png", "image/jpeg")  # what is smaller
    for ((data,), more), kind in zip(shown, kinds, strict=True):
        width = Image.open(io.BytesIO(base64.b64decode(data[kind]))).width
        assert data["text/plain"] == "two curves" and abs(width - 1000) < 40
        assert more["metadata"][kind] == {"alt": "two curves", "width": width // 2}
    assert not plt.get_fignums() and (figures / "07_test.pdf").exists()


def test_another_dataset_s_figures_replace_none_and_a_rare_colour_stays(figures):
    street = np.random.default_rng(0).integers(0, 256, (99, 99, 3), dtype=np.uint8)
    street[:5, :5] = 255, 0, 0
    plots.save_figure(plots.label_pictures([street], [""]), "07_test.png", "camvid")
    with Image.open(figures / "camvid" / "07_test.png") as picture:
        colors = np.asarray(picture.convert("RGB"), dtype=int).reshape(-1, 3)
    assert abs(colors - (255, 0, 0)).sum(axis=1).min() < 24
    assert [path.name for path in figures.rglob("*.png")] == ["07_test.png"]
