"""Swin Transformer: attention in windows that shift, and a U-shaped decoder on its four levels.

Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", ICCV 2021
(https://arxiv.org/abs/2103.14030). Encoder: torchvision's. Decoder: our U-Net's, theirs is UPerNet.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.swin_transformer import (
    ShiftedWindowAttention,
    SwinTransformer,
    SwinTransformerBlock,
)

from ..errors import ConfigError, choose
from .blocks import Block, Decoder, pad_to_multiple
from .pretrained import load_published

SIZES: dict[str, dict[str, Any]] = {  # torchvision's arguments; depths and heads are per level
    "mini": {"embed_dim": 32, "depths": [2, 2, 6, 2], "num_heads": [1, 2, 4, 8]},
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
        length = self.window_size[0] * self.window_size[1]
        return bias.view(length, length, -1).permute(2, 0, 1).unsqueeze(0)


class Encoder(SwinTransformer):
    """torchvision's Swin Transformer up to its last norm."""

    def __init__(self, window: Sequence[int], stochastic_depth: float, **size: Any) -> None:
        super().__init__(**size, patch_size=[4, 4], window_size=list(window), num_classes=1,
                         stochastic_depth_prob=stochastic_depth,
                         block=partial(SwinTransformerBlock, attn_layer=WindowAttention))
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
    """Swin encoder (strides 4 to 32), a Block at each of 1 and 2, the decoder of all, 1×1 head.

    Sizes are mini (t at a third of its width, 3.9 M parameters in all), t and b, which can be
    `pretrained` on ImageNet with their `window` of 7×7 tokens. One that divides the maps, such as
    the deepest's size, needs no padding, to which attention would attend. `skips` is how many skip
    connections there are, from the coarsest; those at strides 2 and 1 come from the two Blocks.
    `dropout` is the probability of dropping whole channels before the decoder and before the head,
    `stochastic_depth` that of skipping a branch of the last block; it grows from 0 at the first.
    """

    stride = 32  # input sizes are padded to a multiple of this and logits cropped back
    no_weight_decay = ("relative_position_bias_table",)

    def __init__(
        self, num_classes: int, size: str, pretrained: bool, dropout: float,
        stochastic_depth: float, window: tuple[int, int], skips: int,
    ) -> None:
        super().__init__()
        options = SIZES[choose("size of swin", size, SIZES)]
        self.encoder = Encoder(window, stochastic_depth, **options)
        if pretrained:
            published = PUBLISHED[choose("pretrained size of swin", size, PUBLISHED)]
            if tuple(window) != (7, 7):
                raise ConfigError(f"window {window}: pretrained swin has one of 7x7; set it to 7 7")
            load_published(self.encoder, published)
        width = options["embed_dim"]
        channels = [width // 2, width, width, 2 * width, 4 * width, 8 * width]  # strides 1 to 32
        # A block adds to what it gets, so that features of deep levels differ in scale.
        self.norms = nn.ModuleList(nn.LayerNorm(count) if skips > 2 - level else nn.Identity()
                                   for level, count in enumerate(channels[2:5]))
        fine = [Block(3, channels[0]), Block(*channels[:2])] if skips > 3 else []
        self.stem = nn.ModuleList(fine)
        self.dropout = nn.Dropout2d(dropout)
        self.decoder = Decoder(channels, channels[-2::-1], skips=skips)
        self.head = nn.Sequential(nn.Dropout2d(dropout), nn.Conv2d(channels[0], num_classes, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Map normalised images (N, 3, H, W) to logits (N, num_classes, H, W), any H and W."""
        height, width = image.shape[-2:]
        image = pad_to_multiple(image, self.stride)
        full = self.stem[0](image) if self.stem else None
        half = self.stem[1](functional.max_pool2d(full, 2)) if self.stem else None
        *coarse, deepest = self.encoder(image)
        coarse = [norm(level) for norm, level in zip(self.norms, coarse, strict=True)]
        coarse = [level.permute(0, 3, 1, 2) for level in coarse]
        deepest = self.dropout(deepest.permute(0, 3, 1, 2))  # (N, 8C, H/32, W/32)
        return self.head(self.decoder([full, half, *coarse, deepest]))[..., :height, :width]
