"""What more than one architecture needs."""

from torch import Tensor
from torch.nn import functional


def pad_to_multiple(image: Tensor, stride: int) -> Tensor:
    """Repeat the last row and column of (N, C, H, W) until H and W are multiples of `stride`.

    Repeated pixels look like the scene going on; zeros would be a hard edge in every feature map.
    """
    height, width = image.shape[-2:]
    bottom, right = -height % stride, -width % stride
    if not (bottom or right):
        return image
    return functional.pad(image, (0, right, 0, bottom), mode="replicate")
