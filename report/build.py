"""The report from the records: `python report/build.py` writes numbers, tables and main.pdf.

Everything measured has a name, such as camvid/unet/test/miou, and is computed as in the notebooks.
A line `% holds: CONDITION` after a sentence says when it is true; while one is false there is no
report. generated/ is committed for LaTeX alone; main.pdf changes when its inputs.sha256 does.
"""

import dataclasses
import difflib
import math
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from seglib import paths
from seglib.cli import exit_code
from seglib.data.camvid import published_checksums
from seglib.data.datasets import dataset_spec
from seglib.errors import RecordError, SeglibError, choose
from seglib.evaluation.intervals import holm, paired_difference
from seglib.files import atomic_path, read_json, sha256_of
from seglib.records import Record, find_record
from seglib.text import DATASET_NAMES, MODEL_NAMES, score_text, setting_name, setting_value
from study import comparison, effects, gallery, tables
from study.boundaries import errors_by_distance
from study.corruptions import CORRUPTIONS
from study.exploration import facts_file
from study.layers import network_shape, receptive_field
from study.measurements import measurement
from study.plan import load_study

REPORT = Path(__file__).resolve().parent
GENERATED, PDF = REPORT / "generated", REPORT / "main.pdf"
DATASETS, MODELS = ("miniscapes", "camvid"), ("fcn", "unet", "vit", "swin")
# Groups of the study's plan whose runs have names, and what some of them are compared with.
BASES = {"longer training, full": ":longer training", "2560": ":160"} | dict.fromkeys(("fine-tuned",
    "full augmentation", "no augmentation", "longer training", "earlier recipes", "train and val",
    "three times as long", "twice as long", "without ImageNet", "full ablations"), "")
GROUPS = ("models", "ablations", "data size", *{*BASES} - {"longer training, full", "2560"})
RECIPE = ("image_size epochs batch_size width size loss class_weights optimizer learning_rate "
          "weight_decay schedule clip_norm flip jitter window").split()
INTERVALS = ("miou", "pixel_accuracy", "pole", "person", "rider", "road")


class Number(NamedTuple):
    """A number as LaTeX, its value (in percent or points), and its interval where it has one."""

    text: str
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan  # of a difference


class Numbers(dict[str, Number]):
    """Numbers by name; `ConfigError` tells an unknown one with those that resemble it."""

    def __missing__(self, name: str) -> Number:
        return choose("number", name, difflib.get_close_matches(name, self, cutoff=0))


Named = Iterator[tuple[str, Number]]
SIGNS = str.maketrans({",": r"\,", "-": "$-$", "+": "$+$"})  # within a number
# What text.translate makes LaTeX of; whatever a record spells goes through it.
LATEX = str.maketrans({character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "×": r"$\times$", "–": "--", "−": "$-$", "γ": r"$\gamma$",
})


def number(value: float, form: str = ",.0f", unit: str = "", bounds: Sequence = ()) -> Number:
    """A number with its unit, and its bounds in brackets."""
    text, *limits = [f"{part:{form}}".translate(SIGNS) for part in (value, *bounds)]
    brackets = f" ({' to '.join(limits)})" if limits else ""
    return Number(text + unit + brackets, float(value), *bounds)


def percent(share: float | None, digits: int = 1, bounds: Sequence = ()) -> Number:
    """A share of 1 in percent; that of a class that occurs nowhere is None."""
    if pd.isna(share):
        return Number("n/a")
    return number(100 * share, f".{digits}f", r"\,\%", [100 * bound for bound in bounds])


def points(difference: Sequence[float], form: str = "+.1f") -> Number:
    """A difference of shares in points; `difference`: with its interval and p-value."""
    value, *bounds = (100 * part for part in difference[:3])
    return number(value, form, "~points", bounds)._replace(p=difference[3])


def listed(words: Sequence[str]) -> Number:
    """Words as "a, b and c"."""
    return Number(" and ".join(filter(None, [", ".join(words[:-1]), words[-1]])).translate(LATEX))


def setting(value: Any) -> Number:
    """The value of a setting."""
    if value is None or isinstance(value, bool):
        return Number({None: "--", True: "yes", False: "no"}[value])
    return Number(setting_value(value).replace("_", " ").replace("+", " + ").translate(LATEX))


# --- numbers -------------------------------------------------------------------------------------


def recorded_runs() -> dict[str, Record]:
    """The runs that have a name; after a colon it says the plan's group, or what was changed."""
    runs = {}
    for entry in (entry for entry in load_study(groups=GROUPS) if not entry.config.seed):
        config, kind = entry.config, entry.group
        if kind in ("ablations", "data size"):
            kind = entry.level or {"ablations": MODEL_NAMES[config.model]}.get(kind, "2560")
        elif config.start_dataset == "miniscapes2560" or entry.level:
            kind += f", {entry.level or 2560}"
        name = f"{config.dataset}/{config.model}" + (f":{kind}" if kind != "models" else "")
        if record := find_record(config):
            runs[name] = record
        else:
            print(f"run {entry.id} has no record; train it: seglib study", file=sys.stderr)
    return runs


def all_numbers(runs: Mapping[str, Record]) -> Numbers:
    """Everything measured that the text, the tables and the claims may name."""
    spreads = {d: comparison.seed_scores(d).values() for d in DATASETS}
    spreads["data"] = [[each["miou"] for each in comparison.scores_of_seeds(run)]
                       for name, run in runs.items() if name.startswith("miniscapes2560/")]
    parts = [("", drive_numbers()), *((f"{d}/", seed_numbers(s)) for d, s in spreads.items())]
    parts += [("", factor_numbers()), ("published/", published_numbers())]
    parts += [(f"{dataset}/data/", data_numbers(dataset)) for dataset in DATASETS]
    families = {f"data/{n}/": f"miniscapes2560/{{}}:{n}" for n in (40, 160, 640, 2560)}
    for prefix, pattern in (families | {f"{d}/": f"{d}/{{}}" for d in DATASETS}).items():
        known = {m: runs[name] for m in NETWORKS.values() if (name := pattern.format(m)) in runs}
        parts.append((prefix, network_numbers(known)))
    for name, record in runs.items():
        found = [score_numbers(record), training_numbers(record), gain_numbers(name, runs)]
        found += [beside_numbers(record)] if (record.path / "measurements").is_dir() else []
        kept = name.startswith("miniscapes") and (record.path / "predictions").is_dir()
        found += [mistake_numbers(record)] if kept else []
        parts += [(f"{name}/", part) for part in found]
    return Numbers({prefix + name: value for prefix, part in parts for name, value in part})


def data_numbers(dataset: str) -> Named:
    """What notebook 01 found of a dataset."""
    facts, spec = read_json(facts_file(dataset), RecordError), dataset_spec(dataset)
    shares = pd.Series(facts["shares"]["train"], spec.class_set.names).sort_values(ascending=False)
    for split in ("train", "val", "test"):
        yield f"{split} scenes", number(facts["scenes"][split])
    yield "size", setting(spec.scene_size)
    yield "classes", number(len(shares))
    yield "void", percent(facts["void"])
    yield "ratio", number(shares.iloc[0] / shares.iloc[-1])
    for kind, part in (("top", shares[:3]), ("rare", shares[-5:])):
        yield f"{kind} classes", listed(part.index)
        yield f"{kind} share", percent(part.sum())
    yield "floor miou", percent(facts["floor"]["miou"])
    yield "floor accuracy", percent(facts["floor"]["pixel_accuracy"])
    for stride, found in facts["grid"].items():
        yield f"grid {stride}", percent(found["miou"])
        yield f"grid {stride} pole", percent(found["iou"][spec.class_set.names.index("pole")])
    if objects := facts["objects"]:
        yield "objects", number(objects["count"])
        for name in ("tiny", "tiny_people", "largest_tenth"):
            yield name, percent(objects[name], 0)
    if coarse := facts["coarse"]:
        for name in ("covered", "precision"):
            yield f"coarse {name}", percent(coarse[name])
        yield "coarse least", listed([f"{name} ({share:.0%})" for name, share in coarse["least"]])


def network_numbers(networks: Mapping[str, Record]) -> Named:
    """How much networks differ on one dataset."""
    pairs = comparison.pairs(networks)
    for better, worse, difference in pairs:
        yield f"{better}-{worse}", points(difference, ".1f")
    yield "pairs apart", number(sum(pair.is_significant for pair in pairs))


def score_numbers(record: Record) -> Named:
    """Means over all recorded seeds; the intervals are over images and seeds together."""
    names = record.dataset.class_set.names
    for split in record.scores:
        runs = comparison.scores_of_seeds(record, split)
        rows = [{m: each[m] for m in ("miou", "miiou", "pixel_accuracy")}
                | dict(zip(names, each["iou"], strict=True))
                | {city: found["miou"] for city, found in each["cities"].items()} for each in runs]
        table = pd.DataFrame(rows, dtype=float).agg(["mean", "std"])
        extremes = [100 * each(run["miou"] for run in runs) for each in (min, max)]
        yield f"{split}/seeds", Number(str(len(runs)), len(runs), *extremes)
        for name, (mean, _) in table.items():
            yield f"{split}/{name}", percent(mean)
        for city in runs[0]["cities"]:
            mean, spread = (f"{100 * value:.1f}" for value in table[city])
            yield f"{split}/{city} spread", Number(mean + rf"\,$\pm$\,{spread}" * (len(runs) > 1))
        for name in INTERVALS:
            text = score_text(runs, f"iou:{name}" if name in names else name)
            text = text.replace(" ± ", r"\,$\pm$\,").replace(" %", r"\,\%")
            yield f"{split}/{name} interval", Number(text, 100 * table[name]["mean"])


def gain_numbers(name: str, runs: Mapping[str, Record]) -> Named:
    """A run's scores minus those of the run from which it differs in what its name says."""
    start, _, kind = name.partition(":")
    usual = BASES.get(kind.partition(",")[0], f":{MODEL_NAMES.get(runs[name].config.model)}")
    base = start + (":without ImageNet" if "timm:fine" in name else BASES.get(kind, usual))
    if kind and base in runs and base != name:
        for split in sorted({*runs[name].scores} & {*runs[base].scores}):
            both = [comparison.scores_of_seeds(runs[each], split) for each in (name, base)]
            yield f"{split}/gain", points(paired_difference(*both))


def training_numbers(record: Record) -> Named:
    yield "versions", listed([" ".join(pair) for pair in record.environment["versions"].items()])
    yield "minutes", number(comparison.training_minutes(record))
    options = dataclasses.asdict(record.config) | record.config.model_options()
    for field in RECIPE:
        yield f"set {field}", setting(options[field])
    yield "field", number(receptive_field(network_shape(record.config)) or math.inf)


def beside_numbers(record: Record) -> Named:
    """What was measured of a run besides its scores."""
    cost, robustness = measurement(record, "cost"), measurement(record, "robustness")
    yield "parameters", number(cost["parameters"] / 1e6, ".2f")
    yield "multiply-adds", number(cost["multiply_adds"] / 1e9, ".2f")
    yield "milliseconds", number(1000 * cost["seconds"]["median"])
    kept = pd.Series(comparison.retained_miou(robustness))
    kept["mean"] = kept.mean()
    for kind, share in kept.items():
        yield f"kept {kind}", percent(share, 0)
        yield f"under {kind}", percent(share * robustness["clean"]["miou"])
    edges = measurement(record, "boundaries")["test"]
    for band in edges["bands"]:
        yield f"band {band['width']:d}", percent(band["miou"])
    yield "inside", percent(edges["inside"]["pixel_accuracy"])
    calibration = measurement(record, "calibration")["test"]
    yield "ECE", percent(calibration["ece"])
    yield "surplus", number(100 * (calibration["confidence"] - calibration["accuracy"]), "+.1f")


def mistake_numbers(record: Record) -> Named:
    """Where the kept val scenes of a run are wrong."""
    shown = gallery.load_gallery(record, "val")
    table = errors_by_distance(shown.truths, shown.predictions)  # 1, 2, 3–4, 5–8, …, > 32 pixels
    for name, rows in (("near", table[:2]), ("far", table[-1:])):
        yield f"wrong {name}", percent(rows["wrong"].sum() / rows["pixels"].sum())
    yield "wrong within 8", percent(table[:4]["wrong"].sum() / table["wrong"].sum(), 0)


def drive_numbers() -> Named:
    """The frames of CamVid's drives in each split."""
    published = [name.split("/")[1:] for name in published_checksums() if "annot/" not in name]
    frames = Counter((name.split("_")[0], split) for split, name in published)
    for drive in {drive for drive, _ in frames}:
        for split in ("train", "val", "test"):
            yield f"camvid/{drive}/{split}", number(frames[drive, split])


def seed_numbers(scores: Collection[Sequence[float]]) -> Named:
    yield "seeds deviation", number(100 * effects.pooled_deviation(scores), ".1f")
    yield "two runs", number(100 * effects.two_runs(scores), ".1f")


def factor_numbers() -> Named:
    """Single settings changed: learning rates, and gains over the unchanged run."""
    plans = (load_study(groups=[group]) for group in ("learning rates", "one factor at a time"))
    rates, changes = (effects.one_factor_summary(effects.one_factor_table(p)) for p in plans)
    for row in rates.itertuples():
        yield f"rates/{row.model}/{row.level}", percent(row.miou)
    changes = changes.dropna(subset="p_value").assign(p_value=lambda rows: holm(rows["p_value"]))
    for row in changes.itertuples():  # of the unchanged run there is no p-value
        yield f"factors/{row.factor} {row.level}", points(row[-4:])
    yield "factors/count", number(len(changes))
    yield "factors/better", number((changes["low"] > 0).sum())
    yield "factors/worse", number((changes["high"] < 0).sum())
    yield "factors/corrected", number((changes["p_value"] < 0.05).sum())


def published_numbers() -> Named:
    for each in tables.published_results():
        yield each["name"], number(each["miou"], ".1f", r"\,\%")
    (row,) = read_json(REPORT.parent / "benchmarks" / "results.json")["same-recipe"]["rows"]
    yield "smp.Unet", number(row["peer"][0], ".1f", r"\,\%")


# --- what LaTeX reads ----------------------------------------------------------------------------

CLASSES = {dataset: dataset_spec(dataset).class_set.names for dataset in DATASETS}
NETWORKS = {MODEL_NAMES[model]: model for model in MODELS} | {"pretrained": "timm"}
RUNS = {f"{DATASET_NAMES[d]}, {n}": f"{d}/{m}" for d in DATASETS for n, m in NETWORKS.items()}
CLASS_ROWS = {d: {name: name for name in CLASSES[d]} | {"mean": "miou"} for d in DATASETS}
# The name of a cell's number, and what takes the places of row and column in it, by their titles.
TABLES = {
    "models": ("{row}/{column}", RUNS, {
        "parameters (M)": "parameters", "mult.-adds (G)": "multiply-adds", "ms": "milliseconds",
        "minutes": "minutes", "seeds": "test/seeds", "test mIoU": "test/miou interval",
        "flips": "test+flip/miou", "pixel acc.": "test/pixel_accuracy", "iIoU": "test/miiou",
    }),
    "beside-scores": ("{row}/{column}", RUNS, {
        "1 px": "band 1", "4 px": "band 4", "16 px": "band 16", "inside": "inside", "ECE": "ECE",
        "surplus": "surplus", **{kind: f"kept {kind}" for kind in (*CORRUPTIONS, "mean")},
    }),
    "recipe": ("{column}/set {row}", {setting_name(f): f for f in RECIPE},
               {n: f"miniscapes/{m}" for n, m in NETWORKS.items()} | {"pretrained": "camvid/timm"}),
    "classes-miniscapes": ("miniscapes/{column}/test/{row}", CLASS_ROWS["miniscapes"], NETWORKS),
    "classes-camvid": ("camvid/{column}/test/{row}", CLASS_ROWS["camvid"], NETWORKS),
}


def table(numbers: Numbers, pattern: str, rows: dict, columns: dict) -> str:
    """A table of numbers without their units."""
    names = [[pattern.format(row=row, column=c) for c in columns.values()] for row in rows.values()]
    titles = [[title.translate(LATEX) for title in part] for part in (rows, columns)]
    frame = pd.DataFrame(names, *titles)
    cells = frame.map(lambda name: re.sub(r"\\,\\%|~points", "", numbers[name].text))
    cells = cells[cells.nunique(axis=1) > 1] if "/set " in pattern else cells  # the same for all
    return cells.to_latex(column_format=f"@{{}}l{'r' * len(columns)}@{{}}")


def published_table() -> str:
    """What others got on CamVid's split beside the study's own, with the bibliography's keys."""
    entries = re.split(r"^@\w+\{", (REPORT / "references.bib").read_text("utf-8"), flags=re.M)[1:]
    titles = [re.search("  title = {(.*)},", entry)[1].lower() for entry in entries]
    keys = {re.sub("[{}]", "", t): e.split(",")[0] for t, e in zip(titles, entries, strict=True)}
    runs = tables.main_runs(tables.summary()).query("dataset == 'camvid' and scored_on == 'test'")
    found = [*tables.published_results(), *map(tables.own_run, runs.itertuples())]
    rows = [(
        re.sub(r"\*\*([^,]+).*\*\*", r"\\textbf{\1}", each["name"]),
        r"$\times$".join(map(str, each.get("input", "?"))),
        f"{each['parameters']:.3g}" if "parameters" in each else "?",
        each.get("trained", "?"), each["start"], each.get("epochs", "?"), f"{each['miou']:.1f}",
        rf"\citealt{{{keys[choose('title', each['source'].lower(), keys)]}}}" if "url" in each
        else "this study",
    ) for each in sorted(found, key=tables.rank)]
    columns = "network,input,M,trained on,start,epochs,mIoU,source".split(",")
    return pd.DataFrame(rows, columns=columns).to_latex(index=False, column_format="@{}lrrllrrl@{}")


def sources() -> dict[Path, str]:
    """The text of the report by file."""
    files = [REPORT / "main.tex", *sorted((REPORT / "sections").glob("*.tex"))]
    return {file: file.read_text(encoding="utf-8") for file in files}


# What a condition may name as a whole, as in n("<dataset>/fcn/ECE") < 5.
LISTS = {"dataset": DATASETS, "model": MODELS, "kind": CORRUPTIONS, "class": CLASSES["miniscapes"]}


def cases(condition: str) -> Iterator[str]:
    """The condition for each part of what stands in <>: "<blur|fog>", or one of LISTS."""
    if found := re.search(r'<(\w[^<>"]*)>', condition):
        for part in LISTS.get(found[1], found[1].split("|")):
            yield from cases(condition.replace(found[0], part))
    else:
        yield condition


def check_claims(file: Path, text: str, numbers: Numbers) -> None:
    """Raise `SeglibError` that names a sentence which the records don't bear out.

    Conditions are Python; n("NAME") is a number's value, low, high and p its interval and p-value.
    """
    of = {"n": 1, "low": 2, "high": 3, "p": 4}  # the places of a `Number`'s parts
    names = {key: lambda name, place=place: numbers[name][place] for key, place in of.items()}
    for claim in re.finditer(r"^ *% holds: (.*(?:\n *%   .*)*)", text, re.MULTILINE):
        said = re.sub(r"^ *%.*\n", "", text[: claim.start()], flags=re.MULTILINE)
        sentence = " ".join(re.split(r"(?<=[.?!])\s|\n\n", said.strip())[-1].split())
        line = text.count("\n", 0, claim.start()) + 1
        for case in cases(re.sub(r"\n *%\s*", " ", claim[1])):
            try:
                true = eval(case, {"__builtins__": {}, **names})
            except Exception as problem:
                raise SeglibError(f"{file}:{line}: {case}: {problem}; beside: {sentence}") from None
            if not true:
                raise SeglibError(f"{file}:{line}: the records don't bear out ({case}): {sentence}")


def generate(folder: Path, numbers: Numbers) -> None:
    """Check the claims and write everything measured into `folder`."""
    for file, text in sources().items():
        check_claims(file, text, numbers)
    named = set(re.findall(r"\\(?:result|cell)\{([^}#]+)\}", "\n".join(sources().values())))
    lines = [rf"\setresult{{{name}}}{{{numbers[name].text}}}%" for name in sorted(named)]
    files = {f"table-{name}.tex": table(numbers, *parts) for name, parts in TABLES.items()}
    files["numbers.tex"] = "\n".join([*lines, ""])
    files["table-published.tex"] = published_table()
    planned = [(e.group, e.config.dataset, e.config.model, e.label, e.id) for e in load_study()]
    files["runs.csv"] = pd.DataFrame(planned).to_csv(index=False, header=False, lineterminator="\n")
    for name, content in files.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_text(content, encoding="utf-8")


# --- the PDF -------------------------------------------------------------------------------------

PACKAGES = "latexmk texlive-latex-recommended texlive-fonts-recommended tex-gyre lmodern"
ENGINES = {"latexmk": ["-interaction=nonstopmode", "-halt-on-error"], "tectonic": ["--keep-logs"]}
# One clock for everyone, and a line of the log for each of its messages.
ENVIRONMENT = {"SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1", "max_print_line": "10000"}
WARNING = re.compile(r"^(?:.*Warning: .*|Missing character: .*|Overfull .*)$", re.MULTILINE)


def inputs() -> str:
    """The sha256 of every file that LaTeX reads, as sha256sum writes it."""
    files = [*sources(), REPORT / "references.bib", *sorted(GENERATED.glob("*.tex"))]
    for name in re.findall(r"\\includegraphics[^{]*\{([^}]+)\}", "".join(sources().values())):
        files += sorted(paths.figures_dir().glob(f"{name}.*"))
    return "".join(f"{sha256_of(file)}  {os.path.relpath(file, REPORT)}\n" for file in files)


def compile_pdf(engine: str, folder: Path) -> list[str]:
    """Compile the report to `folder`/main.pdf; returns the warnings in its log."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [engine, *ENGINES[engine], f"--outdir={folder}", "main.tex"]
    done = subprocess.run(command, cwd=REPORT, env=os.environ | ENVIRONMENT, capture_output=True)
    if done.returncode:
        output = (done.stdout + done.stderr).decode(errors="replace")
        said = re.findall(r"^(?:! |l\.\d|error: ).*", output, re.MULTILINE)[:2] or [output[-200:]]
        raise SeglibError(f"{folder / 'main.log'}: LaTeX stopped: {' '.join(said)}")
    return [*dict.fromkeys(WARNING.findall((folder / "main.log").read_text("utf-8", "replace")))]


def main() -> None:
    """Build the report from the records, as far as it differs from the committed one."""
    folder = paths.build_dir() / "latex" / "pdf"  # LaTeX looks for ../figures from there, too
    engine, checksums = next(filter(shutil.which, ENGINES), None), GENERATED / "inputs.sha256"
    generate(GENERATED, all_numbers(recorded_runs()))
    if PDF.exists() and checksums.exists() and checksums.read_text() == inputs():
        print(f"{PDF} is up to date")
    elif engine is None:
        print(f"{PDF} is not made anew: there is no LaTeX here; apt-get install {PACKAGES}")
    else:
        warnings = compile_pdf(engine, folder)
        with atomic_path(PDF) as temporary:
            shutil.copyfile(folder / "main.pdf", temporary)
        checksums.write_text(inputs())
        print(*warnings, f"{PDF} is made anew", sep="\n")


if __name__ == "__main__":
    sys.exit(exit_code(main))
