"""From a Cityscapes tree of 1024×2048 scenes to batches of 512×512, in the first epoch and later.

The peer is what torchvision documents: its `Cityscapes` dataset, wrapped for its v2 transforms, in
a `DataLoader` with a worker per core, which are started before the clock. Both sides mirror half of
the scenes, map label ids to class indices and end with normalised floats.
"""

import os
import shutil
import statistics
import time
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from torchvision.datasets import Cityscapes, wrap_dataset_for_transforms_v2
from torchvision.transforms import v2
from torchvision.tv_tensors import Image, Mask

import miniscapes
from seglib import paths
from seglib.config import RunConfig
from seglib.data.cache import load_cache
from seglib.data.transforms import MEAN, STD, TrainingSet, to_device
from seglib.data.tree import list_scenes
from seglib.files import atomic_folder
from seglib.labels import CITYSCAPES_19
from seglib.training.setup import epoch_batches

from .measuring import DATA, Comparison, interleave

BATCH = 4
SCENES = 4 * BATCH * (os.cpu_count() or 1)  # as many batches for each of the peer's workers
LATER = 10  # epochs from the cache: one alone takes a twentieth of a second
CONFIG = RunConfig(
    dataset="cityscapes", image_size=(512, 512), batch_size=BATCH, rotation=0.0, epochs=10**6
)


def large_tree() -> Path:
    """A tree of generated scenes as large as those of Cityscapes, made once."""
    root = DATA / f"large-{SCENES}-{miniscapes.VERSION}"
    if not root.exists():
        with atomic_folder(root) as folder:
            miniscapes.generate(folder, size=(1024, 2048), counts={"train": SCENES})
    return root


def measure(repetitions: int) -> list[Comparison]:
    """First epochs (nothing prepared) and later ones, in images per second."""
    root = large_tree()

    def two_epochs() -> tuple[float, float]:
        shutil.rmtree(paths.cache_dir(), ignore_errors=True)
        first, *later = (_ours(root, epoch) for epoch in range(1 + LATER))
        return first, statistics.fmean(later)

    loader = _peer_loader(root)
    epochs, peer = interleave(repetitions, two_epochs, lambda: _peer(loader))
    first, later = (list(values) for values in zip(*epochs, strict=True))
    peer_way = f"torchvision's Cityscapes, v2 transforms, {os.cpu_count()} workers"
    return [
        Comparison(
            "Input, 1024×2048 files to 512×512 batches, first epoch",
            *("images/s", "higher", first),
            *("cache built on the way", peer, peer_way),
            target=1.5,
            why="Most of it is decoding photographs with Pillow, on either side; ours also resizes "
            "with Pillow, several times slower than torchvision, checks every mask and writes the "
            "cache.",
        ),
        Comparison(
            "Input, later epochs",
            *("images/s", "higher", later, f"read from the cache, {LATER} epochs"),
            *(peer, peer_way),
            target=20,
            why="What is left is the random transforms and the normalisation, not reading.",
        ),
    ]


def _ours(root: Path, epoch: int) -> float:
    begin = time.perf_counter()
    cache = load_cache(list_scenes(root, "train"), CONFIG.image_size, CITYSCAPES_19, progress=False)
    batches = epoch_batches(len(cache), CONFIG, epoch)
    images = 0
    for image, mask in DataLoader(TrainingSet(cache, CONFIG), batch_sampler=batches):
        image, mask = to_device(image, mask, torch.device("cpu"))
        images += len(image)
    assert image.shape[1:] == (3, *CONFIG.image_size) and mask.max() <= 255
    return images / (time.perf_counter() - begin)


class _Indices(v2.Transform):
    """Label ids to class indices."""

    _transformed_types = (Mask,)
    table = torch.tensor(CITYSCAPES_19.encode_table)

    def transform(self, inpt: Mask, params: dict) -> torch.Tensor:
        return self.table[inpt.long()]


def _peer_loader(root: Path) -> DataLoader:
    steps = (
        v2.ToImage(),
        v2.Resize(CONFIG.image_size),
        _Indices(),
        v2.RandomHorizontalFlip(),
        v2.ToDtype({Image: torch.float32, "others": None}, scale=True),
        v2.Normalize(MEAN, STD),
    )
    dataset = wrap_dataset_for_transforms_v2(
        Cityscapes(str(root), "train", "fine", "semantic", transforms=v2.Compose(steps))
    )
    return DataLoader(
        dataset,
        CONFIG.batch_size,
        shuffle=True,
        num_workers=os.cpu_count() or 1,
        persistent_workers=True,
    )


def _peer(loader: DataLoader) -> float:
    begin = time.perf_counter()
    images = 0
    for batch in loader:
        images += len(batch[0])
    image, mask = batch
    assert image.shape[1:] == (3, *CONFIG.image_size) and mask.max() <= 255
    return images / (time.perf_counter() - begin)
