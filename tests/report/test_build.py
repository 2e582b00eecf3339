"""The report: its numbers and claims come from the records, and LaTeX alone compiles it."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seglib.errors import ConfigError, SeglibError
from seglib.records import load_record

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "report"
sys.path.insert(0, str(REPORT))  # as `python report/build.py` has it
build, contents = map(importlib.import_module, ("build", "contents"))

TEXT = "\n".join(build.sources().values())
NUMBERS = (REPORT / "generated" / "numbers.tex").read_text(encoding="utf-8")
needs_data = pytest.mark.skipif(
    not (ROOT / "data" / "miniscapes").exists(), reason="needs the scenes: seglib data miniscapes"
)
needs_latex = pytest.mark.skipif(
    not (shutil.which("latexmk") and shutil.which("pdflatex")), reason="needs latexmk"
)


@pytest.fixture(scope="module")
def numbers():
    """Everything measured, from the committed records."""
    return build.all_numbers(build.recorded_runs())


@pytest.fixture
def altered(tmp_path, monkeypatch):
    """A copy of the records, as links, in which `change(file, function)` alters a JSON file."""
    shutil.copytree(ROOT / "results", tmp_path / "results", copy_function=os.symlink)
    monkeypatch.setenv("SEGLIB_RESULTS", str(tmp_path / "results"))

    def change(name, alter):
        file = tmp_path / "results" / name
        values = json.loads(file.read_text(encoding="utf-8"))
        alter(values)
        file.unlink()
        file.write_text(json.dumps(values), encoding="utf-8")

    return change


# --- what is committed belongs together -----------------------------------------------------------


def test_every_number_of_the_text_is_defined_and_every_defined_one_is_used():
    used = set(re.findall(r"\\result\{([^}]+)\}", TEXT))
    defined = re.findall(r"^\\setresult\{([^}]+)\}", NUMBERS, re.MULTILINE)
    assert len(defined) > 100 and sorted(used) == sorted(defined)


def test_every_table_is_written_and_stands_in_the_text():
    named = re.findall(r"\\input\{generated/(table-[^}]+)\}", TEXT)
    written = [file.stem for file in (REPORT / "generated").glob("table-*.tex")]
    assert sorted(named) == sorted(written) == sorted(f"table-{name}" for name in contents.TABLES)


def test_every_figure_exists_and_is_saved_by_a_notebook():
    notebooks = [json.loads(file.read_text(encoding="utf-8")) for file in ROOT.glob("notebooks/*")]
    code = "\n".join("".join(cell["source"]) for notebook in notebooks
                     for cell in notebook["cells"] if cell["cell_type"] == "code")
    figures = re.findall(r"\\includegraphics\[[^]]*\]\{([^}]+)\}", TEXT)
    assert len(figures) > 10
    for name in figures:
        assert list((ROOT / "figures").glob(f"{name}.*")), name
        assert re.search(rf'"{name}(\.\w+)?"', code), name


def test_the_committed_pdf_was_made_from_the_committed_files():
    recorded = (REPORT / "generated" / "inputs.sha256").read_text(encoding="utf-8")
    assert recorded == build.inputs(), "report/main.pdf is old: make report"


@needs_data
@pytest.mark.slow
def test_the_committed_numbers_and_tables_are_those_of_the_records(numbers, tmp_path):
    build.generate(tmp_path, numbers)
    made = {file.name: file.read_text(encoding="utf-8") for file in tmp_path.iterdir()}
    for name, text in made.items():
        assert (REPORT / "generated" / name).read_text(encoding="utf-8") == text, name


# --- claims ---------------------------------------------------------------------------------------


@needs_data
@pytest.mark.slow
def test_a_record_that_says_otherwise_is_told_with_the_sentence(numbers, altered):
    run = "camvid-unet-51fec3e5"
    assert build.recorded_runs()["camvid/unet"].id == run

    def change(scores):
        scores["test"]["iou"][scores["test"]["classes"].index("road")] = 0.7

    altered(f"{run}/scores.json", change)
    found = {f"camvid/unet/{name}": value for name, value in build.score_numbers(load_record(run))}
    with pytest.raises(SeglibError, match="no longer bear out.*is seldom in doubt"):
        build.check_claims(TEXT, numbers | found)


@needs_data
@pytest.mark.slow
def test_a_claim_whose_sentence_is_gone_is_told(numbers):
    build.check_claims(TEXT, numbers)
    with pytest.raises(SeglibError, match="does not say 'Both kinds of error go down.'"):
        build.check_claims(TEXT.replace("kinds of error", "sorts of error"), numbers)


@needs_data
@pytest.mark.slow
def test_a_number_that_nothing_gives_is_told_with_the_nearest(numbers, tmp_path, monkeypatch):
    text = TEXT + r"\result{camvid/unet/test/moiu}"
    monkeypatch.setattr(build, "sources", lambda: {REPORT / "main.tex": text})
    with pytest.raises(ConfigError, match="test/moiu'.*did you mean 'camvid/unet/test/miou'"):
        build.generate(tmp_path, numbers)


# --- text from records ----------------------------------------------------------------------------


def test_special_characters_are_escaped():
    assert build.escape(r"50 % of_x & {y} \input $1 #2 ~^") == (
        r"50 \% of\_x \& \{y\} \textbackslash{}input \$1 \#2 \textasciitilde{}\textasciicircum{}"
    )


@needs_data
@pytest.mark.slow
def test_latex_in_a_record_stays_text(altered):
    evil, harmless = r"2.0\input{/etc/hostname}", r"2.0\textbackslash{}input\{/etc/hostname\}"
    run = build.recorded_runs()["miniscapes/unet"].id
    altered(f"{run}/environment.json", lambda values: values["versions"].update(torch=evil))
    altered("datasets/miniscapes.json", lambda facts: facts["coarse"]["least"][0].insert(0, evil)
            or facts["coarse"]["least"][0].pop(1))
    found = build.all_numbers(build.recorded_runs())
    assert not [name for name, value in found.items() if r"\input" in value.text]
    assert harmless in found["versions"].text
    assert harmless in found["miniscapes/data/coarse least"].text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (build.number(12345.6), r"12\,346"),
        (build.percent(0.5637), r"56.4\,\%"),
        (build.percent(None), "n/a"),
        (build.percent(0.5637, bounds=(0.548, 0.577)), r"56.4\,\% (54.8 to 57.7)"),
        (build.points((-0.014, -0.023, -0.005)), "$-$1.4~points ($-$2.3 to $-$0.5)"),
        (build.points((0.142, 0.126, 0.157), sign=False), "14.2~points (12.6 to 15.7)"),
        (build.listed(["a", "b", "c"]), "a, b and c"),
    ],
)
def test_numbers_as_they_are_printed(number, text):
    assert number.text == text


# --- the PDF --------------------------------------------------------------------------------------


@needs_latex
@pytest.mark.slow
def test_the_report_compiles_to_the_same_bytes_without_warnings(tmp_path):
    warnings = [build.compile_pdf(tmp_path / name) for name in ("first", "second")]
    first, second = ((tmp_path / name / "main.pdf").read_bytes() for name in ("first", "second"))
    assert warnings == [[], []] and first == second


@needs_latex
@pytest.mark.slow
def test_latexmk_alone_compiles_a_fresh_clone(tmp_path):
    listing = ["git", "-C", str(ROOT), "ls-files", "-z", "report", "figures"]
    done = subprocess.run(listing, capture_output=True, text=True)
    for name in filter(None, done.stdout.split("\0")):
        if name != "report/main.pdf" and (ROOT / name).exists():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tmp_path / name)
    if not (tmp_path / "report").exists():
        pytest.skip("not a git checkout")
    subprocess.run(["latexmk", "-silent"], cwd=tmp_path / "report", check=True, capture_output=True)
    assert (tmp_path / "report" / "main.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("state", ["current", "old"])
def test_without_latex_the_pdf_stays_and_one_line_says_so(state, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(build, "all_numbers", lambda runs: {})
    monkeypatch.setattr(build, "generate", lambda folder, numbers: None)
    monkeypatch.setattr(build, "GENERATED", tmp_path)
    monkeypatch.setattr(sys, "argv", ["build.py"])
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "inputs.sha256").write_text(build.inputs() if state == "current" else "")
    before = (REPORT / "main.pdf").read_bytes()
    assert build.main() == 0
    said = capsys.readouterr().out.strip().splitlines()
    assert len(said) == 1
    assert ("is up to date" if state == "current" else "apt-get install latexmk") in said[0]
    assert (REPORT / "main.pdf").read_bytes() == before
