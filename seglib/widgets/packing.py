"""What the browser gets: photographs as image files, label maps as deflated bytes.

Label maps do not travel as PNG, because reading a picture's pixels back is not exact in every
browser: some add noise to canvases against tracking, and colour management may change a byte.
"""

import base64
import html
import io
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from IPython import get_ipython
from IPython.display import display
from PIL import Image

from ..data.cache import resize_image, resize_mask

JPEG_QUALITY = 90


def browser_part(*names: str) -> str:
    """These files of `browser/` as one text."""
    folder = Path(__file__).parent / "browser"
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)


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
    """The MIME bundle of a widget with a static picture for readers without a kernel.

    Programs that run notebooks get both in one output. Where a person sits in front, the picture is
    an output of its own (`still`, which `widget.still` can update) that is displayed here, because
    Jupyter prefers the widget even when it is dead.
    """
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    data = {"text/plain": repr(widget), "application/vnd.jupyter.widget-view+json": view}
    if someone_watches():
        widget.still = display(still(widget, picture), raw=True, display_id=True)
    elif picture is not None:
        data["image/png"] = _text(picture)
    return data, dict(metadata or {})


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def someone_watches() -> bool:
    """Whether a person runs the cell: front ends offer to answer `input()`, programs do not."""
    kernel = getattr(get_ipython(), "kernel", None)
    parent = kernel.get_parent("shell") if kernel else {}
    return bool(parent.get("content", {}).get("allow_stdin"))


def still(widget: Any, picture: bytes | None) -> dict[str, Any]:
    """What a notebook shows above a widget as long as the widget isn't alive, as a MIME bundle.

    The browser's part hides it (`data-seglib-still` is the widget's id); the style does the same in
    JupyterLab and Notebook 7, and hides their "model not found" below it.
    """
    text, data = repr(widget), {}
    style = f"<style>{browser_part('still.css')}</style>"
    content = f"{html.escape(text)}: run this cell to use it"
    if picture is not None:
        small = io.BytesIO()
        Image.open(io.BytesIO(picture)).convert("RGB").save(small, "WEBP", quality=80)
        source = f"data:image/webp;base64,{_text(small.getvalue())}"
        content = f'<img src="{source}" alt="{html.escape(text)}" style="max-width: 100%">'
        data["image/png"] = _text(picture)
    place = f'<div class="seglib-still" data-seglib-still="{widget.model_id}">'
    return {"text/plain": text, "text/html": f"{style}{place}{content}</div>", **data}
