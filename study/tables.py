"""Tables made from the run records, so that no result of ours is ever typed by hand.

`python -m study.tables` writes `results/summary.csv` (all runs) and the tables between the markers
in README.md: the full run of every dataset, architecture and start that the study compares, and
those on CamVid beside the published results of `published.toml`.
"""

import functools
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Required, TypedDict

import numpy as np
import pandas as pd

from seglib import paths
from seglib.cli import exit_code
from seglib.config import RunConfig
from seglib.errors import RecordError
from seglib.evaluation.intervals import bootstrap_interval
from seglib.files import atomic_path
from seglib.models.inspection import count_parameters, multiply_adds
from seglib.records import Record, list_records, load_record
from seglib.text import DATASET_NAMES, describe_options, network_name, percent

from .comparison import scores_of_seeds, training_minutes
from .layers import network_shape
from .plan import SCALES, StudyRun, load_study, read_toml

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
COLUMNS = """
    run dataset model options start trained height width epochs seed parameters multiply_adds
    val_miou test_miou test_low test_high scored_on pixel_accuracy iiou cities minutes
""".split()
HEADER = """
| dataset | model | input | parameters | multiply-adds | seeds | test mIoU (95 % interval) \
| by city or drive | with flips | pixel accuracy | iIoU | training |
| --- | --- | ---: | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: | ---: |
""".strip()
NOTE = """
For every dataset, architecture and start (random weights, ImageNet's, or those of another \
dataset) the run that the study compares, or if there is none yet the best on val; all recorded \
runs ({count}) are in [`results/summary.csv`](results/summary.csv). Scores are the test split's, \
in percent{marked}. Of several seeds they are the mean, the mIoU with its standard deviation. The \
interval resamples what is independent, scenes or on CamVid blocks of 20 frames, and with them \
the seeds where there are several; of a single run it says nothing about another seed. “With \
flips” averages the logits of a photograph and its mirror image. Training times, on one or two \
threads, are of the fastest seed, on two kinds of processor, one about twice as fast as the other, \
some beside other work."""
PUBLISHED = """
### Published on the same split

Test mIoU on CamVid's 11 classes, in percent; this study's results are in bold. First come \
networks trained from scratch on train (or on frames that were not stated), then on train and \
val, then those from ImageNet weights, and last those with other street scenes. Inputs, epochs \
and frames differ: it ranks no architectures. n/a: not stated in any source that we could read; \
[`study/published.toml`](study/published.toml) says how each was checked.

<details><summary>The table</summary>

| network | input | parameters | trained on | start | epochs | test mIoU | source |
| --- | ---: | ---: | --- | --- | ---: | ---: | --- |
"""


class Published(TypedDict, total=False):
    """One result of `published.toml`, whose first lines explain the fields."""

    name: Required[str]
    miou: Required[float]
    input: list[int]
    trained: str
    start: Required[str]
    epochs: int
    parameters: float
    tricks: str
    year: Required[int]
    source: Required[str]
    url: Required[str]
    place: Required[str]
    checked: Required[str]


class PublishedFile(TypedDict):
    result: list[Published]


def summary() -> pd.DataFrame:
    """One row per recorded run, sorted by dataset, model and falling validation mIoU.

    Scores are shares (0 to 1). `start` is the dataset from whose weights the run went on, empty for
    fresh ones; `trained` is train or train+val. `test_low` and `test_high` bound the 95 % interval
    over resampled test images. `pixel_accuracy`, `iiou` and `cities` (mIoU of each city or drive,
    as text) are of the split in `scored_on`: test where it was scored, else what training scored,
    val or the held-out cities. `multiply_adds` are for one image of the training size. Raises
    `RecordError` for a record that is damaged or lacks these scores.
    """
    table = pd.DataFrame([_row(record) for record in list_records()], columns=COLUMNS)
    order = ["dataset", "model", "val_miou", "run"]
    return table.sort_values(order, ascending=[True, True, False, True], ignore_index=True)


def _row(record: Record) -> dict[str, Any]:
    config, scores = record.config, record.scores
    network = {"dataset": config.dataset, "model": config.model, "image_size": config.image_size}
    parameters, work = _cost(RunConfig(**network, **config.model_options()))
    seconds = record.environment.get("seconds")
    on_test = scores.get("test", {}).get("miou") is not None
    split = "test" if on_test else config.scored_split
    if not {config.scored_split, split} <= {None, *scores}:
        raise RecordError(f"{record.path / 'scores.json'}: no scores of {config.scored_split}")
    shown = scores.get(split, {"pixel_accuracy": None, "miiou": None, "cities": {}})
    low, high = bootstrap_interval(scores["test"]) if split == "test" else (None, None)
    return {
        "run": record.id, "dataset": config.dataset, "model": config.model,
        "options": describe_options(record), "start": config.start_dataset,
        "trained": "+".join(config.trained_splits),
        "height": config.image_size[0], "width": config.image_size[1],
        "epochs": config.epochs, "seed": config.seed,
        "parameters": parameters, "multiply_adds": work,
        "val_miou": scores["val"]["miou"] if "val" in scores else None,
        "test_miou": scores["test"]["miou"] if split == "test" else None,
        "test_low": low, "test_high": high, "scored_on": split,
        "pixel_accuracy": shown["pixel_accuracy"], "iiou": shown["miiou"],
        "cities": ", ".join(f"{c} {_score(each['miou'])}" for c, each in shown["cities"].items()),
        "minutes": None if seconds is None else seconds / 60,
    }


@functools.cache
def _cost(config: RunConfig) -> tuple[int, int]:
    """Parameters of a network and its multiply-adds for one image; many runs have the same."""
    network = network_shape(config)
    return count_parameters(network), multiply_adds(network, config.image_size)


def main_runs(table: pd.DataFrame) -> pd.DataFrame:
    """One row for every dataset, architecture, start and training split: the run that is compared.

    Of several such runs, and where the plan has none, it is the best by validation mIoU. What the
    plan has without comparing it, such as runs on fewer scenes, is left out.
    """
    entries = [e for scale in SCALES for e in load_study(scale) if isinstance(e, StudyRun)]
    compared = {e.id for e in entries if e.compared or e.config.with_val or e.config.init_from}
    table = table[~table["run"].isin({entry.id for entry in entries} - compared)]
    table = table[table["scored_on"] != "held_out"]
    keys = ["dataset", "model", "start", "pretrained", "trained"]
    table = table.assign(planned=table["run"].isin(compared), scored=table["scored_on"].notna(),
                         pretrained=table["options"].str.contains("pretrained"))
    ranked = table.sort_values(["scored", "planned", "val_miou"], ascending=False, kind="stable")
    return ranked.drop_duplicates(keys).sort_values(keys, ignore_index=True)[COLUMNS]


def readme_section(table: pd.DataFrame) -> str:
    """What stands between the README's markers: the main runs of a `summary`, how to read them."""
    if table.empty:
        return "No runs are recorded yet: `seglib train` adds the first."
    shown = main_runs(table)
    own = shown[shown["trained"] == "train"]
    marked = ", or where marked * those of val" if (own["scored_on"] != "test").any() else ""
    note = NOTE.format(count=len(table), marked=marked)
    return "\n".join([HEADER, *map(_line, own.itertuples()), note, published_section(shown)])


def _line(row: Any) -> str:
    """One line of the Markdown table."""
    mark = "" if row.scored_on == "test" else " *"
    start = f"from {DATASET_NAMES[row.start]}" if row.start else ""
    record = load_record(row.run)
    runs = scores_of_seeds(record, row.scored_on)
    (low, high), mious = bootstrap_interval(runs), [run["miou"] for run in runs]
    spread = f" ± {100 * np.std(np.array(mious, float), ddof=1):.1f}" if len(runs) > 1 else ""
    flipped = scores_of_seeds(record, "test+flip") if "test+flip" in record.scores else []
    cells = (
        DATASET_NAMES[row.dataset],
        ", ".join(filter(None, [network_name(record.config), row.options, start])),
        f"{row.height}×{row.width}",
        f"{row.parameters / 1e6:.2f} M", f"{row.multiply_adds / 1e9:.2f} G", str(len(runs)),
        f"{_mean(runs, 'miou')}{spread}{mark} ({_score(low)}–{_score(high)})",
        ", ".join(f"{city} {_mean([run['cities'][city] for run in runs], 'miou')}"
                  for city in runs[0]["cities"]),
        _mean(flipped, "miou"), _mean(runs, "pixel_accuracy"), _mean(runs, "miiou"),
        "n/a" if pd.isna(row.minutes) else f"{training_minutes(record):.0f} min",
    )
    return "| " + " | ".join(cells) + " |"


def published_results(file: Path | None = None) -> list[Published]:
    """What others published on CamVid's split; `ConfigError` for an entry that is not complete."""
    file = file or Path(__file__).with_name("published.toml")
    return read_toml(file, PublishedFile)["result"]


def published_section(shown: pd.DataFrame) -> str:
    """The published results as a Markdown table, with those of `main_runs` that are comparable."""
    ours = shown[(shown["dataset"] == "camvid") & (shown["scored_on"] == "test")]
    lines = []
    for found in sorted([*published_results(), *map(own_run, ours.itertuples())], key=rank):
        place, tricks = found["place"], f" ({found['tricks']})" if "tricks" in found else ""
        cells = (
            found["name"], "×".join(map(str, found.get("input", ["n/a"]))),
            f"{found['parameters']:.3g} M" if "parameters" in found else "n/a",
            found.get("trained", "n/a"), found["start"], str(found.get("epochs", "n/a")),
            f"{found['miou']:.1f}{tricks}",
            f"[{place}, {found['year']}]({found['url']})" if "url" in found else place,
        )
        lines.append("| " + " | ".join(cells) + " |")
    return PUBLISHED + "\n".join([*lines, "", "</details>"])


def own_run(row: Any) -> dict[str, Any]:
    """A run of this study with the fields of a published result."""
    config, runs = (record := load_record(row.run)).config, scores_of_seeds(record, "test")
    fresh = "ImageNet" if config.model_options().get("pretrained") else "scratch"
    return {
        "name": f"**{network_name(config)}, {row.options}**", "input": [row.height, row.width],
        "parameters": row.parameters / 1e6, "trained": row.trained, "epochs": row.epochs,
        "start": DATASET_NAMES[row.start] if row.start else fresh,
        "miou": 100 * np.mean([run["miou"] for run in runs]), "place": "this study",
    }


def rank(result: Mapping[str, Any]) -> tuple[bool, bool, bool, float]:
    """Where a reader looks for a result: by what its network has seen, then by its score."""
    start, trained = result["start"], result.get("trained", "train")
    other = start not in ("scratch", "ImageNet") or trained not in ("train", "train+val")
    return other, start != "scratch", trained == "train+val", result["miou"]


def _mean(runs: Sequence[dict[str, Any]], metric: str) -> str:
    return _score(pd.Series([run[metric] for run in runs], dtype=float).mean())


def _score(share: float | None) -> str:
    """A share in percent without the sign, which the table's note says once."""
    return "n/a" if pd.isna(share) else percent(share).removesuffix(" %")


def replace_section(text: str, section: str, where: str = "README.md") -> str:
    """`text` with `section` between the markers; RecordError names `where` if they are missing."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise RecordError(f"{where}: expected {BEGIN} and {END} once each, in this order")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{section}\n{END}{rest.split(END)[1]}"


def write_tables() -> None:
    """Write `results/summary.csv` and, of the project's own results, README.md's table; say so."""
    table = summary()
    target, readme = paths.results_dir() / "summary.csv", paths.home() / "README.md"
    with atomic_path(target) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    print(f"{target.parent.name}/{target.name}: {len(table)} runs")
    if readme.exists() and target.parent == paths.home() / "results":
        text = readme.read_text(encoding="utf-8")
        text = replace_section(text, readme_section(table), str(readme))
        with atomic_path(readme) as temporary:
            temporary.write_text(text, encoding="utf-8")
        print(f"{readme.name}: table of the {len(main_runs(table))} main runs")


if __name__ == "__main__":
    sys.exit(exit_code(write_tables))
