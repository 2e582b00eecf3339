"""The viewer under the widget managers of Colab and VS Code, which can't be installed themselves.

Both hand a widget's state to a widget manager of their own in an otherwise empty page, and load
anywidget's module with RequireJS. The managers are published: Colab's is the HTML manager of
ipywidgets 7, VS Code's the package `@vscode/jupyter-ipywidgets8`. There is no kernel in this page,
so what works here works without one.

Needs npm and the registries of npm and PyPI, and Chromium; skipped without them, and says so.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.long
pytest.importorskip("selenium", reason="browser tests need selenium: '.[browser]'")

# After the skip above:
from jupyter_browser import BUILDING, CAR, PHOTO, ROOT, VIEWER_CELL, Browser, need_chromium  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from servers import served  # noqa: E402

need_chromium()
if not shutil.which("npm"):
    pytest.skip("the managers of Colab and VS Code come from npm", allow_module_level=True)

PACKAGES = {  # folder of the page: package
    "colab": "@jupyter-widgets/html-manager@0.20.6", "vscode": "@vscode/jupyter-ipywidgets8@1.0.9",
    "requirejs": "requirejs@2.3.8",
}
# What Colab has preinstalled; ipywidgets 7 imports the third.
COLAB_PYTHON = ("ipywidgets==7.7.1", "anywidget==0.9.21", "ipython_genutils")

STATE = f"""
import json, sys
from ipywidgets import __version__
from ipywidgets.embed import embed_data
{VIEWER_CELL}
page = embed_data(views=[second], drop_defaults=False)
json.dump([__version__, page["manager_state"], page["view_specs"][0]], sys.stdout)
"""


def run_for(purpose: str, command: list[str], **options: Any) -> str:
    """Run what needs a registry; skips the test where it can't be reached."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    absent = ("ENOTFOUND", "ECONN", "ETIMEDOUT", "EAI_AGAIN", "E404", "No matching distribution")
    if any(word in done.stderr for word in absent):
        pytest.skip(f"{purpose} can't be fetched here: {done.stderr.strip().splitlines()[-1]}")
    assert not done.returncode, done.stderr
    return done.stdout


def state_of_viewer(path: list[Path]) -> list[Any]:
    """Version of ipywidgets, state of all widgets and the view; modules in `path` come first."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, [*path, ROOT]))}
    command = [sys.executable, "-c", STATE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with a page for each host, `colab.html` and `vscode.html`."""
    folder = tmp_path_factory.mktemp("site")
    for name, package in PACKAGES.items():
        told = run_for(package, ["npm", "pack", "--silent", package], cwd=folder)
        with tarfile.open(folder / told.split()[-1]) as archive:
            archive.extractall(folder / name, filter="data")
        for path in list((folder / name / "package").iterdir()):
            path.rename(folder / name / path.name)
    old = folder / "colab-python"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(old)]
    run_for("ipywidgets 7.7", [*pip, *COLAB_PYTHON])
    bundles = "share/jupyter/nbextensions/anywidget"
    shutil.copytree(old / bundles, folder / "colab-anywidget")
    shutil.copytree(Path(sysconfig.get_path("data")) / bundles, folder / "vscode-anywidget")
    for name, path, major in (("colab", [old], "7"), ("vscode", [], "8")):
        version, state, view = state_of_viewer(path)
        assert version.startswith(major)
        page = Path(__file__).with_name(f"{name}.html").read_text(encoding="utf-8")
        page = page.replace("VIEW", json.dumps(view))  # first: the state holds a program
        page = page.replace("STATE", json.dumps(state).replace("</", "<\\/"))
        (folder / f"{name}.html").write_text(page, encoding="utf-8")

    with served(folder) as (address, _):
        yield address


@pytest.mark.parametrize("host", ["colab", "vscode"])
def test_viewer_works_and_can_be_read_in_dark_in(host: str, site: str, tmp_path: Path) -> None:
    with contextlib.closing(Browser(tmp_path / "profile")) as browser:
        browser.driver.get(f"{site}/{host}.html")
        viewer = browser.shown()
        browser.slide(viewer, "opacity", 100)
        browser.find("[data-class='0']", viewer).click()
        assert browser.pixel(viewer, 0.5, 0.8) == pytest.approx(PHOTO, abs=2)
        facts = browser.hover(viewer, 0.75, 0.37)
        assert [facts[key].split()[2] for key in ("truth", "prediction")] == ["car", "building"]
        assert browser.pixel(viewer, 0.75, 0.37) == pytest.approx(BUILDING, abs=2)
        browser.press(viewer, "truth")
        assert browser.pixel(viewer, 0.75, 0.37) == pytest.approx(CAR, abs=2)
        browser.find("canvas", viewer).click()
        ActionChains(browser.driver, 50).send_keys(Keys.ARROW_RIGHT).perform()  # the next scene
        browser.wait("arguments[0].dataset.scene === '1'", viewer)
        paper, words = browser.script(
            """const style = getComputedStyle(arguments[0]);
            return [style.backgroundColor, style.color].map((color) =>
              color.match(/[\\d.]+/g).slice(0, 3).map(Number));""",
            viewer,
        )
        assert abs(np.mean(paper) - np.mean(words)) > 120
        if host == "vscode":
            assert paper == [30, 30, 30]  # the editor's own background
