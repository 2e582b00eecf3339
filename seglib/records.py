"""Run records: one folder per run in `results/`, small enough for git, complete enough to trust.

`config.json` (what was asked), `history.csv` (a row per validated epoch), `scores.json` (by split),
`environment.json` (where, with what, on which data, how long), `weights.safetensors` and
`predictions/<split>/` (label-id PNG files of a fixed dozen of scenes). A folder appears only when
it is complete, and its parts belong together: its name is the hash of the config, `SHA256SUMS` (as
`sha256sum --check` reads it) holds the digests of what never changes, and `scores.json` its own.
"""

import base64
import difflib
import hashlib
import io
import json
import lzma
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from safetensors import SafetensorError

from . import paths
from .config import RunConfig
from .data.datasets import DATASETS, DatasetSpec, dataset_spec, fingerprint
from .data.images import read_label_ids, read_mask
from .data.tree import MASK_FOLDERS
from .errors import ConfigError, RecordError, shown
from .files import atomic_folder, atomic_path, locked, read_json, sha256_of, write_json
from .provenance import RESULTS_VERSION
from .recipes import command

if TYPE_CHECKING:
    import pandas
    import torch

SUMS = "SHA256SUMS"


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
            config = RunConfig.from_dict(self._values("config.json")).resolved()
        except ConfigError as problem:
            raise RecordError(f"{file}: {problem}") from None
        if config.run_id != self.id:
            raise RecordError(f"{file}: is the config of {config.run_id}, not of {self.id}")
        return config

    @property
    def dataset(self) -> DatasetSpec:
        return dataset_spec(self.config.dataset)

    @cached_property
    def history(self) -> "pandas.DataFrame":
        """One row per validated epoch: epoch, learning_rate, train_loss, val_loss, val_miou, …"""
        import pandas  # here, as PyTorch below: listing runs and showing predictions do without
        return pandas.read_csv(io.BytesIO(self._part("history.csv")))

    @cached_property
    def packed_scores(self) -> dict[str, dict[str, Any]]:
        """Scores by split, their counts per image packed: of many records these are gigabytes."""
        file = self.path / "scores.json"
        values = read_json(file, RecordError)
        if values.pop("sha256", None) != _digest(values):
            raise RecordError(f"{file}: damaged or edited; restore it, or retrain the run")
        return values

    @cached_property
    def scores(self) -> dict[str, dict[str, Any]]:
        """Scores by split, as `ScoreAccumulator.scores` makes them."""
        return {split: _unpacked(scores) for split, scores in self.packed_scores.items()}

    @cached_property
    def environment(self) -> dict[str, Any]:
        return self._values("environment.json")

    def _values(self, name: str) -> dict[str, Any]:
        self._part(name)  # or it refuses
        return read_json(self.path / name, RecordError)

    def _part(self, name: str) -> bytes:
        """The bytes of a part that never changes; `RecordError` if they are not those recorded."""
        try:
            sums = (self.path / SUMS).read_text("utf-8", "replace")
            content = (self.path / name).read_bytes()
        except OSError as problem:
            raise RecordError(f"{problem.filename}: cannot be read ({problem.strerror})") from None
        if f"{hashlib.sha256(content).hexdigest()}  {name}" not in sums.splitlines():
            advice = f"its sha256 is not in {SUMS}; restore it, or retrain the run"
            raise RecordError(f"{self.path / name}: damaged or edited ({advice})")
        return content

    def other_data(self, *scored: str | None) -> str | None:
        """One line if this disk has other masks of these splits or the trained ones, or None.

        None too for a split that was not recorded, or of a dataset that is not there.
        """
        root, trained = self.dataset.root(), self.environment.get("data", {})
        scores = {split: found.get("data") for split, found in self.packed_scores.items()}
        known = [(split, self.config.mode, trained) for split in self.config.trained_splits]
        known += [(split, "fine", scores) for split in filter(None, scored)]
        for split, mode, prints in known:
            part = split.partition("+")[0].replace("held_out", "train")
            there = (root / MASK_FOLDERS[mode] / part).is_dir()
            if there and prints.get(split) not in (None, fingerprint(root, part, mode)):
                return f"{self.id}: recorded on other data than {root} (masks of {part} differ)"
        return None

    @property
    def weights_path(self) -> Path:
        return self.path / "weights.safetensors"

    @property
    def is_current(self) -> bool:
        """Whether it was made by today's results version; `seglib verify` shows it by doing."""
        return self.environment.get("results_version") == RESULTS_VERSION

    def miou(self, split: str | None = None) -> float:
        """The mIoU of a split (None: what training scores, else test), 0 to 1, NaN without a pixel.

        `RecordError` if it was never scored.
        """
        split = split or self.config.scored_split or "test"
        if split not in self.packed_scores:
            command = f"seglib evaluate {self.id} --split {split}"
            raise RecordError(f"{self.id}: no scores on {split!r}; run: {command}")
        value = self.packed_scores[split]["miou"]
        return float("nan") if value is None else value

    def predictions(self, split: str) -> dict[str, np.ndarray]:
        """Label ids, uint8 (H, W), of the kept scenes by name."""
        # A hidden file is the half-written one of a process that was killed.
        files = sorted((self.path / "predictions" / split).glob("[!.]*.png"))
        return {file.stem: read_label_ids(file) for file in files}

    def confidence_maps(self, split: str) -> dict[str, np.ndarray]:
        """How sure the network is of each pixel, float32 (H, W) from 0 to 1, by kept scene.

        At the size of the labels, recorded at a quarter of it; empty where it was not measured.
        """
        maps = {}
        for name, label_ids in self.predictions(split).items():
            file = self.path / "measurements" / "confidence" / split / f"{name}.png"
            if file.exists():
                small, size = Image.fromarray(read_mask(file)), label_ids.shape[::-1]
                maps[name] = np.float32(small.resize(size, Image.Resampling.BILINEAR)) / 100
        return maps

    def weights(self) -> "dict[str, torch.Tensor]":
        """The recorded tensors; `RecordError` where missing, damaged or not finite."""
        from safetensors.torch import load
        if not self.weights_path.exists():
            hint = f"left out of the record; for them: SEGLIB_RESULTS=FOLDER {command(self.config)}"
            raise RecordError(f"{self.weights_path}: {hint}")
        try:
            tensors = load(self._part(self.weights_path.name))
        except (SafetensorError, ValueError) as problem:
            raise RecordError(f"{self.weights_path}: no safetensors file ({problem})") from None
        for name, tensor in tensors.items():
            if not tensor.isfinite().all():
                raise RecordError(f"{self.weights_path}: {name!r} holds NaN or infinite numbers")
        return tensors

    def load_model(self, device: "torch.device | str" = "cpu") -> "torch.nn.Module":
        """The network with the recorded weights in evaluation mode; takes normalised floats."""
        model = self.config.build_model(download=False)
        try:
            model.load_state_dict(self.weights())
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
        with locked(lock, f"adds scores of {self.id}"):
            known = Record(self.path).packed_scores  # read again
            write_scores(self.path / "scores.json", known | {split: scores})
        for name in ("scores", "packed_scores"):
            self.__dict__.pop(name, None)


def _digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def write_scores(path: Path, scores: Mapping[str, dict[str, Any]]) -> None:
    """Write `scores.json` from scores by split, with its digest."""
    # through JSON and back, where a tuple is a list
    values = json.loads(json.dumps({split: _packed(found) for split, found in scores.items()}))
    write_json(path, values | {"sha256": _digest(values)})


def _packed(scores: dict[str, Any]) -> dict[str, Any]:
    """Scores with what there is per image as compressed text, a twentieth of its length."""
    images = scores.get("images")
    if isinstance(images, dict):  # not packed yet
        columns = json.dumps({k: _transposed(v) for k, v in images.items()}, separators=(",", ":"))
        scores = scores | {"images": base64.b85encode(lzma.compress(columns.encode())).decode()}
    return scores


def _unpacked(scores: dict[str, Any]) -> dict[str, Any]:
    """The inverse of `_packed`."""
    if "images" in scores:
        columns = json.loads(lzma.decompress(base64.b85decode(scores["images"])))
        scores = scores | {"images": {key: _transposed(table) for key, table in columns.items()}}
    return scores


def _transposed(table: Any) -> Any:
    """Rows as columns, or columns as rows; names, None and rows without columns as they are."""
    if np.ndim(table) != 2 or not table[0]:
        return table
    return [list(column) for column in zip(*table, strict=True)]


def list_records(dataset: str | None = None) -> list[Record]:
    """All records in `results/`, or those of one dataset, sorted by id.

    A damaged one, or one of a newer version, is passed over with one line on stderr.
    """
    records = []
    folders = f"{dataset}-*" if dataset else "[!.]*"  # a run's id begins with its dataset
    for file in sorted(paths.results_dir().glob(f"{folders}/config.json")):
        record = Record(file.parent)
        try:
            record.config, record.packed_scores, record.environment  # noqa: B018  (reads them)
            records.append(record)
        except RecordError as problem:
            print(f"passed over: {problem}", file=sys.stderr)
    return records


def load_record(run_id: str | None = None) -> Record:
    """The record of that id, or in that folder; None: the one finished last; or `RecordError`."""
    results = paths.results_dir()
    if run_id is None:
        if records := list_records():
            return max(records, key=lambda record: str(record.environment.get("finished", "")))
        raise RecordError(f"{results}: no run is recorded; start with: seglib train")
    for folder in (results / run_id, Path(os.path.expanduser(run_id)).absolute()):
        if (folder / "config.json").exists():
            return Record(folder)
    close = difflib.get_close_matches(run_id, [path.name for path in results.glob("*-*-*")], n=1)
    hint = f"did you mean {close[0]!r}?" if close else "`seglib runs` lists those there are"
    raise RecordError(f"run {shown(run_id)} has no record in {results}; {hint}")


def best_record() -> Record:
    """The record with weights and the highest val mIoU, of photographs first; or `RecordError`."""
    for name in ("camvid", *reversed(DATASETS)):
        records = [record for record in list_records(name) if record.weights_path.exists()]
        scored = [r for r in records if r.packed_scores.get("val", {}).get("miou") is not None]
        if scored:
            return max(scored, key=lambda record: record.miou("val"))
    raise RecordError(f"{paths.results_dir()}: no run keeps its weights; start with: seglib train")


def find_record(config: RunConfig, results: Path | None = None) -> Record | None:
    """The record of exactly this run in `results` (default: `results_dir()`), or None."""
    folder = (results or paths.results_dir()) / config.run_id
    return Record(folder) if (folder / "config.json").exists() else None


def save_record(
    config: RunConfig, *,
    history: list[dict[str, Any]], scores: dict[str, dict[str, Any]], environment: dict[str, Any],
    state: "Mapping[str, torch.Tensor] | None", predictions: Mapping[str, Mapping[str, np.ndarray]],
    results: Path | None = None,
) -> Record:
    """Write a complete record and return it; `state` None leaves the weights out."""
    config = config.resolved()
    folder = (results or paths.results_dir()) / config.run_id
    with atomic_folder(folder) as temporary:
        write_json(temporary / "config.json", config.to_dict())
        (temporary / "history.csv").write_text(history_text(history), "utf-8", newline="\n")
        write_scores(temporary / "scores.json", scores)
        write_json(temporary / "environment.json", environment)
        for split, images in predictions.items():
            _write_predictions(temporary, split, images)
        if state is not None:
            from safetensors.torch import save
            # `save_file` hides the number of an error such as a full disk
            (temporary / "weights.safetensors").write_bytes(save(dict(state)))
        seal(temporary)
    return Record(folder)


def seal(folder: Path) -> None:
    """Write the digests of a record's unchanging parts as they are."""
    parts = sorted(file for file in folder.iterdir() if file.is_file() and file.name != SUMS)
    sums = [f"{sha256_of(part)}  {part.name}\n" for part in parts if part.stem != "scores"]
    (folder / SUMS).write_text("".join(sums), encoding="utf-8", newline="\n")


def history_text(rows: list[dict[str, Any]]) -> str:
    """The rows as CSV with six significant digits."""
    import pandas
    return pandas.DataFrame(rows).to_csv(index=False, float_format="%.6g", lineterminator="\n")


def _write_predictions(folder: Path, split: str, predictions: Mapping[str, np.ndarray]) -> None:
    for name, label_ids in predictions.items():
        with atomic_path(folder / "predictions" / split / f"{name}.png") as temporary:
            Image.fromarray(label_ids).save(temporary, optimize=True)
