"""Pictures made up for tests, and files of them."""

import io

import numpy as np
from PIL import Image

RED, BLUE = (250, 0, 0), (0, 0, 250)


def halves(height: int = 32, width: int = 48) -> np.ndarray:
    """A picture that is red on the left and blue on the right."""
    image = np.zeros((height, width, 3), dtype=np.uint8)
    image[:, : width // 2], image[:, width // 2 :] = RED, BLUE
    return image


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(image: Image.Image | np.ndarray, kind: str = "PNG", **options) -> bytes:
    """The bytes of the picture's file."""
    buffer = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(buffer, kind, **options)
    return buffer.getvalue()
