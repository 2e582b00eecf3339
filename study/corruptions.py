"""What weather, cameras and files do to a photograph: five disturbances at five strengths each.

All act on the photograph at its own resolution. The idea is Hendrycks and Dietterich's, ICLR 2019
(https://arxiv.org/abs/1903.12261); the definitions are our own and scale with the photograph.
"""

import io
import zlib

import numpy as np
from PIL import Image, ImageFilter

from seglib.errors import ConfigError, choose

CORRUPTIONS = {  # each with its level at the strengths 1 to 5
    "blur": (1.0, 1.5, 2.0, 3.0, 4.0),  # out of focus: σ in pixels of a photograph 256 high
    "noise": (5.0, 10.0, 15.0, 20.0, 30.0),  # little light, high gain: σ in steps of 255
    "darkness": (1.0, 2.0, 3.0, 4.0, 5.0),  # dusk: how often the light is halved
    "fog": (0.25, 0.5, 0.75, 1.0, 1.5),  # a grey veil: optical depth at the largest distance
    "jpeg": (50, 30, 20, 10, 5),  # quality of the compression, as Pillow counts it
}
STRENGTHS = (1, 2, 3, 4, 5)
GAMMA = 2.2  # of the display: how stored values follow light
AIRLIGHT = 217  # grey of the fog, of 255


def corrupt(image: np.ndarray, kind: str, strength: int, name: str = "") -> np.ndarray:
    """A disturbed copy of a photograph, uint8 RGB (H, W, 3) as is the photograph.

    `kind`: one of `CORRUPTIONS`; `strength`: 1 (mild) to 5 (heavy); `name`: of the scene, the seed
    of its noise. Raises `ConfigError` for an unknown kind or strength.
    """
    choose("corruption", kind, CORRUPTIONS)
    if strength not in STRENGTHS:
        raise ConfigError(f"strength {strength!r} must be one of 1 to 5")
    level = CORRUPTIONS[kind][strength - 1]
    if kind == "blur":
        blur = ImageFilter.GaussianBlur(level * image.shape[0] / 256)
        return np.asarray(Image.fromarray(image).filter(blur))
    if kind == "jpeg":
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=level)
        return np.asarray(Image.open(file).convert("RGB"))
    if kind == "noise":
        random = np.random.default_rng(zlib.crc32(name.encode()))
        changed = image + level * random.standard_normal(image.shape, dtype=np.float32)
    elif kind == "darkness":
        changed = image * np.float32(0.5 ** (level / GAMMA))
    else:
        clear = transmission(image.shape[0], level)[:, None, None]
        changed = clear * image + (1 - clear) * AIRLIGHT
    return np.clip(np.rint(changed), 0, 255).astype(np.uint8)


def transmission(height: int, depth: float) -> np.ndarray:
    """Share of an object's light that passes the fog, by row of the photograph, float32 (height,).

    Koschmieder's law exp(-depth · distance) on a level street whose horizon is the middle row. The
    distance is inverse to the height below it, 1 (the largest) down to a twentieth of the frame.
    """
    below = (np.arange(height) + 0.5) / height - 0.5
    distance = np.minimum(1, 0.05 / np.maximum(below, 1e-6))
    return np.exp(-depth * distance).astype(np.float32)
