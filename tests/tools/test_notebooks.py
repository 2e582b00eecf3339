"""The committed notebooks keep the contract, and the tools that run and check notebooks work."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from seglib.errors import SeglibError
from tools import contract, notebooks
from tools.contract import BOOTSTRAP, KERNELSPEC, METADATA, check

ROOT = Path(__file__).parents[2]
COMMITTED = sorted((ROOT / "notebooks").glob("*.ipynb"))
assert len(COMMITTED) == 6


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_committed_notebook_keeps_the_contract(path):
    assert check(path) == []


OPENING = f"""# 07 Averages

[![Open In Colab]({contract.BADGE})](https://colab.research.google.com/)

How far does a mean lie from its median? Reads nothing, writes nothing.
Takes 1 s on a CPU, and no less on a GPU.
"""
words = nbformat.v4.new_markdown_cell


def code(source, count, *outputs, **metadata):
    cell = nbformat.v4.new_code_cell(source, metadata=metadata, execution_count=count)
    cell.outputs = list(outputs)
    return cell


def printed(text, name="stdout"):
    return nbformat.v4.new_output("stream", name=name, text=text)


def shown(**data):
    data = {key.replace("__", "/"): value for key, value in data.items()}
    return nbformat.v4.new_output("display_data", data=data)


@pytest.fixture
def notebook():
    """A notebook that keeps every rule, for a test to break one of them."""
    cells = [
        words(OPENING), code(BOOTSTRAP + "\nimport random", 1),
        code("seed = 0\nrandom.seed(seed)", 2), words("## Numbers"), words("The mean first."),
        code("print(2.0)", 3, printed("2.0\n"), shown(image__png="L3RtcC9hCg=="), tags=["a"]),
        words("It is 2.0."),
        words("## What we found\n\n- One.\n- Two.\n- Three, no better than two."),
    ]
    language = {"name": "python", "version": "3.11.7"}
    metadata = {**METADATA, "kernelspec": KERNELSPEC, "language_info": language}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def problems_of(notebook, folder: Path):
    path = folder / "07_averages.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return check(path)


def test_a_good_notebook_has_no_problems_nor_has_one_with_its_clone_address(notebook, tmp_path):
    assert problems_of(notebook, tmp_path) == []
    filled = BOOTSTRAP.replace('REPOSITORY = ""', 'REPOSITORY = "https://git.example/study.git"')
    notebook.cells[1].source = filled
    assert problems_of(notebook, tmp_path) == []


def cell(index, **changes):
    """A way to break a notebook: parts of a cell are others."""
    return lambda notebook: notebook.cells[index].update(changes)


def output(node):
    """A way to break a notebook: a cell has one more output."""
    return lambda notebook: notebook.cells[5].outputs.append(node)


ERROR = nbformat.v4.new_output("error", ename="KeyError")
WIDGET_VIEW = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}
HOME_PATH = "/".join(["", "home", "somebody", "data"])
REGISTRY = ".".join(["https://pypi", "org/simple"])
BROKEN = {
    "no accelerator": (lambda n: n.metadata.pop("accelerator"), "metadata: accelerator"),
    "no version": (lambda n: n.metadata.language_info.pop("version"), "language_info"),
    "other kernel": (lambda n: n.metadata.kernelspec.update(name="py"), "metadata: kernelspec"),
    "widget state": (lambda n: n.metadata.update(widgets={}), "widget state"),
    "same ids": (lambda n: n.cells[1].update(id=n.cells[2].id), "without an id of their own"),
    "other number": (cell(0, source=OPENING.replace("07", "08")), "'# 07'"),
    "no question": (cell(0, source=OPENING.replace("?", ".")), "the question"),
    "no badge": (cell(0, source=OPENING.replace("badge", "b")), "Colab badge"),
    "no bootstrap": (cell(1, source="import seglib"), "bootstrap lines"),
    "no seed": (cell(2, source="x = 0"), "not the config, with the seed"),
    "long cell": (cell(5, source="x = 1\n" * 41), "41 lines of code"),
    "long cells": (lambda n: [cell(i, source="x = 1\n" * 11)(n) for i in (1, 2, 5)], "median"),
    "code after code": (lambda n: n.cells.insert(6, code("x", 4)), "no markdown cell introduces"),
    "many cells": (lambda n: n.cells.extend([words("More.")] * 53), "61 cells; at most 60"),
    "many words": (cell(4, source="more " * 2_500), "words in markdown cells; at most 2,500"),
    "few words": (lambda n: n.cells.__delitem__(slice(3, 5)), "3 markdown cells for 3 code cells"),
    "no ending": (lambda n: n.cells.pop(), "no cell 'What we found'"),
    "two findings": (cell(-1, source="## What we found\n- One.\n- Two."), "has 2 bullets"),
    "run twice": (cell(5, execution_count=4), "in order, from a fresh kernel"),
    "an error": (output(ERROR), "holds an error (KeyError)"),
    "stderr": (output(printed("50%", "stderr")), "stderr"),
    "an address": (output(shown(text__plain="<A at 0x7fb65d3c1a90>")), "an object's address"),
    "a widget view": (output(shown(**WIDGET_VIEW)), "widget view"),
    "skipped": (lambda n: n.cells[5].metadata.tags.append("nbval-skip"), "skipped"),
    "semicolon": (cell(5, source="print(2.0);"), "ends in ';'"),
    "all ignored": (cell(5, source="# NBVAL_IGNORE_OUTPUT\n2"), "no cell's output is compared"),
    "a path": (output(printed(HOME_PATH)), "a path of one machine"),
    "a path in HTML": (output(shown(text__html=f"<b>{HOME_PATH}</b>")), "a path of one machine"),
    "a false claim": (output(printed("✗ not true here: No")), "its own check contradicts"),
    "an old hint": (cell(4, source="`from seglib.training import loop`, then `loop.next_epoch(1)`"),
                    "'loop.next_epoch(1)' can't be called: missing"),
    "a registry": (cell(4, source=f"From {REGISTRY}"), "a package registry"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_every_broken_rule_is_told(name, notebook, tmp_path):
    break_it, message = BROKEN[name]
    break_it(notebook)
    problems = problems_of(notebook, tmp_path)
    assert any(message in problem for problem in problems), problems


def test_what_is_no_notebook_gets_one_line(tmp_path):
    path = tmp_path / "01_broken.ipynb"
    path.write_text("{")
    with pytest.raises(SeglibError, match="01_broken.ipynb: not a notebook") as caught:
        check(path)
    assert "\n" not in str(caught.value)
    assert notebooks.main(["check", str(path)]) == 1
    assert notebooks.main(["check", str(COMMITTED[0])]) == 0


def small_notebook(folder: Path, *sources: str) -> Path:
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    path = folder / "small.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_refresh_is_stable_and_runs_in_the_notebooks_folder(tmp_path, seglib_home):
    path = small_notebook(
        tmp_path, "import os, sys\nprint(os.path.basename(os.getcwd()))",
        "print('GOMP_SPINCOUNT' in os.environ)",  # as `seglib` sets it for PyTorch's threads
        "print('50%', file=sys.stderr)\nimport ipywidgets\nipywidgets.IntSlider(3)",
        "from tqdm.notebook import tqdm\nfor _ in tqdm(range(3)): pass",
    )
    identifiers = [cell.id for cell in nbformat.read(path, as_version=4).cells]
    assert notebooks.main(["refresh", str(path)]) == 0
    first = path.read_bytes()
    assert notebooks.main(["refresh", str(path)]) == 0
    assert path.read_bytes() == first
    cells = json.loads(first)["cells"]
    assert cells[0]["outputs"][0]["text"] == [f"{tmp_path.name}\n"]
    assert cells[1]["outputs"][0]["text"] == ["True\n"]
    assert [list(output["data"]) for output in cells[2]["outputs"]] == [["text/plain"]]
    assert cells[3]["outputs"] == []
    assert [cell["execution_count"] for cell in cells] == [1, 2, 3, 4]
    assert [cell["id"] for cell in cells] == identifiers


def test_processors_are_free_as_far_as_they_were_idle(monkeypatch):
    assert 1 <= notebooks.free_processors(0.1) <= os.cpu_count()
    texts = (f"cpu  {busy} 0 0 {idle} 0 0 0 0\n" + "cpu0 \ncpu1 \ncpu2 \ncpu3 \n"
             for busy, idle in ((1, 1), (1, 1), (101, 301)))
    stat = SimpleNamespace(exists=lambda: True, read_text=lambda: next(texts))
    monkeypatch.setattr(notebooks, "Path", lambda path: stat)
    monkeypatch.setattr(notebooks, "processors_of_ours", lambda: 4)
    assert notebooks.free_processors(0) == 3


def test_execute_writes_a_copy_and_a_page(tmp_path, seglib_home, monkeypatch, capsys):
    with pytest.raises(SystemExit, match="2"):
        notebooks.main(["execute"])  # where there is none
    monkeypatch.setattr(notebooks, "processors_of_ours", lambda: 2)
    monkeypatch.setattr(notebooks, "free_processors", lambda: 1)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    about = "{'image/png': {'alt': 'a <dot>', 'width': 8}}"
    drawn = f"display({{'image/png': 'AAAA'}}, metadata={about}, raw=True)"
    path = small_notebook(tmp_path, "6 * 7", drawn, "import os\nint(os.environ['OMP_NUM_THREADS'])")
    before = path.read_bytes()
    assert notebooks.main(["execute", "--html", str(path)]) == 0
    assert path.read_bytes() == before
    copy = nbformat.read(seglib_home / "build" / "notebooks" / "small.ipynb", as_version=4)
    assert [cell.outputs[0].data.get("text/plain") for cell in copy.cells[::2]] == ["42", "1"]
    page = (seglib_home / "build" / "notebooks" / "small.html").read_text()
    assert "42" in page and '<img alt="a &lt;dot&gt;"' in page
    assert re.match("machine busy: 1 at a time, .* 1 of.*\nsmall.ipynb", capsys.readouterr().out)


def test_what_fails_keeps_its_file_and_stops_no_other_at_its_side(
    tmp_path, seglib_home, capsys, monkeypatch
):
    meets = "import os, time\nopen('{}', 'w')\nwhile not os.path.exists('{}'): time.sleep(0.1)\n"
    other = small_notebook(tmp_path, meets.format("a", "b") + "int(os.environ['OMP_NUM_THREADS'])")
    other = other.rename(tmp_path / "other.ipynb")
    path = small_notebook(tmp_path, meets.format("b", "a") + "1 / 0")
    before = path.read_bytes()
    monkeypatch.setenv("SEGLIB_DATASET", "camvid")
    with pytest.raises(SystemExit):
        notebooks.main(["refresh", str(path)])
    assert "committed notebooks show miniscapes; unset SEGLIB_DATASET" in capsys.readouterr().err
    for name in ("SEGLIB_DATASET", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(notebooks, "free_processors", lambda: 4)
    assert notebooks.main(["refresh", str(path), str(other)]) == 1
    assert path.read_bytes() == before
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "seglib: error: small.ipynb: ZeroDivisionError: division by zero"
    assert nbformat.read(other, as_version=4).cells[0].outputs[0].data["text/plain"] == "2"


def test_a_notebook_that_hangs_is_stopped_and_a_slow_one_is_not(tmp_path, seglib_home):
    path = small_notebook(tmp_path, "import time\ntime.sleep(60)")
    with pytest.raises(SeglibError, match="small.ipynb: not a word from it for 4 s"):
        asyncio.run(notebooks.execute(path, silence=4))
    slow = "import time\nfor second in range(11):\n    print(second)\n    time.sleep(1)"
    _, seconds = asyncio.run(notebooks.execute(small_notebook(tmp_path, slow), silence=10))
    assert seconds > 11


@pytest.mark.parametrize("last", ["print('the end')", "import os\nos._exit(1)"])
def test_nbval_limits_no_cell_s_length_and_notices_a_kernel_s_death(tmp_path, last):
    path, dies = tmp_path / "long.ipynb", "_exit" in last
    cells = [code(f"import time\ntime.sleep(6)\n{last}", 1, printed("the end\n")), code("1", 2)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells[: 1 + dies]), path)
    shutil.copy(ROOT / "conftest.py", tmp_path)
    options = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=0.1"]
    command, variables = [sys.executable, "-m", "pytest", *options], {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, cwd=tmp_path, env=os.environ | variables, capture_output=True)
    assert ended.returncode == dies, ended.stdout.decode()
    assert ("exception: the kernel died" in ended.stdout.decode()) == dies


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_ends_in_one_line_and_leaves_no_kernel(tmp_path, seglib_home, number):
    source = "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(60)"
    command = [sys.executable, "-m", "tools.notebooks", "execute"]
    command += 3 * [str(small_notebook(tmp_path, source))]  # one waits for its turn
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(number)
    last = "seglib: interrupted; a training goes on when it is run again"
    assert process.communicate()[1].strip() == last
    assert process.returncode == 1
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_a_notebook_concludes_with_numbers_that_it_printed(path):
    cells = nbformat.read(path, as_version=4).cells
    printed = "\n".join(output.get("text", output.get("data", {}).get("text/plain", ""))
                        for cell in cells for output in cell.get("outputs", ()))
    found = "".join(cell.source for cell in cells if cell.source.startswith("## What we found"))
    quoted, known = (set(re.findall(r"\d+[.,]\d+", text)) for text in (found, printed))
    assert quoted <= known
    assert len(quoted) > 5 or printed.count("✓ ") > 2  # numbers, or claims that cells have checked
