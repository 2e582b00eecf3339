"""The report from the records: `python report/build.py` writes numbers, tables and main.pdf.

`all_numbers` computes what was measured with the functions that the notebooks use; `contents.py`
says which of it stands in tables and what the text claims of it. What is written stands in
generated/, committed like main.pdf, so that LaTeX alone compiles the report. As another version of
LaTeX writes other bytes for the same pages, main.pdf is made anew only when something that goes
into it differs from generated/inputs.sha256 (`sha256sum --check` reads that, too).
"""

import argparse
import math
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from contents import CLAIMS, DATASETS, DRIVES, GROUPS, INTERVALS, MODELS, TABLES

from seglib import paths
from seglib.data.camvid import published_checksums
from seglib.data.datasets import dataset_spec
from seglib.errors import RecordError, SeglibError, choose
from seglib.evaluation.boundaries import boundary_phases, errors_by_distance
from seglib.evaluation.intervals import bootstrap_interval, paired_difference
from seglib.evaluation.metrics import aggregate
from seglib.evaluation.shown_scenes import load_gallery
from seglib.files import read_json, sha256_of
from seglib.models.inspection import receptive_field
from seglib.records import Record, find_record
from seglib.text import MODEL_NAMES, setting_name, setting_value
from study import anova, comparison
from study.beyond_scores import measurement
from study.exploration import facts_file
from study.halving import sweep_table
from study.plan import StudyRun, load_study
from study.work import epoch_images, network_shape

REPORT = Path(__file__).resolve().parent
GENERATED, PDF = REPORT / "generated", REPORT / "main.pdf"
LEARNED, MISSED = 0.05, 0.1  # IoU above which a class counts as learned, below which as missed


class Number(NamedTuple):
    """A number as LaTeX, its value (in percent or points), and its interval where it has one."""

    text: str
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan


Numbers = dict[str, Number]
Named = Iterator[tuple[str, Number]]
SPECIAL = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "×": r"$\times$", "–": "--", "−": "$-$", "γ": r"$\gamma$",
}


def escape(text: Any) -> str:
    """Text as LaTeX; whatever a record spells goes through here."""
    return "".join(SPECIAL.get(character, character) for character in str(text))


def number(
    value: float, digits: int = 0, unit: str = "", sign: bool = False, bounds: Sequence[float] = ()
) -> Number:
    """A number with its unit, and its bounds in brackets."""

    def text(part: float) -> str:
        digital = f"{part:{'+' if sign else ''},.{digits}f}".replace(",", r"\,")
        return digital.replace("-", "$-$").replace("+", "$+$")

    brackets = f" ({' to '.join(map(text, bounds))})" if bounds else ""
    return Number(text(value) + unit + brackets, float(value), *bounds)


def percent(share: float | None, digits: int = 1, bounds: Sequence[float] = ()) -> Number:
    """A share of 1 in percent; that of a class that occurs nowhere is None."""
    if share is None:
        return Number("n/a")
    return number(100 * share, digits, r"\,\%", bounds=[100 * bound for bound in bounds])


def points(difference: Sequence[float], sign: bool = True) -> Number:
    """A difference of shares in points with its interval."""
    value, *bounds = (100 * part for part in difference)
    return number(value, 1, "~points", sign, bounds)


def listed(words: Sequence[str]) -> Number:
    """Words as "a, b and c"."""
    *most, last = map(escape, words)
    return Number(f"{', '.join(most)} and {last}" if most else last)


def setting(value: Any) -> Number:
    """The value of a setting."""
    if value is None or isinstance(value, bool):
        return Number({None: "--", True: "yes", False: "no"}[value])
    return Number(escape(setting_value(value).replace("_", " ").replace("+", " + ")))


# --- numbers -------------------------------------------------------------------------------------


def recorded_runs() -> dict[str, Record]:
    """The runs that have a name: camvid/unet, camvid/unet:fine-tuned, …

    After the colon stands the plan's group, or what an ablation takes away.
    """
    runs = {}
    for entry in load_study(datasets=DATASETS, groups=GROUPS):
        part = entry.level or MODEL_NAMES[entry.config.model]
        kind = part if entry.group == "ablations" else entry.group
        name = f"{entry.config.dataset}/{entry.config.model}"
        if (record := find_record(entry.config)) is None:
            raise RecordError(f"run {entry.id} has no record; train it: seglib study")
        runs[name if kind == "models" else f"{name}:{kind}"] = record
    return runs


def all_numbers(runs: Mapping[str, Record]) -> Numbers:
    """Everything measured that the text, the tables and the claims may name."""
    found: Numbers = {}
    for dataset in DATASETS:
        found |= {f"{dataset}/data/{name}": value for name, value in data_numbers(dataset)}
        for pair in comparison.pairs({model: runs[f"{dataset}/{model}"] for model in MODELS}):
            value, low, high = pair.difference
            found[f"{dataset}/{pair.better}-{pair.worse}"] = points(pair.difference, sign=False)
            found[f"{dataset}/{pair.worse}-{pair.better}"] = points((-value, -high, -low))
    for name, record in runs.items():
        parts = [score_numbers(record), training_numbers(record), gain_numbers(name, runs)]
        parts += [beside_numbers(record)] if (record.path / "measurements").is_dir() else []
        parts += [mistake_numbers(record)] if name.startswith("miniscapes") else []
        found |= {f"{name}/{key}": value for part in parts for key, value in part}
    versions = runs["miniscapes/unet"].environment["versions"]
    found["versions"] = listed([f"{name} {version}" for name, version in versions.items()])
    for part in (drive_numbers(runs), seed_numbers(), factor_numbers(), sweep_numbers()):
        found |= dict(part)
    return found


def data_numbers(dataset: str) -> Named:
    """What notebook 01 found of a dataset."""
    facts, spec = read_json(facts_file(dataset), RecordError), dataset_spec(dataset)
    names, shares = spec.class_set.names, np.array(facts["shares"]["train"])
    order = np.argsort(-shares, kind="stable")
    scenes = [facts["scenes"][split] for split in ("train", "val", "test")]
    yield "scenes", Number(", ".join(f"{count:d}" for count in scenes))
    yield "training scenes", number(scenes[0])
    yield "size", setting(spec.image_size)
    yield "classes", number(len(names))
    yield "void", percent(facts["void"])
    yield "ratio", number(shares[order[0]] / shares[order[-1]])
    for kind, part in (("top", order[:3]), ("rare", order[-5:])):
        yield f"{kind} classes", listed([names[i] for i in part])
        yield f"{kind} share", percent(shares[part].sum())
    yield "floor miou", percent(facts["floor"]["miou"])
    yield "floor accuracy", percent(facts["floor"]["pixel_accuracy"])
    for stride, found in facts["grid"].items():
        yield f"grid {stride}", percent(found["miou"])
        yield f"grid {stride} pole", percent(found["iou"][names.index("pole")])
    yield "single objects", setting(spec.has_instances)
    yield "coarse masks", setting(spec.has_coarse)
    if objects := facts["objects"]:
        yield "objects", number(objects["count"])
        for name in ("tiny", "tiny_people", "largest_tenth"):
            yield name, percent(objects[name], 0)
    if coarse := facts["coarse"]:
        for name in ("covered", "precision"):
            yield f"coarse {name}", percent(coarse[name])
        yield "coarse least", listed([f"{name} ({share:.0%})" for name, share in coarse["least"]])


def score_numbers(record: Record) -> Named:
    for split, scores in record.scores.items():
        values = {name: scores[name] for name in ("miou", "miiou", "pixel_accuracy")}
        values |= dict(zip(record.dataset.class_set.names, scores["iou"], strict=True))
        for name, value in values.items():
            yield f"{split}/{name}", percent(value)
        for metric in INTERVALS:
            name = metric.removeprefix("iou:")
            bounds = bootstrap_interval(scores, metric)
            yield f"{split}/{name} interval", percent(values[name], bounds=bounds)
        known = [iou for iou in scores["iou"] if iou is not None]
        yield f"{split}/missed", number(sum(iou < MISSED for iou in known))
        yield f"{split}/learned", number(sum(iou > LEARNED for iou in known))


def gain_numbers(name: str, runs: Mapping[str, Record]) -> Named:
    """A run's scores minus those of the run from which it differs in what its name says."""
    start, _, kind = name.partition(":")
    bases = {"fine-tuned": start, "full augmentation": start}
    bases["winner at full size"] = f"{start}:full augmentation"
    base = bases.get(kind, f"{start}:{MODEL_NAMES[runs[name].config.model]}")  # or of the ablations
    if kind and base in runs and base != name:
        for split in ("val", "test"):
            if split in runs[name].scores:
                both = [runs[each].scores[split] for each in (name, base)]
                yield f"{split}/gain", points(paired_difference(*both))
                yield f"{split}/by", points(paired_difference(*both), sign=False)
                yield f"{split}/person gain", points(paired_difference(*both, "iou:person"))


def training_numbers(record: Record) -> Named:
    yield "minutes", number(record.environment["seconds"] / 60)
    for name, column in (("last loss", "train_loss"), ("last val loss", "val_loss")):
        yield name, number(record.history[column].dropna().iloc[-1], 2)
    for field, value in record.config.resolved().to_dict().items():
        yield f"set {field}", setting(value)
    yield "field", number(receptive_field(network_shape(record.config)) or math.inf)


def beside_numbers(record: Record) -> Named:
    """What was measured of a run besides its scores."""
    cost, robustness = measurement(record, "cost"), measurement(record, "robustness")
    yield "parameters", number(cost["parameters"] / 1e6, 2)
    yield "multiply-adds", number(cost["multiply_adds"] / 1e9, 2)
    yield "milliseconds", number(1000 * cost["seconds"]["median"])
    kept = comparison.retained_miou(robustness)
    mean = float(np.mean(list(kept.values())))
    for kind, share in (kept | {"mean": mean}).items():
        yield f"kept {kind}", percent(share, 0)
    yield "under mean", percent(mean * robustness["clean"]["miou"])
    for band in measurement(record, "boundaries")["test"]["bands"]:
        yield f"band {band['width']:d}", percent(band["miou"])
    yield "inside", percent(measurement(record, "boundaries")["test"]["inside"]["pixel_accuracy"])
    calibration = measurement(record, "calibration")["test"]
    yield "ECE", percent(calibration["ece"])
    surplus = calibration["confidence"] - calibration["accuracy"]
    yield "surplus", number(100 * surplus, 1, sign=True)
    elsewhere = measurement(record, "generalisation")
    for other in set(DATASETS) & elsewhere.keys():
        for place in ("home", "abroad"):
            yield place, percent(elsewhere[other][place]["test"]["miou"])


def mistake_numbers(record: Record) -> Named:
    """Where the kept val scenes of a run are wrong."""
    shown, size = load_gallery(record, "val"), record.config.resolved().image_size
    table = errors_by_distance(shown.truths, shown.predictions)  # 1, 2, 3–4, 5–8, …, > 32 pixels
    for name, rows in (("near", table[:2]), ("far", table[-1:])):
        yield f"wrong {name}", percent(rows["wrong"].sum() / rows["pixels"].sum())
    yield "wrong within 8", percent(table[:4]["wrong"].sum() / table["wrong"].sum(), 0)
    for name, masks in (("grid", shown.predictions), ("true grid", shown.truths)):
        phases = boundary_phases(masks, size)  # of the FCN's grid
        yield name, percent(phases[0] / phases.sum())


def drive_numbers(runs: Mapping[str, Record]) -> Named:
    """CamVid's drives: frames in each split, and the networks' mIoU on those in test."""
    published = [name.split("/")[1:] for name in published_checksums() if "annot/" not in name]
    frames = Counter((name.split("_")[0], split) for split, name in published)
    for drive in DRIVES:
        for split in ("train", "val", "test"):
            yield f"camvid/{drive}/{split}", number(frames[drive, split])
        for model in MODELS if frames[drive, "test"] else ():
            images = runs[f"camvid/{model}"].scores["test"]["images"]
            chosen = np.array([name.startswith(drive) for name in images["names"]])
            yield f"camvid/{model}/{drive}", percent(aggregate(images, chosen)["miou"])


def seed_numbers() -> Named:
    scores = comparison.seed_scores("miniscapes")
    deviation = 100 * anova.pooled_deviation(scores.values())
    freedom = sum(len(values) - 1 for values in scores.values())
    yield "seeds/deviation", number(deviation, 1)
    yield "seeds/two runs", number(anova.student(freedom) * math.sqrt(2) * deviation, 1)
    for model, values in scores.items():
        width = number(100 * (max(values) - min(values)), 1)
        yield f"seeds/{model}/range", width._replace(low=min(values), high=max(values))


def factor_numbers() -> Named:
    """Single settings changed: learning rates, and gains over the unchanged run."""
    rates, changes = (
        anova.one_factor_summary(anova.one_factor_table(load_study(groups=[group])))
        for group in ("learning rates", "one factor at a time")
    )
    for row in rates.itertuples():
        yield f"rates/{row.model}/{row.level}", percent(row.miou)
    changes = changes[changes["gain"] != 0]  # without the unchanged run beside itself
    for row in changes.itertuples():
        yield f"factors/{row.factor} {row.level}", points((row.gain, row.low, row.high))
    yield "factors/count", number(len(changes))
    yield "factors/better", number((changes["low"] > 0).sum())
    yield "factors/worse", number((changes["high"] < 0).sum())


def sweep_numbers() -> Named:
    for entry in load_study(groups=["halving"]):
        plan, name = entry.plan, f"sweeps/{entry.config.model}"
        table = sweep_table(plan)
        best = table[table["rung"] == len(plan.rungs)].sort_values("rank").iloc[0]
        start = table[(table["rung"] == 1) & (table["candidate"] == best["candidate"])].iloc[0]
        shares = anova.importance(table, list(plan.grid)).set_index("part")["share"]
        images = sum(epoch_images(plan.config(r, 0)) * r.candidates for r in plan.rungs)
        yield f"{name}/candidates", number(plan.count)
        yield f"{name}/work", percent(images / (plan.count * epoch_images(plan.base)), 0)
        words = [f"{setting_name(field)} {setting_value(best[field])}" for field in plan.grid]
        yield f"{name}/winner", listed(words)
        yield f"{name}/score", percent(best["score"])
        yield f"{name}/place", number(start["rank"])
        yield f"{name}/agreement", number(anova.rung_agreement(table)["correlation"].iloc[0], 2)
        yield f"{name}/learning rate", percent(shares["learning_rate"], 0)
        yield f"{name}/edge", number(best["learning_rate"] == max(plan.grid["learning_rate"]))


# --- what LaTeX reads ----------------------------------------------------------------------------


def table(n: Numbers, rows: Mapping[str, str], columns: Mapping[str, str]) -> str:
    """A table of numbers without their units; what there is not stays empty."""
    lines = [" & ".join(["", *map(escape, columns)]) + r" \\", r"\midrule"]
    for label, row in rows.items():
        found = [n.get(name.format(row), Number("")).text for name in columns.values()]
        cells = [re.sub(r"\\,\\%|~points", "", text) for text in found]
        lines.append(" & ".join([escape(label), *cells]) + r" \\")
    head = rf"\begin{{tabular}}{{@{{}}l{'r' * len(columns)}@{{}}}}"
    return "\n".join([head, r"\toprule", *lines, r"\bottomrule", r"\end{tabular}", ""])


def run_list() -> str:
    """Every run of the plan that is recorded, with its scores and settings, as CSV."""
    rows = []
    for entry in load_study(datasets=DATASETS):
        if isinstance(entry, StudyRun) and (record := find_record(entry.config)):
            scores = {f"{split}_miou": record.miou(split) for split in record.scores}
            about = {"run": record.id, "group": entry.group, "label": entry.label}
            rows.append(about | scores | record.config.resolved().to_dict())
    return pd.DataFrame(rows).to_csv(index=False, float_format="%.6g", lineterminator="\n")


def sources() -> dict[Path, str]:
    """The text of the report by file."""
    files = [REPORT / "main.tex", *sorted((REPORT / "sections").glob("*.tex"))]
    return {file: file.read_text(encoding="utf-8") for file in files}


def check_claims(text: str, n: Numbers) -> None:
    """Raise `SeglibError` that names a sentence which the records don't bear out."""
    text, values = " ".join(text.split()), {name: found.value for name, found in n.items()}
    values |= {f"{name} {bound}": getattr(found, bound)
               for name, found in n.items() for bound in ("low", "high")}
    for sentence, holds in CLAIMS:
        if sentence not in text:
            raise SeglibError(f"report/contents.py: the text does not say {sentence!r}")
        try:
            true = holds(values)
        except KeyError as name:
            raise SeglibError(f"report/contents.py: no number is called {name}") from None
        if not true:
            raise SeglibError(f"the records no longer bear out what the report says: {sentence!r}")


def generate(folder: Path, n: Numbers) -> None:
    """Check the claims and write everything measured into `folder`."""
    text = "\n".join(sources().values())
    check_claims(text, n)
    named = sorted(set(re.findall(r"\\result\{([^}]+)\}", text)))
    lines = [rf"\setresult{{{name}}}{{{n[choose('number', name, n)].text}}}%" for name in named]
    files = {f"table-{name}.tex": table(n, *parts) for name, parts in TABLES.items()}
    files |= {"numbers.tex": "\n".join([*lines, ""]), "runs.csv": run_list()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")


# --- the PDF -------------------------------------------------------------------------------------

PACKAGES = "latexmk texlive-latex-recommended texlive-fonts-recommended tex-gyre lmodern"
# One clock for everyone, and a line of the log for each of its messages.
ENVIRONMENT = {"SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1", "max_print_line": "10000"}
# What a reader would stumble over, lines that stick out by two points among it.
WARNING = re.compile(
    r"^(?:.*Warning: .*(?:undefined|multiply).*|Missing character: .*"
    r"|Overfull \\[hv]box \((?:[2-9]|\d\d+)\.?\d*pt too .*)$",
    re.MULTILINE,
)


def inputs() -> str:
    """The sha256 of every file that LaTeX reads, as sha256sum writes it."""
    files = [*sources(), REPORT / "references.bib", *sorted(GENERATED.glob("*.tex"))]
    for name in re.findall(r"\\includegraphics\[[^]]*\]\{([^}]+)\}", "".join(sources().values())):
        found = sorted(paths.figures_dir().glob(f"{name}.*"))
        if not found:
            raise SeglibError(f"figures/{name}: no such figure; a notebook has to save it")
        files += found
    return "".join(f"{sha256_of(file)}  {os.path.relpath(file, REPORT)}\n" for file in files)


def engine(folder: Path) -> list[str] | None:
    """The command that compiles main.tex into `folder`; None if there is no LaTeX."""
    if shutil.which("latexmk") and shutil.which("pdflatex"):
        return ["latexmk", "-interaction=nonstopmode", "-halt-on-error", f"-outdir={folder}"]
    if shutil.which("tectonic"):
        return ["tectonic", "--keep-logs", "--outdir", str(folder)]
    return None


def compile_pdf(folder: Path) -> list[str]:
    """Compile the report to `folder`/main.pdf; returns the warnings in its log."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [*(engine(folder) or ()), "main.tex"]
    done = subprocess.run(command, cwd=REPORT, env=os.environ | ENVIRONMENT, capture_output=True)
    file = folder / "main.log"
    log = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
    if done.returncode:
        errors = re.findall(r"^(?:! |l\.\d).*", log, re.MULTILINE)
        raise SeglibError(f"{file}: LaTeX stopped: {' '.join(errors[:2])}")
    return list(dict.fromkeys(WARNING.findall(log)))


def main() -> int:
    """Build the report; a user's error is one line and exit code 2."""
    parser = argparse.ArgumentParser(description="Write the report from the records.")
    parser.add_argument("--no-pdf", action="store_true", help="write numbers and tables only")
    options = parser.parse_args()
    folder, checksums = paths.build_dir() / "report", GENERATED / "inputs.sha256"
    try:
        generate(GENERATED, all_numbers(recorded_runs()))
        if options.no_pdf:
            print(f"numbers and tables are in {GENERATED}")
        elif PDF.exists() and checksums.exists() and checksums.read_text() == inputs():
            print(f"{PDF} is up to date")
        elif engine(folder) is None:
            print(f"{PDF} is not made anew: there is no LaTeX here; apt-get install {PACKAGES}")
        else:
            print(*compile_pdf(folder), sep="\n", end="")
            shutil.copyfile(folder / "main.pdf", PDF)
            checksums.write_text(inputs())
            print(f"{PDF} is made anew")
    except SeglibError as problem:
        print(f"seglib: error: {problem}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
