"""The baseline: a small fully convolutional network without skip connections.

Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015
(https://doi.org/10.1109/CVPR.2015.7298965). Ours keeps the idea, convolutions only, with three
encoder stages instead of VGG's five, learned 2×2 upsampling, and no skips.
"""

from torch import Tensor, nn

from .blocks import pad_to_multiple


class FCN(nn.Module):
    """Three stages down (3×3 convolution, ReLU, 2×2 max-pool), three transposed convolutions up.

    The stages have `width`·1, 2, 4 channels; `dropout` is the probability with which whole channels
    are dropped after each.
    """

    stride = 8  # input sizes are padded to a multiple of this and logits cropped back

    def __init__(self, num_classes: int, width: int = 64, dropout: float = 0.0) -> None:
        super().__init__()
        channels = [3, width, 2 * width, 4 * width]
        self.encoder = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(channels[i], channels[i + 1], 3, padding=1),
                    nn.ReLU(inplace=True),
                    nn.MaxPool2d(2),
                    nn.Dropout2d(dropout),
                )
                for i in range(3)
            )
        )
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(channels[3], channels[2], 2, stride=2),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(channels[2], channels[1], 2, stride=2),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(channels[1], num_classes, 2, stride=2),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Map normalised images (N, 3, H, W) to logits (N, num_classes, H, W), any H and W."""
        height, width = image.shape[-2:]
        features = self.encoder(pad_to_multiple(image, self.stride))  # (N, 4·width, H/8, W/8)
        return self.decoder(features)[..., :height, :width]
