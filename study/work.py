"""How much work training a run is, before it is done."""

import torch

from seglib.config import RunConfig
from seglib.data.datasets import dataset_spec
from seglib.data.tree import list_scenes
from seglib.errors import DatasetError

# Images of train and val as published, to count with before a dataset is there.
PUBLISHED = {
    "miniscapes": (320, 80), "miniscapes2560": (2560, 80), "camvid": (367, 101),
    "cityscapes": (2975, 500),
}


def epoch_images(config: RunConfig) -> int:
    """Training images that go through the network in one epoch; incomplete batches are left out."""
    try:
        root = dataset_spec(config.dataset).root()
        parts, hold_out = config.trained_splits, config.hold_out or ()
        count = sum(len(list_scenes(root, part, config.mode, hold_out)) for part in parts)
    except DatasetError:
        count = sum(PUBLISHED[config.dataset][: len(config.trained_splits)])
    count = min(count, config.train_images or count)
    return max(1, count // config.batch_size) * config.batch_size


def network_shape(config: RunConfig) -> torch.nn.Module:
    """The network of a run without memory, random numbers or downloads: its shapes are enough."""
    with torch.device("meta"):
        return config.build_model(download=False)
