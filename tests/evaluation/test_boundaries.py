"""Distances, grids and ceilings against cases worked out by hand."""

import numpy as np

from seglib.evaluation.boundaries import boundary_distance, boundary_phases, errors_by_distance
from seglib.labels import IGNORE_INDEX

VOID = IGNORE_INDEX


def halves(height=6, width=12, column=6):
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[:, column:] = 1
    return mask


def test_distance_counts_steps_from_the_boundary():
    distance = boundary_distance(halves(), limit=4)
    assert distance[0].tolist() == [5, 5, 4, 3, 2, 1, 1, 2, 3, 4, 5, 5]
    assert (distance == distance[0]).all()


def test_distance_is_diagonal_too():
    mask = np.zeros((7, 7), dtype=np.uint8)
    mask[3, 3] = 1
    expected = np.maximum(*(np.abs(axis - 3) for axis in np.indices((7, 7))))
    expected[3, 3] = 1
    assert (boundary_distance(mask) == expected).all()


def test_void_is_no_boundary():
    mask = np.zeros((4, 8), dtype=np.uint8)
    mask[:, 4:] = VOID
    assert (boundary_distance(mask, limit=3)[:, :4] == 4).all()
    mask[:, 5:] = 1  # one column of void between two classes
    assert boundary_distance(mask, limit=3)[0, :4].tolist() == [4, 4, 3, 2]


def test_distance_matches_a_search_over_all_pairs():
    mask = np.random.default_rng(1).choice([0, 1, 2, VOID], (9, 11), p=[0.7, 0.1, 0.1, 0.1])
    mask = mask.astype(np.uint8)
    distance = boundary_distance(mask, limit=20)
    places = np.argwhere(mask != VOID)
    for place in places:
        others = [p for p in places if mask[tuple(p)] != mask[tuple(place)]]
        nearest = min(np.abs(other - place).max() for other in others)
        assert distance[tuple(place)] == nearest


def test_errors_are_counted_by_distance():
    truth, prediction = halves(), halves(column=8)
    truth[0] = VOID
    table = errors_by_distance([truth], [prediction], bands=(1, 2, 4))
    assert table["distance"].tolist() == ["1", "2", "3–4", "> 4"]
    assert table["pixels"].tolist() == [10, 10, 20, 20]
    assert table["wrong"].tolist() == [5, 5, 0, 0]


def test_phases_tell_a_grid_from_chance():
    on_grid = np.repeat(np.arange(4, dtype=np.uint8) % 2, 8)[None].repeat(32, axis=0)
    assert boundary_phases([on_grid], (32, 32)).tolist() == [3 * 32, *[0] * 7]
    shifted = np.roll(on_grid, 3, axis=1)
    assert boundary_phases([shifted], (32, 32))[3] == 4 * 32
    doubled = on_grid.repeat(2, axis=0).repeat(2, axis=1)  # seen by the network at half the size
    assert boundary_phases([doubled], (32, 32)).tolist() == [3 * 64, *[0] * 7]
    on_grid[:, 4:12] = VOID
    assert boundary_phases([on_grid], (32, 32))[0] == 2 * 32
