"""How much work training a run is, before it is done: images and multiply-adds."""

import functools

import torch

from seglib.config import RunConfig
from seglib.data.datasets import dataset_spec
from seglib.data.tree import list_scenes
from seglib.errors import DatasetError
from seglib.models.inspection import multiply_adds

# Training images as published, to count with before a dataset is there.
PUBLISHED = {"miniscapes": 320, "miniscapes2560": 2560, "camvid": 367, "cityscapes": 2975}


def epoch_images(config: RunConfig) -> int:
    """Training images that go through the network in one epoch; incomplete batches are left out."""
    try:
        count = len(list_scenes(dataset_spec(config.dataset).root(), "train", config.mode))
    except DatasetError:
        count = PUBLISHED[config.dataset]
    count = min(count, config.train_images or count)
    return max(1, count // config.batch_size) * config.batch_size


@functools.cache
def image_work(config: RunConfig) -> int:
    """Multiply-adds of one training image of a run, forward."""
    config = config.resolved()
    return multiply_adds(network_shape(config), config.crop_size or config.image_size)


def network_shape(config: RunConfig) -> torch.nn.Module:
    """The network of a run without memory, random numbers or downloads: its shapes are enough."""
    with torch.device("meta"):
        return config.build_model(download=False)
