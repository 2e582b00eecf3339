"""How long a run will take, from the runs recorded on this machine or else from multiply-adds."""

import functools
import math

import torch

from seglib.config import RunConfig
from seglib.data.datasets import dataset_spec
from seglib.data.tree import list_scenes
from seglib.devices import choose_device
from seglib.errors import DatasetError
from seglib.models import build_model
from seglib.models.inspection import multiply_adds
from seglib.provenance import describe_machine
from seglib.records import list_records

# Training images of the datasets as published, for estimates before a dataset is there.
TRAINING_IMAGES = {"miniscapes": 320, "camvid": 367, "cityscapes": 2975}
# Multiply-adds per second through training where nothing is recorded: a forward pass counts once,
# and the way back is in the rate. Measured with our U-Net on one core of a server, and a guess of a
# tenth of a common GPU's peak in half precision.
RATES = {"cpu": 18e9, "cuda": 4e12, "mps": 4e11}


@functools.lru_cache(maxsize=1024)
def _work(model: str, classes: int, options: tuple, size: tuple[int, int]) -> int:
    with torch.device("meta"):  # shapes only: no memory, no random numbers
        network = build_model(model, classes, **{**dict(options), **_fresh(options)})
    return multiply_adds(network, size)


def _fresh(options: tuple) -> dict[str, bool]:
    return {"pretrained": False} if dict(options).get("pretrained") else {}


def image_work(config: RunConfig) -> int:
    """Multiply-adds of one training image of a run, forward."""
    config = config.resolved()
    classes = dataset_spec(config.dataset).class_set.num_classes
    options = tuple(sorted(config.model_options().items()))
    return _work(config.model, classes, options, config.crop_size or config.image_size)


@functools.lru_cache(maxsize=64)
def _training_images(dataset: str, mode: str, root: str) -> int:
    try:
        return len(list_scenes(dataset_spec(dataset).root(), "train", mode))
    except DatasetError:
        return TRAINING_IMAGES[dataset]


def epoch_images(config: RunConfig) -> int:
    """Training images that go through the network in one epoch."""
    root = str(dataset_spec(config.dataset).root())
    count = min(_training_images(config.dataset, config.mode, root), config.train_images or 10**9)
    return max(1, count // config.batch_size) * config.batch_size


class CostModel:
    """Seconds of training by what this machine's recorded runs took.

    A run takes as long per multiply-add as the recorded run most like it: of the same architecture
    if there is one, then of the most similar work per image. Other machines' records don't count.
    """

    def __init__(self, device: str | None = None) -> None:
        chosen = choose_device(device)
        self.device = chosen.type
        machine = describe_machine(chosen)
        self.known: list[tuple[RunConfig, float]] = []  # config, multiply-adds per second
        for record in list_records():
            made = record.environment
            if all(made.get(key) == machine[key] for key in ("device", "processor", "threads")):
                work = image_work(record.config)
                self.known.append((record.config, work * made["images_per_second"]))

    def seconds(self, config: RunConfig) -> float:
        """Estimated seconds of all epochs, their validation included."""
        work = image_work(config)
        return work * epoch_images(config) * config.epochs / self.rate(config, work)

    def rate(self, config: RunConfig, work: int) -> float:
        """Multiply-adds per second that training this run may reach."""
        if not self.known:
            return RATES[self.device]

        def distance(known: tuple[RunConfig, float]) -> tuple[bool, float]:
            other = known[0]
            return other.model != config.model, abs(math.log(image_work(other) / work))

        return min(self.known, key=distance)[1]
