"""Write the whole dataset as a Cityscapes tree."""

import gc
import json
import multiprocessing
import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from .masks import color_mask, draw_instance_ids, draw_label_ids
from .render import check_size, render_scene
from .styles import STYLES, cities

# Goes up whenever any pixel of any mask or image changes: existing trees are made anew then.
VERSION = 1
COUNTS = {"train": 320, "val": 80, "test": 80}
# Cityscapes names a frame by its place in its video snippet; the annotated one is number 19.
FRAME = 19
# Run-length coding suits masks and noise alike, and is the fastest.
PNG = {"compress_level": 1, "compress_type": 3}


def scene_list(counts: Mapping[str, int]) -> list[tuple[str, str, int]]:
    """(split, city, index) of every scene: a split's scenes are dealt to its cities in turn."""
    scenes = []
    for split, count in counts.items():
        if split not in STYLES:
            raise ValueError(f"unknown split '{split}'; valid: {', '.join(STYLES)}")
        if not isinstance(count, int) or count < 0:
            raise ValueError(f"{split}: {count!r} scenes do not work: give a count from 0")
        names = cities(split)
        scenes += [(split, names[k % len(names)], k // len(names)) for k in range(count)]
    return scenes


def generate(
    destination: Path,
    *,
    seed: int = 0,
    size: tuple[int, int] = (256, 512),
    counts: Mapping[str, int] = COUNTS,
    workers: int | None = None,
    progress: bool = True,
) -> None:
    """Write images, fine and coarse annotations of all scenes below `destination`.

    Every scene depends on the seed, the size and its name alone, so the files are the same for any
    number of workers; another size gives other scenes. Nothing is removed and the tree is not
    complete before this returns: give an empty folder and move it into place afterwards.

    Args:
        destination: the tree's root; made if it is missing.
        seed: >= 0.
        size: (height, width) of the images, up to 1024 x 2048.
        counts: scenes per split; keys among "train", "val", "test".
        workers: processes; None takes one per processor, 1 stays in this process.
        progress: show a bar.

    Raises:
        ValueError: an option that cannot work.
        OSError: a file cannot be written, or a process was ended from outside.
    """
    height, width = check_size(size)
    if seed < 0:
        raise ValueError(f"seed {seed} must not be negative")
    if workers is not None and workers < 1:
        raise ValueError(f"workers is {workers}, expected at least 1")
    jobs = [
        (str(destination), seed, split, city, index, (height, width))
        for split, city, index in scene_list(counts)
    ]
    # Starting a process costs as much as some scenes.
    count = max(1, min(workers or _processors(), len(jobs) // 8))
    bar = tqdm(total=len(jobs), desc="miniscapes", unit="scene", disable=not progress)
    with bar:
        if count == 1:
            for job in jobs:
                write_scene(*job)
                bar.update()
            return
        # Freezing keeps the collector from walking through all imported modules again and again.
        # Spawned, not forked: the caller may have threads (torch, notebooks), which forks lose.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(count, mp_context=context, initializer=gc.freeze) as pool:
            try:
                for _ in pool.map(_write_job, jobs, chunksize=4):
                    bar.update()
            except BrokenProcessPool:
                raise ChildProcessError(
                    f"{destination}: a process that drew scenes was ended from outside; "
                    "free some memory, use one worker, or in a script put the call under "
                    "`if __name__ == \"__main__\":`"
                ) from None
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _write_job(job: tuple) -> None:
    write_scene(*job)


def write_scene(
    destination: str, seed: int, split: str, city: str, index: int, size: tuple[int, int]
) -> None:
    """Draw one scene and write its nine files; OSError names a file that cannot be written."""
    scene = render_scene(seed, split, city, index, size)
    root, name = Path(destination), f"{city}_{index:06}_{FRAME:06}"
    try:
        folder = root / "leftImg8bit" / split / city
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene.image).save(folder / f"{name}_leftImg8bit.png", **PNG)
        for mode, annotation in (("gtFine", scene.polygons), ("gtCoarse", scene.coarse_polygons)):
            folder = root / mode / split / city
            folder.mkdir(parents=True, exist_ok=True)
            _write_annotation(folder / f"{name}_{mode}", annotation)
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise OSError(problem.errno, f"cannot write {name} ({reason})", str(folder)) from None


def _write_annotation(stem: Path, annotation: dict[str, Any]) -> None:
    label_ids = draw_label_ids(annotation)
    instance_ids = draw_instance_ids(annotation).astype(np.uint16)
    for kind, pixels in (
        ("labelIds", label_ids), ("instanceIds", instance_ids), ("color", color_mask(label_ids)),
    ):
        Image.fromarray(pixels).save(f"{stem}_{kind}.png", **PNG)
    text = json.dumps(annotation, separators=(",", ":")) + "\n"
    Path(f"{stem}_polygons.json").write_text(text, encoding="utf-8")
