"""Reading photographs that somebody else made: any common format, nothing trusted."""

import io
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import ImageError

# Formats that cameras and painting programs write. Pillow knows more, some of which run other
# programs (EPS starts Ghostscript) or have no signature that tells them from noise.
FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF")
SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".jp2", ".avif")
)
SMALLEST_SIDE = 16  # pixels; a street scene below it has nothing to label
MOST_PIXELS = 100_000_000  # 300 MB as RGB; beyond it a small file may be made to fill the memory
USE_INSTEAD = "use JPEG, PNG, WebP, TIFF or BMP"

# Damaged files make decoders raise OSError, SyntaxError, struct.error, RuntimeError and more, with
# no promise of a list; so whatever they raise is the file's fault.
DAMAGE = Exception


def read_photo(source: Path | str | bytes, name: str | None = None) -> np.ndarray:
    """Read a photograph as uint8 RGB (H, W, 3), upright.

    `source`: a file, or a file's bytes. `name`: what messages call it, else the path. The camera's
    EXIF orientation is applied, 16-bit values are reduced to 8, transparency is laid on white,
    CMYK, grey and palette images become RGB. Raises ImageError with one line that names the file
    for what is missing, damaged, no image, animated, under 16 pixels or over 100 megapixels.
    """
    name = name or ("the image" if isinstance(source, bytes) else str(source))
    content = source if isinstance(source, bytes) else _bytes_of(Path(source), name)
    with warnings.catch_warnings():
        # Pillow warns of odd metadata and from 89 megapixels on; our own line is what counts.
        warnings.simplefilter("ignore")
        return _decode(content, name)


def find_photos(inputs: Iterable[Path | str], without: Path | None = None) -> list[Path]:
    """The image files among `inputs`: files as given, folders by all images within, sorted.

    Hidden files are passed over, and so is the folder `without`, which holds results. Raises
    ImageError for a path that does not exist and a folder without an image.
    """
    found: list[Path] = []
    for given in map(Path, inputs):
        if not given.is_dir():
            found.append(given)
            continue
        inside = sorted(path for path in given.rglob("*") if _is_photo(path, given, without))
        if not inside:
            kinds = " ".join(sorted(SUFFIXES))
            raise ImageError(f"{given}: no images in this folder, expected files named {kinds}")
        found += inside
    if missing := [path for path in found if not path.exists()]:
        raise ImageError(f"{missing[0]}: no such file or folder")
    return list(dict.fromkeys(found))


def _is_photo(path: Path, folder: Path, without: Path | None) -> bool:
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return False
    if without is not None and path.resolve().is_relative_to(without.resolve()):
        return False
    return not any(part.startswith(".") for part in path.relative_to(folder).parts)


def _bytes_of(path: Path, name: str) -> bytes:
    if path.is_dir():
        raise ImageError(f"{name}: is a folder, expected an image file")
    if path.exists() and not path.is_file():
        raise ImageError(f"{name}: is not a regular file")
    try:
        return path.read_bytes()
    except OSError as problem:
        reason = "no such file" if isinstance(problem, FileNotFoundError) else problem.strerror
        raise ImageError(f"{name}: cannot be read ({reason})") from None


def _decode(content: bytes, name: str) -> np.ndarray:
    if not content:
        raise ImageError(f"{name}: the file is empty")
    Image.init()
    try:
        image = Image.open(io.BytesIO(content), formats=[f for f in FORMATS if f in Image.OPEN])
    except UnidentifiedImageError:
        raise ImageError(f"{name}: {_what_it_is(content)}; {USE_INSTEAD}") from None
    except Image.DecompressionBombError:
        raise ImageError(f"{name}: more than {MOST_PIXELS // 10**6} megapixels; scale it") from None
    except DAMAGE as problem:
        raise ImageError(f"{name}: damaged image ({_one_line(problem)})") from None
    with image:
        width, height = image.size
        if width * height > MOST_PIXELS:
            raise ImageError(f"{name}: {width}x{height} pixels are more than "
                             f"{MOST_PIXELS // 10**6} megapixels; scale it down")  # fmt: skip
        if min(width, height) < SMALLEST_SIDE:
            raise ImageError(f"{name}: {width}x{height} pixels are too few, "
                             f"at least {SMALLEST_SIDE}x{SMALLEST_SIDE} are needed")  # fmt: skip
        try:
            # A phone's MPO holds the photograph and then its depth map or second eye.
            frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
        except DAMAGE as problem:
            raise ImageError(f"{name}: damaged image ({_one_line(problem)})") from None
        if frames > 1:
            raise ImageError(f"{name}: holds {frames} pictures (an animation or several pages); "
                             "save the one that is meant")  # fmt: skip
        try:
            image.load()
        except DAMAGE as problem:
            line = f"{name}: truncated or damaged image ({_one_line(problem)})"
            raise ImageError(line) from None
        try:
            return np.asarray(_to_rgb(_upright(image)))
        except DAMAGE as problem:
            line = f"{name}: mode {image.mode} cannot be shown as RGB ({_one_line(problem)})"
            raise ImageError(line) from None


def _upright(image: Image.Image) -> Image.Image:
    """Turn the image as its EXIF orientation says; broken EXIF data is no reason to refuse it."""
    try:
        return ImageOps.exif_transpose(image)
    except DAMAGE:
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise ValueError("floating-point pixels have no agreed range")
    if image.mode.startswith("I"):  # 16 bits, or 32 of which only 16 are in use
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 0xFFFF:
            raise ValueError("32-bit pixels have no agreed range")
        image = Image.fromarray((values // 257).astype(np.uint8))
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        # "RGB" would bring out the colours that hide under transparent pixels.
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def _what_it_is(content: bytes) -> str:
    """Say what a file is that is no image we read, as far as its first bytes tell."""
    if content[4:8] == b"ftyp" and content[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"heim"):
        return "is a HEIC photograph, which is not supported"
    for signature, kind in (
        (b"PK", "is a zip archive, not an image"),
        (b"%PDF", "is a PDF document, not an image"),
        (b"<svg", "is an SVG drawing, not a photograph"),
        (b"<", "is a web page or XML, not an image"),
    ):
        if content.lstrip().startswith(signature):
            return kind
    return "not an image, or in a format that is not supported"


def _one_line(problem: BaseException) -> str:
    return " ".join(str(problem).split())[:120] or type(problem).__name__
