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
PATIENCE = 240  # seconds: importing torch on a busy machine alone can take a minute
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-dev-shm-usage "
    "--disable-background-networking --disable-component-update --disable-sync --hide-scrollbars"
).split()


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
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
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


# Moves the slider, `times` times, and measures each redraw until its pixels can be read.
MEASURE = """
const [viewer, times] = given;
const canvas = viewer.querySelector("canvas"), slider = viewer.querySelector("[type=range]");
const result = { redraw: [], latency: [], width: canvas.width, height: canvas.height };
for (let i = 0; i < times; i++) {
  await new Promise((resolve) => setTimeout(resolve, 30));
  const drawn = new Promise((resolve) => viewer.addEventListener("seglib-draw", (event) => {
    const begin = performance.now();
    canvas.getContext("2d").getImageData(0, 0, 1, 1); // waits until the picture is finished
    resolve([event.detail.milliseconds + performance.now() - begin, performance.now()]);
  }, { once: true }));
  slider.value = 20 + (i * 7) % 70;
  const moved = performance.now();
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  const [redraw, end] = await drawn;
  result.redraw.push(redraw);
  result.latency.push(end - moved);
}
return result;
"""

# Keeps what the page would send to the kernel, as if the line were dead, until it is released.
HOLD = """
window.held = [];
window.sendLater = WebSocket.prototype.send;
WebSocket.prototype.send = function (...data) { window.held.push([this, data]); };
"""
RELEASE = """
WebSocket.prototype.send = window.sendLater;
for (const [socket, data] of window.held) socket.send(...data);
return window.held.length;
"""


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

    def wait(self, condition: str, *arguments: Any, timeout: float = PATIENCE) -> Any:
        """Wait until a JavaScript expression is true; returns its value."""
        return WebDriverWait(self.driver, timeout, 0.2).until(
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
        problems = self.script(
            "return [...jupyterapp.shell.currentWidget.content.model.cells]"
            ".flatMap((cell) => cell.toJSON().outputs ?? [])"
            ".filter((output) => output.output_type === 'error')"
            ".map((output) => `${output.ename}: ${output.evalue}`)"
        )
        assert not problems, problems[0]

    def viewers(self, count: int) -> list[WebElement]:
        """The viewers in the page, once there are `count` and all show their scene."""
        ready = "document.querySelectorAll('.seglib-viewer[data-state=ready]')"
        self.wait(f"{ready}.length === arguments[0]", count)
        return self.driver.find_elements(By.CSS_SELECTOR, ".seglib-viewer")

    def pixel(self, viewer: WebElement, x: float, y: float) -> list[int]:
        """The RGB of the canvas at a place given as shares of width and height, after a redraw."""
        self.settle()
        return self.script(
            """const canvas = arguments[0].querySelector("canvas");
            const x = Math.floor(arguments[1] * canvas.width);
            const y = Math.floor(arguments[2] * canvas.height);
            return [...canvas.getContext("2d").getImageData(x, y, 1, 1).data.slice(0, 3)];""",
            viewer, x, y,
        )

    def settle(self) -> None:
        """Wait for two frames, so that what was asked for has been drawn."""
        self.promise("for (const _ of [1, 2]) await new Promise(requestAnimationFrame)")

    def press(self, viewer: WebElement, control: str) -> None:
        self.find(f"[data-control='{control}']", viewer).click()

    def slide(self, viewer: WebElement, value: int) -> None:
        self.script(
            """arguments[0].value = arguments[1];
            for (const name of ["input", "change"])
              arguments[0].dispatchEvent(new Event(name, { bubbles: true }));""",
            self.find("[data-control=opacity]", viewer), value,
        )

    def select(self, viewer: WebElement, control: str, position: int) -> None:
        self.script(
            """arguments[0].selectedIndex = arguments[1];
            arguments[0].dispatchEvent(new Event("change", { bubbles: true }));""",
            self.find(f"[data-control='{control}']", viewer), position,
        )
        if control == "scene":
            ready = "arguments[0].dataset.scene === arguments[1] && "
            ready += "arguments[0].dataset.state === 'ready'"
            self.wait(ready, viewer, str(position), timeout=20)

    def hover(self, viewer: WebElement, x: float, y: float) -> dict[str, str]:
        """Point at a place, given as shares of the canvas, and read what the viewer says of it."""
        canvas = self.find("canvas", viewer)
        size = canvas.size
        offset = round((x - 0.5) * size["width"]), round((y - 0.5) * size["height"])
        ActionChains(self.driver, 50).move_to_element_with_offset(canvas, *offset).perform()
        return self.script(
            """const facts = [...arguments[0].querySelectorAll("[data-part=readout] [data-fact]")];
            return Object.fromEntries(facts.map((node) => [node.dataset.fact, node.innerText]));""",
            viewer,
        )

    def measure_redraw(self, viewer: WebElement, times: int = 40) -> dict[str, Any]:
        """Milliseconds of `times` redraws, alone and from the slider's movement on."""
        return self.promise(MEASURE, viewer, times)

    @contextlib.contextmanager
    def kernel_unreachable(self) -> Iterator[None]:
        """Hold back every message to the kernel within the block."""
        self.script(HOLD)
        try:
            yield
        finally:
            self.script(RELEASE)

    def upload(self, path: Path) -> None:
        """Choose a file in the page's only upload button, whose file input is not in the page."""
        self.script(
            """const click = HTMLInputElement.prototype.click;
            HTMLInputElement.prototype.click = function () {
              if (this.type !== "file") return click.call(this);
              this.id = "chosen-file";
              document.getElementById("chosen-file")?.remove();
              document.body.append(this);
            };"""
        )
        self.find("button.widget-upload").click()
        self.find("#chosen-file").send_keys(str(path))
