"""Masks that are kept as runs are those in the files, whatever happens to either."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seglib import paths
from seglib.errors import DatasetError
from seglib.evaluation import truths
from seglib.evaluation.truths import read_truth


@pytest.fixture
def files(seglib_home: Path, tmp_path: Path, monkeypatch) -> list[Path]:
    """Masks of label and instance ids, large enough to be kept."""
    monkeypatch.setattr(truths, "LARGE", 40 * 60)
    label_ids = np.random.default_rng(0).integers(0, 34, (40, 12)).repeat(5, axis=1)
    instance_ids = np.where(label_ids > 23, label_ids * 1000 + 3, label_ids)
    files = [tmp_path / "labelIds.png", tmp_path / "instanceIds.png"]
    Image.fromarray(label_ids.astype(np.uint8)).save(files[0])
    Image.fromarray(instance_ids.astype(np.uint16)).save(files[1])
    return files


def kept() -> list[Path]:
    return sorted((paths.cache_dir() / "truths").glob("*"))


def test_kept_masks_are_the_decoded_ones_and_nothing_is_decoded_again(files, monkeypatch) -> None:
    first = read_truth(*files)
    assert [mask.dtype for mask in first] == [np.uint8, np.uint16] and len(kept()) == 1
    assert all(np.array_equal(mask, Image.open(f)) for mask, f in zip(first, files, strict=True))
    alone = read_truth(files[0], None)
    assert len(alone) == 1 and np.array_equal(alone[0], first[0]) and len(kept()) == 2
    for name in ("read_label_ids", "read_instance_ids"):
        monkeypatch.setattr(truths, name, None)  # would fail if it were called
    again = read_truth(*files)
    assert [mask.dtype for mask in again] == [np.uint8, np.uint16]
    assert all(np.array_equal(a, b) for a, b in zip(again, first, strict=True))


@pytest.mark.parametrize("length", [0, 30, 700, -300])
def test_what_is_damaged_or_changed_is_decoded_again(files: list[Path], length: int) -> None:
    expected = read_truth(*files)
    content = bytearray(kept()[0].read_bytes())
    content[length] ^= 1
    for damaged in (content, content[:length]):
        kept()[0].write_bytes(damaged)
        assert all(np.array_equal(a, b) for a, b in zip(read_truth(*files), expected, strict=True))
    Image.fromarray(np.full((40, 60), 7, np.uint8)).save(files[0])
    assert (read_truth(*files)[0] == 7).all() and len(kept()) == 2


def test_small_masks_are_not_kept_and_broken_ones_are_named(files: list[Path], monkeypatch) -> None:
    monkeypatch.setattr(truths, "LARGE", 1 + 40 * 60)
    assert len(read_truth(*files)) == 2 and kept() == []
    files[1].write_bytes(b"no mask")
    with pytest.raises(DatasetError, match="instanceIds.png: cannot be read"):
        read_truth(*files)
