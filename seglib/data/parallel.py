"""Many small file jobs on a few threads, with one progress bar."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from tqdm.auto import tqdm

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_parallel(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    description: str,
    progress: bool = True,
    threads: int | None = None,
) -> list[Result]:
    """Apply `function` to every item on threads and return the results in the items' order.

    Decoding, hashing and downloading release the interpreter lock, so threads are enough. The first
    exception, or Ctrl-C, drops the jobs that have not started and is raised.
    """
    items = list(items)
    pool = ThreadPoolExecutor(threads or min(8, os.cpu_count() or 1))
    try:
        futures = [pool.submit(function, item) for item in items]
        bar = tqdm(total=len(items), desc=description, unit="file", disable=not progress)
        with bar:
            for future in as_completed(futures):
                future.result()
                bar.update()
        return [future.result() for future in futures]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
