"""A U-Net on a convolutional encoder of timm's, any of them by its name there.

Wightman, "PyTorch Image Models" (https://github.com/huggingface/pytorch-image-models). By default
EfficientNet-Lite0: Tan and Le's EfficientNet (https://arxiv.org/abs/1905.11946), ICML 2019, as its
authors simplified it for phones. The decoder is a lighter one than our U-Net's, which learns faster
from good features, and ends at half the image's size, from where the logits are enlarged.
"""

import difflib
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..errors import ConfigError, choose
from .blocks import Decoder, pad_to_multiple
from .pretrained import load_published

STAGES = (6, 4, 3, 2, 1.5, 1)  # channels of the decoder's stages, to stride 2, over its width


class Encoder(nn.Module):
    """timm's network of that name up to its deepest features, fed as all of ours are.

    Levels down to stride 2^`freeze` keep their weights and the statistics of their batch norms;
    with `frozen_norm` all batch norms keep theirs.
    """

    @torch.inference_mode(False)  # what is frozen is found by gradients
    def __init__(self, name: str, pretrained: bool, freeze: int, frozen_norm: bool) -> None:
        super().__init__()
        import timm  # here, since it takes over a second and other networks do without
        from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

        if not timm.is_model(name):  # of more than a thousand, the nearest are listed
            choose("encoder", name, difflib.get_close_matches(name, timm.list_models(), 5, 0))
        self.frozen_norm = frozen_norm
        try:
            self.network = timm.create_model(name, features_only=True).eval()
            levels = self._probe()
        except Exception as problem:  # so many networks can raise almost anything
            reason = " ".join((str(problem) or repr(problem)).split())[:160]
            wanted = "choose one for images of any size that gives features at strides 2, 4, …"
            raise ConfigError(f"encoder {name!r} can't be used ({reason}); {wanted}") from None
        for layer in self.network.modules():
            if isinstance(layer, nn.Conv2d) and layer.groups > 1:
                layer.forward = partial(in_full_on_cpus, layer)
        if freeze and 2**freeze not in levels:
            raise ConfigError(f"freeze {freeze}: encoder {name!r} has no stride {2**freeze}")
        if freeze:
            kept = sum(each.sum() for stride, (_, each) in levels.items() if stride <= 2**freeze)
            parameters = list(self.parameters())
            gradients = torch.autograd.grad(kept, parameters, allow_unused=True)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.requires_grad_(gradient is None)
        if pretrained:
            load_published(self.network, name)
        # Images come with the mean and deviation of ImageNet's; some networks expect others.
        mean, std = (torch.tensor(self.network.pretrained_cfg[key]) for key in ("mean", "std"))
        scale = torch.tensor(IMAGENET_DEFAULT_STD) / std
        shift = (torch.tensor(IMAGENET_DEFAULT_MEAN) - mean) / std
        self.register_buffer("scale", scale[:, None, None], persistent=False)
        self.register_buffer("shift", shift[:, None, None], persistent=False)
        self.stride = max(levels)
        strides = [2**power for power in range(1, self.stride.bit_length())]
        self.positions = [levels[s][0] if s in levels else None for s in strides]
        self.channels = [levels[s][1].shape[1] if s in levels else 0 for s in strides]
        self.train()

    def _probe(self) -> dict[int, tuple[int, Tensor]]:
        """By stride, the deepest features (1, C, H, W) and their position in the output."""
        side = max(self.network.feature_info.reduction())
        image = torch.zeros(1, 3, side, 3 * side, device=next(self.parameters()).device)
        levels = {}
        for position, features in enumerate(self.network(image)):
            height, width = features.shape[2:]
            stride = side // height
            if stride & (stride - 1) or (height * stride, width) != (side, 3 * height):
                raise ValueError(f"its features are {height}x{width} for {side}x{3 * side} pixels")
            levels[stride] = position, features
        levels.pop(1, None)
        return levels

    def train(self, mode: bool = True) -> "Encoder":
        """As everywhere, but batch norms that keep their statistics stay in evaluation mode."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, _BatchNorm):
                free = any(parameter.requires_grad for parameter in module.parameters())
                module.train(mode and free and not self.frozen_norm)
        return self

    def forward(self, image: Tensor) -> list[Tensor | None]:
        """Map images (N, 3, H, W) to features at the strides 2, 4, …; None where there are none."""
        features = self.network(image * self.scale + self.shift)
        return [None if place is None else features[place] for place in self.positions]


def in_full_on_cpus(layer: nn.Conv2d, image: Tensor) -> Tensor:
    """A grouped convolution without autocast on CPUs, whose bf16 kernels take thrice as long."""
    forward = type(layer).forward
    if image.device.type != "cpu":
        return forward(layer, image)
    with torch.autocast("cpu", enabled=False):
        return forward(layer, image.to(layer.weight.dtype))


class TimmUNet(nn.Module):
    """Encoder of timm, upsamplers to half the size with its features as skips, 1×1 head.

    `width` is the number of channels at the end; each stage before has up to twice those of the
    next. `freeze` and `frozen_norm` are the encoder's. `dropout` is the probability with which
    whole channels are dropped before the head.
    """

    def __init__(
        self, num_classes: int, encoder: str, pretrained: bool, freeze: int, frozen_norm: bool,
        width: int, dropout: float,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(encoder, pretrained, freeze, frozen_norm)
        self.stride = self.encoder.stride  # sizes are padded to a multiple and logits cropped back
        levels = self.encoder.channels
        channels = [int(width * stage) for stage in STAGES[1 - len(levels) :]]
        self.decoder = Decoder(levels, channels, light=True)
        larger = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        self.head = nn.Sequential(nn.Dropout2d(dropout), nn.Conv2d(width, num_classes, 1), larger)

    def forward(self, image: Tensor) -> Tensor:
        """Map normalised images (N, 3, H, W) to logits (N, num_classes, H, W), any H and W."""
        height, width = image.shape[-2:]
        features = self.decoder(self.encoder(pad_to_multiple(image, self.stride)))
        return self.head(features)[..., :height, :width]
