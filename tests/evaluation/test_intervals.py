"""Intervals and p-values hold what they promise, on simulated drives whose true score is known."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.signal import lfilter

from seglib.errors import ConfigError
from seglib.evaluation.intervals import bootstrap_interval, holm, paired_difference, resample
from seglib.evaluation.metrics import cities_of

TIMES = 1000  # simulations: a share near 95 % then is known to about 0.7 %
TRUE, PIXELS = 0.7, 100_000
# The two drives of CamVid's test split, by their numbers of frames.
NAMES = [f"{drive}_000000_{n:06}" for drive, size in (("a", 62), ("b", 171)) for n in range(size)]


def drives(random: np.random.Generator, likeness: float) -> np.ndarray:
    """One number per frame, N(0, 1), which correlates with the one before by `likeness` (AR(1))."""
    parts = []
    for members in cities_of(NAMES).values():
        noise = random.normal(size=len(members))
        noise[1:] *= (1 - likeness**2) ** 0.5
        parts.append(lfilter([1], [1, -likeness], noise))
    return np.concatenate(parts)


def scored(accuracy: np.ndarray) -> dict:
    """Scores of a run on frames of equal size with these shares of right pixels."""
    tp = np.rint(PIXELS * accuracy.clip(0, 1))[:, None]
    counts = {"tp": tp, "fn": PIXELS - tp, "fp": 0 * tp}
    images = {"names": NAMES, **counts, **{f"category_{key}": v for key, v in counts.items()}}
    return {"classes": ["road"], "categories": ["flat"], "images": images, "block": 20}


def covers(scores: dict | Sequence[dict], block: int = 20) -> bool:
    low, high = bootstrap_interval(scores, "pixel_accuracy", block=block)
    return low <= TRUE <= high


@pytest.mark.slow
@pytest.mark.parametrize("likeness", [0.0, 0.5, 0.7, 0.8])
def test_an_interval_holds_the_true_score_as_often_as_it_says(likeness: float) -> None:
    random = np.random.default_rng(1)
    runs = [scored(TRUE + 0.05 * drives(random, likeness)) for _ in range(TIMES)]
    assert 0.93 <= np.mean([covers(run) for run in runs]) <= 0.97
    # Frames drawn one by one, as if each were a drive of its own, are surer than they may be.
    frame_by_frame = np.mean([covers(run, block=1) for run in runs[:300]])
    assert frame_by_frame < 0.8 if likeness else frame_by_frame > 0.92


@pytest.mark.slow
def test_runs_of_three_seeds_hold_what_one_does_not() -> None:
    random = np.random.default_rng(2)
    one, three = [], []
    for _ in range(600):
        frames = TRUE + 0.05 * drives(random, 0.5)
        runs = [scored(frames + seed) for seed in random.normal(0, 0.01, 3)]
        one.append(covers(runs[0]))
        three.append(covers(runs))
    assert np.mean(one) < 0.75 and 0.93 <= np.mean(three) <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [1, 3])
def test_equal_networks_differ_by_chance_in_a_twentieth(seeds: int) -> None:
    random = np.random.default_rng(3)
    found, frame_by_frame, real = [], [], []
    for time in range(600):
        hard = TRUE + 0.05 * drives(random, 0.5)  # for both alike
        # What a network makes of a frame, and where there are seeds, what a seed does to it.
        spread = random.normal(0, 0.01 * (seeds > 1), (2, seeds))
        frames = [[hard + 0.02 * drives(random, 0.5) + each for each in row] for row in spread]
        a, b = ([scored(accuracy) for accuracy in runs] for runs in frames)
        found.append(paired_difference(a, b, "pixel_accuracy").p_value < 0.05)
        if time < 200:
            alone = paired_difference(a, b, "pixel_accuracy", block=1)
            frame_by_frame.append(alone.p_value < 0.05)
            better = [scored(accuracy + 0.05) for accuracy in frames[0]]
            there = paired_difference(better, b, "pixel_accuracy")
            back = paired_difference(b, better, "pixel_accuracy")
            assert there[:3] == pytest.approx((-back.difference, -back.high, -back.low))
            real.append(there.p_value < 0.05)
            assert abs(there.difference - (0.05 + alone.difference)) < 1e-4
    assert 0.02 <= np.mean(found) <= 0.065
    assert np.mean(real) > 0.95
    assert seeds > 1 or np.mean(frame_by_frame) > 0.15


def test_scores_without_counts_per_image_have_no_interval() -> None:
    scores = scored(np.full(len(NAMES), TRUE))
    scores["images"]["names"] = np.array(NAMES)  # as a table may hold them
    assert covers(scores)
    kept = {key: value for key, value in scores.items() if key != "images"}  # as a sweep keeps them
    for runs in (kept, [scores, kept]):
        with pytest.raises(ConfigError, match="scores without counts per image"):
            bootstrap_interval(runs)


def test_blocks_are_neighbours_of_one_drive_and_every_frame_counts_alike() -> None:
    drawn = resample(tuple(NAMES), 20)
    for members in cities_of(NAMES).values():
        own = drawn[:, members]
        assert (own.sum(axis=1) == len(members)).all()  # as often as there are frames
        # A block begins or ends where the count changes: at most twice for each of them.
        assert (own != np.roll(own, 1, axis=1)).sum(axis=1).max() <= 2 * -(-len(members) // 20)
        assert own.mean(axis=0) == pytest.approx(1, abs=0.15)
    with pytest.raises(ValueError, match="read-only"):
        drawn[0, 0] = 1  # it is shared


def test_a_drive_of_one_block_and_a_single_scene_have_no_interval() -> None:
    for names, block in ((NAMES[:15], 20), (NAMES[:1], 1)):
        scores = scored(np.full(len(names), TRUE))
        scores["images"]["names"] = names
        assert np.isnan(bootstrap_interval(scores, "pixel_accuracy", block=block)).all()


def test_holm_by_hand() -> None:
    # In order 0.005 · 4, 0.01 · 3, 0.03 · 2, 0.04 · 1, none below the one before it, none above 1.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0] and holm([0.04]) == [0.04]


def test_a_single_run_is_taken_to_scatter_as_those_it_is_compared_with() -> None:
    a, *b = (scored(np.full(len(NAMES), share)) for share in (0.6, 0.7, 0.8))
    # The seeds' variance is (1 + 1/2) · 0.005, so t is √3, with one degree of freedom.
    assert paired_difference(a, b, "pixel_accuracy").p_value == pytest.approx(1 / 3)
