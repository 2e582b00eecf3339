"""Editing a record together with its digests, as only somebody does who means it."""

import hashlib
import json
from typing import Any

from seglib.records import SUMS, Record


def edited(record: Record, name: str, content: bytes | dict[str, Any]) -> Record:
    """The record, read anew, after a part of it was replaced and its digest with it."""
    data = json.dumps(content).encode() if isinstance(content, dict) else content
    (record.path / name).write_bytes(data)
    sums = (record.path / SUMS).read_text().splitlines()
    sums = [line for line in sums if not line.endswith(f"  {name}")]
    sums.append(f"{hashlib.sha256(data).hexdigest()}  {name}")
    (record.path / SUMS).write_text("\n".join(sums) + "\n")
    return Record(record.path)
