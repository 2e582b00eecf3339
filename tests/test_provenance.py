"""Where a result came from is recorded, and where that can't be known, nothing is made up."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from seglib import provenance


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an installed seglib, in a project that has a repository of its own."""
    package = tmp_path / "project" / "site-packages" / "seglib"
    package.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(tmp_path / "project")], check=True)
    monkeypatch.setattr(provenance, "__file__", str(package / "provenance.py"))
    return package


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_a_commit_is_of_this_checkout_or_of_none(package: Path) -> None:
    assert provenance.commit() is None
    git = ["git", "-C", str(package.parent), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    (package / "file").touch()
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "First"], check=True)
    assert re.fullmatch("[0-9a-f]{12}", provenance.commit())
    (package / "file").write_text("changed")
    assert re.fullmatch("[0-9a-f]{12}-dirty", provenance.commit())
    shutil.rmtree(package.parent / ".git" / "refs")  # damaged
    assert provenance.commit() is None
