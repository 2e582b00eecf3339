"""Keys to numbers: what the LaTeX sources may ask for, and where each answer comes from.

A key names a run of `runs.Runs`, a split where one is meant (`final` is test, or val where test
has no public labels), and a quantity:

    street/unet/final/miou           a score of `metrics.METRICS`, or of one class: iou:person
    street/unet/final/missed:10      how many classes have an IoU below 10 %, and (missed-names)
                                     which
    street/unet/val/errors:near      wrong pixels near, far from a boundary, in all
    street/unet/minutes              of training; see `RUN_QUANTITIES` for the others
    street/unet/set:epochs           a field of the run's config
    street/unet/final/band:1         mIoU at most one pixel from a boundary, and (inside) the share
                                     of right pixels more than 16 away
    street/unet/final/ece            calibration error; also confidence, and surplus over accuracy
    street/unet/final/abroad         mIoU on the other role's dataset, home: of the same classes
    street/unet/kept:fog             share of the mIoU that is kept under a disturbance, or mean
    street/data/void                 a fact of the role's dataset; see `_fact_of`
    street/networks/surer            what the four have in common; see `_of_networks`
    generated/seeds/pooled           what a group of runs says as a whole; see `groups`
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch

from .. import boundaries, comparison
from ..data.datasets import DatasetSpec
from ..errors import ConfigError, RecordError
from ..gallery import Gallery, load_gallery
from ..inspection import count_parameters, multiply_adds, receptive_field
from ..intervals import PairedDifference, bootstrap_interval, paired_difference
from ..measurements import measurement
from ..metrics import METRICS
from ..models import build_model
from ..records import Record
from . import groups, latex
from .parts import MODELS, ROLES
from .runs import ARTICLES, Runs
from .survey import STRIDE, survey

PAIRS = math.comb(len(MODELS), 2)
NEAR, FAR = 2, 32  # pixels from a boundary
VERDICTS = ("worse than", "like", "better than")


@dataclass(frozen=True)
class Number:
    """A number as it is printed, its value where it has one, and the runs it comes from."""

    text: str
    value: float | None
    source: tuple[str, ...]  # ids of runs, or the name of a dataset's record


class Numbers:
    """Answers keys from the records; every answer is computed once."""

    def __init__(self, runs: Runs) -> None:
        self.runs = runs

    @cache  # noqa: B019  one object per report
    def result(self, key: str) -> Number:
        """The number of a key; `ConfigError` for a key that means nothing, `RecordError` for one
        that no record answers."""
        try:
            return self._look_up(key)
        except (KeyError, ValueError) as problem:
            if isinstance(problem, ConfigError):
                raise
            raise ConfigError(f"{key!r} means nothing: {problem} is unknown") from None

    def _look_up(self, key: str) -> Number:
        name, rest = _split_name(key)
        if name.endswith("/data"):
            return self._fact(name.partition("/")[0], "/".join(rest))
        if name.endswith("/networks"):
            return self._of_networks(name.partition("/")[0], "/".join(rest))
        if (part := name.partition("/")[2]) in groups.QUANTITIES:
            text, value = groups.QUANTITIES[part](self, "/".join(rest))
            # Ablations have a record each in the appendix, the other groups one entry as a whole.
            own = self.runs.recorded_ablations() if part == "ablations" else []
            return Number(text, value, self._ids(*own) or (part,))
        record = self.runs.record(name)
        if len(rest) == 1:
            text, value = _of_run(record, rest[0], key)
        elif len(rest) == 2:
            text, value = self._of_split(record, self.split(name, rest[0]), rest[1], key)
        else:
            raise ConfigError(f"{key!r} has too many parts")
        return Number(text, value, (record.id,))

    @cache  # noqa: B019
    def interval(self, key: str) -> Number:
        """The number with its 95 % interval over the images: "40.6 % (39.3 to 41.6)"."""
        name, rest = _split_name(key)
        if len(rest) != 2:
            raise ConfigError(f"{key!r} has no interval: only scores have one")
        point = self.result(key)
        scores = self.scores(name, rest[0])
        if scores is None or point.value is None:
            raise RecordError(f"{key!r} is not available on this dataset: it has no interval")
        low, high = bootstrap_interval(scores, _metric(rest[1]))
        return Number(f"{point.text} ({latex.span(low, high)})", point.value, point.source)

    @cache  # noqa: B019
    def paired(self, first: str, second: str, metric: str) -> PairedDifference:
        """The first run's score minus the second's, e.g. of "final/miou".

        Intervals have the level 95 %; those between two of the four architectures hold together
        with 95 % (Bonferroni), as there are six such pairs.
        """
        split, _, quantity = metric.partition("/")
        both = [self.runs.record(name).id for name in (first, second)]
        scores = [self.scores(name, split) for name in (first, second)]
        full = [name.partition("/")[2] in (*MODELS, "best") for name in (first, second)]
        level = 1 - 0.05 / PAIRS if all(full) else 0.95
        difference = paired_difference(*scores, _metric(quantity), level=level)
        if math.isnan(difference.difference):
            raise RecordError(f"{metric!r} of {both[0]} and {both[1]} is not available")
        return difference

    def difference(self, first: str, second: str, metric: str) -> Number:
        """ "+17.6 points (+16.2 to +18.7)"."""
        value, low, high = self.paired(first, second, metric)
        text = rf"{latex.number(value, 1, 100, sign=True)}~points ({latex.span(low, high, True)})"
        return Number(text, 100 * value, self._ids(first, second))

    def compare(self, first: str, second: str, metric: str) -> Number:
        """What the first run does beside the second, as the predicate of a sentence."""
        value, low, high = self.paired(first, second, metric)
        other = self.runs.label(second)
        if low > 0:
            text = f"is better than {other} by {latex.number(value, 1, 100)}~points"
            text += f" ({latex.span(low, high)})"
        elif high < 0:
            text = f"is worse than {other} by {latex.number(-value, 1, 100)}~points"
            text += f" ({latex.span(-high, -low)})"
        else:
            gap = latex.number(value, 1, 100, sign=True)
            text = f"can't be told apart from {other} ({gap}~points, {latex.span(low, high, True)})"
        return Number(text, 100 * value, self._ids(first, second))

    def verdict(self, first: str, second: str, metric: str) -> int:
        """0 if the first run is worse, 1 if they can't be told apart, 2 if it is better."""
        _, low, high = self.paired(first, second, metric)
        return 2 if low > 0 else 0 if high < 0 else 1

    def ranking(self, role: str, metric: str) -> Number:
        """The four architectures from best to worst: "U-Net 40.8 %, …"."""
        keys = {f"{role}/{model}": self.result(f"{role}/{model}/{metric}") for model in MODELS}
        order = sorted(keys, key=lambda name: -keys[name].value)
        words = [f"{self.runs.label(name)} {keys[name].text}" for name in order]
        return Number(latex.listed(words), None, self._ids(*order))

    def split(self, name: str, split: str) -> str:
        return self.runs.final_split(name.partition("/")[0]) if split == "final" else split

    def scores(self, name: str, split: str) -> dict[str, Any]:
        """The scores of a run's split; `RecordError` if it was never scored."""
        record, split = self.runs.record(name), self.split(name, split)
        record.miou(split)  # says how to score it
        return record.scores[split]

    @cache  # noqa: B019
    def facts(self, role: str) -> dict[str, Any]:
        """The survey of the role's dataset."""
        fcn = self.runs.record(f"{role}/fcn")
        values = survey(self.runs.dataset(role), fcn.config.image_size)
        trained_on = fcn.environment.get("dataset_fingerprint")
        if trained_on != values["fingerprint"]:
            raise RecordError(
                f"results/datasets/{self.runs.dataset(role).name}.json describes other masks than "
                f"those that {fcn.id} was trained on"
            )
        return values

    @cache  # noqa: B019
    def gallery(self, name: str, split: str = "val") -> Gallery:
        """A run's kept predictions beside truth and photographs."""
        return load_gallery(self.runs.record(name), split)

    @cache  # noqa: B019
    def errors(self, name: str):
        """Wrong pixels by distance from a boundary in a run's kept val scenes."""
        shown = self.gallery(name)
        return boundaries.errors_by_distance(shown.truths, shown.predictions)

    def _ids(self, *names: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.runs.record(name).id for name in names))

    def _of_split(
        self, record: Record, split: str, quantity: str, key: str
    ) -> tuple[str, float | None]:
        record.miou(split)
        scores = record.scores[split]
        kind, _, what = quantity.partition(":")
        if kind == "errors":
            return self._errors(_split_name(key)[0], what)
        if kind == "grid":
            return self._grid(_split_name(key)[0], what)
        if kind in ("band", "inside", "ece", "confidence", "surplus", "home", "abroad"):
            return self._measured(record, split, kind, what)
        if kind == "images":
            return latex.counted(len(scores["images"]["names"])), len(scores["images"]["names"])
        if kind in ("missed", "missed-names"):
            below = [
                name
                for name, iou in zip(scores["classes"], scores["iou"], strict=True)
                if iou is not None and 100 * iou < float(what)
            ]
            if kind == "missed":
                return latex.counted(len(below)), len(below)
            return latex.listed([latex.escape(name) for name in below]), None
        value = _score(scores, _metric(quantity), key)
        return latex.percent(value), None if value is None else 100 * value

    def _measured(
        self, record: Record, split: str, kind: str, what: str
    ) -> tuple[str, float | None]:
        """What was measured of a run on a split besides its scores."""
        if kind in ("band", "inside"):
            values = measurement(record, "boundaries")[split]
            if kind == "inside":
                return _share(values["inside"]["pixel_accuracy"])
            return _share({band["width"]: band for band in values["bands"]}[int(what)]["miou"])
        if kind in ("home", "abroad"):
            role = ROLES[0] if record.config.dataset == self.runs.datasets[ROLES[0]] else ROLES[1]
            found = measurement(record, "generalisation")[self.runs.abroad(role)]
            return _share(found[kind][split]["miou"])
        values = measurement(record, "calibration")[split]
        if kind == "surplus":
            surplus = values["confidence"] - values["accuracy"]
            return latex.number(surplus, 1, 100, sign=True) + "~points", 100 * surplus
        return _share(values[kind])

    def _of_networks(self, role: str, quantity: str) -> Number:
        """How many of the four are surer than right on the final split (`surer`, with `-names` as a
        predicate); the disturbance that takes most from all (`harshest`) and the share that it
        leaves (`harshest-kept`)."""
        records = [self.runs.record(f"{role}/{model}") for model in MODELS]
        ids = tuple(record.id for record in records)
        if quantity in ("surer", "surer-names"):
            split = self.runs.final_split(role)
            found = [measurement(record, "calibration")[split] for record in records]
            surer = [ARTICLES[model] for model, values in zip(MODELS, found, strict=True)
                     if values["confidence"] > values["accuracy"]]  # fmt: skip
            if quantity == "surer":
                return Number(latex.counted(len(surer)), len(surer), ids)
            verb = "is" if len(surer) < 2 else "are"
            who = "all four" if len(surer) == len(MODELS) else latex.listed(surer)
            return Number(f"{verb} {who}", None, ids)
        kept = [comparison.kept_under(measurement(record, "robustness")) for record in records]
        means = {kind: float(np.mean([each[kind] for each in kept])) for kind in kept[0]}
        harshest = min(means, key=means.__getitem__)
        if quantity == "harshest-kept":
            return Number(*_share(means[harshest], 0), ids)
        if quantity == "harshest":
            return Number("JPEG" if harshest == "jpeg" else harshest, None, ids)
        raise KeyError(quantity)

    def _errors(self, name: str, where: str) -> tuple[str, float]:
        table = self.errors(name)
        rows = {"near": table[:2], "far": table[-1:], "all": table}
        if where not in rows:
            raise ConfigError(f"errors {where!r} are unknown; choose from: {', '.join(rows)}")
        part = rows[where]
        share = float(part["wrong"].sum() / part["pixels"].sum())
        return latex.percent(share), 100 * share

    def _grid(self, name: str, what: str) -> tuple[str, float]:
        """Outlines on the lines of the FCN's grid: `share`, `truth`, or `times` what is usual."""
        shown = self.gallery(name)
        size = self.runs.record(name).config.image_size
        found = boundaries.boundary_phases(shown.predictions, size, STRIDE)
        truth = boundaries.boundary_phases(shown.truths, size, STRIDE)
        shares = [float(counts[0] / counts.sum()) for counts in (found, truth)]
        if what == "times":
            return latex.number(shares[0] / shares[1]), shares[0] / shares[1]
        share = shares[("share", "truth").index(what)]
        return latex.percent(share), 100 * share

    def _fact(self, role: str, quantity: str) -> Number:
        spec, values = self.runs.dataset(role), self.facts(role)
        text, value = _fact_of(spec, values, quantity)
        return Number(text, value, (f"datasets/{spec.name}.json",))


def _split_name(key: str) -> tuple[str, list[str]]:
    """The run's name in a key, and the parts after it."""
    role, _, rest = key.partition("/")
    if role not in ROLES or not rest:
        raise ConfigError(f"{key!r} must begin with a role and a run, as in street/unet/final/miou")
    run, *parts = rest.split("/")
    if not parts:
        raise ConfigError(f"{key!r} names no quantity")
    return f"{role}/{run}", parts


def _metric(quantity: str) -> str:
    return {"iiou": "miiou"}.get(quantity, quantity)


def _score(scores: dict[str, Any], metric: str, key: str) -> float | None:
    kind, _, name = metric.partition(":")
    per_class = {"iou": "classes", "iiou": "classes", "category_iou": "categories"}
    if name and kind in per_class:
        names = scores[per_class[kind]]
        if name not in names:
            raise ConfigError(f"{key!r}: no class {name!r}; there are: {', '.join(names)}")
        return None if scores[kind] is None else scores[kind][names.index(name)]
    if metric not in METRICS:
        raise ConfigError(f"{key!r}: score {metric!r} is unknown; there are: {', '.join(METRICS)}")
    return scores[metric]


def network(record: Record):
    """The run's architecture without values, for shapes and counts."""
    config = record.config
    options = config.model_options() | ({"pretrained": False} if config.pretrained else {})
    with torch.device("meta"):
        return build_model(config.model, record.dataset.class_set.num_classes, **options)


def _field(record: Record) -> tuple[str, float | None]:
    side = receptive_field(network(record))
    return ("the whole image", None) if side is None else (f"{side}", side)


RUN_QUANTITIES: dict[str, Callable[[Record], tuple[str, float | None]]] = {
    "parameters": lambda r: _scaled(count_parameters(network(r)), 1e6, r"\,M"),
    "multiply-adds": lambda r: _scaled(
        multiply_adds(network(r), r.config.resolved().image_size), 1e9, r"\,G"
    ),
    "field": _field,
    "input": lambda r: (latex.size(r.config.resolved().image_size), None),
    "minutes": lambda r: _scaled(r.environment["seconds"], 60, "~minutes", 0),
    "best-epoch": lambda r: (str(r.environment["best_epoch"]), r.environment["best_epoch"]),
    "first-loss": lambda r: _scaled(r.history["train_loss"].iloc[0], 1, "", 2),
    "last-loss": lambda r: _scaled(r.history["train_loss"].iloc[-1], 1, "", 2),
    "last-val-loss": lambda r: _scaled(r.history["val_loss"].dropna().iloc[-1], 1, "", 2),
    "processor": lambda r: (latex.escape(r.environment["processor"]), None),
    "run": lambda r: (rf"\texttt{{{latex.escape(r.id)}}}", None),
}


def _scaled(value: float, unit: float, suffix: str, digits: int = 2) -> tuple[str, float]:
    return latex.number(value / unit, digits) + suffix, float(value / unit)


def _of_run(record: Record, quantity: str, key: str) -> tuple[str, float | None]:
    if quantity in RUN_QUANTITIES:
        return RUN_QUANTITIES[quantity](record)
    kind, _, name = quantity.partition(":")
    if kind == "kept":
        kept = comparison.kept_under(measurement(record, "robustness"))
        return _share(float(np.mean(list(kept.values()))) if name == "mean" else kept[name], 0)
    values = record.config.resolved().to_dict()
    if kind != "set" or name not in values:
        known = ", ".join(RUN_QUANTITIES)
        raise ConfigError(f"{key!r}: quantity {quantity!r} is unknown; there are: {known}")
    return latex.setting(name, values[name])


def _fact_of(spec: DatasetSpec, values: dict[str, Any], quantity: str) -> tuple[str, float | None]:
    """A fact of a dataset's survey, as text and value: scenes:train, share:road, floor:miou, …"""
    kind, _, what = quantity.partition(":")
    names = [latex.escape(name) for name in spec.class_set.names]
    shares = np.array(values["shares"]["train"])
    order = [i for i in np.argsort(-shares, kind="stable") if shares[i] > 0]
    if kind in ("scenes", "cities"):
        return latex.counted(values[kind][what]), values[kind][what]
    if kind == "classes":
        return latex.counted(len(names)), len(names)
    if kind == "ratio":
        ratio = float(shares[order[0]] / shares[order[-1]])
        return latex.number(ratio, 0), ratio
    if kind in ("top-share", "top-names", "rare-share", "rare-names"):
        part = order[: int(what)] if kind.startswith("top") else order[-int(what) :]
        if kind.endswith("names"):
            return latex.listed([names[i] for i in part]), None
        return _share(shares[part].sum(), 1 if kind.startswith("top") else 2)
    if kind == "void":
        return _share(values["void"])
    if kind in ("objects", "coarse") and values[kind] is None:
        raise RecordError(f"{spec.name} has no such masks: {quantity!r} is not available")
    if kind == "objects":
        value = values["objects"][what]
        if what == "count":
            return latex.counted(value), value
        return (latex.number(value), value) if what == "per_scene" else _share(value, 0)
    if kind == "coarse" and what == "least":
        least = values["coarse"]["least"]
        return latex.listed([f"{name} {latex.percent(share, 0)}" for name, share in least]), None
    if kind == "coarse":
        return _share(values["coarse"][what])
    if kind == "floor":
        return _share(values["floor"][what])
    if kind == "grid":  # grid:8:miou, grid:8:iou=pole
        side, _, score = what.partition(":")
        metric, _, name = score.partition("=")
        value = values["grid"][side][metric]
        return _share(value[names.index(name)] if name else value)
    raise KeyError(kind)


def _share(value: float, digits: int = 1) -> tuple[str, float]:
    return latex.percent(value, digits), 100 * float(value)
