"""The way up that U-Net and Swin share, so that they differ in their encoder."""

import torch
from torch import Tensor, nn

from .blocks import Block


class Up(nn.Module):
    """Double the size, join the encoder's features of that size, mix both with two Blocks.

    (N, in, h, w) and a skip (N, skip, 2h, 2w), None where `skip_channels` is 0 → (N, out, 2h, 2w).
    """

    def __init__(
        self, in_channels: int, skip_channels: int, out_channels: int, norm: bool = True
    ) -> None:
        super().__init__()
        self.upsample = nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
        self.blocks = nn.Sequential(
            Block(out_channels + skip_channels, out_channels, norm),
            Block(out_channels, out_channels, norm),
        )

    def forward(self, features: Tensor, skip: Tensor | None = None) -> Tensor:
        features = self.upsample(features)
        if skip is not None:
            features = torch.cat([skip, features], dim=1)
        return self.blocks(features)
