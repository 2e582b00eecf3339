"""Reading pictures: photographs of every common kind, and masks of label and instance ids.

Nothing in a file is trusted: whatever is wrong with it becomes one line that names it.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import DatasetError, ImageError, SeglibError
from ..labels import check_label_ids

try:  # the extra `speed`: decodes a PNG in three quarters of Pillow's time
    from imagecodecs import png_decode
except ImportError:
    png_decode = None

# Formats that cameras and painting programs write. Pillow knows more, some of which run other
# programs (EPS starts Ghostscript) or have no signature that tells them from noise.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF")
SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".jp2", ".avif")
)
SMALLEST_SIDE = 16  # pixels; a street scene below it has nothing to label
MOST_PIXELS = 100_000_000  # 300 MB as RGB; beyond it a small file may be made to fill the memory


def read_photo(source: Path | str | bytes, name: str | None = None) -> np.ndarray:
    """Read a photograph as uint8 RGB (H, W, 3), upright as EXIF says; transparency becomes white.

    `source`: a file, or a file's bytes. `name`: what messages call it, else the path. Raises
    ImageError with one line that names the file for what is missing, damaged, no image, animated,
    under 16 pixels or over 100 megapixels.
    """
    name = name or ("the image" if isinstance(source, bytes) else str(source))
    with _opened(source, name) as image:
        width, height = image.size
        if min(width, height) < SMALLEST_SIDE:
            least = f"at least {SMALLEST_SIDE}x{SMALLEST_SIDE} are needed"
            raise ImageError(f"{name}: {width}x{height} pixels are too few, {least}")
        # A phone's MPO holds the photograph and then its depth map or second eye.
        frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
        if frames > 1:
            what = f"holds {frames} pictures (an animation or several pages)"
            raise ImageError(f"{name}: {what}; save the one that is meant")
        image.load()
        upright = image
        with suppress(Exception):  # broken EXIF data is no reason to refuse a picture
            upright = ImageOps.exif_transpose(image)
        return np.asarray(_to_rgb(upright, name))


def read_mask(path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """Read a mask of one 8-bit channel as uint8 (H, W), whatever its values mean.

    `size`: the (H, W) that it must have, usually its image's. Raises DatasetError if the file is
    missing, damaged or of another kind or size.
    """
    return _mask(path, size, 8, ("L",))


def read_label_ids(path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """Read a mask of label ids as uint8 (H, W), values 0..33; errors of `read_mask`."""
    label_ids = read_mask(path, size)
    check_label_ids(label_ids, str(path))
    return label_ids


def read_instance_ids(path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """Read a mask of instance ids as int32 (H, W); errors of `read_mask`.

    A pixel of the k-th object of a class with instances holds `id * 1000 + k`, any other pixel its
    label id.
    """
    instance_ids = _mask(path, size, 16, ("L", "I", "I;16", "I;16B")).astype(np.int32)
    label_ids = np.where(instance_ids >= 1000, instance_ids // 1000, instance_ids)
    check_label_ids(label_ids, str(path))
    return instance_ids


def image_size(path: Path) -> tuple[int, int]:
    """The (H, W) of an image file as it is stored, from its header; ImageError if there is none."""
    with _opened(path, str(path)) as image:
        return image.height, image.width


@contextmanager
def _opened(source: Path | str | bytes, name: str) -> Iterator[Image.Image]:
    """A picture that is not decoded yet; what goes wrong while it is in use names the file."""
    if not isinstance(source, bytes) and Path(source).exists() and not Path(source).is_file():
        # Opening a named pipe would wait for ever.
        raise ImageError(f"{name}: a folder or device, not a regular file")
    Image.init()
    formats = [format for format in FORMATS if format in Image.OPEN]
    try:
        file = io.BytesIO(source) if isinstance(source, bytes) else source
        with Image.open(file, formats=formats) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Image.DecompressionBombError
            yield image
    except SeglibError:
        raise
    except Image.DecompressionBombError:
        most = f"more than {MOST_PIXELS // 10**6} megapixels"
        raise ImageError(f"{name}: {most}; scale it down") from None
    except UnidentifiedImageError:
        kinds = "not an image, or of a kind such as HEIC; use JPEG, PNG, WebP, TIFF or BMP"
        raise ImageError(f"{name}: cannot be read: {kinds}") from None
    except FileNotFoundError:
        raise ImageError(f"{name}: no such file") from None
    # Decoders raise OSError, SyntaxError, struct.error, RuntimeError and more, with no promise of
    # a list; so whatever they raise is the file's fault.
    except Exception as problem:
        reason = " ".join(str(problem).split())[:120] or type(problem).__name__
        raise ImageError(f"{name}: cannot be read, truncated or damaged ({reason})") from None


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):  # 16 bits, or 32 with only 16 in use
        values = np.asarray(image)
        if image.mode == "F" or values.min() < 0 or values.max() > 0xFFFF:
            raise ImageError(f"{name}: floating-point or 32-bit pixels have no agreed range")
        image = Image.fromarray((values // 257).astype(np.uint8))
    if image.has_transparency_data:
        # "RGB" would bring out the colours that hide under transparent pixels.
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("RGB")


def _mask(
    path: Path, size: tuple[int, int] | None, bits: int, modes: tuple[str, ...]
) -> np.ndarray:
    mask = None
    with _opened(path, str(path)) as image:
        if image.mode not in modes:
            hint = f"expected one channel of {bits} bits, found mode {image.mode}"
            raise DatasetError(f"{path}: {hint} (a colour mask?)")
        if png_decode and image.format == "PNG" and image.mode in ("L", "I;16"):
            with suppress(RuntimeError, ValueError):  # Pillow finds words for what is damaged
                mask = png_decode(path.read_bytes())
        if mask is None or mask.shape != image.size[::-1]:
            mask = np.asarray(image)
    if size is not None and mask.shape != tuple(size):
        found, wanted = (f"{height}x{width}" for height, width in (mask.shape, size))
        raise DatasetError(f"{path}: mask is {found} (height x width), its image is {wanted}")
    return mask
