"""Tables made from the run records, so that no result is ever typed by hand.

`python -m study.tables` reads every record in `results/` and writes `results/summary.csv` (all
runs) and the table between the markers in README.md (the full run of every dataset, architecture
and start that the study compares). Same records, same bytes.
"""

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from seglib import paths
from seglib.errors import RecordError, SeglibError
from seglib.evaluation.intervals import bootstrap_interval
from seglib.files import atomic_path
from seglib.models.inspection import count_parameters, multiply_adds
from seglib.records import Record, list_records
from seglib.text import DATASET_NAMES, MODEL_NAMES, describe_options, start_dataset

from .plan import SCALES, StudyRun, load_study

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
COLUMNS = (
    *("run", "dataset", "model", "options", "start", "height", "width", "epochs", "seed"),
    *("parameters", "multiply_adds", "val_miou", "test_miou", "test_low", "test_high", "scored_on"),
    *("pixel_accuracy", "iiou", "minutes"),
)


def summary(records: Sequence[Record] | None = None) -> pd.DataFrame:
    """One row per run, sorted by dataset, model and falling validation mIoU; columns `COLUMNS`.

    Args:
        records: the runs; None takes all in `results/`.

    Returns:
        Scores are shares (0 to 1). `start` is the dataset from whose weights the run went on, empty
        for fresh ones. `test_low` and `test_high` bound the 95 % interval of the test
        mIoU over resampled test images. `pixel_accuracy` and `iiou` belong to the split in
        `scored_on`: test where it was scored, else val. `multiply_adds` are for one image of the
        training size. What a dataset does not allow (iIoU without instances) is missing.

    Raises:
        RecordError: a record's file is damaged or lacks its validation scores.
    """
    records = list_records() if records is None else records
    table = pd.DataFrame([_row(record) for record in records], columns=list(COLUMNS))
    order = ["dataset", "model", "val_miou", "run"]
    return table.sort_values(order, ascending=[True, True, False, True], ignore_index=True)


def main_runs(table: pd.DataFrame) -> pd.DataFrame:
    """One row for every dataset, architecture and start: the run that the study's plan compares.

    Of several such runs, and where the plan has none, it is the best by validation mIoU.
    """
    plans = [entry for scale in SCALES for entry in load_study(scale)]
    planned = {entry.id for entry in plans if isinstance(entry, StudyRun) and entry.compared}
    keys = ["dataset", "model", "start"]
    ranked = table.assign(planned=table["run"].isin(planned))
    ranked = ranked.sort_values(["planned", "val_miou"], ascending=False, kind="stable")
    best = ranked.drop(columns="planned").groupby(keys, sort=False).head(1)
    return best.sort_values(keys).reset_index(drop=True)


def markdown_table(table: pd.DataFrame) -> str:
    """The rows of a `summary` as a Markdown table with scores in percent, or a line if empty."""
    if table.empty:
        return "No runs are recorded yet: `seglib train` adds the first."
    header = (
        "dataset",
        "model",
        "input",
        "parameters",
        "multiply-adds",
        "val mIoU",
        "test mIoU (95 % interval)",
        "pixel accuracy",
        "iIoU",
        "training",
    )
    lines = [header, ("---", "---", *["---:"] * (len(header) - 2))]
    lines += [_cells(row) for row in table.to_dict("records")]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def readme_section(table: pd.DataFrame) -> str:
    """What stands between the README's markers: the main runs and how to read them."""
    shown = main_runs(table)
    text = markdown_table(shown)
    if table.empty:
        return text
    runs = f"{len(table)} recorded run{'' if len(table) == 1 else 's'}"
    notes = [
        "For every dataset, architecture and start (fresh weights, or those learned on another "
        "dataset) the run that the study compares, or if there is none yet the best on val; all "
        f"{runs} are in [`results/summary.csv`](results/summary.csv)."
    ]
    if (shown["scored_on"] == "val").any():
        notes.append("Pixel accuracy and iIoU are the test split's, or where marked * val's.")
    else:
        notes.append("Pixel accuracy and iIoU are the test split's.")
    notes.append(
        "Scores are percentages; the interval resamples the test images, so it says how "
        "much the choice of scenes matters, not the choice of a seed."
    )
    return f"{text}\n\n{' '.join(notes)}"


def replace_section(text: str, section: str, where: str = "README.md") -> str:
    """`text` with `section` between the markers; RecordError names `where` if they are missing."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise RecordError(f"{where}: expected {BEGIN} and {END} once each, in this order")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{section}\n{END}{rest.split(END)[1]}"


def write_tables(readme: Path | None = None) -> list[str]:
    """Write `results/summary.csv` and the README's table; return one line on each.

    `readme`: default README.md in `paths.home()`; where there is none (an installed package
    without a checkout) only the summary is written.
    """
    table = summary()
    target = paths.results_dir() / "summary.csv"
    with atomic_path(target) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    lines = [f"{target.parent.name}/{target.name}: {len(table)} runs"]
    readme = readme or paths.home() / "README.md"
    if readme.exists():
        text = readme.read_text(encoding="utf-8")
        changed = replace_section(text, readme_section(table), str(readme))
        if changed != text:
            with atomic_path(readme) as temporary:
                temporary.write_text(changed, encoding="utf-8")
        lines.append(f"{readme.name}: table of the {len(main_runs(table))} main runs")
    return lines


def _row(record: Record) -> dict[str, Any]:
    config, scores = record.config.resolved(), record.scores
    if "val" not in scores:
        raise RecordError(f"{record.path / 'scores.json'}: no scores of the val split")
    split = "test" if "test" in scores else "val"
    low, high = bootstrap_interval(scores["test"]) if "test" in scores else (None, None)
    with torch.device("meta"):  # shapes are enough: no weights are drawn or read
        model = config.build_model(download=False)
    height, width = config.image_size
    seconds = record.environment.get("seconds")
    values = (
        *(record.id, config.dataset, config.model, describe_options(record), start_dataset(record)),
        *(height, width),
        *(config.epochs, config.seed, count_parameters(model)),
        *(multiply_adds(model, config.image_size), scores["val"]["miou"]),
        *(scores["test"]["miou"] if "test" in scores else None, low, high, split),
        *(scores[split]["pixel_accuracy"], scores[split]["miiou"]),
        None if seconds is None else seconds / 60,
    )
    return dict(zip(COLUMNS, values, strict=True))


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    """One line of the Markdown table."""
    mark = "" if row["scored_on"] == "test" else " *"
    name = MODEL_NAMES.get(row["model"], row["model"])
    name += f", {row['options']}" if row["options"] else ""
    name += f", from {DATASET_NAMES.get(row['start'], row['start'])}" if row["start"] else ""
    test = "–"
    if not _missing(row["test_miou"]):
        test = f"{_percent(row['test_miou'])} ({_percent(row['test_low'])}–"
        test += f"{_percent(row['test_high'])})"
    iiou = "n/a" if _missing(row["iiou"]) else f"{_percent(row['iiou'])}{mark}"
    minutes = "n/a" if _missing(row["minutes"]) else f"{row['minutes']:.0f} min"
    return (
        DATASET_NAMES.get(row["dataset"], row["dataset"]),
        name,
        f"{row['height']}×{row['width']}",
        f"{row['parameters'] / 1e6:.2f} M",
        f"{row['multiply_adds'] / 1e9:.2f} G",
        _percent(row["val_miou"]),
        test,
        f"{_percent(row['pixel_accuracy'])}{mark}",
        iiou,
        minutes,
    )


def _percent(value: float | None) -> str:
    return "n/a" if _missing(value) else f"{100 * value:.1f}"


def _missing(value: float | None) -> bool:
    return value is None or math.isnan(value)


def main() -> int:
    """Write the tables and say what was written; a user's error is one line and exit code 2."""
    try:
        for line in write_tables():
            print(line)
    except SeglibError as problem:
        print(f"seglib: error: {problem}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
