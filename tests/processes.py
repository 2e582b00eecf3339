"""Functions of a test in processes of their own: to run several at once, or to kill them."""

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# A server that has imported torch but computed nothing forks a clean process in milliseconds.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["seglib.training.loop"])


class Process:
    """`function(*arguments)` under `SEGLIB_HOME=home` in another process, on one thread."""

    def __init__(self, home: Path, function: Callable[..., Any], *arguments: Any) -> None:
        self._results, results = _context.Pipe(duplex=False)
        self._process = _context.Process(
            # The server keeps the environment of the test that started it: send today's along.
            target=_run,
            args=(results, {**os.environ, "SEGLIB_HOME": str(home)}, function, arguments),
            daemon=True,
        )
        self._process.start()
        results.close()  # so that the end of the process ends `result` too

    def result(self, timeout: float = 1800) -> Any:
        """What the function returned; an exception of the other process fails the test."""
        assert self._results.poll(timeout), "the other process did not finish"
        try:
            succeeded, value = self._results.recv()
        except EOFError:
            self._process.join()
            raise AssertionError(f"it died with exit code {self._process.exitcode}") from None
        self._process.join()
        assert succeeded, value
        return value

    def kill(self) -> None:
        """`kill -9` unless it has ended by itself, and wait until it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGKILL)
        self._process.join()

    def wait_for(self, condition: Callable[[], Any], timeout: float = 1800) -> None:
        """Return as soon as `condition()` holds; fails if the process ends before that."""
        end = time.monotonic() + timeout
        while not condition():
            assert self._process.is_alive(), "it ended too early"
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.001)


def _run(results: Any, environment: dict, function: Callable[..., Any], arguments: tuple) -> None:
    import torch
    torch.set_num_threads(1)
    os.environ.clear()
    os.environ.update(environment)
    try:
        results.send((True, function(*arguments)))
    except BaseException as problem:
        results.send((False, f"{type(problem).__name__}: {problem}"))
