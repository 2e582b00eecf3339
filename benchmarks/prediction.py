"""Labelling photographs: seconds, and the memory that it takes on top of the network.

As our predictor does it, at the size of training with the logits enlarged, against plain PyTorch
with the same network and precision; and with every pixel as it is, against the same in plain
PyTorch and against `smp.Unet` of as many multiply-adds, in our precision and in its own 32 bits.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from seglib.data.images import resize_image
from seglib.data.transforms import normalize
from seglib.devices import autocast, inference_precision, memory_format
from seglib.evaluation.predictor import Predictor, working_size
from seglib.labels import CITYSCAPES_19
from seglib.models import build_model

from .measuring import Comparison, interleave, peak_megabytes, seconds
from .peers import WIDTHS, check_equal_work, smp_unet

PHOTOS = {"1024×2048": (1024, 2048), "12 megapixels": (3000, 4000)}
TRAINED_AT, SCENES_OF = (160, 320), (256, 512)
CPU = torch.device("cpu")
PEER = "mobilenet_v2"
# Why the time, and why the memory, may fall short: beside the same network, and beside smp's.
TILES = "What tiles of a large photograph share is computed twice."
WIDER = "Our U-Net has its widest maps, with a skip, at the photograph's size, smp's only its last."
SAME = TILES, "The network's own maps are most of it, on either side."
OTHER = f"{WIDER} {TILES}", WIDER


def measure(repetitions: int) -> list[Comparison]:
    """Seconds and MB per photograph."""
    pairs = {
        "network at training size": (
            ("ours", "our predictor"),
            ("enlarged", "the same network; interpolate, argmax"),
        ),
        "network at full size": (
            ("full", "our predictor, a large photograph tile by tile"),
            ("whole", "the same network; argmax"),
        ),
    }
    for precision in dict.fromkeys((inference_precision("bf16", CPU), "fp32")):
        pairs[f"network at full size, smp in {precision}"] = (
            ("full_wide", f"U-Net of width {WIDTHS[PEER]}, our predictor"),
            (f"smp {precision}", f"smp.Unet({PEER}) on the whole photograph, {precision}"),
        )
    rows = []
    check_equal_work(_unet(WIDTHS[PEER]), _peer(), PHOTOS["1024×2048"])
    for photo, size in PHOTOS.items():
        for title, ((ours, our_way), (peer, peer_way)) in pairs.items():
            reasons = OTHER if peer.startswith("smp ") else SAME
            contenders = [prepare(way, size) for way in (ours, peer)]
            times = interleave(
                repetitions, *(lambda work=work: seconds(work) for work in contenders)
            )
            # Memory hardly varies: each contender in three processes of its own.
            peaks = [
                [peak_megabytes(prepare, way, size) for _ in range(min(repetitions, 3))]
                for way in (ours, peer)
            ]
            rows.append(
                Comparison(
                    f"Prediction, {photo}, {title}: time",
                    *("s", "lower", times[0], our_way, times[1], peer_way),
                    why=reasons[0],
                )
            )
            rows.append(
                Comparison(
                    f"Prediction, {photo}, {title}: memory",
                    *("MiB", "lower", peaks[0], our_way, peaks[1], peer_way),
                    why=reasons[1],
                )
            )
    return rows


def _unet(width: int) -> nn.Module:
    return build_model("unet", CITYSCAPES_19.num_classes, width=width).eval()


def _peer() -> nn.Module:
    return smp_unet(PEER, CITYSCAPES_19.num_classes).eval()


def prepare(way: str, size: tuple[int, int]) -> Callable[[], np.ndarray]:
    """A contender that labels a photograph of `size` (H, W): uint8 class indices."""
    photo = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    torch.manual_seed(0)
    precision = inference_precision("bf16", CPU)
    if way.startswith("smp "):
        network = _peer().to(memory_format=memory_format(CPU))
        return lambda: _whole(network, photo, way.removeprefix("smp "))
    network = _unet(WIDTHS[PEER] if way == "full_wide" else 16)
    network = network.to(memory_format=memory_format(CPU))
    if way == "ours":
        predictor = Predictor(network, CITYSCAPES_19, TRAINED_AT, SCENES_OF, precision)
        return lambda: predictor(photo).indices
    if way == "enlarged":
        return lambda: _enlarged(network, photo, precision)
    if way == "whole":
        return lambda: _whole(network, photo, precision)
    predictor = Predictor(network, CITYSCAPES_19, precision=precision)
    return lambda: predictor(photo).indices


@torch.inference_mode()
def _enlarged(network: nn.Module, photo: np.ndarray, precision: str) -> np.ndarray:
    size = working_size(photo.shape[:2], TRAINED_AT, SCENES_OF)
    logits = _logits(network, resize_image(photo, size), precision).float()
    logits = functional.interpolate(logits, photo.shape[:2], mode="bilinear")
    return logits.argmax(1)[0].to(torch.uint8).numpy()


@torch.inference_mode()
def _whole(network: nn.Module, photo: np.ndarray, precision: str) -> np.ndarray:
    height, width = photo.shape[:2]
    below, beside = -height % 32, -width % 32  # what smp's networks ask for
    padded = np.pad(photo, ((0, below), (0, beside), (0, 0)))
    logits = _logits(network, padded, precision)[..., :height, :width]
    return logits.argmax(1)[0].to(torch.uint8).numpy()


def _logits(network: nn.Module, photo: np.ndarray, precision: str) -> torch.Tensor:
    batch = normalize(torch.tensor(photo).permute(2, 0, 1)[None])
    with autocast(precision, CPU):
        return network(batch.to(memory_format=memory_format(CPU)))
