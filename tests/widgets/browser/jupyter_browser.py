"""JupyterLab or Notebook 7 in headless Chromium: open a notebook, run it, and look at canvases."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

ROOT = Path(__file__).parents[3]
PATIENCE = 600  # seconds: importing torch on a busy machine alone can take minutes
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-dev-shm-usage "
    "--disable-background-networking --disable-component-update --disable-sync --hide-scrollbars"
).split()


HOSTILE = '<img src=x onerror="window.hacked=1">'
PHOTO = (200, 180, 160)  # every pixel of the first scene's photograph
ROAD, BUILDING, SKY, CAR = (128, 64, 128), (70, 70, 70), (70, 130, 180), (0, 0, 142)

# Truth: sky (10) above building (2) on the left half, car (13) on the right, road (0) at the
# bottom, a void strip at the very top. Alpha takes the car for a building; Beta is right.
VIEWER_CELL = f"""
import numpy as np
from seglib.labels import CITYSCAPES_19
from seglib.widgets import SceneViewer
image = np.full((512, 1024, 3), {PHOTO}, dtype=np.uint8)
truth = np.full((512, 1024), 10, dtype=np.uint8)
truth[128:256, :512], truth[128:256, 512:], truth[256:], truth[:16] = 2, 13, 0, 255
beta = np.where(truth == 255, 10, truth).astype(np.uint8)
alpha = np.where(beta == 13, 2, beta).astype(np.uint8)
sure = np.full((512, 1024), 0.87, dtype=np.float32)
second = SceneViewer(
    [("first", image, truth), ({HOSTILE!r}, 255 - image, truth)],
    CITYSCAPES_19,
    {{"Alpha": {{"first": (alpha, sure), {HOSTILE!r}: beta}}, "Beta": {{"first": beta}}}},
    max_side=512,
)
second
"""


def find_program(*names: str) -> str | None:
    """The path of the first of these programs that is installed."""
    return next((path for name in names if (path := shutil.which(name))), None)


def chromium() -> str | None:
    """Chromium's or Chrome's path, or None where neither is installed."""
    return find_program("chromium", "chromium-browser", "google-chrome")


def need_chromium() -> None:
    """Skip the calling test module where there is no Chromium or no chromedriver."""
    if not chromium() or not find_program("chromedriver"):
        reason = "needs Chromium and chromedriver: apt-get install chromium chromium-driver"
        pytest.skip(reason, allow_module_level=True)


def write_notebook(path: Path, cells: list[str]) -> None:
    """Write a notebook of code cells."""
    code = [nbformat.v4.new_code_cell(source) for source in cells]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=code, metadata=metadata), path)


# The page in which each program opens a notebook, below the server's address.
PAGES = {"jupyterlab": "lab/tree", "notebook": "notebooks"}


@contextlib.contextmanager
def jupyter(folder: Path, program: str = "jupyterlab") -> Iterator[str]:
    """Serve `folder` with settings of its own; yields the address below which notebooks open.

    `program` is jupyterlab, or notebook for Notebook 7.
    """
    home = folder / ".jupyter"
    settings = home / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    (settings / "themes.jupyterlab-settings").write_text(json.dumps({"theme": "JupyterLab Light"}))
    quiet = json.dumps({"fetchNews": "false", "checkForUpdates": False})
    (settings / "notification.jupyterlab-settings").write_text(quiet)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(home / "config"), "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"), "IPYTHONDIR": str(home / "ipython"),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    command = [sys.executable, "-m", program, "--no-browser", "--allow-root",
               "--expose-app-in-browser", f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
               f"--ServerApp.root_dir={folder}", "--IdentityProvider.token="]
    address = f"http://127.0.0.1:{port}"
    with open(folder / "server.log", "w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        _wait_for_server(f"{address}/api", server, folder / "server.log")
        yield f"{address}/{PAGES[program]}"
    finally:
        server.terminate()  # ends its kernels too
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()


def _wait_for_server(address: str, server: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.3)
    raise RuntimeError(f"Jupyter did not start:\n{log.read_text()[-2000:]}")


PAGE = Path(__file__).with_name("page.js").read_text(encoding="utf-8")


class Browser:
    """One Chromium window with the few things that the tests do in it."""

    def __init__(self, profile: Path, size: tuple[int, int] = (1800, 1100)) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = chromium()
        for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}"):
            options.add_argument(flag)
        driver = find_program("chromedriver")
        self.driver = webdriver.Chrome(options, webdriver.ChromeService(driver))
        self.driver.set_script_timeout(PATIENCE)

    def close(self) -> None:
        self.driver.quit()

    def script(self, code: str, *arguments: Any) -> Any:
        """Run JavaScript in the page and return what it returns."""
        return self.driver.execute_script(code, *arguments)

    def promise(self, code: str, *arguments: Any) -> Any:
        """Run the body of an asynchronous JavaScript function and return what it resolves to."""
        body = (
            "const done = arguments[arguments.length - 1];"
            f"(async (...given) => {{ {code} }})(...arguments)"
            ".then((value) => done([value, null]), (problem) => done([null, String(problem)]));"
        )
        value, problem = self.driver.execute_async_script(body, *arguments)
        assert problem is None, problem
        return value

    def page(self, function: str, *arguments: Any) -> Any:
        """What a function of `page.js` returns for these arguments."""
        return self.promise(f"{PAGE}\nreturn {function}(...given);", *arguments)

    def wait(self, condition: str, *arguments: Any) -> Any:
        """Wait until a JavaScript expression is true; returns its value."""
        return WebDriverWait(self.driver, PATIENCE, 0.2).until(
            lambda driver: driver.execute_script(f"return {condition}", *arguments),
            f"this did not come true: {condition}",
        )

    def find(self, selector: str, inside: WebElement | None = None) -> WebElement:
        return (inside or self.driver).find_element(By.CSS_SELECTOR, selector)

    def open_notebook(self, address: str, name: str) -> None:
        """Open a notebook below `address`, run all of its cells and wait until they are done."""
        self.driver.get(f"{address}/{name}?reset")
        self.wait("window.jupyterapp?.shell?.currentWidget?.sessionContext?.isReady")
        self.script("jupyterapp.shell.collapseLeft?.()")
        self.script(
            "window.finished = false;"
            "jupyterapp.commands.execute('notebook:run-all-cells').then(() => { finished = true; })"
        )
        self.wait("window.finished")
        problems = self.page("errors")
        assert not problems, problems[0]

    def shown(self, inside: str = "body") -> WebElement:
        """The first viewer in the page, or in what a selector finds, once it shows its scene."""
        return self.wait(f"document.querySelector('{inside} .seglib-viewer[data-state=ready]')")

    def pixel(self, viewer: WebElement, x: float, y: float) -> list[int]:
        """The RGB of the canvas at a place given as shares of width and height, after a redraw."""
        self.settle()
        return self.page("pixel", viewer, x, y)

    def settle(self) -> None:
        """Wait for two frames, so that what was asked for has been drawn."""
        self.promise("for (const _ of [1, 2]) await new Promise(requestAnimationFrame)")

    def press(self, viewer: WebElement, control: str) -> None:
        self.find(f"[data-control='{control}']", viewer).click()

    def slide(self, viewer: WebElement, control: str, value: int) -> None:
        self.page("slide", self.find(f"[data-control={control}]", viewer), value)

    def keys(self, *keys: str) -> None:
        """Type where the focus is."""
        ActionChains(self.driver, 50).send_keys(*keys).perform()
        self.settle()

    def select(self, viewer: WebElement, control: str, position: int) -> None:
        self.page("choose", self.find(f"[data-control='{control}']", viewer), position)
        if control == "scene":
            ready = "arguments[0].dataset.scene === arguments[1] && "
            ready += "arguments[0].dataset.state === 'ready'"
            self.wait(ready, viewer, str(position))

    def hover(self, viewer: WebElement, x: float, y: float) -> dict[str, str]:
        """Point at a place, given as shares of the canvas, and read what the viewer says of it."""
        canvas = self.find("canvas", viewer)
        size = canvas.size
        offset = round((x - 0.5) * size["width"]), round((y - 0.5) * size["height"])
        ActionChains(self.driver, 50).move_to_element_with_offset(canvas, *offset).perform()
        return self.page("facts", viewer)

    def upload(self, *paths: Path) -> None:
        """Choose files in the page's only panel for photographs."""
        self.find(".seglib-panel input").send_keys("\n".join(map(str, paths)))

    def hold_all_cells(self) -> None:
        """Let JupyterLab keep in the page what is out of view."""
        book = "window.jupyterapp.shell.currentWidget.content"
        self.script(f"{book}.notebookConfig = {{...{book}.notebookConfig, windowingMode: 'none'}}")

    def told(self, part: str) -> str:
        """The panel's line, once it holds `part` and nothing is at work."""
        line = "(document.querySelector('.seglib-line')?.textContent ?? '')"
        idle = "document.querySelector('.seglib-working').hidden"
        ready = f"{line}.includes(arguments[0]) && {idle} && {line}"
        return self.wait(ready, part)
