"""What more than one architecture is made of, such as the way up that U-shaped ones share."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import ConfigError


class Block(nn.Sequential):
    """3×3 convolution, batch normalisation (optional), ReLU: (N, C_in, H, W) → (N, C_out, H, W)."""

    def __init__(
        self, in_channels: int, out_channels: int, norm: bool = True, dilation: int = 1
    ) -> None:
        spread = {"padding": dilation, "dilation": dilation, "bias": not norm}
        super().__init__(nn.Conv2d(in_channels, out_channels, 3, **spread))
        if norm:
            self.append(nn.BatchNorm2d(out_channels))
        self.append(nn.ReLU(inplace=True))


def pad_to_multiple(image: Tensor, stride: int) -> Tensor:
    """Repeat the last row and column of (N, C, H, W) until H and W are multiples of `stride`.

    Repeated pixels look like the scene going on; zeros would be a hard edge in every feature map.
    """
    bottom, right = (-side % stride for side in image.shape[-2:])
    if not (bottom or right):
        return image
    return functional.pad(image, (0, right, 0, bottom), mode="replicate")


class Up(nn.Module):
    """Double the size, join the encoder's features of that size, mix both with two Blocks.

    (N, in, h, w) and a skip (N, skip, 2h, 2w) → (N, out, 2h, 2w); unused with `skip_channels` 0.
    A transposed convolution doubles the size. If `light`, interpolation does, and one Block mixes.
    """

    def __init__(
        self, in_channels: int, skip_channels: int, out_channels: int, norm: bool = True,
        light: bool = False,
    ) -> None:
        super().__init__()
        self.joins = skip_channels > 0
        if light:
            self.upsample = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
            self.blocks = Block(in_channels + skip_channels, out_channels, norm)
            return
        self.upsample = nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
        self.blocks = nn.Sequential(Block(out_channels + skip_channels, out_channels, norm),
                                    Block(out_channels, out_channels, norm))

    def forward(self, features: Tensor, skip: Tensor | None) -> Tensor:
        features = self.upsample(features)
        if self.joins:
            features = torch.cat([skip, features], dim=1)
        return self.blocks(features)


class Decoder(nn.ModuleList):
    """From the deepest of an encoder's levels up to its finest, an `Up` with a skip for each.

    A level has half the size of the one before it. `levels` are their channels, finest first, 0
    where the encoder gives nothing of that size; `channels` those of each `Up`, deepest first. Of
    the skips the coarsest `skips` are used (None: all). `norm` and `light` are those of each `Up`.
    """

    def __init__(
        self, levels: Sequence[int], channels: Sequence[int], norm: bool = True,
        skips: int | None = None, light: bool = False,
    ) -> None:
        *finer, deepest = levels
        used = len(finer) if skips is None else skips
        if used > len(finer):
            raise ConfigError(f"skips {skips}: this network has {len(finer)}")
        sizes = pairwise([deepest, *channels])
        super().__init__(
            Up(before, skip if number < used else 0, after, norm, light)
            for number, ((before, after), skip) in enumerate(zip(sizes, finer[::-1], strict=True))
        )

    def forward(self, levels: Sequence[Tensor | None]) -> Tensor:
        """Map features (N, C, H/2^level, W/2^level) to features of the finest level's size."""
        *skips, features = levels
        for up, skip in zip(self, reversed(skips), strict=True):
            features = up(features, skip)
        return features
