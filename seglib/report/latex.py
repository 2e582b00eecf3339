"""Numbers and words as LaTeX text."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "×": r"$\times$", "–": "--", "−": "$-$", "→": r"$\rightarrow$", "µ": r"\textmu{}",
    "…": r"\ldots{}",
}  # fmt: skip
# Fields of the config that another word tells of better, or as well in less room.
_FIELDS = {"gamma": "step decay", "image_size": "input", "validate_every": "val every"}
_SMALL = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def escape(text: str) -> str:
    """Plain text with LaTeX's special characters, and the few others we use, made harmless."""
    return "".join(_SPECIAL.get(character, character) for character in text)


def percent(share: float | None, digits: int = 1) -> str:
    """A share of 1 as in "43.7 %"; None or NaN is "n/a"."""
    return number(share, digits, 100) + (r"\,\%" if is_number(share) else "")


def number(value: float | None, digits: int = 1, factor: float = 1, sign: bool = False) -> str:
    """A number with a true minus sign; None or NaN is "n/a"."""
    if not is_number(value):
        return "n/a"
    text = f"{factor * value:{'+' if sign else ''}.{digits}f}"
    return text.replace("-", "$-$").replace("+", "$+$")


def span(low: float, high: float, sign: bool = False) -> str:
    """An interval of shares as in "39.3 to 47.5", in percent or points."""
    return f"{number(low, 1, 100, sign)} to {number(high, 1, 100, sign)}"


def counted(count: int) -> str:
    """A small whole number as a word, a large one in digits with thin spaces."""
    return _SMALL[count] if 0 <= count < len(_SMALL) else f"{count:,}".replace(",", r"\,")


def size(pixels: Sequence[int]) -> str:
    """Height and width as in 160×320."""
    return rf"{pixels[0]}$\times${pixels[1]}"


def listed(words: Sequence[str]) -> str:
    """ "a, b and c"; "none" of none."""
    words = list(words)
    if len(words) < 2:
        return words[0] if words else "none"
    return ", ".join(words[:-1]) + " and " + words[-1]


def is_number(value: float | None) -> bool:
    return value is not None and not math.isnan(value)


def scientific(value: float) -> str:
    """A small number with one digit: 2·10⁻³."""
    mantissa, exponent = f"{value:.0e}".split("e")
    times = "" if mantissa == "1" else rf"{mantissa}\cdot"
    return rf"${times}10^{{{int(exponent)}}}$"


def setting(name: str, value: Any) -> tuple[str, float | None]:
    """A config value as LaTeX text."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "--"}[value], None
    if isinstance(value, list):
        if name.endswith("_size"):
            return size(value), None
        return f"{value[0]:g}--{value[1]:g}", None
    if isinstance(value, str):
        return escape(value.replace("_", " ").replace("+", " + ")), None
    if 0 < abs(value) < 0.01:
        return scientific(value), value
    return f"{value:.3g}" if isinstance(value, float) else str(value), value


def field(name: str) -> str:
    """A field of the config, or several joined by " × ", in words."""
    for field_name, word in _FIELDS.items():
        name = name.replace(field_name, word)
    return escape(name.replace("_", " "))


def settings(values: Mapping[str, Any]) -> str:
    """Fields with their values, as in "epochs 30, width 16"."""
    return ", ".join(f"{field(name)} {setting(name, value)[0]}" for name, value in values.items())


def tabular(columns: str, rows: Sequence[Sequence[str]], *, head: int = 1) -> str:
    """A booktabs table: the first `head` rows are its head, an empty row is a rule."""
    lines = [rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}", r"\toprule"]
    for position, row in enumerate(rows):
        lines.append(" & ".join(row) + r" \\" if row else r"\addlinespace[3pt]")
        if position + 1 == head:
            lines.append(r"\midrule")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])
