"""Notebook 04: windows, their shift and its mask (Liu et al., "Swin Transformer", ICCV 2021,
section 3.2) in plain steps, and who looks at whom.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torchvision.models.swin_transformer import ShiftedWindowAttention

from seglib.errors import ConfigError
from seglib.models.blocks import pad_to_multiple

Sides = tuple[int, int]  # height and width, of a map or a window, in tokens

NOWHERE = -1  # the place of a token that lies nowhere in the image: class token or padding


def partition(features: Tensor, window: Sides) -> Tensor:
    """Cut maps (N, H, W, C) into windows (N·windows, L, C) whose sides divide H and W."""
    count, height, width, channels = features.shape
    rows, columns = height // window[0], width // window[1]
    cells = features.view(count, rows, window[0], columns, window[1], channels)
    return cells.transpose(2, 3).reshape(-1, window[0] * window[1], channels)


def window_ids(size: Sides, window: Sides, shift: Sides = (0, 0)) -> Tensor:
    """The number of the window that each token of a map of `size` (H, W) lies in, int64 (H, W).

    The grid of windows is moved down and right by `shift` and cut off at the border.
    """
    sides = zip(size, window, shift, strict=True)
    row, column = ((torch.arange(side) - step) // part for side, part, step in sides)
    row, column = row - row[0], column - column[0]
    return row[:, None] * (int(column[-1]) + 1) + column


def shift_mask(size: Sides, window: Sides, shift: Sides) -> Tensor:
    """Which of a window's L tokens may attend to which after the shift, bool (windows, L, L).

    The shift rolls the map of `size` (H, W) up and left by `shift`, so that whole windows hold
    tokens from opposite borders. Allowed are the pairs that were in one window before.
    """
    rolled = window_ids(size, window, shift).roll((-shift[0], -shift[1]), (0, 1))
    ids = partition(rolled[None, :, :, None], window)  # (windows, L, 1)
    return ids == ids.transpose(1, 2)


def shifted_windows(layer: ShiftedWindowAttention, size: Sides) -> tuple[Tensor, Tensor]:
    """The windows, of L tokens each, of a layer on a map of `size` (H, W).

    Returns where in the map each token lies, row by row, or `NOWHERE` for those that fill it up to
    whole windows: int64 (windows, L); and who may look at whom: bool (windows, L, L).
    """
    window = tuple(layer.window_size)
    sides = zip(size, window, layer.shift_size, strict=True)
    shift = tuple(0 if side <= part else step for side, part, step in sides)  # one holds all
    places = torch.arange(size[0] * size[1]).view(1, *size, 1)
    margin = (0, 0, 0, -size[1] % window[1], 0, -size[0] % window[0])
    places = functional.pad(places, margin, value=NOWHERE)
    allowed = shift_mask(places.shape[1:3], window, shift)
    rolled = places.roll((-shift[0], -shift[1]), (1, 2))
    return partition(rolled, window)[..., 0], allowed


@dataclass(frozen=True)
class Attention:
    """Who looks at whom in one block, for one image; a group is a window, or all if global."""

    weights: Tensor  # float (groups, heads, L, L)
    # Bool (groups or 1, L, L): what the shift's mask lets through; sharp weights underflow to 0.
    allowed: Tensor
    places: Tensor  # int64 (groups, L): where in the grid tokens lie, row by row, or `NOWHERE`
    grid: tuple[int, int]  # (h, w)
    cell: int  # side in input pixels of one place of the grid

    def seen_from(self, row: int, column: int, head: int) -> np.ndarray:
        """What one place takes from each other one, float32 (h, w); NaN where it can't look."""
        group, token = (self.places == row * self.grid[1] + column).nonzero()[0]
        places = self.places[group]
        inside = self.allowed.expand(len(self.places), -1, -1)[group, token] & (places != NOWHERE)
        seen = torch.full((self.grid[0] * self.grid[1],), torch.nan)
        seen[places[inside]] = self.weights[group, head, token, inside]
        return seen.view(self.grid).numpy()

    def distances(self) -> np.ndarray:
        """Mean distance in input pixels that each head looks, float64 (heads,).

        All places count alike; tokens without one are left out (Dosovitskiy et al., ICLR 2021).
        """
        return self._mean_distances(self.weights)

    def even_distance(self) -> float:
        """The distance of a head that looks alike at everything it can look at, in pixels."""
        alike = self.allowed.to(self.weights).expand(len(self.places), -1, -1)
        return float(self._mean_distances(alike[:, None])[0])

    def _mean_distances(self, weights: Tensor) -> np.ndarray:
        rows, columns = self.places // self.grid[1], self.places % self.grid[1]
        points = torch.stack([rows, columns], dim=-1).to(weights)  # (groups, L, 2)
        steps = torch.cdist(points, points)[:, None]  # (groups, 1, L, L)
        inside = weights * (self.places != NOWHERE)[:, None, None]
        mean = (inside * steps).sum(dim=-1) / inside.sum(dim=-1)  # (groups, heads, L)
        here = mean.transpose(0, 1)[:, self.places != NOWHERE]  # (heads, places)
        return self.cell * here.mean(dim=1, dtype=torch.float64).numpy()


def attention_blocks(model: nn.Module, image: Tensor) -> Iterator[Attention]:
    """The attention of every block of a ViT or Swin, from the first to the last.

    `model`: in evaluation mode. `image`: normalised float (1, 3, H, W). Raises `ConfigError` if the
    model has no attention.
    """
    kinds = (nn.MultiheadAttention, ShiftedWindowAttention)
    layers = [module for module in model.modules() if isinstance(module, kinds)]
    if not layers:
        raise ConfigError(f"{type(model).__name__} has no attention to show")
    inputs: dict[nn.Module, Tensor] = {}

    def keep_input(layer: nn.Module, arguments: tuple) -> None:
        inputs[layer] = arguments[0]

    hooks = [layer.register_forward_pre_hook(keep_input) for layer in layers]
    with torch.no_grad():
        model(image[:1])
    for hook in hooks:
        hook.remove()
    height, width = pad_to_multiple(image, model.stride).shape[-2:]
    for layer in layers:
        if isinstance(layer, ShiftedWindowAttention):
            yield _window_attention(layer, inputs[layer], height)
            continue
        tokens = inputs[layer]  # (1, 1 + h·w, C): the first is the class token
        grid = (height // model.stride, width // model.stride)
        with torch.no_grad():
            _, weights = layer(tokens, tokens, tokens, average_attn_weights=False)
        places = torch.arange(NOWHERE, grid[0] * grid[1])[None]  # (1, L)
        allowed = torch.ones(1, *weights.shape[2:], dtype=torch.bool)
        yield Attention(weights.cpu(), allowed, places, grid, model.stride)


class _Softmax(TorchFunctionMode):
    """Keeps the result of the last softmax, which torchvision's attention throws away."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if function is functional.softmax:
            self.result = result
        return result


def _window_attention(layer: ShiftedWindowAttention, features: Tensor, height: int) -> Attention:
    """Of one map (1, h, w, C) of a Swin, in an image of that height."""
    grid = (features.shape[1], features.shape[2])
    with torch.no_grad(), _Softmax() as kept:
        layer(features)
    places, allowed = shifted_windows(layer, grid)
    return Attention(kept.result.cpu(), allowed, places, grid, height // grid[0])
