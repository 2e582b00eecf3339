"""Networks of segmentation_models.pytorch, and our training data in Lightning's hands."""

import warnings

import lightning
import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from seglib.data.transforms import normalize
from seglib.models.inspection import multiply_adds

# An encoder of `smp.Unet`, and the width at which our U-Net costs as many multiply-adds.
WIDTHS = {"mobilenet_v2": 17}
# The same encoders of timm's, and the width at which our decoder brings them to the same work.
SAME_ENCODERS = {"resnet18": ("resnet18", 68), "mobilenet_v2": ("mobilenetv2_100", 81)}


def smp_unet(encoder: str, num_classes: int) -> nn.Module:
    """`smp.Unet` from scratch."""
    return smp.Unet(encoder, encoder_weights=None, classes=num_classes)


def check_equal_work(ours: nn.Module, peer: nn.Module, size: tuple[int, int]) -> None:
    """Stop if the multiply-adds of both for an image of `size` (H, W) differ by over 3 %."""
    ratio = multiply_adds(ours, size) / multiply_adds(peer, size)
    assert 0.97 < ratio < 1.03, f"ours takes {ratio:.2f} times the peer's multiply-adds"


def trainer(folder: str, precision: str, **options) -> lightning.Trainer:
    """Lightning's trainer on the CPU, saying little; checkpoints as usual."""
    warnings.filterwarnings("ignore", module="lightning")
    return lightning.Trainer(
        accelerator="cpu",
        devices=1,
        precision=precision,
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )


class OursInLightning(lightning.LightningModule):
    """A network trained on our batches with our loss and learning rates, by Lightning."""

    def __init__(
        self, model: nn.Module, loss: nn.Module, rate: float, decay: float,
        layout: torch.memory_format = torch.contiguous_format,
    ) -> None:
        super().__init__()
        self.model, self.layout = model.to(memory_format=layout), layout
        self.loss, self.rate, self.decay = loss, rate, decay

    def training_step(self, batch: tuple[Tensor, Tensor], number: int) -> Tensor:
        image, mask = batch
        return self.loss(self.model(image.contiguous(memory_format=self.layout)).float(), mask)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=self.rate, weight_decay=self.decay)


class Normalised(DataLoader):
    """Our loader with the normalisation that our loop does after it."""

    def __iter__(self):
        return ((normalize(image), mask) for image, mask in super().__iter__())
