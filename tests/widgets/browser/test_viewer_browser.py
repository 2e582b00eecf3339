"""Viewer and photo panel in a real JupyterLab: what the canvas shows, pixel by pixel.

Notebook 7 is tried with the same viewer, but only for what could differ there.

Needs Chromium, chromedriver and the extra `browser`; skipped without them, and says so.
"""

import base64
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow
pytest.importorskip("selenium", reason="browser tests need selenium: '.[browser]'")
pytest.importorskip("jupyterlab", reason="browser tests need JupyterLab: '.[notebooks]'")

# After the skips above:
from jupyter_browser import (  # noqa: E402
    BUILDING,
    CAR,
    HOSTILE,
    PHOTO,
    ROAD,
    SKY,
    VIEWER_CELL,
    Browser,
    jupyter,
    need_chromium,
    write_notebook,
)
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.remote.webelement import WebElement  # noqa: E402

need_chromium()


PANEL_CELL = """
import torch
from types import SimpleNamespace
from seglib.evaluation.predictor import Predictor
from seglib.labels import ClassSet, label_by_name
from seglib.widgets import PhotoPanel

class Brightest(torch.nn.Module):  # reddest pixels are road, greenest car, bluest sky
    def forward(self, batch):
        return batch

three = ClassSet("three", tuple(map(label_by_name, ("road", "car", "sky"))))
panel = PhotoPanel(Predictor(Brightest(), three))
panel._example = SimpleNamespace(name="example", image="example.png")
panel.input.example = "example"
panel
"""


def street(height: int, width: int, noise: int = 0) -> Image.Image:
    """Red on the left, blue on the right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = pixels[:, width // 2 :, 2] = 150
    grain = np.random.default_rng(0).integers(0, noise + 1, pixels.shape, dtype=np.uint8)
    return Image.fromarray(pixels + grain)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("lab")
    write_notebook(made / "viewer.ipynb", [VIEWER_CELL, PANEL_CELL, "print('last cell')"])
    street(60, 80).save(made / "example.png")
    return made


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator[Browser]:
    """A window with the notebook above, all cells run."""
    with jupyter(folder) as address, closing(Browser(folder / "profile")) as window:
        behaviour = {"behavior": "allow", "downloadPath": str(folder)}
        window.driver.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)
        window.open_notebook(address, "viewer.ipynb")
        yield window


@pytest.fixture
def viewer(browser: Browser) -> WebElement:
    """The first viewer, on its first scene and with every control as it was at first."""
    root = browser.shown()
    browser.script("arguments[0].scrollIntoView()", root)
    browser.select(root, "scene", 0)
    browser.select(root, "model", 0)
    for name in ("prediction", "fill", "fit"):
        browser.press(root, name)
    for button in root.find_elements("css selector", ".seglib-class[aria-pressed=false]"):
        button.click()
    browser.slide(root, 55)
    browser.settle()
    return root


def blend(color: tuple[int, ...], opacity: float) -> np.ndarray:
    return (1 - opacity) * np.array(PHOTO) + opacity * np.array(color)


def close_to(expected) -> object:
    return pytest.approx(list(expected), abs=2)


def test_opacity_slider_blends_the_classes_over_the_photograph(browser, viewer) -> None:
    for value in (0, 40, 100):
        browser.slide(viewer, value)
        assert browser.pixel(viewer, 0.25, 0.37) == close_to(blend(BUILDING, value / 100))
        assert browser.pixel(viewer, 0.5, 0.8) == close_to(blend(ROAD, value / 100))


def test_legend_tells_shares_and_switches_a_class_off_and_on(browser, viewer) -> None:
    rows = [browser.find(f"[data-class='{key}']", viewer).text for key in (0, 10, 13, "void")]
    assert [row.split() for row in rows] == [
        ["0", "road", "50.0", "50.0", "100"], ["10", "sky", "21.9", "21.9", "100"],
        ["13", "car", "12.5", "–", "0"], ["–", "void", "3.1", "3.1"],
    ]
    browser.slide(viewer, 100)
    road = browser.find("[data-class='0']", viewer)
    road.click()
    assert browser.pixel(viewer, 0.5, 0.8) == close_to(PHOTO)
    assert browser.pixel(viewer, 0.5, 0.15) == close_to(SKY)
    assert road.get_attribute("aria-pressed") == "false"
    road.click()
    assert browser.pixel(viewer, 0.5, 0.8) == close_to(ROAD)


def test_truth_errors_and_outlines_show_what_they_promise(browser, viewer) -> None:
    browser.slide(viewer, 100)
    browser.press(viewer, "truth")
    assert browser.pixel(viewer, 0.75, 0.37) == close_to(CAR)
    assert browser.pixel(viewer, 0.5, 0.01) == close_to(PHOTO)  # void stays bare
    browser.press(viewer, "errors")
    assert browser.pixel(viewer, 0.75, 0.37) == close_to((187, 35, 60))
    right = browser.pixel(viewer, 0.25, 0.37)
    assert max(right) - min(right) < 20 and min(right) > 190  # light grey
    browser.press(viewer, "truth")
    browser.press(viewer, "outline")
    assert browser.pixel(viewer, 0.75, 0.37) == close_to(PHOTO)  # areas are bare
    column = [browser.pixel(viewer, 0.75, 0.5 + step / 1000) for step in range(-6, 7)]
    assert close_to(ROAD) in column and close_to(CAR) in column  # both sides of their border


def test_swipe_shows_truth_left_and_prediction_right_of_a_divider(browser, viewer) -> None:
    browser.slide(viewer, 100)
    browser.press(viewer, "swipe")
    assert browser.pixel(viewer, 0.75, 0.37) == close_to(BUILDING)
    canvas = browser.find("canvas", viewer)
    far = round(0.4 * canvas.size["width"])
    drag = ActionChains(browser.driver, 50).move_to_element(canvas).click_and_hold()
    drag.move_by_offset(far, 0).release().perform()
    assert browser.pixel(viewer, 0.75, 0.37) == close_to(CAR)


def test_pointer_reads_truth_prediction_and_confidence(browser, viewer) -> None:
    facts = browser.hover(viewer, 0.75, 0.37)
    assert facts["truth"].split() == ["truth", "13", "car"]
    assert facts["prediction"].split() == ["prediction", "2", "building"]
    assert facts["confidence"].split() == ["confidence", "87", "%"]
    assert browser.hover(viewer, 0.5, 0.01)["truth"].split() == ["truth", "void"]


def test_zoom_magnifies_around_the_pointer(browser, viewer) -> None:
    browser.slide(viewer, 100)
    assert browser.pixel(viewer, 0.5, 0.75) == close_to(ROAD)
    canvas = browser.find("canvas", viewer)
    place = -round(0.4 * canvas.size["width"]), -round(0.35 * canvas.size["height"])
    pointer = ActionChains(browser.driver, 50).move_to_element_with_offset(canvas, *place)
    pointer.double_click().perform()
    assert browser.pixel(viewer, 0.5, 0.75) == close_to(BUILDING)
    assert viewer.get_attribute("data-zoom") == "2.00"
    browser.press(viewer, "fit")
    assert browser.pixel(viewer, 0.5, 0.75) == close_to(ROAD)


def test_keys_steer_the_viewer_and_not_the_notebook(browser, viewer) -> None:
    cells = "return document.querySelectorAll('.jp-CodeCell').length"
    before = browser.script(cells)
    browser.slide(viewer, 100)
    browser.find("canvas", viewer).click()
    send = ActionChains(browser.driver, 50)
    send.send_keys("t").perform()
    assert browser.pixel(viewer, 0.75, 0.37) == close_to(CAR)
    send.send_keys("a").perform()  # in JupyterLab: insert a cell above
    assert browser.pixel(viewer, 0.75, 0.37) == close_to(PHOTO)
    send.send_keys("a", "m", "p").perform()  # in JupyterLab m turns the cell into text
    assert browser.find("[data-fact=score]", viewer).text == "mIoU 100.0 %"
    send.send_keys("d", "d").perform()  # in JupyterLab: delete the cell
    send.send_keys("w").perform()
    browser.wait("arguments[0].dataset.scene === '0'", viewer, timeout=20)
    assert browser.script(cells) == before


def test_names_from_files_are_text_and_never_markup(browser, viewer) -> None:
    browser.press(viewer, "next")
    browser.wait("arguments[0].dataset.scene === '1'", viewer, timeout=20)
    chosen = "return arguments[0].querySelector('select').selectedOptions[0].text"
    assert browser.script(chosen, viewer) == HOSTILE
    browser.slide(viewer, 0)
    assert browser.pixel(viewer, 0.5, 0.8) == close_to(255 - part for part in PHOTO)
    assert not browser.script("return window.hacked || document.querySelector('img[src=x]')")


def test_redraw_takes_less_than_a_frame(browser, viewer, capsys) -> None:
    measured = browser.page("measure", viewer, 40)
    redraw, latency = sorted(measured["redraw"]), sorted(measured["latency"])
    with capsys.disabled():
        print(
            f"\nviewer redraw at {measured['width']}x{measured['height']}: "
            f"median {statistics.median(redraw):.1f} ms, 95 % within {redraw[-3]:.1f} ms; "
            f"from the slider to the pixels: median {statistics.median(latency):.1f} ms"
        )
    assert measured["width"] >= 1024 and measured["height"] >= 512
    assert statistics.median(redraw) < 16


def test_photo_of_15_megabytes_arrives_upright(browser, tmp_path) -> None:
    browser.find("[data-control=example]").send_keys(Keys.ENTER)  # not the notebook's here
    assert browser.told("80×60 pixels").startswith("example: ")
    panel = browser.shown(".seglib-photos")
    browser.slide(panel, 100)
    assert browser.pixel(panel, 0.25, 0.5) == close_to(ROAD)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right by a quarter
    street(3000, 4000, noise=104).save(tmp_path / "large.jpg", quality=99, exif=exif)
    assert (tmp_path / "large.jpg").stat().st_size > 15e6
    browser.upload(tmp_path / "large.jpg")
    line = browser.told("pixels segmented in", timeout=120)
    assert line.startswith("large.jpg: 3000×4000 pixels") and ", sent as " in line
    assert browser.pixel(panel, 0.5, 0.25) == close_to(ROAD)
    assert browser.pixel(panel, 0.5, 0.75) == close_to(SKY)


def test_photos_are_dropped_pasted_chosen_together_or_refused_in_a_line(browser, tmp_path) -> None:
    street(40, 60).save(tmp_path / "<b>a.png")
    content = base64.b64encode((tmp_path / "<b>a.png").read_bytes()).decode()
    root, canvas = browser.find(".seglib-panel"), browser.find(".seglib-photos canvas")
    assert browser.page("give", canvas, "drop", "dropped.png", content)
    assert browser.told("dropped.png: 60×40")
    root.click()
    assert browser.page("give", root, "paste", "pasted.png", content)
    assert browser.told("pasted.png: 60×40")
    Image.fromarray(255 - np.asarray(street(40, 60))).save(tmp_path / "b.png")
    browser.upload(tmp_path / "<b>a.png", tmp_path / "b.png")
    assert browser.told("2 photographs segmented")
    panel = browser.shown(".seglib-photos")
    browser.select(panel, "scene", 1)
    browser.slide(panel, 0)
    assert browser.pixel(panel, 0.2, 0.5) == close_to((105, 255, 255))
    for name, size, line in (("c.jpg", 99, "cannot be read: not an image"), ("d.tif", 9_000_000,
                             "9.0 MB are more than Jupyter takes at once")):
        (tmp_path / name).write_bytes(bytes(size))
        browser.upload(tmp_path / name)
        assert browser.told(line).startswith(f"⚠ {name}: {line}")


def test_saved_are_the_whole_picture_with_legend_and_the_label_ids(
    browser, viewer, folder
) -> None:
    browser.slide(viewer, 100)
    browser.press(viewer, "more")  # what is saved is the whole, nevertheless
    browser.press(viewer, "save")
    browser.wait("arguments[0].textContent.includes('Saved at 1024×512')", viewer, timeout=20)
    picture, mask = folder / "first-Alpha-prediction.png", folder / "first-Alpha_labelIds.png"
    while not (mask.exists() and picture.exists()):
        time.sleep(0.1)
    mask, picture = np.asarray(Image.open(mask)), np.asarray(Image.open(picture))
    assert mask.shape == (512, 1024) and mask[::128, 700].tolist() == [23, 11, 7, 7]
    counts = [(picture[:550, 700, :3] == color).all(1).sum() for color in (SKY, BUILDING, ROAD)]
    assert picture.shape[1] == 1024 and counts == [128, 128, 256]
    below = {tuple(color) for color in picture[560:, :, :3].reshape(-1, 3).tolist()}
    assert {SKY, BUILDING, ROAD} < below and CAR not in below  # the legend


def test_save_escape_and_shift_enter_reach_the_notebook(browser, viewer) -> None:
    notebook, send = "jupyterapp.shell.currentWidget", ActionChains(browser.driver)
    active = f"return {notebook}.content.activeCellIndex"
    browser.script(f"{notebook}.model.dirty = true")
    canvas = browser.find("canvas", viewer)
    canvas.click()
    send.key_down(Keys.CONTROL).send_keys("s").key_up(Keys.CONTROL).perform()
    browser.wait(f"!{notebook}.model.dirty", timeout=20)
    assert browser.script(active) == 0
    send.send_keys(Keys.ESCAPE, Keys.ARROW_DOWN).perform()
    assert browser.script(active) == 1  # the arrow was the notebook's
    canvas.click()
    send.key_down(Keys.SHIFT).send_keys(Keys.ENTER).key_up(Keys.SHIFT).perform()
    browser.wait(f"{notebook}.content.activeCellIndex === 1", timeout=20)


def test_pixel_ratio_is_followed_and_nothing_clipped_at_320_pixels(browser, viewer) -> None:
    canvas = browser.find("canvas", viewer)
    size = "return [arguments[0].width, arguments[0].clientWidth]"
    width, shown = browser.script(size, canvas)
    metrics = {"width": 0, "height": 0, "deviceScaleFactor": 2, "mobile": False}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.settle()
    assert browser.script(size, canvas) == [2 * width, shown]
    browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.settle()
    assert browser.script(size, canvas) == [width, shown]
    for root in (viewer, browser.find(".seglib-panel")):
        browser.script("arguments[0].parentElement.style.width = '320px'", root)
        browser.settle()
        assert browser.page("clipped", root) == []
        browser.script("arguments[0].parentElement.style.width = ''", root)


def test_dead_kernel_is_told_and_reopened_notebook_shows_the_picture(
    browser, viewer, tmp_path
) -> None:
    context = "jupyterapp.shell.currentWidget.sessionContext"
    assert browser.page("seen") == [0, 0, 2]  # alive: no picture beside the widgets
    browser.promise(f"await {context}.session.kernel.restart()")
    street(50, 70).save(tmp_path / "late.png")
    browser.upload(tmp_path / "late.png")
    line = browser.told("late.png: the kernel", timeout=30)
    assert line.startswith("⚠ ") and "run this cell again" in line
    browser.slide(viewer, 100)  # the viewer lives on without it
    browser.press(viewer, "truth")
    assert browser.pixel(viewer, 0.75, 0.37) == close_to(CAR)
    browser.select(viewer, "scene", 1)
    assert browser.pixel(viewer, 0.5, 0.01) == close_to(255 - part for part in PHOTO)
    browser.promise(
        f"await jupyterapp.commands.execute('docmanager:save'); await {context}.shutdown();"
    )
    browser.driver.refresh()
    browser.wait("window.jupyterapp?.shell?.currentWidget?.content?.widgets?.length")
    time.sleep(6)  # until Jupyter gives up looking for the widgets
    assert browser.page("seen") == [2, 0, 0]


def test_viewer_works_in_notebook_7(tmp_path: Path) -> None:
    pytest.importorskip("notebook", "7", reason="Notebook 7 is not installed: '.[browser]'")
    write_notebook(tmp_path / "viewer.ipynb", [VIEWER_CELL])
    with jupyter(tmp_path, "notebook") as address, closing(Browser(tmp_path / "home")) as window:
        window.open_notebook(address, "viewer.ipynb")
        viewer = window.shown()
        window.slide(viewer, 100)
        window.find("[data-class='0']", viewer).click()
        assert window.pixel(viewer, 0.5, 0.8) == close_to(PHOTO)
        window.select(viewer, "model", 1)
        assert window.pixel(viewer, 0.75, 0.37) == close_to(CAR)
        assert window.page("seen") == [0, 0, 1]
        cells = "return document.querySelectorAll('.jp-CodeCell').length"
        before = window.script(cells)
        window.find("canvas", viewer).click()
        ActionChains(window.driver, 50).send_keys("t", "d", "d").perform()
        assert window.script(cells) == before  # keys are the viewer's, not the notebook's
