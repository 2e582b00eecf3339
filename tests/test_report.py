"""The report says what the records say, and is not made when they say otherwise."""

import functools
import itertools
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seglib import cli, plots, report
from seglib.corruptions import CORRUPTIONS
from seglib.data.datasets import fingerprint
from seglib.data.tree import list_scenes, read_label_ids
from seglib.errors import ConfigError, RecordError, SeglibError
from seglib.files import write_json
from seglib.intervals import bootstrap_interval, paired_difference
from seglib.labels import CLASS_SETS
from seglib.metrics import METRICS, ScoreAccumulator, aggregate
from seglib.records import Record, find_record, save_record
from seglib.report import drawings, engine, groups, latex
from seglib.report.numbers import Number, Numbers
from seglib.report.parts import MODELS
from seglib.report.runs import Runs
from seglib.report.source import Use, answer, provenance, read_uses, resolve
from seglib.report.tables import TABLES, table
from seglib.sweep import survivors

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "report").glob("**/*.tex"))
HEAD = r"\documentclass{article}\usepackage{xcolor}\usepackage{hyperref}\usepackage{seglib}"
HARD = ("pole", "person", "rider")  # classes that made-up networks hardly find

needs_latex = pytest.mark.skipif(engine.find_engine() is None, reason="LaTeX is not installed")


@functools.cache
def plan(street: str) -> Runs:
    return Runs(street)


@functools.cache
def made_up_scores(class_set_name: str, share_right: float, images: int = 12) -> dict:
    """Scores of a network that is right that often, and hardly ever about HARD classes."""
    class_set = CLASS_SETS[class_set_name]
    generator = np.random.default_rng(0)  # all networks get the same scenes and the same luck
    accumulator = ScoreAccumulator(class_set)
    share = np.array([0.2 if name in HARD else share_right for name in class_set.names])
    for number in range(images):
        truth = generator.integers(0, class_set.num_classes, (24, 24)).astype(np.uint8)
        noise = generator.integers(0, class_set.num_classes, (24, 24)).astype(np.uint8)
        guess = np.where(generator.random((24, 24)) < share[truth], truth, noise)
        accumulator.add(f"scene_{number}", class_set.decode(truth), guess, None)
    return accumulator.scores()


def record_run(name: str, share_right: float, street: str = "camvid", **options):
    """A record under the id that the plan gives to a name."""
    config = plan(street).config(name).resolved()
    class_set = plan(street).dataset(name.partition("/")[0]).class_set
    scores = made_up_scores(class_set.name, share_right)
    environment = {
        "seconds": 600.0,
        "best_epoch": 2,
        "processor": "CPU & co",
        "precision": "fp32",
        "versions": {"torch": "2.0"},
        **options.pop("environment", {}),
    }
    history = [
        {"epoch": e, "train_loss": 3.0 - e, "val_loss": 3.1 - e, "val_miou": 0.1 * e}
        for e in (1, 2)
    ]
    return save_record(
        config,
        history=history,
        scores={"val": scores, "test": scores},
        environment=environment,
        state=None,
        predictions=options.pop("predictions", {}),
    )


def measure_like(record, ece: float = 0.05, surplus: float = 0.02, kept: float = 0.8) -> None:
    """Measurements of a record as `seglib measure` writes them, with these values."""
    scores = {"miou": 0.5, "low": 0.4, "high": 0.6, "pixel_accuracy": 0.9}
    bins = [{"pixels": 10, "confidence": 0.5 + 0.1 * i, "accuracy": 0.5 + 0.1 * i} for i in (1, 3)]
    certainty = {"bins": bins, "confidence": 0.8 + surplus, "accuracy": 0.8, "ece": ece}
    bands = [{"width": width, **scores, "miou": 0.05 * width} for width in (1, 2, 4, 8, 16)]
    levels = [{**scores, "miou": 0.5 * kept, "strength": strength} for strength in range(1, 6)]
    other = "camvid" if record.config.dataset == "miniscapes" else "miniscapes"
    splits = ("val", "test")
    parts = {
        "calibration": {split: certainty for split in splits},
        "boundaries": {split: {"bands": bands, "inside": scores} for split in splits},
        "robustness": {"clean": scores, "corruptions": {kind: levels for kind in CORRUPTIONS}},
        "generalisation": {
            other: {
                "home": {split: scores for split in splits},
                "abroad": {split: {**scores, "miou": 0.2} for split in splits},
            }
        },
    }
    for part, values in parts.items():
        made_by = {"weights": "0" * 16}
        write_json(record.path / "measurements" / f"{part}.json", {"made_by": made_by, **values})


@pytest.fixture
def records(seglib_home):
    """The four full runs on CamVid; the ViT is as good as the U-Net, to the pixel."""
    shares = {"fcn": 0.5, "unet": 0.8, "vit": 0.8, "swin": 0.9}
    return {model: record_run(f"street/{model}", share) for model, share in shares.items()}


@pytest.fixture
def numbers(records):
    return Numbers(Runs())


def answers(folder: Path, body: str, street: str = "camvid"):
    """What a document with this body gets for the commands in it."""
    (folder / "main.tex").write_text(f"{HEAD}\n\\begin{{document}}\n{body}\n\\end{{document}}\n")
    numbers = Numbers(Runs(street))
    return resolve(list(read_uses(folder, numbers)), numbers)


def test_a_number_is_the_records(records, tmp_path):
    found = answers(tmp_path, r"\result{street/unet/final/miou} \interval{street/unet/val/iou:sky}")
    scores = records["unet"].scores["test"]
    number = found["result@street/unet/final/miou"]
    assert number.text == rf"{100 * scores['miou']:.1f}\,\%"
    assert number.source == (records["unet"].id,)
    low, high = bootstrap_interval(scores, "iou:sky")
    sky = scores["iou"][scores["classes"].index("sky")]
    assert found["interval@street/unet/val/iou:sky"].text == (
        rf"{100 * sky:.1f}\,\% ({100 * low:.1f} to {100 * high:.1f})"
    )


def test_a_changed_record_changes_its_numbers_and_no_others(records, tmp_path):
    body = r"\result{street/unet/final/miou} \result{street/fcn/final/miou}"
    before = answers(tmp_path, body)
    file = records["unet"].path / "scores.json"
    values = json.loads(file.read_text())
    values["test"]["miou"] = 0.123
    file.write_text(json.dumps(values))
    after = answers(tmp_path, body)
    assert after["result@street/unet/final/miou"].text == r"12.3\,\%"
    assert {key for key in before if before[key] != after[key]} == {"result@street/unet/final/miou"}


def test_a_deleted_record_is_named(records, tmp_path):
    shutil.rmtree(records["unet"].path)
    with pytest.raises(RecordError, match=rf"main.tex:3: street/unet.*{records['unet'].id}"):
        answers(tmp_path, r"\result{street/unet/final/miou}")


@pytest.mark.parametrize(
    "key",
    ["street/unet/final/speed", "street/resnet/final/miou", "home/unet/final/miou", "street/unet",
     "street/unet/final/iou:dragon", "street/unet/hours", "street/data/smell"],
)  # fmt: skip
def test_a_key_that_means_nothing_is_refused_by_its_place(records, tmp_path, key, monkeypatch):
    monkeypatch.setattr(Numbers, "facts", lambda self, role: {"shares": {"train": [0.5] * 11}})
    with pytest.raises(SeglibError, match=r"report/main.tex:4: "):
        answers(tmp_path, f"% \\result{{in/a/comment}}\n\\result{{{key}}}")


def test_a_score_that_a_dataset_does_not_allow_has_no_interval(numbers):
    assert numbers.result("street/unet/final/iiou").text == "n/a"
    with pytest.raises(RecordError, match="not available"):
        numbers.interval("street/unet/final/iiou")


def test_comparisons_follow_the_records(numbers):
    better = numbers.compare("street/unet", "street/fcn", "final/miou")
    assert re.match(r"is better than the FCN by \d+\.\d~points \(\d", better.text)
    worse = numbers.compare("street/fcn", "street/unet", "final/miou")
    assert worse.text == better.text.replace("better than the FCN", "worse than the U-Net")
    same = numbers.compare("street/vit", "street/unet", "final/miou")
    assert same.text.startswith("can't be told apart from the U-Net")
    pairs = [("unet", "fcn"), ("vit", "unet"), ("fcn", "unet")]
    verdicts = [numbers.verdict(f"street/{a}", f"street/{b}", "final/miou") for a, b in pairs]
    assert verdicts == [2, 1, 0]


def test_intervals_of_the_six_pairs_are_wider_than_one_alone(numbers, records):
    scores = [records[model].scores["test"] for model in ("swin", "unet")]
    alone = paired_difference(*scores)
    joint = numbers.paired("street/swin", "street/unet", "final/miou")
    assert joint.difference == alone.difference
    assert joint.low < alone.low and joint.high > alone.high


def test_a_claim_against_the_records_stops_the_report(records, tmp_path):
    claim = r"\claim{{street/unet}}{{{}}}{{street/fcn}}{{final/miou}}"
    assert answers(tmp_path, claim.format("better than")) == {}
    with pytest.raises(RecordError, match="claims street/unet worse than street/fcn"):
        answers(tmp_path, claim.format("worse than"))
    with pytest.raises(ConfigError, match="relation 'nicer than'"):
        use = Use("claim", ("street/unet", "nicer than", "street/fcn", "val/miou"), "")
        answer(use, Numbers(Runs()))


def test_a_relation_that_does_not_hold_stops_the_report(records, tmp_path):
    holds = r"\holds{{street/swin/final/iou:road {} street/swin/final/iou:pole}}"
    assert answers(tmp_path, holds.format(">")) == {}
    with pytest.raises(RecordError, match="relies on .* the records say"):
        answers(tmp_path, holds.format("<"))


def test_all_failures_are_counted(records, tmp_path):
    body = r"\result{street/unet/x/miou} \result{street/fcn/y/miou} \result{street/fcn/y/miou}"
    with pytest.raises(RecordError, match=r"and 1 more"):
        answers(tmp_path, body)


def test_sections_depend_on_the_dataset(seglib_home, tmp_path):
    sections = tmp_path / "sections"
    sections.mkdir()
    for stem in ("data-camvid", "data-cityscapes"):
        (sections / f"{stem}.tex").write_text(r"\datasetname{street} \finalsplit{street}")
    body = r"\datasetsection{street}{data}"
    camvid = answers(tmp_path, body)
    assert camvid["datasetsection@street|data"].text == "data-camvid"
    assert camvid["finalsplit@street"].text == "test"
    cityscapes = answers(tmp_path, body, "cityscapes")
    assert cityscapes["datasetsection@street|data"].text == "data-cityscapes"
    assert cityscapes["finalsplit@street"].text == "val"  # its test labels are not public


def test_a_part_is_told_once_all_of_its_runs_are_recorded(records, tmp_path):
    (tmp_path / "sections").mkdir()
    tuned = r"\compare{street/swin:fine-tuned}{street/swin}{final/miou}"
    (tmp_path / "sections" / "tuned.tex").write_text(tuned)
    body = (
        r"\recorded{fine-tuned}{\input{sections/tuned}}"
        "\n"
        r"{Only \result{street/fcn/final/miou}}"
    )
    without = answers(tmp_path, body)
    assert without["recorded@fine-tuned"].text == "0"
    assert set(without) == {"recorded@fine-tuned", "result@street/fcn/final/miou"}
    record_run("street/unet:fine-tuned", 0.8)
    assert answers(tmp_path, body).keys() == without.keys()  # one of two
    assert any(line.startswith("without fine-tuned: it needs camvid-swin")
               for line in report.left_out("camvid"))  # fmt: skip
    record_run("street/swin:fine-tuned", 0.9)
    found = answers(tmp_path, body)
    assert found["recorded@fine-tuned"].text == "1"
    assert found["compare@street/swin:fine-tuned|street/swin|final/miou"].text
    assert "result@street/fcn/final/miou" not in found
    cityscapes = answers(tmp_path, r"\recorded{fine-tuned}{a}{b}", "cityscapes")
    assert cityscapes["recorded@fine-tuned"].text == "0"  # not in its plan
    with pytest.raises(ConfigError, match="part 'dreams' is unknown"):
        Runs().lacking("dreams")


def test_a_union_is_there_with_the_first_of_its_parts(seglib_home):
    for label in ("reference", "without skips", "without batch norm", "half width"):
        assert Runs().lacking("ablations")
        record_run(f"generated/unet:{label}", 0.8)
    runs = Runs()
    assert runs.lacking("ablations") == [] and runs.lacking("swin-ablations")
    assert {name.partition(":")[0] for name in runs.recorded_ablations()} == {"generated/unet"}


def test_a_measurement_of_other_weights_is_refused(records):
    for record in records.values():
        measure_like(record)
    weights = records["unet"].path / "weights.safetensors"
    weights.write_bytes(b"others")
    for model in MODELS:
        measure_like(record_run(f"generated/{model}", 0.7))
    with pytest.raises(RecordError, match=f"{records['unet'].id}: .*other weights.*seglib measure"):
        Runs().lacking("measurements")
    weights.unlink()
    assert Runs().lacking("measurements") == [] == Runs().lacking("generalisation")


def test_only_what_is_printed_must_hold(records, tmp_path):
    """A claim in a branch that the records don't choose is not checked, in the others it is."""
    branches = (
        r"{\claim{street/unet}{worse than}{street/fcn}{final/miou}}{}"
        r"{\holds{street/unet/final/miou < 1} \result{no/such/thing}}"
    )
    body = r"\whether{street/%s}{street/%s}{final/miou}" + branches
    assert set(answers(tmp_path, body % ("vit", "unet"))) == {
        "whether@street/vit|street/unet|final/miou"
    }
    with pytest.raises(RecordError, match="claims street/unet worse than"):
        answers(tmp_path, body % ("unet", "fcn"))
    with pytest.raises(SeglibError, match="main.tex:3: .*1 more"):
        answers(tmp_path, body % ("fcn", "unet"))


@pytest.mark.parametrize(("relation", "chosen"), [(">", "unet"), ("<", "vit"), ("=", "vit")])
def test_a_sentence_follows_a_relation_of_numbers(records, tmp_path, relation, chosen):
    key = f"street/unet/final/miou {relation} street/fcn/final/miou"
    body = rf"\ifholds{{{key}}}{{\runname{{street/unet}}}}{{\runname{{street/vit}}}}"
    found = answers(tmp_path, body)
    assert set(found) == {f"ifholds@{key}", f"runname@street/{chosen}"}


def test_broken_sources_are_named(records, tmp_path):
    with pytest.raises(SeglibError, match=r"main.tex:3: .* lacks an argument"):
        answers(tmp_path, r"\difference{street/unet} and so on")
    with pytest.raises(SeglibError, match=r"sections/none.tex: cannot be read"):
        answers(tmp_path, r"\input{sections/none}")


def test_tables_show_every_full_run(seglib_home):
    for role, names in (("street", MODELS), ("generated", MODELS)):
        for model in names:
            record_run(f"{role}/{model}", 0.6 + 0.1 * (model == "swin"))
    numbers = Numbers(Runs())
    text = table("models", numbers)
    for role in ("street", "generated"):
        for model in MODELS:
            scores = numbers.scores(f"{role}/{model}", "final")
            assert f"{100 * scores['miou']:.1f} (" in text
    assert text.count(r"\hyperlink{run.R") == 8
    per_class = table("classes-street", numbers)
    assert "traffic sign" in per_class and r"\midrule" in per_class
    with pytest.raises(ConfigError, match="models, pairs"):
        table("unknown", numbers)
    assert all(callable(make) for make in TABLES.values())


@pytest.fixture
def measured(seglib_home):
    """All full runs with measurements; on the street the U-Net is the toughest and best sure."""
    for role, surplus in (("generated", -0.03), ("street", 0.04)):
        for model in MODELS:
            best = model == "unet"
            record = record_run(f"{role}/{model}", 0.8 if best else 0.6)
            measure_like(record, 0.02 if best else 0.07, surplus, 0.9 if best else 0.5)


def test_measurements_are_numbers_too(measured, monkeypatch):
    numbers = Numbers(Runs())
    texts = {
        "street/unet/final/band:4": r"20.0\,\%",
        "street/unet/final/inside": r"90.0\,\%",
        "street/surest/final/ece": r"2.0\,\%",
        "street/unet/final/surplus": "$+$4.0~points",
        "street/toughest/kept:mean": r"90\,\%",
        "street/unet/kept:fog": r"90\,\%",
        "generated/unet/final/abroad": r"20.0\,\%",
        "generated/unet/final/home": r"50.0\,\%",
        "generated/networks/surer-names": "is none",
        "street/networks/surer-names": "are all four",
        "street/networks/harshest-kept": r"60\,\%",
    }
    assert {key: numbers.result(key).text for key in texts} == texts
    assert numbers.result("street/networks/surer").source == tuple(
        numbers.runs.record(f"street/{model}").id for model in MODELS
    )
    for name, model in (("toughest", "unet"), ("surest", "unet"), ("frailest", "fcn")):
        assert numbers.runs.chosen("street", name).config.model == model
    text = table("beside-scores", numbers)
    assert text.count("$-$3.0") == 4 == text.count("$+$4.0") and "abroad" in text
    monkeypatch.setattr(numbers.runs, "lacking", lambda part: ["something"])
    assert "abroad" not in table("beside-scores", numbers)


def test_measurements_are_drawn_and_stamped(measured):
    file = drawings.make_figure("reliability", Numbers(Runs()))
    stamp = drawings.read_stamp(file)
    measure_like(Runs().record("street/swin"), 0.09)
    drawings.make_figure("reliability", Numbers(Runs()))
    assert drawings.read_stamp(file) != stamp


def record_group(name: str, share_of) -> None:
    """Records of a group of the plan on the generated dataset; `share_of` takes its entries."""
    for entry in plan("camvid").group("generated", name):
        if find_record(entry.config) is None:
            scores = made_up_scores("cityscapes19", share_of(entry), images=3)
            save_record(
                entry.config,
                history=[{"epoch": 1, "train_loss": 1.0}],
                scores={"val": scores},
                environment={"seconds": 60.0, "parameters": 1000},
                state=None,
                predictions={},
            )


def test_seeds_tell_how_far_chance_reaches(seglib_home):
    base = {"fcn": 0.3, "unet": 0.8, "vit": 0.31, "swin": 0.9}
    record_group("seeds", lambda e: base[e.config.model] + 0.02 * e.config.seed)
    numbers = Numbers(Runs())
    scores = groups.seed_scores(numbers.runs)
    assert numbers.result("generated/seeds/pairs").value == 6
    assert numbers.result("generated/seeds/apart").value == 5
    assert numbers.result("generated/seeds/overlapping").text == "the FCN with the ViT"
    pooled = np.sqrt(np.mean([np.var(values, ddof=1) for values in scores.values()]))
    assert np.isclose(numbers.result("generated/seeds/pooled").value, 100 * pooled)
    assert np.isclose(numbers.result("generated/seeds/swing").value, 196 * pooled, rtol=1e-3)
    assert f"{100 * np.std(scores['vit'], ddof=1):.1f}" in table("seeds", numbers)
    assert numbers.result("generated/seeds/pooled").source == ("seeds",)
    assert numbers.runs.codes["seeds"] == "G1"


def test_single_factors_follow_their_intervals(seglib_home):
    gain = {"coarse": -0.3, "24": 0.15}
    record_group("one factor at a time",
                 lambda e: 0.6 + gain.get(e.level, 0) + 0.01 * e.config.seed)  # fmt: skip
    numbers = Numbers(Runs())
    worse = numbers.result("generated/factors/told:masks=coarse")
    assert re.match(r"lowers the score by \d+\.\d~points \(", worse.text) and worse.value < 0
    assert numbers.result("generated/factors/told:width=24").text.startswith("raises the score by")
    assert numbers.result("generated/factors/told:width=8").text.startswith("makes no difference")
    assert numbers.result("generated/factors/better").text == "width 24"
    assert numbers.result("generated/factors/worse").text == "masks coarse"
    assert numbers.result("generated/factors/worst").text.startswith("masks coarse (")
    assert numbers.result("generated/factors/worse-count").value == 1
    assert drawings.make_figure("factors", numbers).exists()


def test_learning_rates_are_held_against_the_best(seglib_home):
    record_group("learning rates", lambda e: 0.9 if e.level == "1e-3" else 0.6)
    numbers = Numbers(Runs())
    assert numbers.result("generated/rates/right-count").value == 0
    assert numbers.result("generated/rates/right").text == "none"
    assert numbers.result("generated/rates/furthest-gap").value > 10
    text = table("rates", numbers)
    assert text.count(r"\textbf") == 4 == text.count(r"\ast")


def record_sweeps() -> None:
    """Finished sweeps in which the first candidates are the best."""
    for entry in plan("camvid").group("street", "halving"):
        sweep = entry.plan
        remaining = list(range(sweep.count))
        for rung in sweep.rungs:
            scores = {c: 0.5 - 0.01 * c + 0.002 * (c % 2) for c in remaining}
            for candidate, score in scores.items():
                save_record(
                    sweep.config(rung, candidate),
                    history=[{"epoch": 1, "train_loss": 1.0}],
                    scores={"val": {"miou": score}},
                    environment={"seconds": 1.0},
                    state=None,
                    predictions={},
                    results=sweep.folder,
                )
            remaining = survivors(scores)


def test_a_sweep_is_told_when_it_is_finished(seglib_home, monkeypatch):
    assert len(Runs().lacking("sweeps")) == 2
    record_sweeps()
    numbers = Numbers(Runs())
    monkeypatch.setattr(Numbers, "facts", lambda self, role: {"scenes": {"train": 367}})
    assert numbers.runs.lacking("sweeps") == []
    assert numbers.result("street/sweeps/candidates").value == 36
    assert numbers.result("street/sweeps/place:swin").value == 1
    first = latex.settings(groups.sweep_plans(numbers.runs)["swin"].candidates[0])
    assert numbers.result("street/sweeps/winner:swin").text == first
    assert "learning rate $10^{-3}$" in first
    matters = numbers.result("street/sweeps/matters:unet").text
    assert "learning rate" in matters
    assert matters.startswith(numbers.result("street/sweeps/first:unet").text)
    assert 0 < numbers.result("street/sweeps/work:unet").value < 50
    assert drawings.make_figure("sweeps", numbers).name == "report_camvid_sweeps.pdf"


def test_ablations_say_what_was_missed(seglib_home):
    shares = {"reference": 0.8, "without skips": 0.5, "without batch norm": 0.8, "half width": 0.7}
    for label, share in shares.items():
        record_run(f"generated/unet:{label}", share)
    numbers = Numbers(Runs())
    assert numbers.result("generated/ablations/count:unet").value == 3
    assert numbers.result("generated/ablations/worse-count:unet").value == 2
    before, after = (numbers.scores(f"generated/unet:{label}", "val")["iou"]
                     for label in ("reference", "without skips"))  # fmt: skip
    road = numbers.result("generated/ablations/loss:unet=without skips=road")
    assert np.isclose(road.value, 100 * (before[0] - after[0]))
    lost = numbers.result("generated/ablations/lost:unet=without skips").text
    assert lost.count("points") == 3 and not any(name in lost for name in HARD)


def test_numbers_of_several_runs_share_an_entry():
    codes = {"a": "R1", "b": "R2", "c": "R3", "seeds": "G1"}
    found = {
        "result@street/unet/final/miou": Number("1", 1, ("a",)),
        "compare@x|y|final/miou": Number("2", 2, ("b", "a")),
        "result@street/networks/surer": Number("3", 3, ("a", "b", "c")),
        "result@generated/seeds/pooled": Number("4", 4, ("seeds",)),
    }
    lines = provenance(found, codes).splitlines()
    assert [line.partition("]")[0] for line in lines[:3]] == [
        r"\item[R1", r"\item[G1", r"\item[Several runs"
    ]  # fmt: skip
    assert r"\textbf{R1 to R3}" in lines[2] + lines[3] and r"\textbf{R2, R1}" in lines[2] + lines[3]


def test_latex_text_is_harmless():
    assert latex.escape("a_b & 50% #1 {x}") == r"a\_b \& 50\% \#1 \{x\}"
    assert latex.number(-0.0123, 1, 100, sign=True) == "$-$1.2"
    assert latex.percent(None) == "n/a"
    assert latex.listed(["a"]) == "a" and latex.listed(["a", "b", "c"]) == "a, b and c"


def test_a_figure_is_drawn_again_when_its_record_changes(seglib_home):
    recorded = {m: record_run(f"generated/{m}", 0.7) for m in MODELS}
    file = drawings.make_figure("curves_generated", Numbers(Runs()))
    assert file.name == "report_curves_generated.pdf"
    first, stamp = file.read_bytes(), drawings.read_stamp(file)
    os.utime(file, (0, 0))
    assert drawings.make_figure("curves_generated", Numbers(Runs())) == file
    assert file.stat().st_mtime == 0  # as it was
    history = recorded["unet"].path / "history.csv"
    history.write_text(history.read_text().replace("0.2", "0.4"))
    drawings.make_figure("curves_generated", Numbers(Runs()))
    assert file.read_bytes() != first and drawings.read_stamp(file) != stamp


def test_a_figure_that_cannot_be_drawn_must_be_of_its_records(records, numbers, seglib_home):
    """CamVid is not on this disk: only a figure of the same records will do."""
    for record in records.values():
        folder = record.path / "predictions" / "val"
        folder.mkdir(parents=True)
        Image.fromarray(np.full((4, 4), 7, np.uint8)).save(folder / "scene_0.png")
    with pytest.raises(RecordError, match=r"report_camvid_scenes.png is missing .* be drawn"):
        drawings.make_figure("scenes_street", numbers)
    sources = drawings._sources(drawings.DRAWINGS["scenes_street"], numbers)
    figure = plots.curves([records["fcn"]])
    note = f"sources {sources} code {'0' * 16}"
    plots.save_figure(figure, "report_camvid_scenes", "picture", note=note)
    assert drawings.make_figure("scenes_street", numbers).name == "report_camvid_scenes.png"
    scores = records["unet"].path / "scores.json"
    scores.write_text(scores.read_text() + "\n")
    with pytest.raises(RecordError, match=r"report_camvid_scenes.png is older than its records"):
        drawings.make_figure("scenes_street", Numbers(Runs()))


def test_a_notebooks_figure_must_be_there(numbers):
    with pytest.raises(RecordError, match="figure 01_scenes .* make notebooks"):
        drawings.make_figure("01_scenes", numbers)


def test_the_log_is_read(tmp_path):
    (tmp_path / "main.log").write_text(
        "LaTeX Warning: Reference `a' on page 1 undefined on input line 3.\n"
        "Package natbib Warning: Citation `b' on page 1 undefined on input line 4.\n"
        "Overfull \\hbox (1.9pt too wide) in paragraph at lines 1--2\n"
        "Overfull \\hbox (2.1pt too wide) in paragraph at lines 5--6\n"
        "Missing character: There is no x in font y!\n"
        "LaTeX Font Warning: nothing to see\n"
    )
    (tmp_path / "main.blg").write_text('Warning--I didn\'t find a database entry for "c"\n')
    found = engine.problems(tmp_path)
    assert len(found) == 5
    assert [words for words in ("`a'", "`b'", "2.1pt", "no x", '"c"')
            if not any(words in line for line in found)] == []  # fmt: skip


def test_without_latex_the_command_that_installs_it_is_printed(monkeypatch, records, capsys):
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/x" if name == "apt-get" else None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    with pytest.raises(engine.MissingEngine, match="sudo .*apt-get install -y .*latexmk"):
        engine.need_engine()
    assert cli.main(["report", "--optional"]) == 0
    assert "left out" in capsys.readouterr().out
    assert cli.main(["report"]) == 2


def test_a_latex_that_lacks_what_the_report_loads_does_not_count(monkeypatch):
    here = {"latexmk", "pdflatex", "kpsewhich"}
    monkeypatch.setattr(shutil, "which", lambda name: name if name in here else None)

    def kpsewhich(command, **options):
        return subprocess.CompletedProcess(command, 1 if "tgtermes.sty" in command else 0)

    monkeypatch.setattr(subprocess, "run", kpsewhich)
    assert engine.find_engine() is None
    monkeypatch.setattr(engine, "STYLES", ("natbib.sty",))
    assert engine.find_engine() == "latexmk"
    here.add("tectonic")
    here.remove("latexmk")
    assert engine.find_engine() == "tectonic"


def test_the_sources_hold_no_measured_number():
    assert len(SOURCES) > 8
    for file in SOURCES:
        text = re.sub(r"(?<!\\)%.*", "", file.read_text(encoding="utf-8"))
        if file.name == "main.tex":
            continue  # lengths of the layout
        text = re.sub(r"\\(?:begin|setlength|resultfigure|captionsetup)[^\n]*", "", text)
        text = re.sub(r"\\holds\{[^}]*\}", "", text)
        typed = re.findall(r"\d+\.\d+|(?<!95)(?<!10)(?<!5)\\,\\%", text)
        assert typed == [], file.name


def test_every_figure_and_table_is_mentioned():
    text = "".join(file.read_text(encoding="utf-8") for file in SOURCES)
    labels = set(re.findall(r"\\label\{((?:fig|tab):[^}]*)\}", text))
    assert len(labels) > 10
    assert labels == set(re.findall(r"\\ref\{((?:fig|tab):[^}]*)\}", text))


def test_every_reference_is_cited_and_every_citation_known():
    text = "".join(file.read_text(encoding="utf-8") for file in SOURCES)
    cited = {key.strip() for keys in re.findall(r"\\cite[pt]\{([^}]*)\}", text)
             for key in keys.split(",")}  # fmt: skip
    bibliography = (ROOT / "report" / "references.bib").read_text(encoding="utf-8")
    entries = re.findall(r"@\w+\{(\w+),(.*?)\n\}", bibliography, re.DOTALL)
    assert cited == {key for key, _ in entries}
    assert [key for key, entry in entries if "doi = {10." not in entry] == []


@needs_latex
def test_the_same_records_give_the_same_bytes_anywhere(records, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    shutil.copy(ROOT / "report" / "seglib.sty", source)
    (source / "main.tex").write_text(
        HEAD + r"\pdfinfoomitdate=1 \pdftrailerid{} \pdfsuppressptexinfo=-1"
        r"\begin{document}The U-Net \compare{street/unet}{street/fcn}{final/miou}."
        r" \whether{street/vit}{street/unet}{final/miou}{up}{level}{down}"
        r" \hypertarget{run.R2}{}\seglibsources\end{document}"
    )
    folder = report.assemble("camvid", source)
    elsewhere = shutil.copytree(folder, tmp_path / "elsewhere")
    made = [engine.compile_pdf(place, engine.find_engine()) for place in (folder, elsewhere)]
    assert made[0].read_bytes() == made[1].read_bytes()
    if shutil.which("pdftotext"):
        text = os.popen(f"pdftotext -layout {made[0]} -").read()
        assert "is better than the FCN by" in text and "level" in text and "[1]" in text


@needs_latex
def test_an_error_of_latex_is_one_line(tmp_path):
    (tmp_path / "main.tex").write_text(r"\documentclass{article}\begin{document}\nonsense")
    with pytest.raises(SeglibError, match=r"Undefined control sequence") as caught:
        engine.compile_pdf(tmp_path, engine.find_engine())
    assert "\n" not in str(caught.value)


@needs_latex
@pytest.mark.slow
def test_the_whole_report_tells_of_cityscapes_when_it_is_there(seglib_home, tiny_tree, monkeypatch):
    """The real sources and records, with made-up runs on a stand-in for Cityscapes."""
    data, results = ROOT / "data" / "miniscapes", ROOT / "results"
    if not data.exists():
        pytest.skip("the generated dataset is not there: make data")
    (seglib_home / "data").mkdir()
    (seglib_home / "data" / "miniscapes").symlink_to(data)
    shutil.copytree(results, seglib_home / "results")
    shutil.copytree(ROOT / "figures", seglib_home / "figures")
    monkeypatch.setenv("CITYSCAPES_DATASET", str(tiny_tree))
    runs = Runs("cityscapes")
    scenes = list_scenes(tiny_tree, "val")
    for model, share in zip(MODELS, (0.7, 0.9, 0.8, 0.95), strict=True):
        record_run(
            f"street/{model}",
            share,
            "cityscapes",
            environment={"dataset_fingerprint": fingerprint(tiny_tree)},
            predictions={"val": {s.name: read_label_ids(s.label_ids) for s in scenes}},
        )
    if missing := [name for name in runs.all_names() if not (
        seglib_home / "results" / runs.config(name).run_id / "config.json").exists()]:  # fmt: skip
        pytest.skip(f"the study is not complete: {', '.join(missing)}")
    target, complaints = report.build("cityscapes", source=ROOT / "report")
    assert target.name == "cityscapes.pdf" and target.stat().st_size > 100_000
    assert complaints == []


def stand_in(name: str, like: Record, loss: float) -> None:
    """A record for a name that has none: another run's, with a share of its right pixels wrong."""
    folder = like.path.parent / plan("camvid").config(name).run_id
    if (folder / "config.json").exists():
        return
    shutil.copytree(like.path, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    write_json(folder / "config.json", plan("camvid").config(name).to_dict())
    for scores in like.scores.values():
        images = scores["images"]
        right = np.array(images["tp"])
        wrong = (loss * right).astype(int)
        images["tp"] = (right - wrong).tolist()
        images["fn"] = (np.array(images["fn"]) + wrong).tolist()
        values = aggregate(images)
        for key in METRICS:
            value = values.get(key)
            scores[key] = None if value is None else json.loads(
                json.dumps(value.tolist()).replace("NaN", "null"))  # fmt: skip
    write_json(folder / "scores.json", like.scores)


@needs_latex
@pytest.mark.slow
@pytest.mark.parametrize("parts", ["none", "all"])
def test_the_whole_report_fits_with_and_without_its_optional_parts(seglib_home, parts):
    """The real sources on the recorded full runs; what is not recorded has stand-ins."""
    if not all((ROOT / "data" / name).exists() for name in ("miniscapes", "camvid")):
        pytest.skip("a dataset is not there: make data")
    (seglib_home / "data").symlink_to(ROOT / "data")
    shutil.copytree(ROOT / "figures", seglib_home / "figures")
    runs = Runs()
    results = seglib_home / "results"
    for role in ("generated", "street"):
        for model in MODELS:
            run_id = runs.config(f"{role}/{model}").run_id
            if (ROOT / "results" / run_id).exists():
                shutil.copytree(ROOT / "results" / run_id, results / run_id)
        best = find_record(runs.config(f"{role}/unet"))
        if best is None or find_record(runs.config(f"{role}/fcn")) is None:
            pytest.skip("the U-Net and the FCN are not recorded: seglib study")
        for model, loss in (("vit", 0.3), ("swin", 0.05)):
            stand_in(f"{role}/{model}", best, loss)
    if parts == "all":
        unet = runs.record("generated/unet").path
        for number, name in enumerate(runs.ablations("unet").values()):
            stand_in(name, Record(unet), 0.1 * number)
        for number, name in enumerate(runs.ablations("swin").values()):
            stand_in(name, Record(unet), 0.05 * number)
        for model in ("unet", "swin"):
            stand_in(f"street/{model}:fine-tuned", runs.record(f"street/{model}"), 0.01)
            stand_in(f"street/{model}:with the sweep's frames", runs.record(f"street/{model}"), 0.2)
        for role, model in itertools.product(("generated", "street"), MODELS):
            full = f"{role}/{model}:with full augmentation"
            stand_in(full, runs.record(f"{role}/{model}"), 0.2)
        stand_in("street/swin:with the sweep's settings", runs.record("street/swin"), 0.02)
        for name in ("seeds", "learning rates", "one factor at a time"):
            record_group(name, lambda entry: 0.7 + 0.02 * (int(entry.id[-1], 16) % 5))
        record_sweeps()
    for folder in results.glob("*/measurements"):
        shutil.rmtree(folder)
    if parts == "all":
        for role in ("generated", "street"):
            for model in MODELS:
                record = runs.record(f"{role}/{model}")
                measure_like(record)
                record.weights_path.unlink(missing_ok=True)
            measure_like(runs.record(f"{role}/unet:with full augmentation"), kept=0.9)
    waiting = report.left_out("camvid")
    assert waiting == [] if parts == "all" else len(waiting) == 13
    target, complaints = report.build("camvid", source=ROOT / "report")
    assert complaints == []
    log = (seglib_home / "build" / "report" / "camvid" / "main.log").read_text(errors="replace")
    pages = int(re.search(r"Output written on main.pdf \((\d+) pages", log)[1])
    assert 10 < pages <= 18
    assert target.stat().st_size > 100_000


@needs_latex
@pytest.mark.slow
def test_the_committed_report_compiles_where_only_miniscapes_is(seglib_home):
    """As in a fresh clone: records and figures as committed, no dataset but the generated one."""
    if not (ROOT / "data" / "miniscapes").exists():
        pytest.skip("miniscapes is not there: make data")
    (seglib_home / "data").mkdir()
    (seglib_home / "data" / "miniscapes").symlink_to(ROOT / "data" / "miniscapes")
    for name in ("figures", "results"):
        shutil.copytree(ROOT / name, seglib_home / name)
    _, complaints = report.build("camvid", source=ROOT / "report")
    assert complaints == []
    committed = {file.name: file.read_bytes() for file in (ROOT / "figures").iterdir()}
    used = {file.name: file.read_bytes() for file in (seglib_home / "figures").iterdir()}
    assert used == committed


def test_the_committed_figures_carry_the_stamp_of_todays_code():
    """Else the next build of the report draws them anew: `seglib report` brings them up to date."""
    today = drawings.files_fingerprint(drawings.CODE)
    stamps = {file.name: drawings.read_stamp(file) for file in (ROOT / "figures").glob("report_*")}
    drawn = {name: stamp for name, stamp in stamps.items() if stamp is not None}
    assert len(drawn) >= 10
    assert [name for name, (_, code) in drawn.items() if code != today] == []
