"""Records can't drift from the code unseen: tiny recorded runs are trained again and compared.

After a change that is meant to alter results, `python tests/training/test_reproduction.py` records
them anew; raise `RESULTS_VERSION` with it.
"""

import dataclasses
import io
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from seglib.config import RunConfig
from seglib.data.datasets import prepare
from seglib.files import read_json, write_json
from seglib.records import Record
from seglib.training.loop import fit

RECORDS = Path(__file__).parent / "records"
RESULTS = Path(__file__).parents[2] / "results"
RECORDED = [Record(file.parent) for file in sorted(RESULTS.glob("[!.]*/config.json"))]
SHARED = RunConfig(
    image_size=(64, 128), crop_size=(48, 96), scale=(0.8, 1.5), rotation=5.0, jitter=0.4,
    dropout=0.1, schedule="one_cycle", learning_rate=1e-2, epochs=4, batch_size=4, precision="fp32",
    select_by="miou",
)
OPTIONS: dict[str, dict[str, Any]] = {
    "fcn": {"width": 8, "optimizer": "adam", "clip_norm": 1.0},
    "unet": {"width": 8, "class_weights": "sqrt_median", "loss": "cross_entropy+dice"},
    "vit": {"size": "mini", "optimizer": "adamax", "loss": "cross_entropy+iou",
            "schedule": "step", "gamma": 0.5},
    "swin": {"size": "mini", "window": (2, 4), "accumulation": 2, "encoder_rate": 0.5,
             "weight_decay": 0.05},
    "timm": {"encoder": "test_efficientnet", "ema": 0.9, "label_smoothing": 0.1},
}


def train(model: str, home: Path) -> dict[str, Any]:
    """What is recorded of a model's reference run, trained on a small dataset below `home`."""
    os.environ["SEGLIB_HOME"] = str(home)
    counts = {"train": 12, "val": 4, "test": 1}
    prepare("miniscapes", progress=False, size=(64, 128), counts=counts, workers=1)
    config = dataclasses.replace(SHARED, model=model, **OPTIONS[model])
    record = fit(config, device="cpu", retrain=True, progress=False)
    scores, environment = record.scores["val"], record.environment
    kept = ("processor", "threads", "data", "parameters", "versions")
    return {
        "run": record.id, "history": (record.path / "history.csv").read_text().splitlines(),
        "scores": {name: scores[name] for name in ("miou", "miiou", "iou", "confusion")},
        "environment": {name: environment[name] for name in kept},
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("reproduction")


@pytest.mark.parametrize("model", OPTIONS)
def test_a_recorded_run_is_reproduced(model: str, home: Path, seglib_home: Path):
    recorded, again = read_json(RECORDS / f"{model}.json"), train(model, home)
    before, now = recorded["environment"], again["environment"]
    assert again["run"] == recorded["run"]
    for name in ("data", "parameters"):
        assert now[name] == before[name]
    if all(now[name] == before[name] for name in ("processor", "threads", "versions")):
        assert again["history"] == recorded["history"]
        assert again["scores"] == recorded["scores"]
        return
    # Another processor or library adds in another order, which four epochs amplify to less than
    # this in losses. Scores of so short a run jump more: that they are near says little.
    expected, found = (
        pd.read_csv(io.StringIO("\n".join(run["history"]))) for run in (recorded, again)
    )
    for column in expected:
        allowed = {"val_miou": 0.02, "val_pixel_accuracy": 0.08}.get(column, 1e-6)
        assert found[column].to_numpy() == pytest.approx(
            expected[column].to_numpy(), rel=0.02, abs=allowed
        )
    assert again["scores"]["miou"] == pytest.approx(recorded["scores"]["miou"], abs=0.02)


@pytest.mark.parametrize("record", RECORDED, ids=lambda record: record.id)
def test_records_are_complete_and_of_this_code(record: Record):
    assert not record.weights_path.exists() or record.weights()
    assert record.is_current, f"run: seglib verify {record.id}"
    assert record.history["epoch"].iloc[-1] == record.config.epochs
    by_epoch = record.history.set_index("epoch")["val_miou"]
    kept = by_epoch.iloc[-1] if record.config.select_by == "last" else by_epoch.max()
    best, blind = by_epoch[record.environment["best_epoch"]], bool(record.config.with_val)
    assert kept == pytest.approx(best, nan_ok=blind) and np.isnan(kept) == blind
    for scores in record.scores.values():
        confusion = torch.tensor(scores["confusion"])
        right, true, said = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
        assert scores["miou"] == pytest.approx((right / (true + said - right)).nanmean().item())
        assert sum(map(sum, scores["images"]["tp"])) == right.sum().item()


def test_records_share_one_dataset_each():
    found: dict[tuple[str, ...], set[str]] = {}
    for record in RECORDED:
        dataset, known = record.config.dataset, record.environment["data"]
        found.setdefault((dataset, "train", record.config.mode), set()).add(known["train"])
        for split, scores in record.scores.items():
            assert scores["data"] == known.get(split, scores["data"])
            found.setdefault((dataset, split), set()).add(scores["data"])
    assert found and all(len(fingerprints) == 1 for fingerprints in found.values())
    for split in ("val", "test"):  # of the same scenes, by which both are scored
        assert found["miniscapes", split] == found["miniscapes2560", split]


if __name__ == "__main__":
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        for name in OPTIONS:
            write_json(RECORDS / f"{name}.json", train(name, Path(scratch)))
