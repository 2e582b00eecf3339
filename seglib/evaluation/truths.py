"""Masks to score against are read again and again: large ones are decoded once, kept as runs."""

from contextlib import suppress
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from ..data.images import read_instance_ids, read_label_ids
from ..data.tree import stamp
from ..files import atomic_path
from ..paths import cache_dir
from .metrics import runs_of

LARGE = 1 << 20  # pixels from which decoding takes longer than a file with the runs


def read_truth(label_ids: Path, instance_ids: Path | None) -> list[np.ndarray]:
    """The masks in these files, as `read_label_ids` and (unless None) `read_instance_ids` do."""
    files = [label_ids] if instance_ids is None else [label_ids, instance_ids]
    kept = cache_dir() / "truths" / f"{stamp(files)[:32]}.npz"
    with suppress(OSError, ValueError, KeyError, EOFError, BadZipFile), np.load(kept) as runs:
        pixels, shape = runs["pixels"], runs["shape"]
        return [np.repeat(runs[f"arr_{n}"], pixels).reshape(shape) for n in range(len(files))]
    masks = [read_label_ids(label_ids), *map(read_instance_ids, files[1:])]
    if masks[0].size >= LARGE:
        with suppress(OSError, ValueError), atomic_path(kept) as temporary:  # not a must
            pixels, *values = runs_of(*masks)
            np.savez(temporary, *values, pixels=np.uint32(pixels), shape=masks[0].shape)
    return masks
