"""The report's figures: drawn from records, and stamped with what they were drawn from.

Every figure file names the content of its sources in its metadata. `make_figure` draws one anew
whenever a source or the drawing code has changed. Where a figure needs masks of a dataset that is
not on this disk, the committed file serves as long as its sources are the same.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

from .. import plots
from ..errors import ConfigError, DatasetError, RecordError
from ..files import sha256_of
from ..gallery import busiest_window
from ..inspection import multiply_adds
from ..intervals import bootstrap_interval
from ..measurements import measurement
from ..models import build_model
from ..paths import figures_dir
from ..plots.report import (
    class_scores,
    class_shares,
    factor_gains,
    half_width,
    networks_side_by_side,
    score_against_cost,
)
from ..provenance import files_fingerprint
from ..records import Record, find_record
from ..reporting import MODEL_NAMES
from ..study_plan import StudySweep
from . import groups
from .numbers import Numbers, network
from .parts import MODELS, ROLES
from .survey import STRIDE, survey_file

READ = ("config.json", "history.csv", "scores.json")
CODE = (
    *("report/drawings.py", "report/groups.py", "plots/report.py", "plots/style.py"),
    *("plots/scenes.py", "plots/results.py", "plots/errors.py", "plots/network.py"),
    *("plots/comparison.py", "plots/sweep.py", "boundaries.py"),
)
SHOWN = 3  # scenes in the figures that compare predictions


@dataclass(frozen=True)
class Drawing:
    """How a figure is drawn: from which runs, and whether it shows masks of a dataset."""

    draw: Callable[[Numbers], Figure]
    files: Callable[[Numbers], list[Path]]  # of the records that it shows
    kind: str = "plot"
    role: str | None = None  # of the dataset it needs; in the file's name, too
    survey: bool = False  # whether it shows the recorded facts of the datasets


def _full(*roles: str, parts: Sequence[str] = ()) -> Callable[[Numbers], list[Path]]:
    """The files of the roles' full runs, those of some `measurements` included."""
    return _named(lambda numbers: [f"{role}/{model}" for role in roles for model in MODELS], parts)


def _named(
    names: Callable[[Numbers], list[str]], parts: Sequence[str] = ()
) -> Callable[[Numbers], list[Path]]:
    """The files of runs by their names, as `runs.Runs` knows them."""

    def files(numbers: Numbers) -> list[Path]:
        records = [numbers.runs.record(name) for name in names(numbers)]
        return [file for record in records for file in _files(record, parts)]

    return files


def _of_group(part: str) -> Callable[[Numbers], list[Path]]:
    """The files of a group of short runs."""

    def files(numbers: Numbers) -> list[Path]:
        folders = []
        for entry in groups.entries_of(part, numbers.runs):
            if isinstance(entry, StudySweep):
                folders += [file.parent for file in sorted(entry.plan.folder.glob("[!.]*/*.csv"))]
            else:
                folders.append(find_record(entry.config).path)
        return [folder / name for folder in dict.fromkeys(folders) for name in READ]

    return files


def _network(model: str) -> Drawing:
    def draw(numbers: Numbers) -> Figure:
        record = numbers.runs.record(f"generated/{model}")
        classes = record.dataset.class_set.num_classes
        figure = plots.draw_network(
            build_model(model, classes, **record.config.model_options()),
            record.config.image_size,
            title="",
        )
        return _resized(figure, plots.TEXT_WIDTH, 2.2)

    return Drawing(draw, _named(lambda numbers: [f"generated/{model}"]))


def _resized(figure: Figure, width: float, height: float) -> Figure:
    """The figure at another size in inches; its layout is done anew when it is saved."""
    figure.set_size_inches(width, height)
    return figure


def _shares(numbers: Numbers) -> Figure:
    return class_shares([
        (numbers.runs.dataset_name(role), numbers.facts(role)["shares"],
         numbers.runs.dataset(role).class_set)
        for role in ROLES
    ])  # fmt: skip


def _curves(role: str) -> Callable[[Numbers], Figure]:
    def draw(numbers: Numbers) -> Figure:
        records = [numbers.runs.record(f"{role}/{model}") for model in MODELS]
        figure = plots.curves(records, [MODEL_NAMES[model] for model in MODELS])
        return _resized(figure, plots.TEXT_WIDTH, 1.8)

    return draw


def _class_scores(numbers: Numbers) -> Figure:
    panels = []
    for role in ROLES:
        split = numbers.runs.final_split(role)
        results = {MODEL_NAMES[m]: numbers.scores(f"{role}/{m}", split)["iou"] for m in MODELS}
        title = f"{numbers.runs.dataset_name(role)}, {split}"
        panels.append((title, results, numbers.runs.dataset(role).class_set))
    return class_scores(panels)


def _cost(numbers: Numbers) -> Figure:
    panels = []
    for role in ROLES:
        split = numbers.runs.final_split(role)
        points = {}
        for model in MODELS:
            record = numbers.runs.record(f"{role}/{model}")
            work = multiply_adds(network(record), record.config.resolved().image_size)
            scores = record.scores[split]
            points[MODEL_NAMES[model]] = (work / 1e9, scores["miou"], bootstrap_interval(scores))
        panels.append((f"{numbers.runs.dataset_name(role)}, {split}", points))
    return score_against_cost(panels)


def _ablations(model: str) -> Drawing:
    def draw(numbers: Numbers) -> Figure:
        names = numbers.runs.ablations(model)
        reference, *others = names
        runs, differences = [], {}
        for label, name in names.items():
            scores = numbers.scores(name, "val")
            runs.append((label, scores["miou"], bootstrap_interval(scores)))
        for label in others:
            differences[label] = numbers.paired(names[label], names[reference], "val/miou")
        return plots.run_intervals(runs, differences)

    return Drawing(draw, _named(lambda numbers: list(numbers.runs.ablations(model).values())))


def _side_by_side(role: str) -> Callable[[Numbers], Figure]:
    """The scenes that the U-Net did best, middling and worst on."""

    def draw(numbers: Numbers) -> Figure:
        galleries = {m: numbers.gallery(f"{role}/{m}") for m in MODELS}
        chosen = galleries["unet"].ranked(SHOWN)
        shown = galleries["unet"]
        predicted = {MODEL_NAMES[m]: [galleries[m].predictions[i] for i in chosen] for m in MODELS}
        images = [shown.images[i] for i in chosen] if role == "generated" else None
        truths = [shown.truths[i] for i in chosen]
        return networks_side_by_side(
            truths, predicted, numbers.runs.dataset(role).class_set, images
        )

    return draw


def _closeups(numbers: Numbers) -> Figure:
    spec = numbers.runs.dataset("generated")
    config = numbers.runs.config("generated/fcn").resolved()
    cell = [
        STRIDE * full / fed for full, fed in zip(spec.image_size, config.image_size, strict=True)
    ]
    size = (spec.image_size[0] // 3, spec.image_size[1] // 3)
    plain, better = (numbers.gallery(f"generated/{model}") for model in ("fcn", "unet"))
    rows, corners = [], []
    for i in plain.ranked(SHOWN)[1:]:
        window = busiest_window(plain.truths[i], size)
        parts = (plain.images, plain.truths, plain.predictions, better.predictions)
        rows.append([part[i][window] for part in parts])
        corners.append((window[0].start, window[1].start))
    titles = ["image", "truth", "FCN", "U-Net"]
    return plots.closeups(rows, titles, spec.class_set, cell, corners)


def _distances(numbers: Numbers) -> Figure:
    figure = plots.error_distance(
        [(MODEL_NAMES[m], numbers.errors(f"generated/{m}")) for m in MODELS]
    )
    return _resized(figure, plots.TEXT_WIDTH, 1.95)


def _measured(part: str, plot: Callable, label: str, key: str | None = None) -> Drawing:
    """A measurement of all full runs on the final split, half as wide as the text."""

    def draw(numbers: Numbers) -> Figure:
        panels = {}
        for role in ROLES:
            split, names = numbers.runs.final_split(role), {MODEL_NAMES[m]: m for m in MODELS}
            values = {name: measurement(numbers.runs.record(f"{role}/{model}"), part)[split]
                      for name, model in names.items()}  # fmt: skip
            panels[f"{numbers.runs.dataset_name(role)}, {split}"] = (
                {name: each[key] for name, each in values.items()} if key else values
            )
        return half_width(plot(panels), label)

    return Drawing(draw, _full(*ROLES, parts=(part,)), role="street")


def _reliability(panels: dict) -> Figure:
    figure = plots.reliability(panels)
    for axis in figure.axes:
        axis.set(xticks=(0, 50, 100), yticks=(0, 50, 100))
    return figure


def _factors(numbers: Numbers) -> Figure:
    table, summary = groups.factor_tables(numbers.runs, "factors")
    return factor_gains(summary[~summary["is_base"]], table)


def _sweeps(numbers: Numbers) -> Figure:
    models = groups.sweep_plans(numbers.runs)
    panels = {MODEL_NAMES[model]: groups.sweep_rows(numbers.runs, model) for model in models}
    return _resized(plots.sweep_rungs(panels), plots.TEXT_WIDTH, 1.9)


DRAWINGS: dict[str, Drawing] = {
    **{f"network_{model}": _network(model) for model in MODELS},
    "shares": Drawing(_shares, _named(lambda numbers: []), role="street", survey=True),
    "curves_generated": Drawing(_curves("generated"), _full("generated")),
    "curves_street": Drawing(_curves("street"), _full("street"), role="street"),
    "classes": Drawing(_class_scores, _full(*ROLES), role="street"),
    "cost": Drawing(_cost, _full(*ROLES), role="street"),
    "unet_ablations": _ablations("unet"),
    "swin_ablations": _ablations("swin"),
    "scenes_generated": Drawing(_side_by_side("generated"), _full("generated"), "picture"),
    "scenes_street": Drawing(_side_by_side("street"), _full("street"), "picture", "street"),
    "closeups": Drawing(
        _closeups, _named(lambda numbers: ["generated/fcn", "generated/unet"]), "picture"
    ),
    "distances": Drawing(_distances, _full("generated")),
    "bands": _measured("boundaries", plots.band_iou, "within … pixels of a boundary", key="bands"),
    "reliability": _measured("calibration", _reliability, "confidence (%)"),
    "factors": Drawing(_factors, _of_group("factors")),
    "sweeps": Drawing(_sweeps, _of_group("sweeps"), role="street"),
}


def make_figure(name: str, numbers: Numbers) -> Path:
    """The file of a figure, drawn anew if it is missing or older than what it shows.

    A name that begins with a digit is a notebook's figure, which must be there. Raises
    `RecordError` that names the figure and what is newer or missing.
    """
    if name[:1].isdigit():
        return _of_notebook(name)
    if name not in DRAWINGS:
        raise ConfigError(f"figure {name!r} is unknown; choose one of: {', '.join(DRAWINGS)}")
    drawing = DRAWINGS[name]
    street = numbers.runs.datasets["street"] if drawing.role else None
    stem = "_".join(("report", *([street] if street else []), name.removesuffix("_street")))
    file = figures_dir() / f"{stem}.{'pdf' if drawing.kind == 'plot' else 'png'}"
    sources, code = _sources(drawing, numbers), files_fingerprint(CODE)
    stamp = read_stamp(file)
    if stamp == (sources, code):
        return file
    try:
        figure = drawing.draw(numbers)
    except DatasetError as problem:
        if stamp and stamp[0] == sources:
            return file  # today's code might draw it otherwise, but it shows today's records
        state = "is older than its records" if stamp else "is missing"
        raise RecordError(f"figure {file.name} {state} and can't be drawn: {problem}") from None
    plots.save_figure(figure, stem, drawing.kind, note=f"sources {sources} code {code}")
    plt.close(figure)
    return file


def _of_notebook(name: str) -> Path:
    for suffix in ("pdf", "png"):
        file = figures_dir() / f"{name}.{suffix}"
        if file.exists():
            return file
    raise RecordError(f"figure {name} is not in {figures_dir()}; make it: make notebooks")


def read_stamp(file: Path) -> tuple[str, str] | None:
    """What a figure was drawn from and by which code; None without a file or a stamp in it."""
    if not file.exists():
        return None
    if file.suffix == ".png":
        with Image.open(file) as picture:
            note = picture.info.get("Description", "")
    else:
        note = file.read_bytes().decode("latin-1")
    found = re.search(r"sources ([0-9a-f]{16}) code ([0-9a-f]{16})", note)
    return (found[1], found[2]) if found else None


def _sources(drawing: Drawing, numbers: Numbers) -> str:
    """16 hexadecimal digits over the content of everything that a figure shows."""
    digest = hashlib.sha256()
    for file in drawing.files(numbers):
        digest.update(file.parent.name.encode())
        digest.update(sha256_of(file).encode())
    for role in ROLES if drawing.survey else ():
        numbers.facts(role)
        digest.update(sha256_of(survey_file(numbers.runs.dataset(role).name)).encode())
    return digest.hexdigest()[:16]


def _files(record: Record, parts: Sequence[str] = ()) -> list[Path]:
    named = [record.path / name for name in READ]
    named += [record.path / "measurements" / f"{part}.json" for part in parts]
    if missing := [file for file in named if not file.exists()]:
        raise RecordError(f"{missing[0]}: no such file")
    return named + sorted((record.path / "predictions").glob("*/[!.]*.png"))
