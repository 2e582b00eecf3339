"""Distances from boundaries and the busiest cut-out, against cases worked out by hand."""

import numpy as np

from seglib.labels import IGNORE_INDEX
from study.boundaries import boundary_distance, busiest_window, errors_by_distance

VOID = IGNORE_INDEX


def halves(height=6, width=12, column=6):
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[:, column:] = 1
    return mask


def test_distance_counts_steps_from_the_boundary():
    distance = boundary_distance(halves(), limit=4)
    assert distance[0].tolist() == [5, 5, 4, 3, 2, 1, 1, 2, 3, 4, 5, 5]
    assert (distance == distance[0]).all()


def test_distance_matches_a_search_over_all_pairs():
    mask = np.random.default_rng(1).choice([0, 1, 2, VOID], (9, 11), p=[0.7, 0.1, 0.1, 0.1])
    mask = mask.astype(np.uint8)
    distance = boundary_distance(mask, limit=20)
    places = np.argwhere(mask != VOID)
    for place in places:
        others = [p for p in places if mask[tuple(p)] != mask[tuple(place)]]
        assert distance[tuple(place)] == min(np.abs(other - place).max() for other in others)


def test_errors_are_counted_by_distance():
    truth, prediction = halves(), halves(column=8)
    truth[0] = VOID
    table = errors_by_distance([truth], [prediction], bands=(1, 2, 4))
    assert table["distance"].tolist() == ["1", "2", "3–4", "> 4"]
    assert table["pixels"].tolist() == [10, 10, 20, 20]
    assert table["wrong"].tolist() == [5, 5, 0, 0]


def test_busiest_window_finds_the_detail_and_avoids_void():
    mask = np.zeros((20, 40), dtype=np.uint8)
    mask[10:14, 30:34] = np.indices((4, 4)).sum(axis=0) % 2  # a chequered spot
    mask[2, 2] = 1
    rows, columns = busiest_window(mask, (6, 6))
    assert rows.start <= 10 and rows.stop >= 14 and columns.start <= 30 and columns.stop >= 34
    mask[9, 26:38] = VOID
    mask[15:, 26:38] = VOID
    mask[9:20, 28] = mask[9:20, 35] = VOID  # no cut-out with the spot is free of void
    rows, columns = busiest_window(mask, (8, 8))
    assert rows.start <= 2 and columns.start <= 2
    assert mask[busiest_window(mask, mask.shape)].shape == mask.shape
