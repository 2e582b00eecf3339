"""U-Net: an encoder and a decoder of the same depth, joined by skip connections.

Ronneberger, Fischer and Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation",
MICCAI 2015 (https://doi.org/10.1007/978-3-319-24574-4_28). We deviate as has become the rule:
convolutions are padded, so that logits have the size of the image, and batch-normalised.
"""

from torch import Tensor, nn

from .blocks import Block, Up, pad_to_multiple


class UNet(nn.Module):
    """Four levels down (`width`·1, 2, 4, 8 channels), a bottleneck (·16), four levels up, 1×1 head.

    At `width` 64 it has 31.0 M parameters for 19 classes, at 16, the size for CPUs, 1.9 M. `norm`
    and `skips` switch batch normalisation and the skip connections off. `dropout` is the
    probability with which whole channels are dropped before the bottleneck and before the head.
    """

    stride = 16  # input sizes are padded to a multiple of this and logits cropped back

    def __init__(
        self, num_classes: int, width: int = 64, norm: bool = True, skips: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.skips = skips
        levels = [width, 2 * width, 4 * width, 8 * width]
        self.down = nn.ModuleList(
            nn.Sequential(Block(before, after, norm), Block(after, after, norm))
            for before, after in zip([3, *levels], levels, strict=False)
        )
        self.pool = nn.MaxPool2d(2)
        self.bottleneck = nn.Sequential(
            nn.Dropout2d(dropout), Block(levels[-1], 16 * width, norm),
            Block(16 * width, 16 * width, norm),
        )
        self.up = nn.ModuleList(
            Up(2 * channels, channels if skips else 0, channels, norm)
            for channels in reversed(levels)
        )
        self.head = nn.Sequential(nn.Dropout2d(dropout), nn.Conv2d(width, num_classes, 1))

    def forward(self, image: Tensor) -> Tensor:
        """Map normalised images (N, 3, H, W) to logits (N, num_classes, H, W), any H and W."""
        height, width = image.shape[-2:]
        features = pad_to_multiple(image, self.stride)
        skips: list[Tensor | None] = []
        for down in self.down:
            features = down(features)  # (N, width·2^level, H/2^level, W/2^level)
            skips.append(features if self.skips else None)
            features = self.pool(features)
        features = self.bottleneck(features)  # (N, 16·width, H/16, W/16)
        for up in self.up:
            features = up(features, skips.pop())
        return self.head(features)[..., :height, :width]
