"""Notebook 04: how the cost of attention grows with the image, global against windowed, measured.

`python -m study.attention_cost` measures on one core of this machine (three minutes, 5 GB) and
writes `results/attention_growth.json`, from which the notebook draws its figure.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torchvision.models.swin_transformer import SwinTransformerBlock
from torchvision.models.vision_transformer import EncoderBlock

from seglib import paths
from seglib.errors import RecordError
from seglib.files import read_json, write_json
from seglib.models.inspection import multiply_adds
from seglib.provenance import describe_machine, versions

from .footprint import latency, peak_bytes

SIDES = (64, 96, 128, 192, 256, 384, 512)  # pixels; all are whole windows
PATCH, WINDOW = 4, 8
CHANNELS, HEADS, BLOCKS = 48, 2, 2  # of the first level of our smallest Swin
REPEATS = 9
NETWORK = dict(patch=PATCH, window=WINDOW, channels=CHANNELS, heads=HEADS, blocks=BLOCKS)
# Everything or a window; the matrix of all pairs written down, or computed piece by piece (fused).
KINDS = ("global", "global, fused", "windows")


class PlainAttention(nn.MultiheadAttention):
    """Writes down the whole matrix of weights, as every attention did before fused kernels."""

    def forward(self, query, key, value, need_weights=False):
        return super().forward(query, key, value, need_weights=True, average_attn_weights=False)


class Blocks(nn.Module):
    """Patches and two transformer blocks, as in a Swin's first level, of one of the `KINDS`.

    The kinds have the same parameters, but for the windows' position biases.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, CHANNELS, PATCH, stride=PATCH)
        self.windows = kind == "windows"
        self.blocks = nn.Sequential()
        for number in range(BLOCKS):
            shift = number % 2 * WINDOW // 2
            if self.windows:
                block = SwinTransformerBlock(CHANNELS, HEADS, [WINDOW] * 2, [shift] * 2)
            else:
                block = EncoderBlock(HEADS, CHANNELS, 4 * CHANNELS, 0.0, 0.0)
            if kind == "global":
                block.self_attention = PlainAttention(CHANNELS, HEADS, batch_first=True)
            self.blocks.append(block)

    def forward(self, image: Tensor) -> Tensor:
        """Map (N, 3, H, W) to tokens (N, H/4, W/4, C) or, globally, (N, H/4·W/4, C)."""
        tokens = self.patches(image).permute(0, 2, 3, 1)  # (N, H/4, W/4, C)
        return self.blocks(tokens if self.windows else tokens.flatten(1, 2))


def measure(sides: Sequence[int] = SIDES, repeats: int = REPEATS) -> pd.DataFrame:
    """Time and memory of one forward pass for one square image, on one core.

    Rows `attention` (of `KINDS`), `side` (pixels), `seconds` (of the processor; the median of
    `repeats`) and `megabytes` (10⁶ bytes; the most that intermediate results hold at once).
    """
    rows = []
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # it computes a whole layer out of sight
    try:
        for side in sides:
            for kind in KINDS:
                model = Blocks(kind).eval()
                weights = sum(parameter.nbytes for parameter in model.parameters())
                held = peak_bytes(model, (side, side)) - weights
                seconds = latency(model, (side, side), repeats=repeats)["median"]
                rows.append((kind, side, seconds, held / 1e6))
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
    return pd.DataFrame(rows, columns=["attention", "side", "seconds", "megabytes"])


def record_file() -> Path:
    """Where the committed measurement lies."""
    return paths.results_dir() / "attention_growth.json"


def load_growth() -> pd.DataFrame:
    """The recorded measurement, with a column `multiply_adds` counted anew.

    Raises `RecordError` if there is none, or if it is of other networks than today's.
    """
    file = record_file()
    content = read_json(file, RecordError)
    if content.get("networks") != NETWORK:
        raise RecordError(f"{file}: of other networks; run: python -m study.attention_cost")
    table = pd.DataFrame(content["measured"])
    with torch.device("meta"):
        models = {kind: Blocks(kind) for kind in KINDS}
    work = [multiply_adds(models[row.attention], row.side) for row in table.itertuples()]
    return table.assign(multiply_adds=work)


def growth_exponent(sides: Sequence[float], costs: Sequence[float]) -> float:
    """The p of costs ∝ pixels^p that fits best, where images of `sides` have side² pixels.

    Least squares on logarithms: 1 means that twice the pixels cost twice as much, 2 four times.
    """
    return float(np.polyfit(2 * np.log(sides), np.log(costs), 1)[0])


def main() -> None:
    """Measure, write the record and print it."""
    table = measure().round({"seconds": 6, "megabytes": 3})
    machine = {**describe_machine(torch.device("cpu")), "threads": 1}
    content = {"networks": NETWORK, "repeats": REPEATS, **machine, **versions()}
    write_json(record_file(), {**content, "measured": table.to_dict("records")})
    print(f"{table.to_string(index=False)}\nwritten: {record_file()}")


if __name__ == "__main__":
    main()
