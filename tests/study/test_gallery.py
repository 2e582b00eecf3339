"""A record's kept predictions come back with the right scenes, in the right order."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from trees import write_scene

from seglib.errors import ConfigError, RecordError
from seglib.labels import CITYSCAPES_19, IGNORE_INDEX
from study.gallery import Gallery, load_gallery

ROAD, SKY = 7, 23


class TinyRecord:
    """A record over two scenes, of which the network took one half for sky."""

    path = "results/tiny"

    def __init__(self, root, kept):
        self.dataset = SimpleNamespace(class_set=CITYSCAPES_19, root=lambda: root)
        self.kept = kept

    def predictions(self, split):
        return self.kept

    def other_data(self, split):
        return None


@pytest.fixture
def tree(tmp_path):
    for number in range(2):
        scene = write_scene(tmp_path, "val", f"town_00000{number}_000019")
        Image.new("RGB", (32, 16), (number, 0, 0)).save(scene.image)
        label_ids = np.full((16, 32), ROAD, dtype=np.uint8)
        label_ids[0] = 0  # unlabeled: not scored
        Image.fromarray(label_ids).save(scene.label_ids)
    return tmp_path


def test_gallery_pairs_scenes_and_ranks_them(tree):
    half = np.full((16, 32), ROAD, dtype=np.uint8)
    half[:, :16] = SKY
    kept = {"town_000001_000019": half, "town_000000_000019": np.full_like(half, ROAD)}
    gallery = load_gallery(TinyRecord(tree, kept))
    assert gallery.names == list(kept)
    assert [image[0, 0, 0] for image in gallery.images] == [1, 0]
    assert (gallery.truths[0][0] == IGNORE_INDEX).all() and (gallery.truths[0][1:] == 0).all()
    assert gallery.predictions[0][0, 0] == CITYSCAPES_19.index("sky")
    assert gallery.accuracies().tolist() == [0.5, 1.0]
    assert gallery.ranked(2) == [1, 0]
    with pytest.raises(ConfigError, match="between 1 and 2"):
        gallery.ranked(3)
    with pytest.raises(RecordError, match="keeps no predictions"):
        load_gallery(TinyRecord(tree, {}))


def test_ranked_spreads_from_best_to_worst():
    truth = np.zeros((1, 10), dtype=np.uint8)
    guesses = [(np.arange(10)[None] >= count).astype(np.uint8) for count in (3, 9, 5, 7, 1)]
    assert Gallery(list("abcde"), [], [truth] * 5, guesses).ranked(3) == [1, 2, 4]
