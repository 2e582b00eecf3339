"""Random numbers that are the same on every machine."""

import zlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

Choice = TypeVar("Choice")


def seed_sequence(*key: int | str) -> np.random.SeedSequence:
    """A seed from integers and strings; strings count by their CRC-32, since `hash` is salted."""
    words = [zlib.crc32(part.encode()) if isinstance(part, str) else int(part) for part in key]
    return np.random.SeedSequence(words)


class Dice:
    """Scalar draws from a PCG64 stream, taken in blocks because single draws are slow.

    Only uniform doubles are used: the stream of `Generator.random` is plain bit arithmetic, so
    the same key gives the same numbers with every NumPy and on every processor.
    """

    def __init__(self, *key: int | str) -> None:
        self.generator = np.random.Generator(np.random.PCG64(seed_sequence(*key)))
        self._block: list[float] = []

    def random(self) -> float:
        """A float in [0, 1)."""
        if not self._block:
            self._block = self.generator.random(512).tolist()
        return self._block.pop()

    def uniform(self, low: float, high: float) -> float:
        """A float in [low, high)."""
        return low + (high - low) * self.random()

    def around(self, center: float, spread: float) -> float:
        """A float within `spread` of `center`, more often near it (triangular)."""
        return center + spread * (self.random() + self.random() - 1.0)

    def integer(self, low: int, high: int) -> int:
        """An integer in [low, high], both ends included."""
        return low + int(self.random() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.random() < probability

    def sign(self) -> int:
        """-1 or 1."""
        return -1 if self.random() < 0.5 else 1

    def pick(self, choices: Sequence[Choice]) -> Choice:
        """One of `choices`, all equally likely."""
        return choices[int(self.random() * len(choices))]

    def weighted(self, choices: dict[Choice, float]) -> Choice:
        """One of the keys, with chances in proportion to their values."""
        rest = self.random() * sum(choices.values())
        for choice, weight in choices.items():
            rest -= weight
            if rest < 0:
                return choice
        return next(reversed(choices))

    def tint(self, color: tuple[int, int, int], spread: float) -> tuple[int, int, int]:
        """`color` made lighter or darker, and each channel moved a little, by up to `spread`."""
        common = self.uniform(-spread, spread)
        return tuple(
            max(0, min(255, int(channel + common + self.uniform(-spread, spread) * 0.35)))
            for channel in color
        )
