"""The tables of the report, as LaTeX, from the records."""

import dataclasses
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from ..config import RunConfig
from ..corruptions import CORRUPTIONS
from ..effects import mean_interval
from ..errors import ConfigError
from ..inspection import count_parameters, multiply_adds
from ..intervals import bootstrap_interval
from ..records import Record
from ..reporting import DATASET_NAMES, MODEL_NAMES
from ..study_plan import Entry, StudySweep
from . import groups, latex
from .numbers import Numbers, network
from .parts import MODELS, ROLES

LEARNED = 0.05  # IoU above which a class counts as learned
# Fields that the recipe's table leaves to the appendix: all full runs share them.
UNTOLD = (
    *("dataset", "model", "init_from", "train_images", "gamma", "mode", "accumulation"),
    *("precision", "select_by", "seed"),
)


def models(numbers: Numbers) -> str:
    """The main table: every full run on both datasets."""
    head = ["", "network", "par.", "m.-adds", "val mIoU", "final mIoU", "pix.\\ acc.", "iIoU",
            "min", "run"]  # fmt: skip
    rows = [head]
    for role in ROLES:
        if role != ROLES[0]:
            rows.append([])
        for position, model in enumerate(MODELS):
            record = numbers.runs.record(f"{role}/{model}")
            final = record.scores[numbers.runs.final_split(role)]
            title = numbers.runs.dataset_name(role) if position == 0 else ""
            if position == 1:
                title = f"({numbers.runs.final_split(role)})"
            rows.append([
                title, MODEL_NAMES[model], *_cost(record), _percent(record.miou()),
                _with_interval(final), _percent(final["pixel_accuracy"]), _percent(final["miiou"]),
                latex.number(record.environment["seconds"] / 60, 0), _code(numbers, record),
            ])  # fmt: skip
    return latex.tabular("llrrrlrrrr", rows)


def pairs(numbers: Numbers) -> str:
    """Differences of every pair of architectures on the final split."""
    rows = [["", *(MODEL_NAMES[model] for model in MODELS[:-1])]]
    for role in ROLES:
        rows.append([rf"\emph{{{numbers.runs.dataset_name(role)}}}", *[""] * (len(MODELS) - 1)])
        for i, model in enumerate(MODELS[1:], 1):
            cells = []
            for other in MODELS[:i]:
                found = numbers.paired(f"{role}/{model}", f"{role}/{other}", "final/miou")
                text = f"{latex.number(found[0], 1, 100, True)} ({latex.span(*found[1:], True)})"
                cells.append(
                    rf"\textcolor{{gray}}{{{text}}}" if found.low <= 0 <= found.high else text
                )
            rows.append([MODEL_NAMES[model], *cells, *[""] * (len(MODELS) - 1 - len(cells))])
    return latex.tabular("l" * len(MODELS), rows)


def ablations(numbers: Numbers, model: str) -> str:
    """An architecture's ablations on the generated dataset, scored on val."""
    rows = [["", "val mIoU", "difference", "learned", "par.", "m.-adds", "run"]]
    names = numbers.runs.ablations(model)
    reference = next(iter(names.values()))
    for label, name in names.items():
        record = numbers.runs.record(name)
        scores = record.scores["val"]
        gap = "reference"
        if name != reference:
            value, low, high = numbers.paired(name, reference, "val/miou")
            gap = f"{latex.number(value, 1, 100, True)} ({latex.span(low, high, True)})"
            gap = rf"\textcolor{{gray}}{{{gap}}}" if low <= 0 <= high else gap
        learned = sum(iou is not None and iou > LEARNED for iou in scores["iou"])
        rows.append([
            latex.escape(label), _with_interval(scores), gap, str(learned), *_cost(record),
            _code(numbers, record),
        ])  # fmt: skip
    return latex.tabular("lllrrrr", rows)


def fine_tuned(numbers: Numbers) -> str:
    """From scratch against from the weights of the generated dataset, on both splits."""
    split = numbers.runs.final_split("street")
    splits = ["val"] if split == "val" else ["val", split]
    rows = [["network", "split", "from scratch", "fine-tuned", "difference", "run"]]
    tuned = [m for m in MODELS if f"street/{m}:fine-tuned" in numbers.runs.all_names()]
    for model in tuned:
        names = (f"street/{model}:fine-tuned", f"street/{model}")
        for one in splits:
            after, before = (numbers.scores(name, one) for name in names)
            value, low, high = numbers.paired(*names, f"{one}/miou")
            gap = f"{latex.number(value, 1, 100, True)} ({latex.span(low, high, True)})"
            rows.append([
                MODEL_NAMES[model] if one == "val" else "", one, _with_interval(before),
                _with_interval(after), gap,
                _code(numbers, numbers.runs.record(names[0])) if one == "val" else "",
            ])  # fmt: skip
    return latex.tabular("llllll", rows)


def beside_scores(numbers: Numbers) -> str:
    """What was measured of the full runs besides their scores, on the final split."""
    widths, abroad = (1, 4, 16), not numbers.runs.lacking("generalisation")
    kinds = [*CORRUPTIONS, "mean"]
    titles = {"jpeg": "JPEG", "darkness": "dark"}
    above = ["", "", _over(3, "mIoU within"), r"\multicolumn{1}{c}{inside}",
             _over(2, "calibration"), _over(len(kinds), "kept of the mIoU on val")]  # fmt: skip
    head = ["", "network", *(rf"{width}\,px" for width in widths), "right", "ECE", "surplus"]
    head += [titles.get(kind, kind) for kind in kinds]
    rows = [[*above, "abroad"] if abroad else above, [*head, "mIoU"] if abroad else head]
    for role in ROLES:
        if role != ROLES[0]:
            rows.append([])
        for position, model in enumerate(MODELS):
            name = f"{role}/{model}"
            keys = [f"final/{what}" for what in (*(f"band:{w}" for w in widths), "inside", "ece")]
            cells = [_bare(numbers, f"{name}/{key}") for key in keys]
            surplus = numbers.result(f"{name}/final/surplus").value
            cells.append(latex.number(surplus, 1, sign=True))
            cells += [_bare(numbers, f"{name}/kept:{kind}", 0) for kind in kinds]
            cells += [_bare(numbers, f"{name}/final/abroad")] * abroad
            title = numbers.runs.dataset_name(role) if position == 0 else ""
            rows.append([title, MODEL_NAMES[model], *cells])
    return latex.tabular("ll" + "r" * (len(rows[1]) - 2), rows, head=2)


def _over(columns: int, title: str) -> str:
    return rf"\multicolumn{{{columns}}}{{c}}{{{title}}}"


def _bare(numbers: Numbers, key: str, digits: int = 1) -> str:
    return latex.number(numbers.result(key).value, digits)


def seeds(numbers: Numbers) -> str:
    """Every architecture's val mIoU by seed, with the mean and its interval."""
    found = groups.seed_records(numbers.runs)
    names = [f"seed {record.config.seed}" for record in next(iter(found.values()))]
    rows = [["network", *names, "mean", "st. dev."]]
    for model, records in found.items():
        scores = [record.miou() for record in records]
        mean, low, high = mean_interval(scores)
        rows.append([
            MODEL_NAMES[model], *(_percent(score) for score in scores),
            f"{_percent(mean)} ({latex.span(low, high)})", _percent(float(np.std(scores, ddof=1))),
        ])  # fmt: skip
    return latex.tabular("l" + "r" * (len(names) + 2), rows)


def rates(numbers: Numbers) -> str:
    """Val mIoU by architecture and learning rate; the best in bold, the recipe's with a star."""
    _, summary = groups.factor_tables(numbers.runs, "rates")
    levels = list(dict.fromkeys(summary["level"]))
    rows = [["network", *(latex.scientific(float(level)) for level in levels)]]
    for model, part in summary.groupby("model", sort=False):
        cells = []
        for row in part.set_index("level").loc[levels].itertuples():
            text = _percent(row.miou)
            text = rf"\textbf{{{text}}}" if row.miou == part["miou"].max() else text
            cells.append(text + (r"\rlap{$^\ast$}" if row.is_base else ""))
        rows.append([MODEL_NAMES[model], *cells])
    return latex.tabular("l" + "r" * len(levels), rows)


def datasets(numbers: Numbers) -> str:
    """What each dataset holds."""
    specs = [numbers.runs.dataset(role) for role in ROLES]
    facts = [numbers.facts(role) for role in ROLES]
    yes = {True: "yes", False: "no"}
    rows = [["", *(DATASET_NAMES[spec.name] for spec in specs)]]
    rows.append(["scenes in train, val, test", *(
        ", ".join(str(values["scenes"].get(split, 0)) for split in ("train", "val", "test"))
        for values in facts
    )])  # fmt: skip
    rows.append(["size of an image", *(latex.size(spec.image_size) for spec in specs)])
    rows.append(["scored classes", *(str(spec.class_set.num_classes) for spec in specs)])
    rows.append(["pixels not scored", *(latex.percent(values["void"]) for values in facts)])
    rows.append(["single objects", *(yes[spec.has_instances] for spec in specs)])
    rows.append(["coarse masks", *(yes[spec.has_coarse] for spec in specs)])
    rows.append(["commonest : rarest class", *(
        _ratio([share for share in values["shares"]["train"] if share]) for values in facts
    )])  # fmt: skip
    rows.append(["val mIoU of the place alone", *(
        latex.percent(values["floor"]["miou"]) for values in facts
    )])  # fmt: skip
    rows.append(["photographs shown here", "yes", "no"])
    return latex.tabular("lrr", rows)


def recipe(numbers: Numbers) -> str:
    """The settings of the full runs in two columns; both datasets' where these differ."""
    settings = []
    configs = [
        [numbers.runs.config(f"{role}/{model}").resolved().to_dict() for model in MODELS]
        for role in ROLES
    ]
    for field in (f.name for f in dataclasses.fields(RunConfig)):
        if field in UNTOLD:
            continue
        cells = []
        for group in configs:
            values = [values[field] for values in group]
            same = all(value == values[0] for value in values)
            cells.append(latex.setting(field, values[0])[0] if same else _by_model(field, values))
        if set(cells) != {"--"}:
            settings.append([latex.field(field), " resp.\\ ".join(dict.fromkeys(cells))])
    half = -(-len(settings) // 2)
    right = [*settings[half:], *[["", ""]] * (2 * half - len(settings))]
    rows = [["setting", "value"] * 2]
    rows += [first + second for first, second in zip(settings[:half], right, strict=True)]
    wrapped = r"p{0.33\linewidth}"  # values of many networks and datasets grow long
    return latex.tabular(rf"l{wrapped}@{{\qquad}}l{wrapped}", rows)


def classes(numbers: Numbers, role: str, metric: str = "iou") -> str:
    """Per-class scores of the full runs on val and the final split."""
    final = numbers.runs.final_split(role)
    splits = ["val"] if final == "val" else ["val", final]
    records = [numbers.runs.record(f"{role}/{model}") for model in MODELS]
    title = [r"\multicolumn{1}{@{}l}{}"]
    title += [rf"\multicolumn{{{len(MODELS)}}}{{c}}{{{split}}}" for split in splits]
    rows = [title, ["class", *(MODEL_NAMES[model] for _ in splits for model in MODELS)]]
    names = numbers.runs.dataset(role).class_set.names
    for i, name in enumerate(names):
        cells = [
            _percent(None if r.scores[s][metric] is None else r.scores[s][metric][i])
            for s in splits
            for r in records
        ]
        if set(cells) != {"n/a"}:
            rows.append([latex.escape(name), *cells])
    mean = {"iou": "miou", "iiou": "miiou"}[metric]
    rows += [[], ["mean", *(_percent(r.scores[s][mean]) for s in splits for r in records)]]
    return latex.tabular("l" + "r" * (len(rows[1]) - 1), rows, head=2)


def ablation_classes(numbers: Numbers) -> str:
    """Per-class IoU on val of all ablations, a column for each run."""
    return _classes_of(numbers, numbers.runs.recorded_ablations(), "val")


def tuned_classes(numbers: Numbers) -> str:
    """Per-class IoU of the fine-tuned runs on the final split."""
    names = [name for name in numbers.runs.all_names() if name.endswith(":fine-tuned")]
    return _classes_of(numbers, names, numbers.runs.final_split("street"))


def _classes_of(numbers: Numbers, names: list[str], split: str) -> str:
    records = [numbers.runs.record(name) for name in names]
    class_names = records[0].scores[split]["classes"]
    rows = [["class", *(_code(numbers, record) for record in records)]]
    for i, name in enumerate(class_names):
        cells = [_percent(record.scores[split]["iou"][i]) for record in records]
        rows.append([latex.escape(name), *cells])
    rows += [[], ["mean", *(_percent(record.scores[split]["miou"]) for record in records)]]
    return latex.tabular("l" + "r" * len(records), rows)


def settings(numbers: Numbers) -> str:
    """Every run with its id, the settings that set it apart, and where it was made if not where
    most of them were, as a list."""
    common, usual = _common(numbers), _usual_place(numbers)
    lines = [r"\begin{seglibruns}"]
    for name in dict.fromkeys(numbers.runs.all_names()):
        record = numbers.runs.record(name)
        values = record.config.resolved().to_dict()
        own = [
            f"{latex.field(field)} {latex.setting(field, value)[0]}"
            for field, value in values.items()
            if field not in ("dataset", "model") and value != common.get(field, value)
        ]
        own = [text for text in own if not text.endswith(" --")]
        where = "" if _made_on(record) == usual else _made_on(record)
        dataset = DATASET_NAMES[record.config.dataset]
        about = f"{dataset}, {latex.escape(numbers.runs.describe(name))}"
        lines.append(
            rf"\seglibrun{{{numbers.runs.codes[record.id]}}}{{{latex.escape(record.id)}}}"
            rf"{{{about}}}{{{', '.join(own) or 'as all'}}}{{{where}}}"
        )
    for part, entries in numbers.runs.groups().items():
        dataset = DATASET_NAMES[entries[0].config.dataset]
        models = dict.fromkeys(MODEL_NAMES[entry.config.model] for entry in entries)
        lines.append(
            rf"\seglibrun{{{numbers.runs.codes[part]}}}{{{latex.escape(_folders(entries))}}}"
            rf"{{{dataset}, {', '.join(models)}}}{{{_extent(entries)}}}"
            rf"{{listed by \texttt{{seglib study -{{}}-list -{{}}-group "
            rf"\textquotedbl {entries[0].group}\textquotedbl}}}}"
        )
    return "\n".join([*lines, r"\end{seglibruns}", ""])


def _folders(entries: list[Entry]) -> str:
    """Where the records of a group lie in `results/`."""
    if isinstance(entries[0], StudySweep):
        return ", ".join(f"sweeps/{entry.id}" for entry in entries)
    return f"{entries[0].id}, …, {entries[-1].id}"


def _extent(entries: list[Entry]) -> str:
    """How many runs a group has, and how large they are."""
    if isinstance(entries[0], StudySweep):
        count = sum(rung.candidates for entry in entries for rung in entry.plan.rungs)
    else:
        count = len({entry.id for entry in entries})
    epochs = dict.fromkeys(str(entry.config.epochs) for entry in entries)
    return f"{count} runs of {' or '.join(epochs)} epochs"


def shared(numbers: Numbers) -> str:
    """The settings that all or most runs share, as a sentence's list."""
    words = [
        f"{latex.field(field)} {latex.setting(field, value)[0]}"
        for field, value in _common(numbers).items()
        if value is not None
    ]
    return ", ".join([*words, f"made on {_usual_place(numbers)}"]) + "%\n"


def _made_on(record: Record) -> str:
    made = record.environment
    return f"{latex.escape(made['processor'])} in {made['precision']}"


def _usual_place(numbers: Numbers) -> str:
    """The processor and number format of most runs."""
    records = map(numbers.runs.record, numbers.runs.all_names())
    return Counter(map(_made_on, records)).most_common(1)[0][0]


def libraries(numbers: Numbers) -> str:
    """The versions behind the runs, as a sentence's list."""
    versions: dict[str, list[str]] = {}
    for name in numbers.runs.all_names():
        for library, version in numbers.runs.record(name).environment["versions"].items():
            if version not in versions.setdefault(library, []):
                versions[library].append(version)
    words = [f"{library} {' and '.join(found)}" for library, found in versions.items()]
    return latex.escape(latex.listed(words)) + "%\n"


def _common(numbers: Numbers) -> dict[str, Any]:
    """For each field the value that most runs have, the first of equally common ones."""
    rows = [numbers.runs.config(n).resolved().to_dict() for n in numbers.runs.all_names()]
    common = {}
    for field in rows[0]:
        if field in ("dataset", "model"):
            continue
        values = [repr(row[field]) for row in rows]
        commonest = max(dict.fromkeys(values), key=values.count)
        common[field] = rows[values.index(commonest)][field]
    return common


def _by_model(field: str, values: list[Any]) -> str:
    """What each architecture has: "FCN, U-Net 0; ViT, Swin 0.1"."""
    owners: dict[str, list[str]] = {}
    for model, value in zip(MODELS, values, strict=True):
        if value is not None:
            owners.setdefault(latex.setting(field, value)[0], []).append(MODEL_NAMES[model])
    return "; ".join(f"{', '.join(names)}: {text}" for text, names in owners.items())


def _cost(record: Record) -> tuple[str, str]:
    model = network(record)
    work = multiply_adds(model, record.config.resolved().image_size)
    return f"{count_parameters(model) / 1e6:.2f}\\,M", f"{work / 1e9:.2f}\\,G"


def _with_interval(scores: dict[str, Any]) -> str:
    return f"{_percent(scores['miou'])} ({latex.span(*bootstrap_interval(scores))})"


def _percent(value: float | None) -> str:
    return latex.number(value, 1, 100)


def _ratio(shares: list[float]) -> str:
    return f"{max(shares) / min(shares):.0f} : 1"


def _code(numbers: Numbers, record: Record) -> str:
    code = numbers.runs.codes[record.id]
    return rf"\hyperlink{{run.{code}}}{{{code}}}"


TABLES: dict[str, Callable[[Numbers], str]] = {
    "models": models,
    "pairs": pairs,
    "unet-ablations": lambda n: ablations(n, "unet"),
    "swin-ablations": lambda n: ablations(n, "swin"),
    "fine-tuned": fine_tuned,
    "beside-scores": beside_scores,
    "seeds": seeds,
    "rates": rates,
    "datasets": datasets,
    "recipe": recipe,
    "classes-generated": lambda n: classes(n, "generated"),
    "classes-generated-iiou": lambda n: classes(n, "generated", "iiou"),
    "classes-street": lambda n: classes(n, "street"),
    "classes-ablations": ablation_classes,
    "classes-fine-tuned": tuned_classes,
    "settings": settings,
    "shared": shared,
    "libraries": libraries,
}


def table(name: str, numbers: Numbers) -> str:
    """The LaTeX of a table; ConfigError lists the names for an unknown one."""
    if name not in TABLES:
        raise ConfigError(f"table {name!r} is unknown; choose one of: {', '.join(TABLES)}")
    return TABLES[name](numbers)
