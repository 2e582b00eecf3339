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
    """The parts that a record lacks, or that were made by or of something else than it has now.

    That is other weights, another results version, or fewer scored splits. A record that gave its
    weights away keeps what was measured before in today's form.
    """
    whole = record.weights_path.exists()
    origin, splits = (origin_of(record), scored_splits(record)) if whole else (FORM, [])
    of = {"calibration": splits, "boundaries": splits, "robustness": splits[-1:], "cost": []}
    missing = []
    for part in PARTS:
        held = measurement(record, part) if is_measured(record, part) else {"made_by": {}}
        made = origin.items() <= held["made_by"].items()
        if not made or not {*of[part]} <= {*held, held.get("split")}:
            missing.append(part)
    return missing


def scored_splits(record: Record) -> list[str]:
    """Those of val and test of which the record has scores, of at least one pixel."""
    found = {split: scores["miou"] for split, scores in record.packed_scores.items()}
    return [split for split in ("val", "test") if found.get(split) is not None]


def origin_of(record: Record) -> dict[str, Any]:
    """What a part depends on: 16 hexadecimal digits of the weights file, and two versions."""
    if not record.weights_path.exists():
        raise RecordError(f"{record.id}: was recorded without its weights; nothing to measure")
    weights = sha256_of(record.weights_path)[:16]
    return {"weights": weights, "results_version": RESULTS_VERSION, **FORM}


def file_of(record: Record, part: str) -> Path:
    return record.path / "measurements" / f"{part}.json"
