"""What the report says about the datasets themselves, measured once and recorded.

`results/datasets/NAME.json` holds it, with the fingerprint of the masks that it describes, so that
a report can be built where a dataset with a licence of its own is not at hand.
"""

from pathlib import Path
from typing import Any

import numpy as np

from .. import boundaries, explore, paths
from ..data.datasets import DatasetSpec, fingerprint
from ..data.tree import list_scenes
from ..errors import DatasetError, RecordError
from ..files import read_json, write_json
from ..metrics import iou_per_class, mean_iou, pixel_accuracy
from ..provenance import files_fingerprint

LIMIT = 320  # scenes that are read per split, evenly spread; more only matters for Cityscapes
TINY = 16  # side in pixels, in a frame of 256 rows, below which an object counts as tiny
STRIDE = 8  # of the FCN's grid
CODE = ("report/survey.py", "explore.py", "boundaries.py")


def survey_file(dataset: str) -> Path:
    return paths.results_dir() / "datasets" / f"{dataset}.json"


def survey(spec: DatasetSpec, input_size: tuple[int, int]) -> dict[str, Any]:
    """The recorded values of a dataset; measured anew where they are missing or of other masks.

    `input_size`: (height, width) at which the FCN sees an image. Raises `RecordError` if they must
    be measured and the dataset is not on this disk.
    """
    file = survey_file(spec.name)
    wanted = {"code": files_fingerprint(CODE), "input_size": list(input_size)}
    values = read_json(file, RecordError) if file.exists() else {}
    try:
        wanted["fingerprint"] = fingerprint(spec.root())
    except DatasetError as problem:
        if values:  # without the dataset the record is all there is: it was right when made
            return values
        raise RecordError(f"{file}: no such record, and it can't be made: {problem}") from None
    if any(values.get(key) != value for key, value in wanted.items()):
        values = wanted | measure(spec, input_size)
        write_json(file, values)
    return values


def measure(spec: DatasetSpec, input_size: tuple[int, int]) -> dict[str, Any]:
    """Count the scenes of a dataset: JSON-ready, shares of 1, lists in the order of the classes.

    Returns:
        `scenes` and `cities` by split; `shares` (C,) by split; `void`, the share of training pixels
        that is not scored; `objects` (count, per scene, shares of tiny ones and of tiny people,
        share of the pixels in the largest tenth) or None; `floor`, scores on val of a predictor
        that only knows the place; `grid`, scores on val of the truth itself at the input size and
        reduced to one label per cell of the FCN's grid; `coarse` (covered, lowest precision,
        classes least covered) or None.
    """
    root, classes = spec.root(), spec.class_set
    tree = explore.tree_table(root)
    fine = tree[tree["masks"] == "fine"].set_index("split")
    scenes = {split: explore.evenly(list_scenes(root, split), LIMIT) for split in fine.index}
    counts = {split: explore.pixel_counts(part, classes) for split, part in scenes.items()}
    counts = {split: table for split, table in counts.items() if table[:, :-1].any()}
    priors = explore.spatial_priors(scenes["train"], classes)
    floor = explore.position_baseline(scenes["val"], priors, classes)
    return {
        "scenes": {split: int(count) for split, count in fine["scenes"].items()},
        "cities": {split: len(names.split(", ")) for split, names in fine["cities"].items()},
        "shares": {split: explore.class_shares(table).tolist() for split, table in counts.items()},
        "void": float(counts["train"][:, -1].sum() / counts["train"].sum()),
        "objects": _objects(spec, scenes["train"]) if spec.has_instances else None,
        "floor": _scores(floor),
        "grid": {
            str(stride): _scores(
                boundaries.grid_ceiling(scenes["val"], classes, input_size, stride)
            )
            for stride in (1, STRIDE)
        },
        "coarse": _coarse(spec, scenes["train"]) if spec.has_coarse else None,
    }


def _scores(confusion: np.ndarray) -> dict[str, Any]:
    iou = iou_per_class(confusion)
    return {
        "miou": mean_iou(confusion),
        "pixel_accuracy": pixel_accuracy(confusion),
        "iou": [None if np.isnan(value) else float(value) for value in iou],
    }


def _objects(spec: DatasetSpec, scenes: list) -> dict[str, Any]:
    table = explore.instance_table(scenes, spec.class_set)
    tiny = table["pixels"] < (TINY * spec.image_size[0] // 256) ** 2
    people = table["class"].isin(["person", "rider"])
    largest = table["pixels"].sort_values(ascending=False)
    return {
        "count": len(table),
        "per_scene": len(table) / len(scenes),
        "tiny": float(tiny.mean()),
        "tiny_people": float(tiny[people].mean()),
        "largest_tenth": float(largest[: len(largest) // 10].sum() / largest.sum()),
    }


def _coarse(spec: DatasetSpec, scenes: list) -> dict[str, Any]:
    names = {scene.name for scene in scenes}
    rough = [s for s in list_scenes(spec.root(), "train", "coarse") if s.name in names]
    drawn = {scene.name for scene in rough}
    both = [scene for scene in scenes if scene.name in drawn]
    table = explore.fine_coarse_agreement(both, rough, spec.class_set)
    weight = table["fine_pixels"] / table["fine_pixels"].sum()
    worst = table.sort_values("recall").head(3)
    return {
        "covered": float((weight * table["covered"]).sum()),
        "precision": float(table["precision"].min()),
        "least": [[row["class"], float(row["recall"])] for _, row in worst.iterrows()],
    }
