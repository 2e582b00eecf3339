"""Labelling photographs from anywhere, at any size, with memory that the tile bounds.

A network knows objects at the size at which it was trained on them. So a photograph is scaled to
as many pixels as the training images had, labelled, and the logits are enlarged to its own size,
which is also how scores are computed. `size=None` labels every pixel as it is instead, in
overlapping tiles: for networks that were trained at full resolution.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from tqdm.auto import tqdm

from ..data.cache import resize_image
from ..data.photos import find_photos, read_photo
from ..data.transforms import normalize
from ..devices import autocast, choose_device, memory_format, resolve_precision
from ..errors import ConfigError, ImageError, choose
from ..files import atomic_path
from ..labels import ClassSet
from ..records import Record

TILE = 768  # pixels; 768² is a little more than the 512×1024 of a Cityscapes training image
OVERLAP = 128  # pixels shared by neighbouring tiles: the outer quarter is context, never shown
STRIP_VALUES = 1 << 24  # enlarged logits held at once: 64 MB
OUTPUTS = ("labelIds", "color", "overlay")


class Prediction(NamedTuple):
    """Class indices, uint8 (H, W), and the largest probability of each pixel, float16 (H, W)."""

    indices: np.ndarray
    confidence: np.ndarray | None


@torch.inference_mode()
def predict_image(
    model: nn.Module,
    image: np.ndarray,
    *,
    size: tuple[int, int] | None = None,
    tile: int = TILE,
    overlap: int = OVERLAP,
    precision: str = "fp32",
    normalisation: Callable[[Tensor], Tensor] = normalize,
    device: torch.device | str | None = None,
    confidence: bool = False,
) -> Prediction:
    """Label one image.

    `model`: maps normalised floats (1, 3, h, w) to logits (1, C, h, w), C at most 255. `image`:
    uint8 RGB (H, W, 3). `size`: (h, w) at which the network sees it (None: its own). Images of
    more than tile² pixels go through in tiles that share `overlap` pixels, a multiple of 4 and at
    most half a tile; both should be multiples of the network's stride. `normalisation`: maps
    uint8 (1, 3, h, w) to floats. `device`: None is where the model is. `confidence` None unless
    asked for. Raises ConfigError for impossible tiles.
    """
    if overlap % 4 or not 0 < overlap <= tile // 2:
        raise ConfigError(
            f"overlap {overlap} must be a multiple of 4 from 4 to half the tile {tile}"
        )
    device = torch.device(device) if device else _device_of(model)
    model = model.to(device)

    def logits_of(part: np.ndarray) -> Tensor:
        batch = torch.from_numpy(part.copy()).permute(2, 0, 1)[None].to(device)  # (1, 3, h, w)
        batch = normalisation(batch).to(memory_format=memory_format(device))
        with autocast(precision, device):
            return model(batch)[0].float()  # (C, h, w)

    full = image.shape[:2]
    was_training = model.training
    model.eval()
    try:
        rows = _logit_rows(logits_of, resize_image(image, size or full), tile, overlap)
        if size and tuple(size) != full:
            rows = _enlarged_rows(torch.cat(list(rows), dim=1), full)
        return _collect(rows, full, confidence)
    finally:
        model.train(was_training)


def _device_of(model: nn.Module) -> torch.device:
    parameter = next(model.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


def _logit_rows(
    logits_of: Callable[[np.ndarray], Tensor], image: np.ndarray, tile: int, overlap: int
) -> Iterator[Tensor]:
    """The logits of an image (h, w, 3), as bands (C, rows, w) from top to bottom.

    Tiles start at multiples of tile - overlap, so that pooling falls on the same pixels in each,
    and their weights add up to 1 everywhere. Only one row of tiles is held at a time.
    """
    height, width = image.shape[:2]
    if height * width <= tile * tile:
        yield logits_of(image)
        return
    carry: Tensor | None = None
    for top, bottom in _spans(height, tile, overlap):
        band: Tensor | None = None
        for left, right in _spans(width, tile, overlap):
            logits = logits_of(image[top:bottom, left:right])
            if band is None:
                band = logits.new_zeros(logits.shape[0], bottom - top, width)
            vertical = _ramp(top, bottom, height, overlap, logits)
            horizontal = _ramp(left, right, width, overlap, logits)
            band[..., left:right] += logits * vertical[:, None] * horizontal
        if carry is not None:
            band[:, :overlap] += carry
        finished = bottom - top if bottom == height else bottom - top - overlap
        yield band[:, :finished]
        carry = band[:, finished:]


def _spans(length: int, tile: int, overlap: int) -> list[tuple[int, int]]:
    """Start and end of the tiles over `length` pixels, each sharing `overlap` with the next."""
    step = tile - overlap
    return [
        (start, min(start + tile, length)) for start in range(0, max(length - overlap, 1), step)
    ]


def _ramp(start: int, end: int, length: int, overlap: int, like: Tensor) -> Tensor:
    """Weights (end - start,) of a tile: 1 inside, falling to 0 where a neighbour shares pixels.

    Of the shared pixels the outer quarter counts 0, since the network saw no context there, and
    the middle half is blended linearly.
    """
    rising = (torch.arange(overlap, device=like.device, dtype=like.dtype) + 0.5) / overlap
    rising = (2 * rising - 0.5).clamp(0, 1)
    weights = like.new_ones(end - start)
    if start > 0:
        weights[:overlap] = rising
    if end < length:
        weights[-overlap:] = 1 - rising
    return weights


def _enlarged_rows(logits: Tensor, size: tuple[int, int]) -> Iterator[Tensor]:
    """Logits (C, h, w) resized bilinearly to `size` (H, W), as bands (C, rows, W).

    Equals `interpolate(..., align_corners=False)` of the whole, which would need gigabytes for a
    photograph of 12 megapixels.
    """
    logits = logits.contiguous()  # with the classes last, enlarging takes three times as long
    height, width = size
    strip = max(1, STRIP_VALUES // (logits.shape[0] * width))
    if strip >= height:
        yield functional.interpolate(logits[None], size, mode="bilinear")[0]
        return
    source_height = logits.shape[1]
    for top in range(0, height, strip):
        rows = torch.arange(top, min(top + strip, height), device=logits.device)
        source = ((rows + 0.5) * source_height / height - 0.5).clamp(min=0)
        low = source.long().clamp(max=source_height - 1)
        high = (low + 1).clamp(max=source_height - 1)
        share = (source - low)[:, None]
        band = torch.lerp(logits[:, low], logits[:, high], share)  # (C, rows, w)
        yield functional.interpolate(band[None], (len(rows), width), mode="bilinear")[0]


def _collect(rows: Iterable[Tensor], size: tuple[int, int], confidence: bool) -> Prediction:
    indices = np.empty(size, dtype=np.uint8)
    certain = np.empty(size, dtype=np.float16) if confidence else None
    top = 0
    for band in rows:
        bottom = top + band.shape[1]
        largest, winner = band.max(0)  # faster than argmax and of the same index
        indices[top:bottom] = winner.to(torch.uint8).cpu().numpy()
        if certain is not None:
            # The softmax of the winner alone.
            certain[top:bottom] = (largest - band.logsumexp(0)).exp().half().cpu().numpy()
        top = bottom
    return Prediction(indices, certain)


def working_size(
    photo: tuple[int, int], image_size: tuple[int, int], scene_size: tuple[int, int]
) -> tuple[int, int]:
    """The (h, w) at which a photo (H, W) has objects of the size and shape known from training.

    `image_size`: (h, w) of the training images, which were made from scenes of `scene_size`. The
    result has their number of pixels and their distortion: exactly `image_size` for a photo of
    the scenes' own proportions.
    """
    stretch = (image_size[1] / scene_size[1]) / (image_size[0] / scene_size[0])
    aspect = photo[1] / photo[0] * stretch  # w / h
    height = (image_size[0] * image_size[1] / aspect) ** 0.5
    # A strip of a panorama still needs rows for a network to look at.
    return max(32, round(height)), max(32, round(height * aspect))


@dataclass(frozen=True)
class Predictor:
    """A network with what is needed to label any photograph with it."""

    model: nn.Module
    class_set: ClassSet
    image_size: tuple[int, int] | None = None  # (H, W) it was trained at; None: any photo's own
    scene_size: tuple[int, int] | None = None  # (H, W) of the scenes before they were resized
    precision: str = "fp32"

    @classmethod
    def from_record(cls, record: Record, device: str | None = None) -> "Predictor":
        """The network of a recorded run, on `device` (None: the fastest one here)."""
        config = record.config.resolved()
        chosen = choose_device(device)
        model = record.load_model(chosen).to(memory_format=memory_format(chosen))
        dataset = record.dataset
        precision = resolve_precision(config.precision, chosen)
        return cls(model, dataset.class_set, config.image_size, dataset.image_size, precision)

    def __call__(self, image: np.ndarray, confidence: bool = False) -> Prediction:
        """Label an uint8 RGB image (H, W, 3)."""
        size = None
        if self.image_size:
            size = working_size(
                image.shape[:2], self.image_size, self.scene_size or self.image_size
            )
        return predict_image(
            self.model, image, size=size, precision=self.precision, confidence=confidence
        )


def overlay(image: np.ndarray, indices: np.ndarray, class_set: ClassSet) -> np.ndarray:
    """Blend an uint8 image (H, W, 3) with the colours of its classes at 50 %, outlines in full."""
    colors = class_set.colorize(indices)
    # The mean of two bytes without a wider copy: twelve megapixels stay at 36 MB an array.
    blended = (image & colors) + ((image ^ colors) >> 1)
    edge = np.zeros(indices.shape, dtype=bool)
    edge[:, 1:] |= indices[:, 1:] != indices[:, :-1]
    edge[1:] |= indices[1:] != indices[:-1]
    for _ in range(min(indices.shape) // 800):  # visible when a large photograph is shown small
        edge[:, :-1] |= edge[:, 1:].copy()
        edge[:-1] |= edge[1:].copy()
    blended[edge] = colors[edge]
    return blended


def predict_files(
    source: Record | Predictor,
    inputs: Sequence[Path | str],
    output: Path,
    *,
    device: str | None = None,
    outputs: Sequence[str] = OUTPUTS,
    progress: bool = True,
) -> list[Path]:
    """Label photographs and write `{stem}_labelIds.png`, `_color.png` and `_overlay.png` of each.

    `source`: a recorded run, or a predictor. `inputs`: image files, and folders whose images are
    all labelled. `output`: the folder to write to, made if it is missing. `outputs`: which of the
    three to write. Every file appears whole or not at all. One that cannot be read does not stop
    the others. Returns the written files; raises ImageError, or ConfigError, with one line.
    """
    output = Path(output)
    for kind in outputs:
        choose("output", kind, OUTPUTS)
    photos = find_photos(inputs, without=output)
    if not photos:
        raise ImageError("no image was given; name image files or folders")
    _check_names(photos)
    if output.exists() and not output.is_dir():
        raise ImageError(f"{output}: is a file, expected a folder to write to")
    predictor = Predictor.from_record(source, device) if isinstance(source, Record) else source
    written: list[Path] = []
    problems: list[ImageError] = []
    for photo in tqdm(photos, "predict", unit="image", disable=not progress or len(photos) == 1):
        try:
            image = read_photo(photo)
        except ImageError as problem:
            problems.append(problem)
            continue
        indices = predictor(image).indices
        written += _write(output, photo.stem, image, indices, predictor.class_set, outputs)
    if problems and len(photos) > 1:
        done = f"{len(photos) - len(problems)} of {len(photos)} images labelled"
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ImageError(f"{problems[0]}{more}; {done}")
    if problems:
        raise problems[0]
    return written


def _check_names(photos: Sequence[Path]) -> None:
    first: dict[str, Path] = {}
    for photo in photos:
        # Some file systems do not tell "A" from "a".
        other = first.setdefault(photo.stem.casefold(), photo)
        if other is not photo:
            raise ImageError(f"{other} and {photo} would be written to the same files; rename one")


def _write(
    folder: Path,
    stem: str,
    image: np.ndarray,
    indices: np.ndarray,
    class_set: ClassSet,
    outputs: Sequence[str],
) -> list[Path]:
    make = {
        "labelIds": lambda: class_set.decode(indices),
        "color": lambda: class_set.colorize(indices),
        "overlay": lambda: overlay(image, indices, class_set),
    }
    written = []
    for kind in outputs:
        target = folder / f"{stem}_{kind}.png"
        try:
            with atomic_path(target) as temporary:
                # Overlays are noisy like photographs: more effort takes seconds and saves little.
                Image.fromarray(make[kind]()).save(temporary, compress_level=3)
        except OSError as problem:
            reason = problem.strerror or problem
            raise ImageError(f"{target}: cannot be written ({reason})") from None
        written.append(target)
    return written
