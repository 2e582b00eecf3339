"""Reading and resizing pictures: photographs of every kind, masks of label and instance ids.

Nothing in a file is trusted: whatever is wrong with it becomes one line that names it.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ..errors import DatasetError, ImageError, SeglibError
from ..labels import LARGEST_LABEL_ID, check_label_ids

try:  # the extra `speed`: decodes a PNG in three quarters of Pillow's time
    from imagecodecs import png_decode
except ImportError:
    png_decode = None

# Formats that cameras and painting programs write. Pillow knows more, some of which run other
# programs (EPS starts Ghostscript) or have no signature that tells them from noise.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF")
SUFFIXES = tuple(".jpg .jpeg .jfif .png .webp .tif .tiff .bmp .gif .ppm .pgm .jp2 .avif".split())
SMALLEST_SIDE = 16  # pixels; a street scene below it has nothing to label
MOST_PIXELS = 100_000_000  # 300 MB as RGB; beyond it a small file may be made to fill the memory
MOST_BYTES = 10 * MOST_PIXELS  # of a file; four channels of 16 bits take less
# TIFF tags: NewSubfileType, whose lowest bit marks a smaller copy of a picture, and BitsPerSample.
REDUCED, BITS = 254, 258


def read_photo(source: Path | str | bytes, name: str | None = None) -> np.ndarray:
    """Read a photograph as uint8 RGB (H, W, 3), upright as EXIF says; transparency becomes white.

    `source`: a file, or a file's bytes. `name`: what messages call it, else the path. Gray values
    of more than 8 bits have the range that the format or the TIFF file says, else the smallest of
    8, 10, 12, 14 and 16 bits that holds the brightest one. Raises ImageError with one line that
    names the file for what is missing, damaged, no image, animated, under 16 pixels or over 100
    megapixels, a raw file's preview, floating-point, or 16-bit colour that uses fewer bits.
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
        tags = getattr(image, "tag_v2", {})  # of a TIFF file
        if tags.get(REDUCED, 0) & 1:
            what = "starts with a smaller copy of the picture, as raw files do"
            raise ImageError(f"{name}: {what}; save it as JPEG or PNG")
        # Of gray values, where the file tells. Pillow scales those of PPM and JPEG 2000.
        bits = 16 if image.format in ("PPM", "JPEG2000") else 12 if tags.get(BITS) == (12,) else 0
        stored = str(image.tile)  # such as "RGB;16B"; forgotten once it is loaded
        image.load()
        if ";16" in stored:
            pixels = np.asarray(image)  # of which Pillow keeps the upper bytes
            if pixels.ndim == 3 and pixels[..., :3].max() < 64:
                what = "16-bit colours that use 14 bits or fewer"
                raise ImageError(f"{name}: {what}; save it with 8 bits per channel")
        upright = image
        with suppress(Exception):  # broken EXIF data is no reason to refuse a picture
            upright = ImageOps.exif_transpose(image)
        return np.asarray(_to_rgb(upright, name, bits))


def read_mask(path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """Read a mask of one channel as uint8 or uint16 (H, W), whatever its values mean.

    A PNG file of 8 or 16 bits per pixel, or with a palette, whose indices then are the values; the
    pixels are taken as they are stored. `size`: the (H, W) that the mask must have, usually its
    image's. Raises DatasetError if the file is missing, damaged or of another kind or size.
    """
    mask = None
    with _opened(path, str(path)) as image:
        if image.format != "PNG":  # JPEG changes values, PGM scales them
            raise DatasetError(f"{path}: a mask must be a PNG file, found {image.format}")
        stored = image.tile[0][3] if image.tile else image.mode  # such as "L;4"
        if image.mode not in ("L", "P", "I", "I;16") or stored in ("L;2", "L;4"):
            raise DatasetError(f"{path}: expected one channel of 8 or 16 bits, found mode {stored}")
        if png_decode and image.mode in ("L", "I;16"):
            with suppress(RuntimeError, ValueError):  # Pillow finds words for what is damaged
                mask = png_decode(path.read_bytes())
        if mask is None or mask.shape != image.size[::-1]:
            mask = np.asarray(image)
    if size is not None and mask.shape != tuple(size):
        found, wanted = (f"{height}x{width}" for height, width in (mask.shape, size))
        raise DatasetError(f"{path}: mask is {found} (height x width), its image is {wanted}")
    return mask


def read_label_ids(path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """Read a mask of label ids as uint8 (H, W), values 0..33; errors of `read_mask`."""
    label_ids = read_mask(path, size)
    check_label_ids(label_ids, str(path))
    return label_ids.astype(np.uint8, copy=False)


def read_instance_ids(path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """Read a mask of instance ids as uint16 (H, W); errors of `read_mask`.

    The k-th object of a class with instances holds `id * 1000 + k`, other pixels their label id.
    """
    mask = read_mask(path, size).astype(np.uint16, copy=False)
    first = LARGEST_LABEL_ID + 1
    # From 34 to 999 nothing has a meaning. In one comparison, as smaller values wrap around.
    between = mask - np.uint16(first) < 1000 - first
    if between.any() or mask.max() >= 1000 * first:
        check_label_ids(np.where(mask >= 1000, mask // 1000, mask), str(path))
    return mask


def photo_size(path: Path) -> tuple[int, int]:
    """The (H, W) of a photograph as `read_photo` turns it, by the file's header, or ImageError.

    EXIF data behind the pixels of a PNG file are not seen.
    """
    with _opened(path, str(path)) as image:
        # Pillow turns a TIFF by itself, and decodes a PNG to seek what is behind its pixels.
        upright = image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info)
        turned = not upright and image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
        return image.size if turned else image.size[::-1]


@contextmanager
def _opened(source: Path | str | bytes, name: str) -> Iterator[Image.Image]:
    """A picture that is not decoded yet; what goes wrong while it is in use names the file."""
    if not isinstance(source, bytes) and Path(source).exists():
        if not Path(source).is_file():  # opening a named pipe would wait for ever
            raise ImageError(f"{name}: a folder or device, not a regular file")
        if (size := Path(source).stat().st_size) > MOST_BYTES:
            raise ImageError(f"{name}: {size / 1e9:.1f} GB, more than any picture that is read")
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


def _to_rgb(image: Image.Image, name: str, bits: int) -> Image.Image:
    if image.mode == "F" or image.mode.startswith("I"):  # 16 bits, or 32 with only 16 in use
        values = np.asarray(image)
        if image.mode == "F" or values.min() < 0 or values.max() > 0xFFFF:
            raise ImageError(f"{name}: floating-point or 32-bit pixels have no agreed range")
        bits = bits or next(bits for bits in (8, 10, 12, 14, 16) if values.max() < 2**bits)
        white = 2**bits - 1
        values = np.where(values == image.info.get("transparency"), white, values)
        image = Image.fromarray((values * np.uint32(255) // white).astype(np.uint8))
    if image.has_transparency_data:
        # "RGB" would bring out the colours that hide under transparent pixels.
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("RGB")


def checked_image(image: Any, name: str = "the image") -> np.ndarray:
    """`image` if it is uint8 RGB (H, W, 3), else ImageError with a line that begins with `name`."""
    found = f"a {type(image).__name__}"
    if isinstance(image, np.ndarray):
        if image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3 and image.size:
            return image
        found = f"{image.dtype} {image.shape}"
    raise ImageError(f"{name}: expected an array of uint8 RGB (H, W, 3), 0 to 255, found {found}")


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize uint8 (H, W, 3) to `size` (H, W) with an antialiasing bilinear filter."""
    return np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR))


def resize_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize uint8 class indices (H, W) to `size` (H, W) by nearest pixel: no new labels appear."""
    return np.asarray(Image.fromarray(mask).resize(size[::-1], Image.Resampling.NEAREST))
