"""Street scenes on disk: the Cityscapes tree, and the datasets that come in it."""

from .datasets import DATASETS, DatasetSpec, dataset_spec, fingerprint, prepare
from .images import find_photos, read_instance_ids, read_label_ids, read_mask, read_photo
from .tree import Scene, describe, list_scenes

__all__ = [
    "DATASETS",
    "DatasetSpec",
    "Scene",
    "dataset_spec",
    "describe",
    "find_photos",
    "fingerprint",
    "list_scenes",
    "prepare",
    "read_instance_ids",
    "read_label_ids",
    "read_mask",
    "read_photo",
]
