"""Reading files a few ahead of whoever uses them."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def read_ahead(
    function: Callable[[Item], Result], items: Iterable[Item], *, threads: int | None = None
) -> Iterator[Result]:
    """Yield `function(item)` for every item in order, while threads work on the next few items.

    At most two results per thread wait, however many items there are. An exception is raised at its
    item's turn; then, or when the caller stops early, the jobs that have not started are dropped.
    Decoding and hashing release the interpreter lock, so threads are enough.
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
