"""Run records: one folder per run in `results/`, small enough for git, complete enough to trust.

`config.json` (what was asked), `history.csv` (a row per epoch), `scores.json` (per split),
`environment.json` (where, with what, how long), `weights.safetensors` and `predictions/<split>/`
(label-id PNG files of a fixed dozen of scenes). A folder appears only when it is complete.
"""

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from filelock import FileLock
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from . import paths
from .config import RunConfig
from .data.cache import resize_mask
from .data.datasets import DatasetSpec, dataset_spec
from .data.images import read_label_ids, read_mask
from .errors import ConfigError, RecordError
from .files import atomic_folder, atomic_path, read_json, write_json
from .provenance import RESULTS_VERSION


@dataclass(frozen=True)
class Record:
    """A finished run on disk; files are read when they are first asked for."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @cached_property
    def config(self) -> RunConfig:
        file = self.path / "config.json"
        try:
            return RunConfig.from_dict(read_json(file, RecordError)).resolved()
        except ConfigError as problem:
            raise RecordError(f"{file}: {problem}") from None

    @property
    def dataset(self) -> DatasetSpec:
        return dataset_spec(self.config.dataset)

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row per validated epoch: epoch, learning_rate, train_loss, val_loss, val_miou, …"""
        file = self.path / "history.csv"
        try:
            return pd.read_csv(file)
        except (OSError, ValueError) as problem:
            # pandas' messages can have several lines
            raise RecordError(f"{file}: not a table ({' '.join(str(problem).split())})") from None

    @cached_property
    def scores(self) -> dict[str, dict[str, Any]]:
        """Scores by split, as `ScoreAccumulator.scores` makes them."""
        file = self.path / "scores.json"
        try:
            return {split: _unpacked(scores) for split, scores in _read_object(file).items()}
        except (AttributeError, KeyError, TypeError, ValueError, zlib.error) as problem:
            raise RecordError(f"{file}: not the scores of a run ({problem})") from None

    @cached_property
    def environment(self) -> dict[str, Any]:
        return _read_object(self.path / "environment.json")

    @property
    def weights_path(self) -> Path:
        return self.path / "weights.safetensors"

    @property
    def is_current(self) -> bool:
        """Whether it was made by today's results version; `seglib verify` shows it by doing."""
        return self.environment.get("results_version") == RESULTS_VERSION

    def miou(self, split: str = "val") -> float:
        """The split's mIoU, 0 to 1, NaN without a scored pixel; `RecordError` if never scored."""
        if split not in self.scores:
            command = f"seglib evaluate {self.id} --split {split}"
            raise RecordError(f"{self.id}: no scores on {split!r}; run: {command}")
        value = self.scores[split]["miou"]
        return float("nan") if value is None else value

    def predictions(self, split: str) -> dict[str, np.ndarray]:
        """Label ids, uint8 (H, W), of the kept scenes by name."""
        # A hidden file is the half-written one of a process that was killed.
        files = sorted((self.path / "predictions" / split).glob("[!.]*.png"))
        return {file.stem: read_label_ids(file) for file in files}

    def confidence_maps(self, split: str) -> dict[str, np.ndarray]:
        """How sure the network is of each pixel, float32 (H, W) in steps of 0.04, by kept scene.

        At the size of the labels, recorded at half that size; empty where it was not measured.
        """
        folder, maps = self.path / "measurements" / "confidence" / split, {}
        for name, label_ids in self.predictions(split).items():
            if (file := folder / f"{name}.png").exists():
                maps[name] = np.float32(resize_mask(read_mask(file), label_ids.shape)) / 100
        return maps

    def load_model(self, device: torch.device | str = "cpu") -> nn.Module:
        """The network with the recorded weights in evaluation mode; takes normalised floats."""
        model, weights = self.config.build_model(download=False), read_tensors(self.weights_path)
        try:
            model.load_state_dict(weights)
        except RuntimeError as problem:
            first = str(problem).splitlines()[1].strip()[:160]  # below a heading, of many
            raise RecordError(f"{self.weights_path}: of another architecture: {first}") from None
        return model.to(device).eval()

    def add_scores(
        self, split: str, scores: dict[str, Any], predictions: Mapping[str, np.ndarray]
    ) -> None:
        """Add the scores and predictions of another split to a finished record."""
        _write_predictions(self.path, split, predictions)
        lock = paths.checkpoints_dir() / f"{self.id}.scores.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock):  # another process may be adding another split
            file = self.path / "scores.json"
            write_json(file, _read_object(file) | {split: _packed(scores)})
        self.__dict__.pop("scores", None)  # read again when asked for


def _read_object(path: Path) -> dict[str, Any]:
    values = read_json(path, RecordError)
    if not isinstance(values, dict):
        raise RecordError(f"{path}: expected an object of named values")
    return values


def _packed(scores: dict[str, Any]) -> dict[str, Any]:
    """Scores with the counts per image as compressed bytes, a twelfth of their text."""
    images = dict(scores.get("images", {}))
    for key, table in images.items():
        array = np.asarray(table)
        if array.ndim == 2:  # names stay as they are
            array = array.astype("<i8" if array.dtype.kind == "i" else "<f8")
            data = base64.b64encode(zlib.compress(array.tobytes(), 9)).decode()
            images[key] = {"shape": array.shape, "type": array.dtype.str, "zlib": data}
    return scores | {"images": images} if images else scores


def _unpacked(scores: dict[str, Any]) -> dict[str, Any]:
    """The inverse of `_packed`: the counts per image are lists of rows."""
    images = dict(scores.get("images", {}))
    for key, table in images.items():
        if isinstance(table, dict):
            data = zlib.decompress(base64.b64decode(table["zlib"]))
            images[key] = np.frombuffer(data, table["type"]).reshape(table["shape"]).tolist()
    return scores | {"images": images} if images else scores


def list_records(dataset: str | None = None) -> list[Record]:
    """All records in `results/`, or those of one dataset, sorted by id."""
    files = sorted(paths.results_dir().glob("[!.]*/config.json"))
    records = [Record(file.parent) for file in files]
    return [record for record in records if dataset in (None, record.config.dataset)]


def load_record(run_id: str | None = None) -> Record:
    """The record of that id, or in that folder; None: the one finished last; or `RecordError`."""
    results = paths.results_dir()
    if run_id is None:
        if records := list_records():
            return max(records, key=lambda record: record.environment.get("finished", ""))
        raise RecordError(f"{results}: no run is recorded; start with: seglib train")
    for folder in (results / run_id, Path(run_id).absolute()):
        if (folder / "config.json").exists():
            return Record(folder)
    known = ", ".join(record.id for record in list_records())
    raise RecordError(f"run {run_id!r} has no record in {results}; recorded: {known or 'none'}")


def best_record(dataset: str) -> Record:
    """The record with weights and the highest val mIoU on a dataset; `RecordError` if none."""
    records = [record for record in list_records(dataset) if record.weights_path.exists()]
    if records:
        return max(records, key=Record.miou)
    start = f"start with: seglib train --dataset {dataset}"
    raise RecordError(f"{paths.results_dir()}: no run on {dataset} keeps its weights; {start}")


def find_record(config: RunConfig, results: Path | None = None) -> Record | None:
    """The record of exactly this run in `results` (default: `results_dir()`), or None."""
    folder = (results or paths.results_dir()) / config.run_id
    return Record(folder) if (folder / "config.json").exists() else None


def save_record(
    config: RunConfig, *,
    history: list[dict[str, Any]], scores: dict[str, dict[str, Any]], environment: dict[str, Any],
    state: Mapping[str, Tensor] | None, predictions: Mapping[str, Mapping[str, np.ndarray]],
    results: Path | None = None,
) -> Record:
    """Write a complete record and return it; `state` None leaves the weights out."""
    config = config.resolved()
    folder = (results or paths.results_dir()) / config.run_id
    with atomic_folder(folder) as temporary:
        write_json(temporary / "config.json", config.to_dict())
        (temporary / "history.csv").write_text(history_text(history))
        packed = {split: _packed(values) for split, values in scores.items()}
        write_json(temporary / "scores.json", packed)
        write_json(temporary / "environment.json", environment)
        for split, images in predictions.items():
            _write_predictions(temporary, split, images)
        if state is not None:
            # `save_file` hides the number of an error such as a full disk
            (temporary / "weights.safetensors").write_bytes(save(dict(state)))
    return Record(folder)


def history_text(rows: list[dict[str, Any]]) -> str:
    """The rows as CSV with six significant digits."""
    return pd.DataFrame(rows).to_csv(index=False, float_format="%.6g", lineterminator="\n")


def _write_predictions(folder: Path, split: str, predictions: Mapping[str, np.ndarray]) -> None:
    for name, label_ids in predictions.items():
        with atomic_path(folder / "predictions" / split / f"{name}.png") as temporary:
            Image.fromarray(label_ids).save(temporary, optimize=True)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file; `RecordError` names a missing or damaged file."""
    try:
        return load_file(path)
    except FileNotFoundError:
        raise RecordError(f"{path}: no such weights file") from None
    except (SafetensorError, OSError, ValueError) as problem:
        raise RecordError(f"{path}: not a readable safetensors file ({problem})") from None
