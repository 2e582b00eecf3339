"""Masks to score against are read again and again: large ones are decoded once, kept as runs."""

from contextlib import suppress
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from .. import paths
from ..data.images import read_instance_ids, read_label_ids
from ..data.tree import stamp
from ..files import atomic_path
from .metrics import runs_of

LARGE = 1 << 20  # pixels from which decoding takes longer than a file with the runs


def read_truth(label_ids: Path, instance_ids: Path | None) -> list[np.ndarray]:
    """The masks in these files as `read_label_ids` and, if there is one, `read_instance_ids` do.

    What is kept goes by the files' sizes and times. Raises DatasetError as these do.
    """
    files = [file for file in (label_ids, instance_ids) if file is not None]
    kept = paths.cache_dir() / "truths" / f"{stamp(files)[:32]}.npz"
    with suppress(OSError, ValueError, KeyError, EOFError, BadZipFile), np.load(kept) as runs:
        pixels, shape = runs["pixels"], runs["shape"]
        return [np.repeat(runs[f"values{n}"], pixels).reshape(shape) for n in range(len(files))]
    readers = (read_label_ids, read_instance_ids)
    masks = [read(file) for read, file in zip(readers, files, strict=False)]
    if masks[0].size >= LARGE and len({mask.shape for mask in masks}) == 1:
        pixels, *values = runs_of(*masks)
        named = {f"values{n}": value for n, value in enumerate(values)}
        with suppress(OSError), atomic_path(kept) as temporary:  # else it is decoded again
            np.savez(temporary, pixels=pixels.astype(np.uint32), shape=masks[0].shape, **named)
    return masks
