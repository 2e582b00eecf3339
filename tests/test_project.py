"""What someone who clones the project relies on: README's commands and links, clean files."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from seglib import cli, paths

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")

# Written so that these lines don't match themselves.
ONE_MACHINE = re.compile(
    r"(?<![\w.])/(?:root|home|work|farm|tmp/bash_jobs)/(?!user/|you/)[\w.]"
    r"|pypi\.org|pythonhosted\.org|conda\.anaconda\.org|pytorch\.org/whl|registry\.npmjs\.org"
)
PICTURE_DATA = re.compile(r'"image/(?:png|jpeg)": "[^"]*"|data:image/[a-z+.-]+;base64,[\w+/=]+')


def git(*arguments: str) -> list[str]:
    """The lines that git prints; skips the test where there is no git checkout."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git checkout")
    command = ["git", "-C", str(ROOT), "-c", "core.quotePath=false", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.split("\n")


def tracked_files() -> list[Path]:
    return [ROOT / name for name in git("ls-files") if (ROOT / name).is_file()]


def test_the_readme_s_commands_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"^\s*make ([a-z-]+)", README, re.MULTILINE))
    named |= set(re.findall(r"`make ([a-z-]+)", README))
    assert "test" in named and named <= targets
    shown = "".join(README.split("```")[1::2])
    commands = set(re.findall(r"^seglib (\w+)", shown, re.MULTILINE))
    commands |= set(re.findall(r"`seglib (\w+)", README))
    assert "train" in commands and commands <= cli.commands().keys()
    lines = [shlex.split(line, comments=True) for line in re.findall("^seglib (.+)", shown, re.M)]
    for words in lines:
        assert "--help" in words or cli.parse(words), words


def test_an_installed_package_has_its_files_and_a_home(tmp_path, monkeypatch):
    options = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    shipped = options["setuptools"]["package-data"]
    for package, patterns in shipped.items():
        kinds = {file.suffix for file in tracked_files() if file.is_relative_to(ROOT / package)}
        assert kinds - {".py"} == {Path(pattern).suffix for pattern in patterns}
    monkeypatch.setattr(paths, "__file__", str(tmp_path / "seglib" / "paths.py"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    monkeypatch.delenv("SEGLIB_HOME", raising=False)
    assert paths.home() == tmp_path / "share" / "seglib"


def test_the_readme_s_links_lead_to_files():
    links = re.findall(r"\]\(([^)#:]+)\)", README) + re.findall(r'src="([^":]+)"', README)
    assert links and not [link for link in links if not (ROOT / link).exists()]


def test_no_file_names_a_path_or_a_registry_of_one_machine():
    found = []
    for file in tracked_files():
        text = PICTURE_DATA.sub("", file.read_bytes().decode("utf-8", errors="ignore"))
        found += [f"{file.relative_to(ROOT)}: {match}" for match in ONE_MACHINE.findall(text)]
    assert not found


def test_the_repository_stays_small():
    sizes = [file.stat().st_size for file in tracked_files()]
    assert max(sizes) < 9e6 and sum(sizes) < 45e6, f"{sum(sizes):,} bytes; README says who asks"


def test_data_and_checkpoints_are_ignored_but_the_package_is_not():
    names = ["data/x.png", "build/x", "checkpoints/x", ".venv/x", "seglib/data/tree.py"]
    assert git("check-ignore", "--no-index", *names) == [*names[:-1], ""]


IMPORT = """
import sys
touched = []
def watch(event, arguments):
    writes = event == "open" and (arguments[2] or 0) & 0o103  # O_WRONLY, O_RDWR, O_CREAT
    if writes or event in ("os.mkdir", "os.rename", "os.remove", "socket.connect"):
        touched.append((event, arguments))
sys.addaudithook(watch)
import seglib
assert seglib.__version__
loaded = sorted({"torch", "torchvision", "numpy", "matplotlib"} & set(sys.modules))
assert not loaded, loaded
assert not touched, touched
from seglib.cli import _overview, commands
assert _overview(commands()).count("\\n  ") > 9
loaded = sorted({"torch", "torchvision", "pandas", "matplotlib"} & set(sys.modules))
assert not loaded, loaded  # for the help, which names every command
"""


def test_importing_seglib_is_silent_light_and_leaves_no_trace(tmp_path):
    environment = {"PYTHONPATH": str(ROOT), "SEGLIB_HOME": str(tmp_path / "home")}
    environment = os.environ | environment | {"HOME": str(tmp_path)}
    command = [sys.executable, "-B", "-W", "error", "-c", IMPORT]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout + done.stderr == ""
    assert not list(tmp_path.iterdir())
