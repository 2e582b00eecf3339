"""Vision Transformer: an image as a sequence of patches, each of which attends to all others.

Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021 (https://arxiv.org/abs/2010.11929).
The encoder is torchvision's; mini is as wide as DeiT's tiny, with half its layers. We add position
embeddings for any size, a light decoder of transposed convolutions, as in SETR (Zheng et al., CVPR
2021), and stochastic depth (Huang et al., ECCV 2016).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models import VisionTransformer
from torchvision.ops import StochasticDepth

from ..errors import choose
from .blocks import Block, pad_to_multiple
from .pretrained import load_published

PATCH = 16  # side of a patch in pixels
GRID = 14  # patches per side for which position embeddings are stored: 224 / 16, as published
NARROWEST = 32  # channels below which the decoder does not go
SIZES = {  # torchvision's arguments
    "mini": {"hidden_dim": 192, "num_layers": 6, "num_heads": 3, "mlp_dim": 768},
    "b16": {"hidden_dim": 768, "num_layers": 12, "num_heads": 12, "mlp_dim": 3072},
}
PUBLISHED = {"b16": "vit_b_16"}  # torchvision's names of the sizes that have ImageNet weights


class Encoder(VisionTransformer):
    """torchvision's Vision Transformer: images to maps of features."""

    def __init__(self, stochastic_depth: float, **size: int) -> None:
        super().__init__(image_size=GRID * PATCH, patch_size=PATCH, **size)
        del self.heads  # the classifier
        # Each branch of torchvision's blocks ends in a dropout layer: the place to drop it whole.
        for number, block in enumerate(self.encoder.layers):
            rate = stochastic_depth * number / max(1, len(self.encoder.layers) - 1)
            block.dropout = StochasticDepth(rate, "row")
            block.mlp[-1] = StochasticDepth(rate, "row")

    def forward(self, image: Tensor) -> Tensor:
        """Map (N, 3, H, W), H and W multiples of 16, to (N, channels, H/16, W/16)."""
        tokens = self.conv_proj(image)  # (N, C, h, w)
        height, width = tokens.shape[-2:]
        tokens = tokens.flatten(2).transpose(1, 2)  # (N, h·w, C)
        # The class token has no task here, but pretrained blocks expect it to be attended to.
        tokens = torch.cat([self.class_token.expand(len(tokens), -1, -1), tokens], dim=1)
        tokens = tokens + self.positions(height, width)
        tokens = self.encoder.ln(self.encoder.layers(tokens))[:, 1:]
        return tokens.transpose(1, 2).unflatten(2, (height, width))

    def positions(self, height: int, width: int) -> Tensor:
        """Position embeddings (1, 1 + height·width, C), resampled from the stored square grid."""
        stored = self.encoder.pos_embedding
        if (height, width) == (GRID, GRID):
            return stored
        grid = stored[:, 1:].transpose(1, 2).unflatten(2, (GRID, GRID))  # (1, C, GRID, GRID)
        grid = functional.interpolate(grid, (height, width), mode="bicubic", align_corners=False)
        return torch.cat([stored[:, :1], grid.flatten(2).transpose(1, 2)], dim=1)


class ViT(nn.Module):
    """Vision Transformer encoder, a decoder that doubles the size until it is full, 1×1 head.

    Sizes are mini (3.1 M parameters in all) and b16, which can be `pretrained` on ImageNet.
    `dropout` is the probability of dropping whole channels before the decoder and before the head,
    `stochastic_depth` that of skipping a branch of the last block; it grows from 0 at the first.
    """

    stride = PATCH  # input sizes are padded to a multiple of this and logits cropped back
    no_weight_decay = ("pos_embedding", "class_token")

    def __init__(
        self, num_classes: int, size: str, pretrained: bool, dropout: float,
        stochastic_depth: float,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(stochastic_depth, **SIZES[choose("size of vit", size, SIZES)])
        if pretrained:
            published = PUBLISHED[choose("pretrained size of vit", size, PUBLISHED)]
            load_published(self.encoder, published)
        self.decoder, channels = nn.Sequential(nn.Dropout2d(dropout)), SIZES[size]["hidden_dim"]
        for _ in range(4):  # stride 16 → 8 → 4 → 2 → 1
            narrower = max(NARROWEST, channels // 2)
            self.decoder.append(nn.ConvTranspose2d(channels, narrower, 2, stride=2))
            self.decoder.append(Block(narrower, narrower))
            channels = narrower
        self.head = nn.Sequential(nn.Dropout2d(dropout), nn.Conv2d(channels, num_classes, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Map normalised images (N, 3, H, W) to logits (N, num_classes, H, W), any H and W."""
        height, width = image.shape[-2:]
        features = self.encoder(pad_to_multiple(image, self.stride))  # (N, C, H/16, W/16)
        return self.head(self.decoder(features))[..., :height, :width]
