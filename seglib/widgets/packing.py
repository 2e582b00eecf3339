"""What the browser gets: photographs as image files, label maps as deflated bytes.

Label maps do not travel as PNG, because reading a picture's pixels back is not exact in every
browser: some add noise to canvases against tracking, and colour management may change a byte.
"""

import base64
import html
import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from IPython import get_ipython
from IPython.display import display
from PIL import Image

from ..data.images import resize_image, resize_mask

BROWSER = Path(__file__).parent / "browser"


def browser_part(*names: str) -> str:
    """These files of `browser/`, with their suffix or scripts, as one text."""
    files = [BROWSER / (name if "." in name else f"{name}.js") for name in names]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def reduced_size(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    """The (H, W) of an image of `size` (H, W) after its longer side is held to `max_side`."""
    scale = min(1.0, max_side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def pack_photo(image: np.ndarray, size: tuple[int, int]) -> bytes:
    """An uint8 RGB image (H, W, 3), resized to `size`, as the bytes of a JPEG file."""
    buffer = io.BytesIO()
    Image.fromarray(resize_image(image, size)).save(buffer, "JPEG", quality=90, subsampling=0)
    return buffer.getvalue()


def pack_map(values: np.ndarray, size: tuple[int, int]) -> bytes:
    """A map (H, W), resized to `size` by nearest pixel, as deflated bytes by rows.

    Class indices uint8, or probabilities 0 to 1, float, which become whole percent.
    """
    if values.dtype != np.uint8:
        values = np.rint(values.clip(0, 1).astype(np.float32) * 100).astype(np.uint8)
    return zlib.compress(resize_mask(values, size).tobytes())


def widget_bundle(widget: Any, picture: bytes | None, metadata: Any) -> tuple[dict, dict]:
    """The MIME bundle of a widget with a static picture for readers without a kernel.

    Programs that run notebooks get both in one output. For a person the picture is an output of its
    own (`still`, updated by `widget.still`), because Jupyter prefers the widget even when dead.
    """
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    data = {"text/plain": repr(widget), "application/vnd.jupyter.widget-view+json": view}
    if someone_watches():
        widget.still = display(still(widget, picture), raw=True, display_id=True)
    elif picture is not None:
        data["image/png"] = base64_text(picture)
        width = Image.open(io.BytesIO(picture)).width
        metadata = {**metadata, "image/png": {"alt": repr(widget), "width": width}}
    return data, dict(metadata)


def base64_text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def someone_watches() -> bool:
    """Whether a person runs the cell: front ends offer to answer `input()`, programs do not."""
    kernel = getattr(get_ipython(), "kernel", None)
    return bool(kernel and kernel.get_parent("shell").get("content", {}).get("allow_stdin"))


def still(widget: Any, picture: bytes | None) -> dict[str, Any]:
    """What a notebook shows above a widget as long as the widget isn't alive, as a MIME bundle.

    The script hides it by its id; so does the style in JupyterLab and Notebook 7, and there also
    their "model not found" below it.
    """
    data, name = {"text/plain": repr(widget)}, html.escape(repr(widget))
    content = f"{name}: run this cell to use it"
    if picture is not None:
        small = io.BytesIO()
        Image.open(io.BytesIO(picture)).convert("RGB").save(small, "WEBP", quality=80)
        source = f"data:image/webp;base64,{base64_text(small.getvalue())}"
        content = f'<img src="{source}" alt="{name}" style="max-width: 100%">'
        data["image/png"] = base64_text(picture)
    place = f'<div class="seglib-still" data-seglib-still="{widget.model_id}">'
    style = f"<style>{browser_part('still.css')}</style>"
    return {**data, "text/html": f"{style}{place}{content}</div>"}
