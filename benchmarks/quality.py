"""CamVid's test mIoU for the same minutes of training on this machine, with two starts.

Ours are the recorded recipes, the U-Net from scratch and the network with the pretrained encoder,
three seeds each: the study's records, and runs of as many epochs as fit into ten minutes. The peers
are `segmentation_models_pytorch.Unet` from scratch, and with the same encoder and the same ImageNet
weights, trained once with the settings of that project's own CamVid example (Adam at 2e-4, cosine
to 1e-5 over the run, Dice loss over twelve classes, batches of 32 crops of 320×320, its
augmentations, Lightning; in bf16, as ours). They stop by the clock, which their schedule follows
too, after as long as our epochs take on this machine, by one measured here: a record may come from
a faster one. Everyone is scored by our evaluator on the eleven classes, void left out, which spares
the peers their twelfth.

Interrupted, a run goes on from its last epoch, and the seconds before count.
"""

import contextlib
import dataclasses
import logging
import math
from datetime import timedelta
from functools import partial
from typing import Any

import albumentations
import lightning
import numpy as np
import segmentation_models_pytorch as smp
import timm
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, Timer
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from seglib.config import RunConfig
from seglib.data.cache import SceneCache, load_cache
from seglib.data.datasets import dataset_spec, prepare
from seglib.data.transforms import MEAN, STD, normalize
from seglib.data.tree import list_scenes
from seglib.evaluation.evaluate import evaluate, score_split
from seglib.files import read_json, write_json
from seglib.labels import CAMVID_11, IGNORE_INDEX
from seglib.models.pretrained import load_published
from seglib.recipes import recipe
from seglib.records import Record, find_record
from seglib.text import network_name
from seglib.training.checkpoints import remove_checkpoint
from seglib.training.loop import OutOfTime, fit

from .measuring import DATA, Comparison, cost, quiet, seconds
from .peers import smp_unet, trainer

FOLDER = DATA / "quality"
PEERS = {"unet": "resnet18", "timm": "tu-tf_efficientnet_lite0"}  # encoder by our architecture
SEEDS = (0, 1, 2)
SIZE, CROP, BATCH = (360, 480), 320, 32
PADDED = tuple(side + -side % 32 for side in SIZE)  # as smp's networks ask for
VALIDATION = 1.06  # how much longer our epochs take with those validations that some end in


def measure(repetitions: int, minutes: int | None = None) -> list[Comparison]:
    """Trainings of so many `minutes` (None: of the recorded epochs, as long as they take here).

    `repetitions` is not used: an hour is not spent twice.
    """
    del repetitions
    prepare("camvid")
    rows = []
    for model, encoder in PEERS.items():
        config = recipe("camvid", model)
        pace = _epoch_seconds(config)
        if minutes is not None:
            config = dataclasses.replace(config, epochs=max(1, round(60 * minutes / pace)))
        length = minutes or round(config.epochs * pace / 60)
        ours = [_trained(dataclasses.replace(config, seed=seed)) for seed in SEEDS]
        peer = _once(f"{encoder}-{length}", partial(_train_peer, encoder, length))
        work = cost(config.build_model(download=False), config.image_size)
        rows.append(
            Comparison(
                f"CamVid test mIoU after {length} min of training, "
                + ("with ImageNet weights" if config.pretrained else "from scratch"),
                *("%", "higher", [100 * record.miou("test") for record in ours]),
                f"{network_name(config)} in bf16: {work}, {config.epochs} epochs, "
                f"{len(SEEDS)} seeds",
                *([peer["miou"]], _way(peer)),
                note=f"ours takes {config.epochs * pace / 60:.1f} min here by an epoch timed alone "
                f"({pace:.1f} s); the peer took {peer['minutes']:.1f} min by the clock, with a "
                "recipe made for more epochs",
                why="An encoder at a lower resolution sees more images in the same time.",
            )
        )
    return rows


def _way(result: dict[str, Any]) -> str:
    return f"{result['name']}: {result['cost']}, {result['epochs']} epochs, 1 seed"


def _once(name: str, train) -> dict[str, Any]:
    """What `train` returns, kept in a file, so that a finished part is not trained again."""
    path = FOLDER / f"{name}.json"
    if not path.exists():
        write_json(path, train())
    result = read_json(path)
    print(f"  {name}: {result['miou']:.1f} % after {result['minutes']:.1f} min", flush=True)
    return result


# --- ours ----------------------------------------------------------------------------------------


def _trained(config: RunConfig) -> Record:
    """The study's record of a run, or one that is trained here, scored on test."""
    record = find_record(config) or fit(config, device="cpu", results=FOLDER / "results")
    score_split(record, "test", device="cpu")
    return record


def _epoch_seconds(base: RunConfig) -> float:
    """What an epoch takes here, measured once and kept: a resumed run keeps its length."""
    path = FOLDER / f"pace-{base.model}.json"
    if not path.exists():
        for split in ("train", "val"):
            _scenes(split, base.image_size)
        with quiet():
            epoch_seconds = seconds(lambda: _one_epoch(base)) * VALIDATION
        write_json(path, {"epoch_seconds": epoch_seconds})
    return read_json(path)["epoch_seconds"]


def _one_epoch(base: RunConfig) -> None:
    config = dataclasses.replace(base, epochs=2, validate_every=2)
    with contextlib.suppress(OutOfTime):
        fit(config, device="cpu", progress=False, deadline=0.0)
    remove_checkpoint(config.run_id)


def _scenes(split: str, size: tuple[int, int] = SIZE) -> SceneCache:
    return load_cache(list_scenes(dataset_spec("camvid").root(), split), size, CAMVID_11, False)


# --- the peers -----------------------------------------------------------------------------------


class _Crops(Dataset):
    """Scenes as the example augments them: float image (3, H, W) from 0 to 1, mask (H, W).

    Class 0 is void, as there; ours follow from 1 on.
    """

    def __init__(self) -> None:
        self.cache = _scenes("train")
        a = albumentations
        self.augment = a.Compose(
            [
                a.HorizontalFlip(p=0.5),
                a.Affine(scale=(0.5, 1.5), translate_percent=(-0.1, 0.1), p=1),
                a.PadIfNeeded(CROP, CROP, p=1),
                a.RandomCrop(CROP, CROP, p=1),
                a.GaussNoise(p=0.2),
                a.Perspective(p=0.5),
                a.OneOf([a.CLAHE(p=1), a.RandomBrightnessContrast(p=1), a.RandomGamma(p=1)], p=0.9),
                a.OneOf(
                    [a.Sharpen(p=1), a.Blur(blur_limit=3, p=1), a.MotionBlur(blur_limit=3, p=1)],
                    p=0.9,
                ),
                a.OneOf([a.RandomBrightnessContrast(p=1), a.HueSaturationValue(p=1)], p=0.9),
            ]
        )

    def __len__(self) -> int:
        return len(self.cache)

    def __getitem__(self, position: int) -> tuple[np.ndarray, np.ndarray]:
        mask = self.cache.masks[position]
        mask = np.where(mask == IGNORE_INDEX, 0, mask + 1).astype(np.uint8)
        sample = self.augment(image=np.array(self.cache.images[position]), mask=mask)
        return sample["image"].transpose(2, 0, 1), sample["mask"].astype(np.int64)


class _Peer(nn.Module):
    """`smp.Unet` for images of any size, normalised as ours are; class 0 is void.

    ImageNet's weights come with the mean and deviation that their images had, not always ours.
    """

    def __init__(self, encoder: str) -> None:
        super().__init__()
        self.unet = smp_unet(encoder, CAMVID_11.num_classes + 1)
        mean, std = torch.tensor(MEAN), torch.tensor(STD)
        scale, shift = torch.ones(3), torch.zeros(3)
        if encoder.startswith("tu-"):
            name = encoder.removeprefix("tu-")
            load_published(self.unet.encoder, name)
            wanted = timm.get_pretrained_cfg(name)
            scale = std / torch.tensor(wanted.std)
            shift = (mean - torch.tensor(wanted.mean)) / torch.tensor(wanted.std)
        self.register_buffer("scale", scale[:, None, None])
        self.register_buffer("shift", shift[:, None, None])

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        padded = functional.pad(image, (0, -width % 32, 0, -height % 32))
        return self.unet(padded * self.scale + self.shift)[..., :height, :width]


class _Example(lightning.LightningModule):
    """The example's training: its loss, optimiser and schedule."""

    def __init__(self, encoder: str, timer: Timer) -> None:
        super().__init__()
        self.model = _Peer(encoder)
        self.loss = smp.losses.DiceLoss(smp.losses.MULTICLASS_MODE, from_logits=True)
        self.timer = timer

    def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
        image, mask = batch
        return self.loss(self.model(normalize(image)).float(), mask)

    def configure_optimizers(self) -> dict[str, Any]:
        first, last = 2e-4, 1e-5
        optimizer = torch.optim.Adam(self.parameters(), lr=first)

        def cosine(step: int) -> float:
            """The share of the first rate: the example's schedule over the time, not the steps."""
            elapsed = self.timer.time_elapsed()
            done = elapsed / (elapsed + max(0, self.timer.time_remaining()))
            return (last + (first - last) * (1 + math.cos(math.pi * done)) / 2) / first

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, cosine)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


class _Eleven(nn.Module):
    """The trained peer as our evaluator asks for it: no void."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Tensor:
        return self.model(image)[:, 1:]


def _train_peer(encoder: str, minutes: int) -> dict[str, Any]:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    lightning.seed_everything(0, verbose=False)
    folder, dataset = FOLDER / f"{encoder}-{minutes}", _Crops()
    # Each checkpoint holds the time until itself, so that an interrupted run trains no longer.
    timer, last = Timer(timedelta(minutes=minutes), verbose=False), folder / "last.ckpt"
    keeper = ModelCheckpoint(folder, filename="epoch", save_last=True)
    module = _Example(encoder, timer)
    training = trainer(str(folder), "bf16-mixed", max_epochs=-1, callbacks=[timer, keeper])
    training.fit(
        module,
        DataLoader(dataset, BATCH, shuffle=True),
        ckpt_path=str(last) if last.exists() else None,
    )
    config = recipe("camvid", "unet", image_size=SIZE, precision="fp32")
    scores = evaluate(_Eleven(module.model).cpu(), config, "test").scores
    return {
        "name": f"smp.Unet({encoder}) with its example's recipe in bf16-mixed",
        "cost": cost(smp_unet(encoder, CAMVID_11.num_classes), PADDED),
        "epochs": round(training.global_step * BATCH / len(dataset)),
        "minutes": timer.time_elapsed() / 60,
        "miou": 100 * scores["miou"],
    }
