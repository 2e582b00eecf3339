"""The report: its numbers and claims come from the records, and LaTeX alone compiles it."""

import importlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seglib.errors import ConfigError, SeglibError
from seglib.records import list_records

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "report"
sys.path.insert(0, str(REPORT))  # as `python report/build.py` has it
build = importlib.import_module("build")

TEXT = "\n".join(build.sources().values())
RESULTS = REPORT / "sections" / "results.tex"


def needs(what, here):
    """Mark a slow test that is skipped where something isn't here."""
    return lambda test: pytest.mark.slow(pytest.mark.skipif(not here, reason=f"needs {what}")(test))


needs_data = needs("the scenes: seglib data miniscapes", (ROOT / "data" / "miniscapes").exists())
needs_latex = needs("latexmk", shutil.which("latexmk") and shutil.which("pdflatex"))


@pytest.fixture(scope="module")
def numbers():
    """Everything measured, from the committed records."""
    return build.all_numbers(build.recorded_runs())


def test_every_number_of_the_text_is_defined_and_every_defined_one_is_used():
    used = set(re.findall(r"\\(?:result|cell)\{([^}#]+)\}", TEXT))
    numbers = (REPORT / "generated" / "numbers.tex").read_text(encoding="utf-8")
    defined = re.findall(r"^\\setresult\{([^}]+)\}", numbers, re.MULTILINE)
    assert len(defined) > 100 and sorted(used) == sorted(defined)


def test_every_figure_is_saved_by_a_notebook_and_shown_large_enough_to_read():
    code = "".join(file.read_text(encoding="utf-8") for file in ROOT.glob("notebooks/*.ipynb"))
    found = re.findall(r"\\includegraphics(?:\[width=([\d.]*)\\linewidth\])?\{([^}]+)\}", TEXT)
    shown = {name: float(width or 1) for width, name in found}
    assert len(shown) > 10 and min(shown.values()) >= 0.7  # smaller, its words are hard to read
    for name in shown:
        assert list((ROOT / "figures").glob(f"{name}.*")), name
        assert re.search(rf'\\"{name}(\.\w+)?\\"', code), name  # in JSON
    assert {file.stem for file in ROOT.glob("figures/*.*")} == {*shown, "01_scenes"}  # README's


def test_the_committed_pdf_was_made_from_the_committed_files():
    recorded = (REPORT / "generated" / "inputs.sha256").read_text(encoding="utf-8")
    assert recorded == build.inputs(), "report/main.pdf is old: make report"


@needs_data
def test_the_committed_numbers_and_tables_are_those_of_the_records(numbers, tmp_path):
    build.generate(tmp_path, numbers)
    made = {file.name: file.read_text(encoding="utf-8") for file in tmp_path.iterdir()}
    for name, text in made.items():
        assert (REPORT / "generated" / name).read_text(encoding="utf-8") == text, name


SKY = build.Numbers(sky=build.Number("", 90, 88, 92), car=build.Number("", 70, 60, 80))


def test_a_condition_may_name_several_numbers_and_take_several_lines():
    text = 'It is.\n  % holds: low("sky") > n("<sky|car>") - 3\n  %   and high("car") > 79\nOn.'
    build.check_claims(RESULTS, text, SKY)
    assert [*build.cases('n("a <b|c>") <n("<b|c>")')] == ['n("a b") <n("b")', 'n("a c") <n("c")']
    assert len([*build.cases('n("<dataset>/<model>") > 1')]) == 2 * 4


@pytest.mark.parametrize(("condition", "message"), [
    ('n("<sky|car>") < 80', "the records don't bear out (n(\"sky\") < 80)"),
    ('n("sku") > 1', "number 'sku' is unknown; choose one of: sky, car; did you mean 'sky'?"),
    ('n("sky") >', "invalid syntax"), ('open("x")', "name 'open' is not defined"),
])
def test_a_claim_that_is_false_or_broken_is_told_with_line_and_sentence(condition, message):
    text = f'It rains. The sky,\n% holds: n("sky") > 1\nblue, is {{}}.\n% holds: {condition}\nOn.'
    with pytest.raises(SeglibError) as caught:
        build.check_claims(RESULTS, text, SKY)
    told = str(caught.value)
    assert told.startswith(f"{RESULTS}:4: ") and message in told
    assert told.endswith(": The sky, blue, is {}.")


def test_every_comment_that_looks_like_a_claim_is_one():
    assert TEXT.count("% hold") == len(re.findall("^ *% holds: ", TEXT, re.MULTILINE)) >= 75


def test_a_number_that_nothing_gives_is_told_with_the_nearest(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "sources", lambda: {RESULTS: r"The sky is \result{sku}."})
    with pytest.raises(ConfigError, match="'sku' is unknown; .*did you mean 'sky'"):
        build.generate(tmp_path, SKY)


@needs_data
def test_a_record_that_says_otherwise_is_told_with_the_sentence(numbers, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "sources", lambda: {RESULTS: RESULTS.read_text(encoding="utf-8")})
    test = (record := build.recorded_runs()["miniscapes/swin"]).scores["test"]
    test["iou"][test["classes"].index("pole")] = 0.1
    found = {f"miniscapes/swin/{name}": value for name, value in build.score_numbers(record)}
    with pytest.raises(SeglibError, match=r"bear out \(n\(.*pole.*10\).*FCN it gains on poles"):
        build.generate(tmp_path, build.Numbers(numbers | found))


def test_latex_in_a_record_stays_text(monkeypatch):
    evil, harmless = r"2.0\input{/etc/hostname}", r"2.0\textbackslash{}input\{/etc/hostname\}"
    record = list_records("miniscapes")[0]
    facts = json.loads(build.facts_file("miniscapes").read_bytes())
    record.environment["versions"]["torch"] = evil
    facts["coarse"]["least"] = [[evil, 0.2], ["rider", 0.3]]
    monkeypatch.setattr(build, "read_json", lambda *_: facts)
    found = dict(build.training_numbers(record)) | dict(build.data_numbers("miniscapes"))
    assert not [name for name, value in found.items() if r"\input" in value.text]
    assert harmless in found["versions"].text and harmless in found["coarse least"].text


@pytest.mark.parametrize(("number", "text"), [
    (build.setting(r"50 % x & {y} \input $1 #2 ~^"), r"50 \% x \& \{y\} \textbackslash{}input "
     r"\$1 \#2 \textasciitilde{}\textasciicircum{}"),
    (build.number(12345.6), r"12\,346"), (build.percent(0.5637), r"56.4\,\%"),
    (build.percent(None), "n/a"),
    (build.percent(0.5637, bounds=(0.548, 0.577)), r"56.4\,\% (54.8 to 57.7)"),
    (build.points((-0.014, -0.023, -0.005, 0.01)), "$-$1.4~points ($-$2.3 to $-$0.5)"),
    (build.points((0.142, 0.126, 0.157, 0.001), ".1f"), "14.2~points (12.6 to 15.7)"),
    (build.listed(["a", "b", "c_1"]), r"a, b and c\_1"),
])
def test_numbers_as_they_are_printed(number, text):
    assert number.text == text


@needs_latex
def test_the_report_compiles_to_the_same_bytes_without_warnings(tmp_path):
    warnings = [build.compile_pdf("latexmk", tmp_path / name) for name in ("first", "second")]
    first, second = ((tmp_path / name / "main.pdf").read_bytes() for name in ("first", "second"))
    assert warnings == [[], []] and first == second


@needs_latex
def test_latexmk_alone_compiles_a_fresh_clone(tmp_path):
    command = ["git", "-C", str(ROOT), "ls-files", "report", "figures"]
    names = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    if not names:
        pytest.skip("not a git checkout")
    for name in {*names} - {"report/main.pdf"}:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    subprocess.run(["latexmk", "-silent"], cwd=tmp_path / "report", check=True, capture_output=True)
    assert (tmp_path / "report" / "main.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("state", ["current", "old"])
def test_without_latex_the_pdf_stays_and_one_line_says_so(state, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(build, "all_numbers", lambda runs: {})
    monkeypatch.setattr(build, "generate", lambda folder, numbers: None)
    monkeypatch.setattr(build, "GENERATED", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "inputs.sha256").write_text(build.inputs() if state == "current" else "")
    before = (REPORT / "main.pdf").read_bytes()
    assert build.exit_code(build.main) == 0
    said = capsys.readouterr().out.strip().splitlines()
    assert len(said) == 1
    assert ("is up to date" if state == "current" else "apt-get install latexmk") in said[0]
    assert (REPORT / "main.pdf").read_bytes() == before


@needs_latex
def test_what_stops_latex_is_told_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "REPORT", tmp_path)
    text = r"\documentclass{article}\begin{document}\nosuch\end{document}"
    (tmp_path / "main.tex").write_text(text)
    with pytest.raises(SeglibError, match="main.log: LaTeX stopped: ! Undefined control sequence"):
        build.compile_pdf("latexmk", tmp_path / "out")
