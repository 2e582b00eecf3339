"""Names and numbers as people read them: networks, datasets, settings, scores and intervals.

Text of scores imports pandas and SciPy where it is made, so that the rest is there at once.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from .config import RunConfig
from .data.datasets import DATASETS
from .models import option_defaults
from .records import Record

DATASET_NAMES = {name: name for name in DATASETS} | {
    "miniscapes": "MiniScapes", "miniscapes2560": "MiniScapes 2560", "camvid": "CamVid",
    "cityscapes": "Cityscapes"}
MODEL_NAMES = {"fcn": "FCN", "unet": "U-Net", "vit": "ViT", "swin": "Swin"}
ENCODER_NAMES = {f"tf_efficientnet_lite{n}": f"EfficientNet-Lite{n}" for n in range(3)}


def network_name(config: RunConfig) -> str:
    """A run's architecture as people read it; where that is any encoder of timm's, the encoder."""
    encoder, model = config.model_options().get("encoder"), config.model
    return ENCODER_NAMES.get(encoder, encoder) if encoder else MODEL_NAMES.get(model, model)


def setting_name(field: str) -> str:
    """A field of the config as figures and tables name it."""
    return {"gamma": "step decay γ"}.get(field, field.replace("_", " "))


def setting_value(value: Any) -> str:
    """A field's value, numbers with three significant digits: "0.001", "0.316", "96×192"."""
    if isinstance(value, (tuple, list)):
        return "×".join(setting_value(part) for part in value)
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def claim(sentence: str, holds: object) -> None:
    """Print a sentence of a notebook's text with a mark for whether it is true of the data here."""
    print(f"✓ {sentence}" if holds else f"✗ not true here: {sentence}")


def percent(share: float | None, digits: int = 1) -> str:
    """A share of 1 as in "43.7 %"; None or NaN, of a class that doesn't occur, is "absent"."""
    if share is None or share != share:
        return "absent"
    return f"{100 * share:.{digits}f} %"


def _range(low: float, high: float, sign: str = "") -> str:
    """Two shares of 1 in percent; `sign` "+" writes it before positive ones too."""
    return f"{100 * low:{sign}.1f} to {100 * high:{sign}.1f}"


def score_text(scores: Mapping | Sequence[Mapping], metric: str = "miou") -> str:
    """A score of one split with its 95 % interval, as in "43.7 % (39.3 to 47.5)".

    Of several seeds, their mean and standard deviation: "43.7 ± 0.8 % (39.1 to 47.9)". `scores` and
    `metric` ("miou" or "iou:pole") are those of `intervals.bootstrap_interval`.
    """
    import pandas as pd

    from .evaluation.intervals import as_runs, bootstrap_interval
    low, high = bootstrap_interval(scores, metric)  # also refuses an unknown metric
    key, _, name = metric.partition(":")
    runs = as_runs(scores)
    names = runs[0]["categories" if key.startswith("category") else "classes"]
    values = pd.Series([r[key][names.index(name)] if name else r[key] for r in runs], dtype=float)
    spread = f" ± {100 * values.std():.1f} %" if len(values) > 1 else " %"
    text = percent(values.mean()).replace(" %", spread)
    return text if low != low else f"{text} ({_range(low, high)})"


def difference_text(difference: tuple[float, ...]) -> str:
    """A `PairedDifference` in points with its interval, as in "+5.2 points (+3.1 to +7.4)"."""
    value, low, high, *_ = difference
    if value != value:
        return percent(None)
    return f"{100 * value:+.1f} points ({_range(low, high, '+')})"


def describe_options(record: Record) -> str:
    """What sets a run's architecture apart, in words: "width 16, 2 levels"."""
    options, defaults = record.config.model_options(), option_defaults(record.config.model)
    words = [f"width {value}" if name == "width" else value
             for name, value in options.items() if name in ("width", "size")]
    for name in ("norm", "pretrained", "skips", "levels", "bottleneck", "dilation", "encoder"):
        if (value := options.get(name)) != defaults.get(name):
            name = {"norm": "batch normalisation"}.get(name, name)
            words.append(name if value is True else f"{name} {value}" if value else f"no {name}")
    return ", ".join(words)


def score_note(record: Record) -> str:
    """What a run scored when it was trained, as in "val mIoU 43.7 %"."""
    split = record.config.scored_split
    return f"{split} mIoU {percent(record.miou())}" if split else "trained on train and val"


def score_table(scores: dict[str, Any]) -> str:
    """The scores of one split as text: by class, the means with the mIoU's interval, by city."""
    import pandas as pd
    if scores.get("pixel_accuracy") is None:
        return "nothing is scored: its masks hold no pixel of a class"
    names = scores["classes"]
    iiou = scores["iiou"] or [None] * len(names)
    columns = {
        "IoU %": [*scores["iou"], scores["miou"], scores["category_miou"]],
        "iIoU %": [*iiou, scores["miiou"], scores["category_miiou"]],
    }
    table = 100 * pd.DataFrame(columns, [*names, "mean", "categories"], dtype=float)
    table.columns.name = "class"  # the heading of the names
    text = (
        f"{table.to_string(float_format='%.1f', na_rep='n/a', col_space=[8, 7])}\n"
        f"mIoU {score_text(scores)} with 95 % interval, "
        f"pixel accuracy {percent(scores['pixel_accuracy'])}, "
        f"mean accuracy {percent(scores['mean_accuracy'])}"
    )
    for city, found in scores["cities"].items():
        miou, accuracy = percent(found["miou"]), percent(found["pixel_accuracy"])
        text += f"\n{city}: {found['scenes']} scenes, mIoU {miou}, pixel accuracy {accuracy}"
    return text
