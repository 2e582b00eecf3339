"""Swin Transformer: attention in windows that shift, and a U-shaped decoder on its four levels.

Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", ICCV 2021
(https://arxiv.org/abs/2103.14030). The encoder is torchvision's; the authors' decoder is UPerNet,
ours that of our U-Net.
"""

from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.swin_transformer import (
    ShiftedWindowAttention,
    SwinTransformer,
    SwinTransformerBlock,
)

from ..errors import choose
from .blocks import Block, Up, pad_to_multiple
from .pretrained import load_published

WINDOW = 7  # side of a window, in tokens


SIZES: dict[str, dict[str, Any]] = {  # torchvision's arguments; depths and heads are per level
    "nano": {"embed_dim": 48, "depths": [2, 2, 2, 2], "num_heads": [2, 4, 8, 16]},
    "t": {"embed_dim": 96, "depths": [2, 2, 6, 2], "num_heads": [3, 6, 12, 24]},
    "b": {"embed_dim": 128, "depths": [2, 2, 18, 2], "num_heads": [4, 8, 16, 32]},
}
PUBLISHED = {"t": "swin_t", "b": "swin_b"}  # torchvision's names of those with ImageNet weights


class WindowAttention(ShiftedWindowAttention):
    """torchvision's attention, with gradients that are the same bits in every run.

    The gradient of `table[index]` is summed by several threads in any order, an embedding's is not.
    """

    def get_relative_position_bias(self) -> Tensor:
        """Biases (1, heads, L, L) for the L positions of a window."""
        bias = functional.embedding(self.relative_position_index, self.relative_position_bias_table)
        return bias.view(WINDOW**2, WINDOW**2, -1).permute(2, 0, 1).unsqueeze(0)


class Encoder(SwinTransformer):
    """torchvision's Swin Transformer up to its last norm."""

    def __init__(self, stochastic_depth: float, **size: Any) -> None:
        super().__init__(
            **size, patch_size=[4, 4], window_size=[WINDOW, WINDOW],
            stochastic_depth_prob=stochastic_depth, num_classes=1,
            block=partial(SwinTransformerBlock, attn_layer=WindowAttention),
        )
        del self.head, self.avgpool, self.flatten, self.permute  # the classifier

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map (N, 3, H, W) to features (N, H/s, W/s, C·s/4) at the strides s = 4, 8, 16, 32."""
        levels = []
        for number, layer in enumerate(self.features):
            image = layer(image)
            if number % 2:  # odd: a level's blocks; even: patch embedding and patch merging
                levels.append(image)
        levels[-1] = self.norm(levels[-1])
        return levels


class Swin(nn.Module):
    """Swin encoder (strides 4 to 32), three upsamplers with skips, two without, 1×1 head.

    Sizes are nano (6.0 M parameters in all), t and b, which can be `pretrained` on ImageNet.
    `dropout` is the probability of dropping whole channels before the decoder and before the head,
    `stochastic_depth` that of skipping the last block for an image; it grows from 0 at the first.
    """

    stride = 32  # input sizes are padded to a multiple of this and logits cropped back
    no_weight_decay = ("relative_position_bias_table",)

    def __init__(
        self, num_classes: int, size: str, pretrained: bool, dropout: float,
        stochastic_depth: float,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(stochastic_depth, **SIZES[choose("size of swin", size, SIZES)])
        if pretrained:
            published = PUBLISHED[choose("pretrained size of swin", size, PUBLISHED)]
            load_published(self.encoder, published)
        first = SIZES[size]["embed_dim"]
        # A block adds to what it gets, so that features of deep levels differ in scale.
        self.norms = nn.ModuleList(nn.LayerNorm(first * 2**level) for level in range(3))
        self.dropout = nn.Dropout2d(dropout)
        self.up = nn.ModuleList()
        self.up.append(Up(8 * first, 4 * first, 2 * first))  # stride 32 → 16
        self.up.append(Up(2 * first, 2 * first, 2 * first))  # 16 → 8
        self.up.append(Up(2 * first, first, first))  # 8 → 4
        self.finish = nn.Sequential(  # 4 → 2 → 1, where the encoder has nothing to add
            nn.ConvTranspose2d(first, first // 2, 2, stride=2), Block(first // 2, first // 2),
            nn.ConvTranspose2d(first // 2, first // 2, 2, stride=2), Block(first // 2, first // 2),
        )
        self.head = nn.Sequential(nn.Dropout2d(dropout), nn.Conv2d(first // 2, num_classes, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Map normalised images (N, 3, H, W) to logits (N, num_classes, H, W), any H and W."""
        height, width = image.shape[-2:]
        *skips, features = self.encoder(pad_to_multiple(image, self.stride))
        features = self.dropout(features.permute(0, 3, 1, 2))  # (N, 8C, H/32, W/32)
        for up, norm, skip in zip(self.up, reversed(self.norms), reversed(skips), strict=True):
            features = up(features, norm(skip).permute(0, 3, 1, 2))
        return self.head(self.finish(features))[..., :height, :width]
