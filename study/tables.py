"""Tables made from the run records, so that no result is ever typed by hand.

`python -m study.tables` writes `results/summary.csv` (all runs) and the table between the markers
in README.md (the full run of every dataset, architecture and start that the study compares).
"""

import sys
from typing import Any

import pandas as pd

from seglib import paths
from seglib.cli import exit_code
from seglib.errors import RecordError
from seglib.evaluation.intervals import bootstrap_interval
from seglib.files import atomic_path
from seglib.models.inspection import count_parameters, multiply_adds
from seglib.records import Record, list_records
from seglib.text import DATASET_NAMES, MODEL_NAMES, describe_options, percent

from .plan import SCALES, StudyRun, load_study, start_dataset
from .work import network_shape

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
COLUMNS = """
    run dataset model options start height width epochs seed parameters multiply_adds
    val_miou test_miou test_low test_high scored_on pixel_accuracy iiou minutes
""".split()
HEADER = """
| dataset | model | input | parameters | multiply-adds | val mIoU | test mIoU (95 % interval) \
| pixel accuracy | iIoU | training |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
""".strip()
NOTE = """
For every dataset, architecture and start (fresh weights, or those learned on another dataset) the \
run that the study compares, or if there is none yet the best on val; all {count} recorded runs \
are in [`results/summary.csv`](results/summary.csv). Pixel accuracy and iIoU are the test \
split's{marked}. Scores are percentages; the interval resamples the test images, so it says how \
much the choice of scenes matters, not the choice of a seed."""


def summary() -> pd.DataFrame:
    """One row per recorded run, sorted by dataset, model and falling validation mIoU.

    Scores are shares (0 to 1). `start` is the dataset from whose weights the run went on, empty for
    fresh ones. `test_low` and `test_high` bound the 95 % interval over resampled test images.
    `pixel_accuracy` and `iiou` are of the split in `scored_on`: test where it was scored, else val.
    `multiply_adds` are for one image of the training size. Raises `RecordError` for a record that
    is damaged or lacks its validation scores.
    """
    table = pd.DataFrame([_row(record) for record in list_records()], columns=COLUMNS)
    order = ["dataset", "model", "val_miou", "run"]
    return table.sort_values(order, ascending=[True, True, False, True], ignore_index=True)


def _row(record: Record) -> dict[str, Any]:
    config, scores = record.config.resolved(), record.scores
    if "val" not in scores:
        raise RecordError(f"{record.path / 'scores.json'}: no scores of the val split")
    network, seconds = network_shape(config), record.environment.get("seconds")
    split = "test" if "test" in scores else "val"
    low, high = bootstrap_interval(scores["test"]) if split == "test" else (None, None)
    return {
        "run": record.id, "dataset": config.dataset, "model": config.model,
        "options": describe_options(record), "start": start_dataset(record),
        "height": config.image_size[0], "width": config.image_size[1],
        "epochs": config.epochs, "seed": config.seed,
        "parameters": count_parameters(network),
        "multiply_adds": multiply_adds(network, config.image_size),
        "val_miou": scores["val"]["miou"],
        "test_miou": scores["test"]["miou"] if split == "test" else None,
        "test_low": low, "test_high": high, "scored_on": split,
        "pixel_accuracy": scores[split]["pixel_accuracy"], "iiou": scores[split]["miiou"],
        "minutes": None if seconds is None else seconds / 60,
    }


def main_runs(table: pd.DataFrame) -> pd.DataFrame:
    """One row for every dataset, architecture and start: the run that the study's plan compares.

    Of several such runs, and where the plan has none, it is the best by validation mIoU.
    """
    entries = [entry for scale in SCALES for entry in load_study(scale)]
    planned = {entry.id for entry in entries if isinstance(entry, StudyRun) and entry.compared}
    keys = ["dataset", "model", "start"]
    ranked = table.assign(planned=table["run"].isin(planned))
    ranked = ranked.sort_values(["planned", "val_miou"], ascending=False, kind="stable")
    best = ranked.drop(columns="planned").drop_duplicates(keys)
    return best.sort_values(keys, ignore_index=True)


def readme_section(table: pd.DataFrame) -> str:
    """What stands between the README's markers: the main runs of a `summary`, how to read them."""
    if table.empty:
        return "No runs are recorded yet: `seglib train` adds the first."
    shown = main_runs(table)
    marked = ", or where marked * val's" if (shown["scored_on"] == "val").any() else ""
    note = NOTE.format(count=len(table), marked=marked)
    return "\n".join([HEADER, *map(_line, shown.itertuples()), note])


def _line(row: Any) -> str:
    """One line of the Markdown table."""
    mark = "" if row.scored_on == "test" else " *"
    start = f"from {DATASET_NAMES[row.start]}" if row.start else ""
    name = ", ".join(filter(None, [MODEL_NAMES[row.model], row.options, start]))
    test = f"{_score(row.test_miou)} ({_score(row.test_low)}–{_score(row.test_high)})"
    cells = (
        DATASET_NAMES[row.dataset],
        name,
        f"{row.height}×{row.width}",
        f"{row.parameters / 1e6:.2f} M", f"{row.multiply_adds / 1e9:.2f} G",
        _score(row.val_miou),
        "–" if pd.isna(row.test_miou) else test,
        _score(row.pixel_accuracy, mark), _score(row.iiou, mark),
        "n/a" if pd.isna(row.minutes) else f"{row.minutes:.0f} min",
    )
    return "| " + " | ".join(cells) + " |"


def _score(share: float | None, mark: str = "") -> str:
    """A share in percent without the sign, which the table's note says once."""
    return "n/a" if pd.isna(share) else percent(share).removesuffix(" %") + mark


def replace_section(text: str, section: str, where: str = "README.md") -> str:
    """`text` with `section` between the markers; RecordError names `where` if they are missing."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise RecordError(f"{where}: expected {BEGIN} and {END} once each, in this order")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{section}\n{END}{rest.split(END)[1]}"


def write_tables() -> None:
    """Write `results/summary.csv` and, where there is one, the table in README.md; print both."""
    table = summary()
    target, readme = paths.results_dir() / "summary.csv", paths.home() / "README.md"
    with atomic_path(target) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    print(f"{target.parent.name}/{target.name}: {len(table)} runs")
    if readme.exists():
        text = readme.read_text(encoding="utf-8")
        text = replace_section(text, readme_section(table), str(readme))
        with atomic_path(readme) as temporary:
            temporary.write_text(text, encoding="utf-8")
        print(f"{readme.name}: table of the {len(main_runs(table))} main runs")


if __name__ == "__main__":
    sys.exit(exit_code(write_tables))
