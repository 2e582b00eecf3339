"""Reading ahead on threads: the order, how far ahead, and what an error leaves undone."""

import threading

import pytest

from seglib.data.parallel import read_ahead


def test_results_come_in_the_order_of_the_items() -> None:
    later = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert later.wait(60)  # the first job ends after the second
        later.set()
        return item * item

    assert list(read_ahead(work, range(20), threads=2)) == [item * item for item in range(20)]
    assert list(read_ahead(work, [])) == []


def test_only_a_few_items_are_read_ahead() -> None:
    begun = []
    results = read_ahead(begun.append, range(100), threads=2)
    assert not begun
    for taken in range(1, 10):
        next(results)
        assert len(begun) <= taken + 3
    results.close()
    assert len(begun) <= 12


def test_an_error_is_raised_at_its_turn_and_ends_the_work() -> None:
    begun = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 3:
            raise ValueError("item 3")
        return item

    results = read_ahead(work, range(100), threads=2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="item 3"):
        next(results)
    assert len(begun) <= 8
