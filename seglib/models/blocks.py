"""What more than one architecture is made of."""

from torch import Tensor, nn
from torch.nn import functional


class Block(nn.Sequential):
    """3×3 convolution, batch normalisation (optional), ReLU: (N, C_in, H, W) → (N, C_out, H, W)."""

    def __init__(self, in_channels: int, out_channels: int, norm: bool = True) -> None:
        super().__init__(nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=not norm))
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
