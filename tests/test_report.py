"""The report says what the records say, and is not made when they say otherwise."""

import functools
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seglib import cli, plots, report
from seglib.data.datasets import fingerprint
from seglib.data.tree import list_scenes, read_label_ids
from seglib.errors import ConfigError, RecordError, SeglibError
from seglib.intervals import bootstrap_interval, paired_difference
from seglib.labels import CLASS_SETS
from seglib.metrics import ScoreAccumulator
from seglib.records import save_record
from seglib.report import drawings, engine, latex
from seglib.report.numbers import Numbers
from seglib.report.runs import MODELS, Runs
from seglib.report.source import Use, answer, read_uses, resolve
from seglib.report.tables import TABLES, table

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


def test_sections_depend_on_the_plan_and_on_the_dataset(seglib_home, tmp_path):
    sections = tmp_path / "sections"
    sections.mkdir()
    for stem in ("data-camvid", "data-cityscapes", "tuned"):
        (sections / f"{stem}.tex").write_text(r"\datasetname{street} \finalsplit{street}")
    body = r"\datasetsection{street}{data} \plannedsection{street/fine-tuned}{tuned}"
    camvid = answers(tmp_path, body)
    assert camvid["datasetsection@street|data"].text == "data-camvid"
    assert camvid["plannedsection@street/fine-tuned|tuned"].text == "1"
    assert camvid["finalsplit@street"].text == "test"
    cityscapes = answers(tmp_path, body, "cityscapes")
    assert cityscapes["datasetsection@street|data"].text == "data-cityscapes"
    assert cityscapes["plannedsection@street/fine-tuned|tuned"].text == "0"
    assert cityscapes["finalsplit@street"].text == "val"  # its test labels are not public


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
