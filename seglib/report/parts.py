"""The report's optional parts: each is told once everything that it speaks of is recorded.

The sources ask with `\\recorded{part}{told if it is there}{told if not}`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ..errors import ConfigError, RecordError
from ..measurements import is_measured, measurement, weights_fingerprint
from ..records import Record, find_record
from ..reporting import MODEL_NAMES
from ..study_plan import Entry, StudySweep
from ..sweep import runs_done

if TYPE_CHECKING:
    from .runs import Runs

MODELS = tuple(MODEL_NAMES)  # in the order in which the report tells of them
ROLES = ("generated", "street")
BESIDE_SCORES = ("boundaries", "calibration", "robustness")  # measured of every full run


def _runs(role: str, group: str, model: str | None = None) -> Callable[[Runs], list[str]]:
    """What lacks of a group of the plan on a role's dataset, of one architecture or of all."""

    def lacking(runs: Runs) -> list[str]:
        entries = [e for e in runs.group(role, group) if model in (None, e.config.model)]
        if not entries:
            return [f"runs in the study's plan: it has no group {group!r} for this dataset"]
        return list(dict.fromkeys(entry.id for entry in entries if not _is_there(entry)))

    return lacking


def _is_there(entry: Entry) -> bool:
    if isinstance(entry, StudySweep):
        done, total = runs_done(entry.plan)
        return done == total
    record = find_record(entry.config)
    return record is not None and all(split in record.scores for split in ("val", *entry.splits))


def _measured(*kinds: str) -> Callable[[Runs], list[str]]:
    """What lacks of some measurements of every full run."""

    def lacking(runs: Runs) -> list[str]:
        missing = []
        for role in ROLES:
            for model in MODELS:
                config = runs.config(f"{role}/{model}")
                record = find_record(config)
                for kind in kinds:
                    if record is None or not _is_measured(record, kind, runs, role):
                        missing.append(f"{kind} of {config.run_id}")
        return missing

    return lacking


def _is_measured(record: Record, kind: str, runs: Runs, role: str) -> bool:
    if not is_measured(record, kind):
        return False
    values = measurement(record, kind)
    if record.weights_path.exists() and (
        values["made_by"]["weights"] != weights_fingerprint(record)
    ):
        raise RecordError(
            f"{record.id}: {kind} was measured with other weights; run: seglib measure {record.id}"
        )
    return kind != "generalisation" or runs.abroad(role) in values


class Variant(NamedTuple):
    """A group of few runs beside the full ones, each told of by its own."""

    name: str  # after the architecture: `swin:with the sweep's frames`
    role: str
    group: str  # of the plan


VARIANTS = {
    "fine-tuned": Variant("fine-tuned", "street", "fine-tuned"),
    "sweep-terms": Variant("with the sweep's frames", "street", "recipe beside the sweep"),
    "augmented": Variant("with full augmentation", "generated", "full augmentation"),
    "augmented-street": Variant("with full augmentation", "street", "full augmentation"),
    "winners": Variant("with the sweep's settings", "street", "winner at full size"),
}
# Groups of many short runs, told of as a whole: role and name in the plan.
GROUPS = {
    "seeds": ("generated", "seeds"),
    "rates": ("generated", "learning rates"),
    "factors": ("generated", "one factor at a time"),
    "sweeps": ("street", "halving"),
}


PARTS: dict[str, Callable[[Runs], list[str]]] = {
    "unet-ablations": _runs("generated", "ablations", "unet"),
    "swin-ablations": _runs("generated", "ablations", "swin"),
    **{part: _runs(variant.role, variant.group) for part, variant in VARIANTS.items()},
    "measurements": _measured(*BESIDE_SCORES),
    "generalisation": _measured("generalisation"),
    **{part: _runs(*place) for part, place in GROUPS.items()},
}
# There if one of several parts is.
UNIONS = {
    "ablations": ("unet-ablations", "swin-ablations"),
    "seeds or rates": ("seeds", "rates"),
    "groups": tuple(GROUPS),
}


def lacking(part: str, runs: Runs) -> list[str]:
    """What a part waits for, named; empty once it can be told.

    Raises `ConfigError` for a part that there is not, `RecordError` for a measurement of other
    weights than the record's.
    """
    if part in UNIONS:
        return min((lacking(one, runs) for one in UNIONS[part]), key=len)
    if part not in PARTS:
        known = ", ".join((*PARTS, *UNIONS))
        raise ConfigError(f"part {part!r} is unknown; choose one of: {known}")
    return PARTS[part](runs)
