"""U-Net: an encoder and a decoder of the same depth, joined by skip connections.

Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation",
MICCAI 2015 (https://doi.org/10.1007/978-3-319-24574-4_28). We deviate as has become the rule:
convolutions are padded, so that logits have the size of the image, and batch-normalised.
"""

from itertools import pairwise

from torch import Tensor, nn

from ..errors import choose
from .blocks import Block, Decoder, pad_to_multiple

BOTTLENECKS = {"doubling": 2, "keeping": 1}  # its channels over those of the level above it


class Encoder(nn.Module):
    """Two Blocks at each level, half the size from one to the next, and two at the bottleneck.

    `channels` are those of the levels, finest first, and of the bottleneck.
    """

    def __init__(self, channels: list[int], norm: bool, dropout: float) -> None:
        super().__init__()
        *down, deepest = (nn.Sequential(Block(before, after, norm), Block(after, after, norm))
                          for before, after in pairwise([3, *channels]))
        self.down, self.pool = nn.ModuleList(down), nn.MaxPool2d(2)
        self.bottleneck = nn.Sequential(nn.Dropout2d(dropout), *deepest)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map images (N, 3, H, W) to features (N, C, H/2^level, W/2^level) of all levels."""
        levels = []
        for down in self.down:
            levels.append(down(image))
            image = self.pool(levels[-1])
        return [*levels, self.bottleneck(image)]


class UNet(nn.Module):
    """`levels` down (`width`·1, 2, 4, 8 channels), a bottleneck, as many up, 1×1 head.

    The `bottleneck` is "doubling" the channels once more, as Ronneberger's does, or "keeping" them.
    At `width` 64 it has 31.0 M parameters for 19 classes, at 16, the size for CPUs, 1.9 M. `norm`
    switches batch normalisation off, `skips` is how many of the skip connections there are, from
    the coarsest. `dropout` is the probability with which whole channels are dropped before the
    bottleneck and before the head.
    """

    def __init__(
        self, num_classes: int, width: int, norm: bool, skips: int | None, dropout: float,
        levels: int, bottleneck: str,
    ) -> None:
        super().__init__()
        growth = BOTTLENECKS[choose("bottleneck of unet", bottleneck, BOTTLENECKS)]
        channels = [width * 2**level for level in range(levels)]
        channels.append(channels[-1] * growth)
        self.stride = 2**levels  # sizes are padded to a multiple of this and logits cropped back
        self.encoder = Encoder(channels, norm, dropout)
        self.decoder = Decoder(channels, channels[-2::-1], norm, skips)
        self.head = nn.Sequential(nn.Dropout2d(dropout), nn.Conv2d(width, num_classes, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Map normalised images (N, 3, H, W) to logits (N, num_classes, H, W), any H and W."""
        height, width = image.shape[-2:]
        features = self.decoder(self.encoder(pad_to_multiple(image, self.stride)))
        return self.head(features)[..., :height, :width]
