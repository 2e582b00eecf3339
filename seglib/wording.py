"""Numbers as the notebooks print them: percentages with their intervals, in words."""

from typing import Any

from .intervals import PairedDifference, bootstrap_interval


def percent(share: float | None, digits: int = 1) -> str:
    """A share of 1 as in "43.7 %"; None or NaN, of a class that doesn't occur, is "absent"."""
    if share is None or share != share:
        return "absent"
    return f"{100 * share:.{digits}f} %"


def score_text(scores: dict[str, Any], metric: str = "miou") -> str:
    """A score of one split with its 95 % interval, as in "43.7 % (39.3 to 47.5)".

    `scores`: from `ScoreAccumulator.scores()`. `metric`: as `intervals.bootstrap_interval` takes
    it, "miou" or "iou:pole".
    """
    low, high = bootstrap_interval(scores, metric)  # also refuses an unknown metric
    key, _, name = metric.partition(":")
    names = scores["categories" if key.startswith("category") else "classes"]
    value = scores[key][names.index(name)] if name else scores[key]
    if value is None:
        return percent(None)
    return f"{percent(value)} ({100 * low:.1f} to {100 * high:.1f})"


def difference_text(difference: PairedDifference | tuple[float, float, float]) -> str:
    """A paired difference in points with its interval, as in "+5.2 points (+3.1 to +7.4)"."""
    value, low, high = (100 * part for part in difference)
    if value != value:
        return percent(None)
    return f"{value:+.1f} points ({low:+.1f} to {high:+.1f})"
