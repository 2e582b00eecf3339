"""Street scenes on disk: the Cityscapes tree, and the datasets that come in it."""

from .datasets import dataset_spec, fingerprint, prepare
from .images import read_instance_ids, read_label_ids, read_photo
from .tree import describe, list_scenes

__all__ = [
    "dataset_spec", "describe", "fingerprint", "list_scenes", "prepare", "read_instance_ids",
    "read_label_ids", "read_photo",
]
