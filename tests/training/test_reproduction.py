"""Records can't drift from the code unseen: a tiny recorded run is trained again and compared.

After a change that is meant to alter results, `python tests/training/test_reproduction.py` records
it anew.
"""

import dataclasses
import os
from pathlib import Path

import pytest
import torch

from seglib import paths
from seglib.config import RunConfig
from seglib.data.datasets import prepare
from seglib.records import Record, list_records
from seglib.training.loop import fit

REFERENCE = Path(__file__).parent / "records"
CONFIG = RunConfig(
    dataset="miniscapes",
    model="unet",
    width=4,
    dropout=0.1,
    image_size=(64, 128),
    crop_size=(48, 96),
    scale=(0.8, 1.5),
    rotation=5.0,
    jitter=0.4,
    loss="cross_entropy+dice",
    schedule="one_cycle",
    learning_rate=5e-3,
    epochs=6,
    batch_size=2,
    precision="fp32",
)


def train(home: Path, results: Path) -> Record:
    """Generate a small dataset below `home` and train the reference run on it."""
    os.environ["SEGLIB_HOME"] = str(home)
    counts = {"train": 24, "val": 8, "test": 4}
    prepare("miniscapes", progress=False, size=(64, 128), counts=counts, workers=1)
    return fit(CONFIG, device="cpu", retrain=True, results=results, progress=False)


def test_the_reference_run_is_reproduced(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGLIB_HOME", str(tmp_path))
    (reference,) = (Record(file.parent) for file in REFERENCE.glob("*/config.json"))
    again = train(tmp_path, tmp_path / "results")
    assert again.id == reference.id
    assert again.environment["dataset_fingerprint"] == reference.environment["dataset_fingerprint"]
    assert list(again.history) == list(reference.history)
    # Another processor, or number of threads, adds in another order; six epochs amplify that to
    # less than this. Scores of so short a run jump more than its losses.
    for column in again.history:
        expected = reference.history[column].to_numpy()
        allowed = {"val_miou": 0.02, "val_pixel_accuracy": 0.08}.get(column, 1e-6)
        assert again.history[column].to_numpy() == pytest.approx(expected, rel=0.02, abs=allowed)
    difference = again.scores["val"]["miou"] - reference.scores["val"]["miou"]
    assert abs(difference) < 0.02


def test_a_changed_recipe_would_be_noticed(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGLIB_HOME", str(tmp_path))
    (reference,) = (Record(file.parent) for file in REFERENCE.glob("*/config.json"))
    changed = dataclasses.replace(CONFIG, learning_rate=2e-3)
    counts = {"train": 24, "val": 8, "test": 4}
    prepare("miniscapes", progress=False, size=(64, 128), counts=counts, workers=1)
    other = fit(changed, device="cpu", results=tmp_path / "results", progress=False)
    assert other.id != reference.id
    expected = reference.history["train_loss"].to_numpy()
    assert other.history["train_loss"].to_numpy() != pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("record", list_records(), ids=lambda record: record.id)
def test_records_are_complete_and_of_this_code(record: Record):
    assert record.config.resolved().run_id == record.id
    assert record.is_current, f"run: seglib verify {record.id}"
    assert len(record.predictions("val")) == 12
    assert record.history["epoch"].iloc[-1] == record.config.epochs
    assert record.history["val_miou"].max() == pytest.approx(
        record.history.set_index("epoch")["val_miou"][record.environment["best_epoch"]]
    )
    for scores in record.scores.values():
        confusion = torch.tensor(scores["confusion"])
        right, true, said = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
        iou = right / (true + said - right)
        assert scores["miou"] == pytest.approx(iou.nanmean().item())
        assert sum(map(sum, scores["images"]["tp"])) == right.sum().item()


def test_records_share_one_dataset_each():
    by_dataset: dict[str, set[str]] = {}
    for record in list_records():
        fingerprint = record.environment["dataset_fingerprint"]
        by_dataset.setdefault(record.config.dataset, set()).add(fingerprint)
    assert all(len(fingerprints) == 1 for fingerprints in by_dataset.values())


if __name__ == "__main__":
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        shutil.rmtree(REFERENCE, ignore_errors=True)
        record = train(Path(scratch), REFERENCE)
    shutil.rmtree(record.path / "predictions")
    record.weights_path.unlink()
    print(f"recorded {record.id}: val mIoU {100 * record.miou():.2f} %")
    assert paths.home() == Path(scratch)
