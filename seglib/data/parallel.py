"""Many small file jobs on a few threads: all at once with a progress bar, or a few ahead.

Decoding, hashing and downloading release the interpreter lock, so threads are enough.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from tqdm.auto import tqdm

Item = TypeVar("Item")
Result = TypeVar("Result")


def read_ahead(
    function: Callable[[Item], Result], items: Iterable[Item], *, threads: int | None = None
) -> Iterator[Result]:
    """Yield `function(item)` for every item in order, while threads work on the next few items.

    At most two results per thread wait, however many items there are. An exception is raised at its
    item's turn; then, or when the caller stops early, the jobs that have not started are dropped.
    """
    threads = threads or min(8, os.cpu_count() or 1)
    pool = ThreadPoolExecutor(threads)
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) == 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def in_parallel(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    title: str,
    progress: bool = True,
    threads: int | None = None,
) -> list[Result]:
    """The results of `read_ahead` for all items, with a progress bar called `title`."""
    items = list(items)
    results = read_ahead(function, items, threads=threads)
    return list(tqdm(results, title, len(items), unit="file", disable=not progress))
