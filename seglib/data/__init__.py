"""Street scenes on disk: the Cityscapes tree, and the three datasets that come in it."""

from .datasets import DATASETS, DatasetSpec, dataset_spec, fingerprint, prepare
from .summary import describe
from .tree import (
    Scene,
    SceneDataset,
    list_scenes,
    read_image,
    read_instance_ids,
    read_label_ids,
    read_polygons,
)

__all__ = [
    "DATASETS",
    "DatasetSpec",
    "Scene",
    "SceneDataset",
    "dataset_spec",
    "describe",
    "fingerprint",
    "list_scenes",
    "prepare",
    "read_image",
    "read_instance_ids",
    "read_label_ids",
    "read_polygons",
]
