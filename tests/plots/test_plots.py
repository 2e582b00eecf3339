"""Figures say what they are given, in the label palette; files have the same bytes each time."""

from types import SimpleNamespace

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from torch import nn

from seglib import plots
from seglib.errors import ConfigError
from seglib.labels import CAMVID_11, CITYSCAPES_19, IGNORE_INDEX
from seglib.models import build_model
from study import plots as study_plots

CLASSES = CITYSCAPES_19
GENERATOR = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def agg():
    matplotlib.use("Agg")
    yield
    plt.close("all")


@pytest.fixture
def figures(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGLIB_FIGURES", str(tmp_path))
    return tmp_path


def scenes(count=2, height=24, width=48, num_classes=19):
    images = [GENERATOR.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(count)]
    masks = [np.full((height, width), 2, dtype=np.uint8) for _ in range(count)]
    for mask in masks:
        mask[:8], mask[8:12], mask[-2:] = 10 % num_classes, 8, IGNORE_INDEX
    return images, masks


def history(best):
    epochs = np.arange(1, 6)
    return pd.DataFrame({"epoch": epochs, "train_loss": 1 / epochs, "val_loss": 1.2 / epochs,
                         "val_miou": best * epochs / 5})


def texts(figure):
    figure.canvas.draw()
    return [text.get_text() for text in figure.findobj(plt.Text) if text.get_text()]


def legend_colors(figure):
    return {
        text.get_text(): to_rgb(patch.get_facecolor())
        for legend in figure.legends
        for text, patch in zip(legend.get_texts(), legend.get_patches(), strict=True)
    }


def test_masks_are_drawn_in_the_label_palette():
    images, masks = scenes()
    figure = plots.show_scenes(images, masks, CLASSES, names=["first", "second"])
    shown = [axis.images[0].get_array() for axis in figure.axes]
    np.testing.assert_array_equal(shown[1], CLASSES.colorize(masks[0]))
    np.testing.assert_array_equal(shown[2][-1], images[0][-1])  # void shows the image
    colors = legend_colors(figure)
    assert set(colors) == {"building", "vegetation", "sky", "void"}
    assert colors["sky"] == to_rgb(np.array((70, 130, 180)) / 255)
    assert {"first", "second"} <= set(texts(figure))


def test_error_map_tells_right_wrong_and_void_apart():
    images, masks = scenes(1)
    guess = np.where(masks[0] == 8, 0, masks[0])
    guess[masks[0] == IGNORE_INDEX] = 0
    figure = plots.predictions(images, masks, [guess.astype(np.uint8)], CLASSES)
    errors = figure.axes[3].images[0].get_array()
    wrong = (errors == plots.style.WRONG).all(axis=-1)
    np.testing.assert_array_equal(wrong, masks[0] == 8)
    assert (errors[masks[0] == IGNORE_INDEX] == 255).all()
    assert "wrong pixel" in legend_colors(figure)


def test_fine_coarse_scenes_show_gaps_and_contradictions():
    images, masks = scenes(1)
    coarse = masks[0].copy()
    coarse[:4], coarse[8:10] = IGNORE_INDEX, 3
    figure = plots.fine_coarse_scenes(images, masks, [coarse], CLASSES)
    verdict = figure.axes[2].images[0].get_array()
    assert (verdict[:4] == 255).all()
    assert (verdict[8:10] == plots.style.WRONG).all()
    assert (verdict[12:20] == plots.style.CORRECT).all()


def test_label_pictures_take_images_and_masks_of_any_size():
    images, masks = scenes(1)
    figure = plots.label_pictures([images[0], masks[0], masks[0][::4, ::4]], ["a", "b", "c"],
                                  CLASSES)
    figure.canvas.draw()
    heights = {round(axis.get_position().height, 4) for axis in figure.axes}
    assert len(heights) == 1
    assert "sky" in legend_colors(figure)


def test_curves_name_every_run_and_its_best_score():
    records = [SimpleNamespace(id=name, history=history(best)) for name, best in
               (("one", 0.5), ("two", 0.25))]
    records[1].history.loc[0, ["val_loss", "val_miou"]] = np.nan
    figure = plots.curves(records, ["FCN", "U-Net"])
    assert {"FCN (best 50.0)", "U-Net (best 25.0)"} <= set(texts(figure))
    assert len(figure.axes[1].lines[1].get_xdata()) == 4


def test_class_iou_bars_leave_absent_classes_out():
    scores = {"iou": [0.5] * 18 + [None], "miou": 0.5}
    figure = plots.class_iou_bars([("FCN", scores)], CLASSES)
    words = [word.strip() for word in texts(figure)]
    assert words.count("50.0") == 18
    assert words.count("absent") == 1
    assert "FCN (mean 50.0)" in words


def test_confusion_rows_are_shares_of_the_truth():
    confusion = np.zeros((11, 11), dtype=int)
    confusion[3, 3], confusion[3, 4] = 75, 25
    figure = plots.confusion_heatmap(confusion, CAMVID_11)
    share = figure.axes[0].images[0].get_array()
    assert share[3, 3] == 75 and share[3, 4] == 25 and share.sum() == 100
    assert {"75", "25"} <= set(texts(figure))


def test_class_frequencies_group_by_category():
    shares = np.arange(1, 20) / 190
    figure = study_plots.class_frequencies({"train": shares, "val": shares[::-1]}, CLASSES)
    assert {"flat: 1.6 %", "vehicle: 52 %", "train scenes", "val scenes"} <= set(texts(figure))
    assert figure.axes[0].get_xscale() == "log"


def test_statistics_figures_are_complete():
    matrix = np.full((19, 19), 0.25)
    matrix[3] = np.nan
    assert texts(study_plots.cooccurrence(matrix, CLASSES)).count("25") == 18 * 19
    priors = np.zeros((19, 4, 8))
    priors[0, 3] = 0.5
    words = texts(study_plots.spatial_priors(priors, CLASSES))
    assert "road: 50 %" in words and "sky: absent" in words
    instances = pd.DataFrame({"class": ["car"] * 3 + ["person"], "pixels": [10, 100, 1000, 5]})
    assert {"3 objects", "1 objects"} <= set(texts(study_plots.instance_sizes(instances, CLASSES)))
    agreement = pd.DataFrame({"class": ["road", "car"], "recall": [0.9, 0.5],
                              "precision": [1, 0.8]})
    assert {"road", "car"} <= set(texts(study_plots.fine_coarse(agreement, CLASSES)))
    table = pd.DataFrame({"width": [64, 128], "class": "pole", "pixels": [0.4, 0.6],
                          "objects": [0.5, 0.7], "best_iou": [0.3, 0.5]})
    figure = study_plots.survival(table, ["pole"])
    assert [axis.lines[0].get_ydata().tolist() for axis in figure.axes] == [
        [40, 60], [50, 70], [30, 50]]
    distances = pd.DataFrame({"pair": ["train–val"], "classes": [0.125], "colors": [0.25]})
    shares = {"train": np.full(19, 1 / 19), "val": np.full(19, 1 / 19)}
    assert {"0.125", "0.250"} <= set(texts(study_plots.split_shift(shares, distances, CLASSES)))


@pytest.mark.parametrize(("options", "skips"), [({}, 4), ({"skips": False}, 0)])
def test_network_diagram_draws_the_skips_the_model_has(options, skips):
    model = build_model("unet", 19, width=16, **options)
    _, found = plots.network._stages(model, (64, 128))
    assert len(found) == skips
    words = texts(plots.draw_network(model, (64, 128)))
    assert ("copied by a skip connection" in words) == bool(skips)
    assert any(word.endswith("4×8") for word in words)  # the bottleneck's resolution


def test_network_diagram_draws_attention_as_maps_of_tokens():
    class Segmenter(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches = nn.Conv2d(3, 8, 4, stride=4)
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
            self.head = nn.ConvTranspose2d(8, 19, 4, stride=4)

        def forward(self, image):
            grid = self.patches(image)  # (N, 8, H/4, W/4)
            tokens = grid.flatten(2).transpose(1, 2)  # (N, H·W/16, 8)
            tokens = self.attention(tokens, tokens, tokens)[0]
            return self.head(tokens.transpose(1, 2).reshape(grid.shape))

    stages, _ = plots.network._stages(Segmenter(), (32, 64))
    drawn = [(stage.height, piece.kind) for stage in stages for piece in stage.slices]
    assert drawn == [(32, "image"), (8, "conv"), (8, "attention"), (32, "logits")]
    assert "self-attention" in texts(plots.draw_network(Segmenter(), (32, 64)))


def test_receptive_fields_draw_the_theoretical_square():
    strength = np.zeros((32, 64))
    strength[16, 32] = 1
    figure = plots.receptive_fields([("FCN", strength, 22), ("ViT", strength, None)],
                                    np.zeros((32, 64, 3), np.uint8))
    assert [len(axis.patches) for axis in figure.axes[:2]] == [1, 0]
    assert figure.axes[0].patches[0].get_width() == 22


@pytest.mark.parametrize(("kind", "suffix"), [("plot", "pdf"), ("picture", "png")])
def test_saved_bytes_do_not_change(figures, kind, suffix):
    contents = []
    for _ in range(2):
        figure = study_plots.class_frequencies({"train": np.arange(1, 20) / 190}, CLASSES)
        assert plots.save_figure(figure, "07_test", kind=kind) is None
        contents.append((figures / f"07_test.{suffix}").read_bytes())
    assert contents[0] == contents[1]
    assert b"CreationDate" not in contents[0]
    assert [path.name for path in figures.iterdir()] == [f"07_test.{suffix}"]


def test_plots_fit_the_page_and_leave_settings_alone(figures):
    before = dict(plt.rcParams)
    figure = plots.curves([SimpleNamespace(id="a", history=history(0.4))])
    assert figure.get_figwidth() == plots.TEXT_WIDTH
    plots.save_figure(figure, "07_test")
    assert dict(plt.rcParams) == before


@pytest.mark.parametrize(("name", "kind"), [("a/b", "plot"), ("", "plot"), ("fine", "jpeg")])
def test_wrong_names_and_kinds_are_refused(figures, name, kind):
    with pytest.raises(ConfigError):
        plots.save_figure(plt.figure(), name, kind=kind)
    assert not list(figures.iterdir())
