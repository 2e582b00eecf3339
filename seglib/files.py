"""Writing files so that a reader never sees half of one, and locks for what takes longer."""

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from .errors import SeglibError

_HELD = "SEGLIB_HELD_LOCKS"  # "PID PATH" lines; processes inherit it from those that start them


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold a lock file; where another process holds it, say so in one line and wait.

    `what`: what its holder does, as in "trains NAME". A process may hold it several times. Raises
    SeglibError where the wait would never end, as in a DataLoader's worker that runs its script
    anew, or the folder can't be written.
    """
    path = Path(path).absolute()
    lock, mine = FileLock(path, is_singleton=True), f"{os.getpid()} {path}\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            held = os.environ.get(_HELD, "").replace(mine, "")
            if f" {path}\n" in held:
                hint = "put what a script does under `if __name__ == \"__main__\":`"
                raise SeglibError(f"{path}: held by what started this process; {hint}") from None
            print(f"waiting: another process {what} and holds {path}", file=sys.stderr)
            lock.acquire()
    except OSError as problem:
        why = f"cannot be written ({problem.strerror}); set SEGLIB_HOME to another folder"
        raise SeglibError(f"{path.parent}: {why}") from None
    os.environ[_HELD] = os.environ.get(_HELD, "") + mine
    try:
        yield
    finally:
        os.environ[_HELD] = os.environ.get(_HELD, "").replace(mine, "", 1)
        lock.release()


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; rename it on success, remove it on failure."""
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last, since libraries choose the file format by it.
    temporary = target.with_name(f".{target.stem}.{os.urandom(4).hex()}.tmp{target.suffix}")
    try:
        yield temporary
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `target` and put it in its place as a whole on success.

    An existing `target` is moved aside first, since no folder can be renamed over another. What a
    killed process left is removed. Processes that may want the same `target` must hold a lock.
    """
    target = Path(os.path.realpath(target))  # a link to another disk stays one
    temporary, retired = (target.with_name(f".{target.name}.{end}") for end in ("tmp", "old"))

    def tidy() -> None:
        if retired.exists() and not target.exists():
            retired.rename(target)
        for leftover in (temporary, retired):
            shutil.rmtree(leftover, ignore_errors=True)

    tidy()
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if target.exists():
            target.rename(retired)
        temporary.rename(target)
    finally:
        tidy()


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented UTF-8 JSON, atomically; NaN is refused (write None).

    Lists of numbers and names stand on one line each.
    """
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    lists = r"\[\n\s+([^\[\]{}]+)\n\s+\]"
    text = re.sub(lists, lambda match: "[" + re.sub(r"\n\s+", " ", match[1]) + "]", text)
    with atomic_path(path) as temporary:
        # A file name may hold bytes that are no UTF-8; JSON can tell them as well.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def read_json(path: Path, error: type[SeglibError] = SeglibError) -> dict[str, Any]:
    """Read a JSON file of named values; raise `error` with one line that names it if it is none."""
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise ValueError("expected an object of named values")
        return values
    except (ValueError, RecursionError) as problem:
        raise error(f"{path}: not valid JSON ({problem})") from None
    except OSError as problem:
        raise error(f"{path}: cannot be read ({problem.strerror})") from None


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_writable(folder: Path, variable: str) -> None:
    """Raise `SeglibError` now rather than after hours if `folder` can't be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as problem:
        reason = f"this folder can't be written ({problem.strerror})"
        raise SeglibError(f"{folder}: {reason}; allow it or point {variable} elsewhere") from None
