"""The project's own files agree with each other, and hold nothing that belongs to one machine."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
MEGABYTE = 1 << 20

# Written so that these lines don't match themselves.
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:root|home|work|farm|tmp/bash_jobs)/(?!user/|you/)[\w.]")
REGISTRY = re.compile(
    r"pypi\.org|pythonhosted\.org|conda\.anaconda\.org|pytorch\.org/whl|registry\.npmjs\.org"
)
PICTURE_DATA = re.compile(r'"image/(?:png|jpeg)": "[^"]*"|data:image/[a-z+.-]+;base64,[\w+/=]+')


def name_of(requirement: str) -> str:
    """The package that a requirement is about, as registries compare names."""
    return re.split(r"[\[=<>!~; ]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def tracked_files() -> list[Path]:
    """The files in git; skips the test where there is no git checkout."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    try:
        listing = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in listing.split("\0") if name]
    return [file for file in files if file.is_file()]


def text_of(file: Path) -> str:
    """A file's text without the pictures in it; empty for a binary file."""
    try:
        return PICTURE_DATA.sub("", file.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        return ""


def conda_environment() -> dict:
    return yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


# What only `make bench` installs: the others it is measured against.
EVERYDAY = sorted(PYPROJECT["project"]["optional-dependencies"].keys() - {"bench"})


def test_conda_takes_its_libraries_from_pyproject():
    dependencies = conda_environment()["dependencies"]
    (pip,) = [entry for entry in dependencies if isinstance(entry, dict)]
    (entry,) = pip["pip"]
    extras = re.fullmatch(r"-e \.\[([\w,-]+)\]", entry).group(1).split(",")
    assert extras == EVERYDAY
    names = {name_of(entry) for entry in dependencies if isinstance(entry, str)}
    assert names == {"python", "pip", "tectonic"}


def test_conda_and_make_ask_for_the_python_of_pyproject():
    wanted = PYPROJECT["project"]["requires-python"]
    (python,) = [
        entry
        for entry in conda_environment()["dependencies"]
        if isinstance(entry, str) and name_of(entry) == "python"
    ]
    assert python.split()[1] == wanted == ">=3.11"
    assert "sys.version_info < (3, 11)" in MAKEFILE


def test_make_installs_every_extra():
    extras = re.search(r"^EXTRAS := (\S+)$", MAKEFILE, re.MULTILINE).group(1).split(",")
    assert extras == EVERYDAY
    assert "'.[$(EXTRAS),bench]'" in MAKEFILE


def test_constraints_pin_every_dependency_within_its_range():
    from packaging.requirements import Requirement

    pins = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            pin = Requirement(line)
            (exact,) = pin.specifier
            assert exact.operator == "==", line
            pins[name_of(line)] = exact.version
    project = PYPROJECT["project"]
    for group in (project["dependencies"], *project["optional-dependencies"].values()):
        for line in group:
            requirement = Requirement(line)
            pinned = pins.get(name_of(line))
            assert pinned, f"constraints.txt doesn't pin {requirement.name}"
            assert requirement.specifier.contains(pinned), line


def test_the_readme_names_targets_that_exist():
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    named = set(re.findall(r"^\s*make ([a-z-]+)", README, re.MULTILINE))
    named |= set(re.findall(r"`make ([a-z-]+)", README))
    assert {"test", "refresh", "lab"} <= named
    assert named <= targets
    assert re.search(r"^make\b(?! \w)", README, re.MULTILINE), "the README doesn't show plain make"
    assert re.search(r"^all: ", MAKEFILE, re.MULTILINE)


def test_ci_runs_the_readme_s_test_command():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert "\nmake test\n" in script
    assert "run: bash .ci/run" in workflow and re.search(r"run: make\n", workflow)
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_readme_s_links_lead_to_files():
    links = re.findall(r"\]\(([^)#:]+)\)", README) + re.findall(r'src="([^":]+)"', README)
    assert links
    missing = [link for link in links if not (ROOT / link).exists()]
    assert not missing


def test_no_file_names_a_path_of_one_machine():
    found = []
    for file in tracked_files():
        found += [f"{file.relative_to(ROOT)}: {m}" for m in MACHINE_PATH.findall(text_of(file))]
    assert not found


def test_no_file_names_a_package_registry():
    found = [file.name for file in tracked_files() if REGISTRY.search(text_of(file))]
    assert not found


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        (MACHINE_PATH, ("", "home", "somebody", "seglib")),
        (MACHINE_PATH, ("see (", "root", ".cache")),
        (REGISTRY, ("https:", "", "pypi." + "org", "simple")),
    ],
)
def test_the_two_searches_find_what_they_are_for(pattern, parts):
    assert pattern.search("/".join(parts))


def test_the_repository_stays_small():
    sizes = {file: file.stat().st_size for file in tracked_files()}
    large = [file.name for file, size in sizes.items() if size > 16 * MEGABYTE]
    assert not large, f"over 16 MB: {large}"
    assert sum(sizes.values()) < 90 * MEGABYTE


def test_data_and_checkpoints_are_ignored_but_the_package_is_not():
    names = ["data/x.png", "build/x", "checkpoints/x", ".venv/x", "seglib/data/tree.py"]
    command = ["git", "-C", str(ROOT), "check-ignore", "--no-index", *names]
    try:
        ignored = subprocess.run(command, capture_output=True, text=True).stdout.split()
    except OSError:
        pytest.skip("git is not installed")
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    assert ignored == names[:-1]


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
"""


def test_importing_seglib_is_silent_light_and_leaves_no_trace(tmp_path):
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "SEGLIB_HOME": str(tmp_path / "home"),
        "HOME": str(tmp_path),
    }
    command = [sys.executable, "-W", "error", "-c", IMPORT]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout + done.stderr == ""
    assert not list(tmp_path.iterdir())
