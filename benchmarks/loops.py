"""Training: our `fit` against a bare PyTorch loop, and against segmentation_models.pytorch.

All train on the same augmented batches with the same loss, for one epoch from scratch. `fit` is
timed whole, with what it does for safety: the checkpoint, the lock, the checks. The bare loop ends
with the very same weights, or this fails.
"""

import logging
import shutil
import tempfile
from collections.abc import Callable

import torch
from torch.utils.data import DataLoader

from seglib.config import RunConfig
from seglib.data.cache import SceneCache, load_cache
from seglib.data.datasets import dataset_spec, prepare
from seglib.data.transforms import TrainingSet, normalize
from seglib.data.tree import list_scenes
from seglib.devices import autocast, inference_precision, memory_format
from seglib.models import build_model
from seglib.recipes import recipe
from seglib.training.checkpoints import checkpoint_folder, load_checkpoint, remove_checkpoint
from seglib.training.loop import OutOfTime, fit
from seglib.training.losses import SegmentationLoss, sqrt_median_weights
from seglib.training.optim import build_optimizer, build_scheduler
from seglib.training.setup import epoch_batches

from .measuring import Comparison, cost, interleave, quiet, seconds
from .peers import SAME_ENCODERS, Normalised, OursInLightning, check_equal_work, smp_unet, trainer

IMAGES = 96
# How Lightning trains: as it does unless told otherwise, and as ours does.
WAYS = ("32-true", "bf16-mixed", "bf16-mixed, channels-last")
CPU = torch.device("cpu")


def training_config(model: str = "unet", images: int = IMAGES, **options) -> RunConfig:
    """The recipe of a network on MiniScapes, for a few images and with options of choice."""
    prepare("miniscapes")
    return recipe(
        "miniscapes", model, train_images=images, epochs=2, validate_every=2,
        precision=inference_precision("bf16", CPU),  # which a machine may only imitate
        **options,
    )


def same_encoder(name: str, images: int = IMAGES) -> RunConfig:
    """Our U-Net on the encoder of a peer's, from scratch, at as many multiply-adds."""
    encoder, width = SAME_ENCODERS[name]
    fresh = {"pretrained": False, "freeze": 0, "encoder_rate": None}
    return training_config("timm", images, encoder=encoder, width=width, **fresh)


def measure(repetitions: int) -> list[Comparison]:
    """Training images per second."""
    config = training_config()
    for split in ("train", "val"):
        cached(config, split)
    found: dict[str, dict] = {}

    def bare() -> float:
        return IMAGES / seconds(lambda: found.update(bare=bare_epoch(config)))

    values = interleave(repetitions, lambda: fit_epoch(config, found), bare)
    differing = [name for name, ours in found["fit"].items() if not ours.equal(found["bare"][name])]
    assert not differing, f"fit and the bare loop end with different {differing[0]}"
    rows = [
        Comparison(
            "Training, fit",
            *("images/s", "higher", values[0], "U-Net of width 16, fit with its checkpoint"),
            *(values[1], "the same in a bare PyTorch loop"),
            target=1.0,
            note="both end with the same weights, bit for bit",
            why="The rest is the set-up and the checkpoint, of which a longer epoch has no more.",
        )
    ]
    for encoder in SAME_ENCODERS:
        ours = same_encoder(encoder)
        networks = ours.build_model(download=False), smp_unet(encoder, _classes(ours))
        check_equal_work(*networks, ours.image_size)
        costs = [cost(network, ours.image_size) for network in networks]
        our_way = f"our U-Net on the same encoder, fit in {ours.precision}: {costs[0]}"
        peers = {way: smp_epoch(ours, encoder, way) for way in WAYS}
        values = interleave(repetitions, lambda ours=ours: fit_epoch(ours), *peers.values())
        rows += [
            Comparison(
                f"Training at the multiply-adds of smp's {encoder}, Lightning in {way}",
                *("images/s", "higher", values[0], our_way),
                *(theirs, f"smp.Unet({encoder}), our batches and loss, by Lightning: {costs[1]}"),
                why="Equal multiply-adds are not equal work: our decoder enlarges bilinearly, "
                "whose way back takes longer than that of the nearest pixel.",
            )
            for way, theirs in zip(peers, values[1:], strict=True)
        ]
    return rows


def cached(config: RunConfig, split: str) -> SceneCache:
    """The scenes of a split at the size of the run; of train the run's subset."""
    spec = dataset_spec(config.dataset)
    cache = load_cache(list_scenes(spec.root(), split), config.image_size, spec.class_set, False)
    return cache.subset(config.train_images, config.seed) if split == "train" else cache


def fit_epoch(config: RunConfig, found: dict[str, dict] | None = None) -> float:
    """Images per second of one epoch by `fit`; its weights go into `found`."""

    def one_epoch() -> None:
        try:
            fit(config, device="cpu", progress=False, deadline=0.0)
        except OutOfTime:
            return

    remove_checkpoint(config.run_id)
    with quiet():
        took = seconds(one_epoch)
    if found is not None:
        state, _ = load_checkpoint(config.run_id)
        found["fit"] = state["model"]
    shutil.rmtree(checkpoint_folder(config.run_id))
    return IMAGES / took


def _loss(config: RunConfig, cache: SceneCache) -> torch.nn.Module:
    return SegmentationLoss(config.loss, sqrt_median_weights(cache.class_pixels(_classes(config))))


def _classes(config: RunConfig) -> int:
    return dataset_spec(config.dataset).class_set.num_classes


def bare_epoch(config: RunConfig) -> dict[str, torch.Tensor]:
    """One epoch in the fewest lines that do the same; returns the weights."""
    cache = cached(config, "train")
    torch.manual_seed(config.seed)
    model = build_model(config.model, _classes(config), **config.model_options())
    model = model.to(memory_format=memory_format(CPU)).train()
    batches = epoch_batches(len(cache), config, epoch=0)
    optimizer = build_optimizer(model, config, CPU)
    scheduler = build_scheduler(optimizer, config, len(cache) // config.batch_size)
    loss_function = _loss(config, cache)
    for image, mask in DataLoader(TrainingSet(cache, config), batch_sampler=batches):
        image = normalize(image).to(memory_format=memory_format(CPU))
        with autocast(config.precision, CPU):
            logits = model(image)
        loss_function(logits.float(), mask).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        optimizer.step()
        optimizer.zero_grad()
        scheduler.step()
    return model.state_dict()


def smp_epoch(config: RunConfig, encoder: str, way: str) -> Callable[[], float]:
    """A contender: one epoch of `smp.Unet` by Lightning in one of `WAYS`, in images per second."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    precision, _, layout = way.partition(", ")

    def one_epoch(folder: str) -> None:
        cache = cached(config, "train")
        torch.manual_seed(config.seed)
        module = OursInLightning(
            smp_unet(encoder, _classes(config)),
            _loss(config, cache),
            config.learning_rate,
            config.weight_decay,
            torch.channels_last if layout else torch.contiguous_format,
        )
        loader = Normalised(
            TrainingSet(cache, config), batch_sampler=epoch_batches(len(cache), config, epoch=0)
        )
        trainer(folder, precision, max_epochs=1, gradient_clip_val=config.clip_norm).fit(
            module, loader
        )

    def contender() -> float:
        with tempfile.TemporaryDirectory() as folder, quiet():
            return IMAGES / seconds(lambda: one_epoch(folder))

    return contender


def prepare_fit(encoder: str) -> Callable[[], object]:
    """For `peak_megabytes`: one epoch by `fit`."""
    config = same_encoder(encoder, images=16)
    cached(config, "train")
    return lambda: fit_epoch(config)


def prepare_smp(encoder: str, way: str) -> Callable[[], object]:
    """For `peak_megabytes`: one epoch of `smp.Unet` by Lightning."""
    config = same_encoder(encoder, images=16)
    cached(config, "train")
    return smp_epoch(config, encoder, way)
