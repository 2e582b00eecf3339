"""What is measured of a finished run besides its scores, kept in its record and read from there.

`results/RUN/measurements/` holds one JSON file per part and `confidence/SPLIT/SCENE.png`, how sure
the network is of each pixel of the kept scenes. `seglib measure` writes them; notebooks and the
viewer read them. Each file names the weights and the code that it was made with, so that a stale
one is noticed. `measuring` holds the computations and what the values mean.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from seglib.errors import RecordError, choose
from seglib.files import atomic_folder, read_json, sha256_of, write_json
from seglib.provenance import RESULTS_VERSION
from seglib.records import Record

PARTS = ("calibration", "boundaries", "cost", "robustness", "generalisation")  # in the order made


def measurement(record: Record, part: str) -> dict[str, Any]:
    """A part's values as recorded, and under "made_by" what they were made with.

    Raises `ConfigError` for a part that there is not, `RecordError` if it was never measured.
    """
    _check(part)
    file = _file(record, part)
    if not file.exists():
        raise RecordError(f"{record.id}: {part} was not measured; run: seglib measure {record.id}")
    return read_json(file, RecordError)


def is_measured(record: Record, part: str) -> bool:
    """Whether a record holds a part, stale or not."""
    _check(part)
    return _file(record, part).exists()


def missing_parts(record: Record) -> list[str]:
    """The parts that a record lacks, or that other weights or other code made.

    A record that gave its weights away keeps what was measured before.
    """
    if not record.weights_path.exists():
        return [part for part in PARTS if not is_measured(record, part)]
    weights = weights_fingerprint(record)
    return [part for part in PARTS if not _is_current(record, part, weights)]


def _is_current(record: Record, part: str, weights: str) -> bool:
    file = _file(record, part)
    if not file.exists():
        return False
    made = read_json(file, RecordError).get("made_by", {})
    return (made.get("weights"), made.get("results_version")) == (weights, RESULTS_VERSION)


def weights_fingerprint(record: Record) -> str:
    """16 hexadecimal digits of the weights file; `RecordError` if the record keeps no weights."""
    if not record.weights_path.exists():
        raise RecordError(f"{record.id}: was recorded without its weights; nothing to measure")
    return sha256_of(record.weights_path)[:16]


def measure(
    record: Record,
    parts: Sequence[str] | None = None,
    *,
    device: str | None = None,
    progress: bool = True,
) -> list[str]:
    """Measure what a record lacks, or the named `parts` anew; returns the parts that were made.

    Every part is written as soon as it is there, so that an interrupted call loses one at most.

    Raises:
        ConfigError: unknown part or device.
        RecordError: the record keeps no weights.
        DatasetError: a dataset that a part needs is not there; the parts before it are.
    """
    for part in parts or ():
        _check(part)
    weights = weights_fingerprint(record)
    wanted = [part for part in PARTS if part in (missing_parts(record) if parts is None else parts)]
    made: list[str] = []
    for part in wanted:
        if part not in made:  # calibration brings the boundaries along
            made += _make(record, part, weights, device, progress)
    return made


def _make(record: Record, part: str, weights: str, device: str | None, progress: bool) -> list[str]:
    """Compute and write a part, and those that the same pass through the scenes gives."""
    from . import measuring  # not above: reading measurements needs no torch

    if part in ("calibration", "boundaries"):
        results, maps = measuring.certainty_and_boundaries(record, device, progress)
        _write_maps(_folder(record) / "confidence", maps)
    elif part == "cost":
        results, device = {"cost": measuring.cost(record)}, "cpu"
    else:
        results = {part: getattr(measuring, part)(record, device, progress)}
    for name, values in results.items():
        made_by = {
            "weights": weights,
            "results_version": RESULTS_VERSION,
            **measuring.describe(record, device),
        }
        write_json(_file(record, name), {"made_by": made_by, **values})
    return list(results)


def _write_maps(folder: Path, maps: dict[str, dict[str, np.ndarray]]) -> None:
    with atomic_folder(folder) as temporary:
        for split, scenes in maps.items():
            (temporary / split).mkdir()
            for name, percent in scenes.items():
                Image.fromarray(percent).save(temporary / split / f"{name}.png", optimize=True)


def _check(part: str) -> None:
    choose("part", part, PARTS)


def _folder(record: Record) -> Path:
    return record.path / "measurements"


def _file(record: Record, part: str) -> Path:
    return _folder(record) / f"{part}.json"

