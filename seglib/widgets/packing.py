"""What the browser gets: photographs as image files, label maps as deflated bytes.

Label maps do not travel as PNG, because reading a picture's pixels back is not exact in every
browser: some add noise to canvases against tracking, and colour management may change a byte.
"""

import base64
import io
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from PIL import Image

from ..data.cache import resize_image, resize_mask

JPEG_QUALITY = 90


def reduced_size(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    """The (H, W) of an image of `size` (H, W) after its longer side is held to `max_side`."""
    scale = min(1.0, max_side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def pack_photo(image: np.ndarray, size: tuple[int, int], kind: str) -> bytes:
    """An uint8 RGB image (H, W, 3), resized to `size`, as the bytes of a "jpeg" or "png" file."""
    buffer = io.BytesIO()
    picture = Image.fromarray(resize_image(image, size))
    if kind == "png":
        picture.save(buffer, "PNG", compress_level=3)
    else:
        picture.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()


def pack_map(values: np.ndarray, size: tuple[int, int]) -> bytes:
    """A map (H, W), resized to `size` by nearest pixel, as deflated bytes by rows.

    Class indices uint8, or probabilities 0 to 1, float, which become whole percent.
    """
    if values.dtype != np.uint8:
        values = np.rint(values.clip(0, 1).astype(np.float32) * 100).astype(np.uint8)
    return zlib.compress(resize_mask(values, size).tobytes())


def json_numbers(values: Iterable[float]) -> list[float | None]:
    """Floats as JSON knows them: NaN becomes None."""
    return [None if np.isnan(value) else round(float(value), 6) for value in values]


def widget_bundle(
    widget: Any, picture: bytes | None, metadata: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The MIME bundle of a widget with a static picture for readers without a kernel."""
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    data = {"text/plain": repr(widget), "application/vnd.jupyter.widget-view+json": view}
    if picture is not None:
        data["image/png"] = base64.b64encode(picture).decode("ascii")
    return data, dict(metadata or {})
