"""The baseline: a small fully convolutional network without skip connections.

Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015
(https://doi.org/10.1109/CVPR.2015.7298965). Ours keeps the idea, convolutions only, with three
encoder stages instead of VGG's five, learned 2×2 upsampling, and no skips.
"""

from itertools import pairwise

from torch import Tensor, nn

from .blocks import Block, pad_to_multiple


class FCN(nn.Module):
    """Three stages down (3×3 convolution, ReLU, 2×2 max-pool), three transposed convolutions up.

    The stages have `width`·1, 2, 4 channels. `dilation` spreads the taps of the second and third
    stage's kernels, `norm` adds batch normalisation to the encoder; the baseline has neither.
    `dropout` is the probability with which whole channels are dropped after each stage.
    """

    stride = 8  # input sizes are padded to a multiple of this and logits cropped back

    def __init__(
        self, num_classes: int, width: int, dropout: float, dilation: int, norm: bool
    ) -> None:
        super().__init__()
        self.encoder = nn.Sequential()
        for before, after in pairwise([3, width, 2 * width, 4 * width]):
            stage = Block(before, after, norm, dilation if before > 3 else 1)
            self.encoder.append(stage.extend([nn.MaxPool2d(2), nn.Dropout2d(dropout)]))
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2), nn.ReLU(inplace=True),
            nn.ConvTranspose2d(2 * width, width, 2, stride=2), nn.ReLU(inplace=True),
            nn.ConvTranspose2d(width, num_classes, 2, stride=2),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Map normalised images (N, 3, H, W) to logits (N, num_classes, H, W), any H and W."""
        height, width = image.shape[-2:]
        features = self.encoder(pad_to_multiple(image, self.stride))  # (N, 4·width, H/8, W/8)
        return self.decoder(features)[..., :height, :width]
