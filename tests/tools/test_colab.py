"""Colab: the address is stamped into every notebook, and a notebook alone sets itself up.

The simulation: a folder that holds one notebook, a kernel that has the libraries and a stub of
`google.colab` but no seglib, and this checkout as the repository to clone.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from seglib.errors import ConfigError, SeglibError
from tools import colab
from tools.contract import BADGE, BOOTSTRAP, check
from tools.notebooks import SILENCE, read_notebook, write_notebook

ROOT = Path(colab.__file__).parents[1]
COMMITTED = sorted((ROOT / "notebooks").glob("*.ipynb"))
GITHUB = "https://github.com/somebody/street-study"
BADGE_LINK = "https://colab.research.google.com/github/somebody/street-study/blob/main/notebooks/"


# --- stamping ---------------------------------------------------------------------------------


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """A small notebook with an output, and with the badge and the bootstrap's line once more."""
    cells = [
        nbformat.v4.new_markdown_cell(f"# 07 Means\n\n[![Open]({BADGE})](https://colab.x/)\n?"),
        nbformat.v4.new_code_cell(BOOTSTRAP + "\nimport random", execution_count=1),
        nbformat.v4.new_markdown_cell(f'([here]({BADGE})](x) REPOSITORY = ""  # the project'),
        nbformat.v4.new_code_cell("'é'", execution_count=2),
    ]
    cells[0].source = cells[0].source.replace("https://colab.x/", colab.START_PAGE)
    cells[3].outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "'é'"})]
    path = tmp_path / "07_means.ipynb"
    write_notebook(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_badge_and_clone_address_are_filled_in_and_nothing_else(notebook: Path) -> None:
    before = notebook.read_text(encoding="utf-8").splitlines()
    assert colab.stamp(notebook, GITHUB)
    after = notebook.read_text(encoding="utf-8").splitlines()
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert len(changed) == 2
    assert f"({BADGE_LINK}07_means.ipynb)" in changed[0][1]
    line = f"    REPOSITORY = \"{GITHUB}\"  # the project's git address\n"
    assert json.loads(changed[1][1].strip().removesuffix(",")) == line


def test_stamping_again_changes_nothing_and_another_address_replaces(notebook: Path) -> None:
    before = notebook.read_bytes()
    colab.stamp(notebook, GITHUB)
    once, when = notebook.read_bytes(), notebook.stat().st_mtime_ns
    assert not colab.stamp(notebook, GITHUB + "/")
    assert notebook.read_bytes() == once and notebook.stat().st_mtime_ns == when
    assert colab.stamp(notebook, "https://git.example.org/group/study.git")
    assert b"street-study" not in notebook.read_bytes()
    text = notebook.read_text(encoding="utf-8")
    assert f"]({colab.START_PAGE})" in text  # Colab opens no other host
    assert text.replace("https://git.example.org/group/study.git", "").encode() == before


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_a_stamped_notebook_keeps_the_contract(path: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(path, tmp_path))
    colab.stamp(copy, GITHUB)
    assert check(copy) == [] and f"{BADGE_LINK}{path.name}" in copy.read_text(encoding="utf-8")


@pytest.mark.parametrize("address", [
    "", "github.com/somebody/study", "http://github.com/somebody/study",
    "git@github.com:somebody/study.git", "https://github.com/somebody",
    "https://user:secret@github.com/somebody/study", "https://github.com/somebody/$(id)",
    'https://github.com/somebody/"study; rm -rf ~', "https://github.com/somebody/study\nfile:///x",
    "https://github.com/somebody/stüdy", "https://github.com/somebody/study?tab=readme",
])
def test_an_address_that_cannot_work_is_one_line(notebook: Path, capsys, address: str) -> None:
    before = notebook.read_bytes()
    with pytest.raises(ConfigError) as caught:
        colab.stamp(notebook, address)
    assert len(str(caught.value).splitlines()) == 1 and "REPO=https://" in str(caught.value)
    assert colab.main([address, str(notebook)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert notebook.read_bytes() == before


def test_what_is_not_ours_is_named(tmp_path: Path, notebook: Path) -> None:
    path = tmp_path / "08_other.ipynb"
    write_notebook(nbformat.v4.new_notebook(), path)
    with pytest.raises(SeglibError, match="08_other.ipynb: cell 1 has no Colab badge"):
        colab.stamp(path, GITHUB)
    changed = read_notebook(notebook)
    changed.cells[1].source = "import seglib"
    write_notebook(changed, notebook)
    before = notebook.read_bytes()
    with pytest.raises(SeglibError, match="cell 2 has no bootstrap line"):
        colab.stamp(notebook, GITHUB)
    assert notebook.read_bytes() == before


# --- a notebook alone -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a repository with this checkout's files, committed or not."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
        capture_output=True, text=True,
    )
    if listed.returncode:
        pytest.skip("this is no git checkout")
    folder = tmp_path_factory.mktemp("repository")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    who = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    for command in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "Copy")):
        subprocess.run(["git", *who, *command], cwd=folder, check=True)
    return f"file://{folder}"


@pytest.fixture
def hosted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and the kernel "hosted": libraries, a stub of google.colab, no seglib."""
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": venv}))
    # A plain path: the .pth files beyond it, such as that of an editable seglib, are not read.
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (packages / "google" / "colab").mkdir(parents=True)
    (packages / "google" / "colab" / "__init__.py").write_text("")
    kernel = tmp_path / "jupyter" / "kernels" / "hosted"
    kernel.mkdir(parents=True)
    command = [str(venv / "bin" / "python"), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": command, "display_name": "hosted", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    for name in [*os.environ]:
        if name in ("PYTHONPATH", "MPLBACKEND") or name.startswith("SEGLIB_"):
            monkeypatch.delenv(name)
    # Colab has a network to build with; what building needs is here already.
    monkeypatch.setenv("PIP_NO_BUILD_ISOLATION", "0")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    folder = tmp_path / "content"
    folder.mkdir()
    return folder


def run(notebook: nbformat.NotebookNode, folder: Path) -> None:
    NotebookClient(
        notebook, timeout=None, startup_timeout=SILENCE, kernel_name="hosted",
        resources={"metadata": {"path": str(folder)}},
    ).execute()


def opening(path: Path, *more: str) -> nbformat.NotebookNode:
    """A notebook's first two cells, and then others."""
    notebook = read_notebook(path)
    notebook.cells = notebook.cells[:2] + [nbformat.v4.new_code_cell(code) for code in more]
    return notebook


@pytest.mark.slow
def test_without_an_address_the_bootstrap_says_what_to_do(hosted: Path) -> None:
    copy = Path(shutil.copy(COMMITTED[0], hosted))
    notebook = opening(copy)
    notebook.cells[1].source = BOOTSTRAP  # stamped or not
    with pytest.raises(CellExecutionError, match="run `make lab`, or fill in REPOSITORY above"):
        run(notebook, hosted)
    assert [path.name for path in hosted.iterdir()] == [copy.name]


@pytest.mark.slow
def test_the_bootstrap_sets_a_hosted_kernel_up(hosted: Path, repository: str) -> None:
    copy = Path(shutil.copy(COMMITTED[0], hosted))
    colab.stamp(copy, repository)
    notebook = opening(copy, "import seglib, google.colab\nprint(seglib.paths.home())")
    run(notebook, hosted)
    assert notebook.cells[2].outputs[-1].text.strip() == str(hosted / "seglib-study")
    # Run again in a kernel that has it, as after a restart, nothing is fetched.
    again = opening(copy)
    run(again, hosted)
    assert not again.cells[1].outputs  # git would complain of a folder that is there


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_each_notebook_alone_sets_itself_up_and_runs(path, hosted, repository) -> None:
    copy = Path(shutil.copy(path, hosted))
    colab.stamp(copy, repository)
    notebook = read_notebook(copy)
    run(notebook, hosted)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert "error" not in {output.output_type for output in outputs}
    assert (hosted / "seglib-study" / "data" / "miniscapes" / "dataset.json").is_file()
