"""What records hold of measurements beyond scores: `beyond_scores` makes them, this reads them."""

from pathlib import Path
from typing import Any

from seglib.errors import RecordError, choose
from seglib.files import read_json, sha256_of
from seglib.provenance import RESULTS_VERSION
from seglib.records import Record

FORM = {"form": 2}  # of what a part holds; raised by hand when that changes
PARTS = ("calibration", "boundaries", "cost", "robustness")  # in the order made


def measurement(record: Record, part: str) -> dict[str, Any]:
    """A part's values as recorded, and under "made_by" what they were made with.

    Raises `ConfigError` for an unknown part, `RecordError` if it was never measured.
    """
    if not is_measured(record, part):
        raise RecordError(f"{record.id}: {part} was not measured; run: seglib measure {record.id}")
    return read_json(file_of(record, part), RecordError)


def is_measured(record: Record, part: str) -> bool:
    """Whether a record holds a part, stale or not."""
    return file_of(record, choose("part", part, PARTS)).exists()


def missing_parts(record: Record) -> list[str]:
    """The parts that a record lacks, or that other weights or another results version made.

    A record that gave its weights away keeps what was measured before in today's form.
    """
    held = [part for part in PARTS if is_measured(record, part)]
    origin = (origin_of(record) if record.weights_path.exists() else FORM).items()
    held = [part for part in held if origin <= measurement(record, part)["made_by"].items()]
    return [part for part in PARTS if part not in held]


def origin_of(record: Record) -> dict[str, Any]:
    """What a part depends on: 16 hexadecimal digits of the weights file, and two versions."""
    if not record.weights_path.exists():
        raise RecordError(f"{record.id}: was recorded without its weights; nothing to measure")
    weights = sha256_of(record.weights_path)[:16]
    return {"weights": weights, "results_version": RESULTS_VERSION, **FORM}


def file_of(record: Record, part: str) -> Path:
    return record.path / "measurements" / f"{part}.json"
