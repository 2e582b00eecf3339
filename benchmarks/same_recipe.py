"""CamVid's test mIoU of another library's U-Net, trained as ours is: encoder and recipe are equal.

The peer is `segmentation_models_pytorch.Unet` on the same encoder of timm's, which it calls
`tu-tf_efficientnet_lite0`, with its own decoder and head. Everything else is that of our recipe for
CamVid: ImageNet weights, what of them is frozen, crops, augmentation, loss, optimiser, schedule and
length, our loop and our scorer. Ours is the recorded run, or is trained first where there is none.

Interrupted, a run goes on from its last epoch.
"""

import dataclasses
from unittest import mock

import segmentation_models_pytorch as smp
from torch import Tensor, nn

from seglib.config import RunConfig
from seglib.data.datasets import prepare
from seglib.evaluation.evaluate import score_split
from seglib.models import MODELS, Architecture
from seglib.models.blocks import pad_to_multiple
from seglib.models.encoders import Encoder
from seglib.recipes import recipe
from seglib.records import Record, find_record
from seglib.training.loop import fit

from .measuring import DATA, Comparison, cost

FOLDER = DATA / "same_recipe"
OPTIONS = {
    "encoder": "tf_efficientnet_lite0", "pretrained": False, "freeze": 0, "frozen_norm": False
}


class SmpUNet(nn.Module):
    """`smp.Unet` with its encoder in our hands: frozen in part, and given the images it expects."""

    def __init__(
        self, num_classes: int, encoder: str, pretrained: bool, freeze: int, frozen_norm: bool
    ) -> None:
        super().__init__()
        whole = smp.Unet(f"tu-{encoder}", encoder_weights=None, classes=num_classes)
        self.encoder = Encoder(encoder, pretrained, freeze, frozen_norm)
        self.decoder, self.head = whole.decoder, whole.segmentation_head

    def forward(self, image: Tensor) -> Tensor:
        """Map normalised images (N, 3, H, W) to logits (N, num_classes, H, W), any H and W."""
        height, width = image.shape[-2:]
        image = pad_to_multiple(image, self.encoder.stride)
        return self.head(self.decoder([image, *self.encoder(image)]))[..., :height, :width]


def measure(repetitions: int, base: RunConfig | None = None) -> list[Comparison]:
    """Our run and the peer's with as many seeds as `repetitions`, from 0 on.

    `base`: our config (default: the recipe of CamVid).
    """
    base = base or recipe("camvid", "timm")
    prepare(base.dataset)
    configs = [dataclasses.replace(base, seed=seed) for seed in range(repetitions)]
    # The only option of ours that the peer lacks is the width of our decoder.
    peers = [dataclasses.replace(config, model="smp", width=None) for config in configs]
    with mock.patch.dict(MODELS, smp=Architecture(__name__, SmpUNet.__name__, OPTIONS)):
        ours, theirs = ([_trained(each) for each in runs] for runs in (configs, peers))
        values = [[100 * score_split(record, "test", device="cpu")["miou"] for record in records]
                  for records in (ours, theirs)]
        costs = [cost(runs[0].config.build_model(download=False), base.image_size)
                 for runs in (ours, theirs)]
    names = "seglib's U-Net", f"smp.Unet(tu-{base.model_options()['encoder']})"
    ways = [f"{name}: {words}" for name, words in zip(names, costs, strict=True)]
    return [Comparison(
        f"CamVid test mIoU, one encoder and one recipe of {base.epochs} epochs",
        *("%", "higher", values[0], ways[0], values[1], ways[1]),
        note=_seeds(base, repetitions),
        why="Seeds of one network differ, too.",
    )]


def _seeds(base: RunConfig, trained: int) -> str:
    """How many seeds each side has, and how far the study's lie apart."""
    runs = [find_record(dataclasses.replace(base, seed=seed)) for seed in range(3)]
    said = f"{trained} seed{'s' if trained > 1 else ''} each"
    if not all(run is not None and "test" in run.packed_scores for run in runs):
        return said
    scores = [100 * run.miou("test") for run in runs]
    return f"{said}; the study's three of ours lie {max(scores) - min(scores):.1f} points apart"


def _trained(config: RunConfig) -> Record:
    """The study's record of a run, if it has test scores; else it is trained and kept here."""
    record = find_record(config)
    if record is not None and "test" in record.packed_scores:
        return record
    return fit(config, device="cpu", results=FOLDER)
