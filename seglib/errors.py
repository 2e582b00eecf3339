"""The errors a user can cause; each message is one line: what is wrong, what would be right."""

import difflib
from collections.abc import Iterable
from typing import Any


class SeglibError(Exception):
    """Base of all errors that the command line reports as one line with exit code 2."""


class ConfigError(SeglibError, ValueError):
    """An option has a value that cannot work."""


class DatasetError(SeglibError):
    """A dataset, or a file in it, is missing, damaged or inconsistent."""


class RecordError(SeglibError):
    """A run record, checkpoint or weights file is missing, damaged or does not fit."""


class ImageError(DatasetError):
    """A picture, of a dataset or to be labelled, cannot be read or is refused."""


def choose(kind: str, value: Any, known: Iterable[str]) -> Any:
    """`value` if it is one of `known`, else `ConfigError` with these and the nearest.

    As in "model 'unett' is unknown; choose one of: fcn, unet; did you mean 'unet'?".
    """
    names = list(known)
    if value in names:
        return value
    close = difflib.get_close_matches(str(value), names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    listed = printable(", ".join(map(str, names[:20])) + (", …" if len(names) > 20 else ""))
    raise ConfigError(f"{kind} {shown(value)} is unknown; choose one of: {listed}{hint}")


def printable(text: str) -> str:
    """The text, but what would move a cursor or is no character is spelled out, as in "\\x1b"."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def shown(value: Any) -> str:
    """The value as short text on one line, for a message."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else text[:57] + "..."
