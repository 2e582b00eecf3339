"""The viewer and the upload panel in a real JupyterLab: what the canvas shows, pixel by pixel.

Notebook 7 is tried with the same viewer, but only for what could differ there.

Needs Chromium, chromedriver and the extra `browser`; skipped without them, and says so.
"""

import statistics
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
from jupyter_browser import Browser, jupyter, need_chromium, write_notebook  # noqa: E402
from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.remote.webelement import WebElement  # noqa: E402

need_chromium()

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
    photo_format="png",
)
second
"""
STATE_CELL = "viewer = second; print('kernel is ready')"
PANEL_CELL = """
import torch
from seglib.labels import ClassSet, label_by_name
from seglib.evaluation.predictor import Predictor
from seglib.widgets import PhotoPanel

class Brightest(torch.nn.Module):  # reddest pixels are road, greenest car, bluest sky
    def forward(self, batch):
        return batch

names = ("road", "car", "sky")
panel = PhotoPanel(Predictor(Brightest(), ClassSet("three", tuple(map(label_by_name, names)))))
panel
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A window with the notebook above, all cells run."""
    folder = tmp_path_factory.mktemp("lab")
    write_notebook(folder / "viewer.ipynb", [VIEWER_CELL, STATE_CELL, PANEL_CELL])
    with jupyter(folder) as address, closing(Browser(folder / "profile")) as window:
        window.open_notebook(address, "viewer.ipynb")
        yield window


@pytest.fixture
def viewer(browser: Browser) -> WebElement:
    """The first viewer, on its first scene and with every control as it was at first."""
    root = browser.viewers(1 if not browser.script(PANEL_SHOWS) else 2)[0]
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


PANEL_SHOWS = "return document.querySelectorAll('.seglib-viewer').length > 1"


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
    texts = [browser.find(f"[data-class='{index}']", viewer).text for index in (0, 13)]
    assert [text.split() for text in texts] == [
        ["0", "road", "50.0", "50.0", "100"], ["13", "car", "12.5", "–", "0"],
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


def test_nothing_seen_waits_for_the_kernel(browser, viewer) -> None:
    with browser.kernel_unreachable():
        browser.slide(viewer, 100)
        browser.find("[data-class='0']", viewer).click()
        browser.press(viewer, "truth")
        assert browser.pixel(viewer, 0.5, 0.8) == close_to(PHOTO)
        assert browser.pixel(viewer, 0.75, 0.37) == close_to(CAR)
        assert browser.hover(viewer, 0.75, 0.37)["truth"].split() == ["truth", "13", "car"]
        browser.select(viewer, "scene", 1)
        assert browser.pixel(viewer, 0.5, 0.8) == close_to(255 - part for part in PHOTO)


def test_redraw_takes_less_than_a_frame(browser, viewer, capsys) -> None:
    measured = browser.measure_redraw(viewer)
    redraw, latency = sorted(measured["redraw"]), sorted(measured["latency"])
    with capsys.disabled():
        print(
            f"\nviewer redraw at {measured['width']}x{measured['height']}: "
            f"median {statistics.median(redraw):.1f} ms, 95 % within {redraw[-3]:.1f} ms; "
            f"from the slider to the pixels: median {statistics.median(latency):.1f} ms"
        )
    assert measured["width"] >= 1024 and measured["height"] >= 512
    assert statistics.median(redraw) < 16


def test_upload_is_shown_segmented_or_refused_in_one_line(browser, viewer, tmp_path) -> None:
    photo = np.zeros((120, 200, 3), dtype=np.uint8)
    photo[:, :100, 0], photo[:, 100:, 2] = 220, 220  # red is road, blue is sky
    path = tmp_path / "<b>street & co.png"
    Image.fromarray(photo).save(path)
    browser.upload(path)
    panel = browser.viewers(2)[1]
    status = browser.find(".widget-html [role]").text
    assert status.startswith("<b>street & co.png: 200×120 pixels segmented in ")
    browser.script("arguments[0].scrollIntoView()", panel)
    browser.slide(panel, 100)
    assert browser.pixel(panel, 0.25, 0.5) == close_to(ROAD)
    assert browser.pixel(panel, 0.75, 0.5) == close_to(SKY)
    assert "confidence" in browser.hover(panel, 0.25, 0.5)
    path = tmp_path / "holiday.jpg"
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    browser.upload(path)
    browser.wait("document.querySelector('.widget-html [role=alert]')", timeout=30)
    line = browser.find(".widget-html [role=alert]").text
    assert line.startswith("⚠ holiday.jpg: cannot be read: not an image")
    assert "\n" not in line


def test_viewer_works_in_notebook_7(tmp_path: Path) -> None:
    pytest.importorskip("notebook", "7", reason="Notebook 7 is not installed: '.[browser]'")
    write_notebook(tmp_path / "viewer.ipynb", [VIEWER_CELL])
    profile = tmp_path / "profile"
    with jupyter(tmp_path, "notebook") as address, closing(Browser(profile)) as window:
        window.open_notebook(address, "viewer.ipynb")
        (viewer,) = window.viewers(1)
        window.slide(viewer, 100)
        assert window.pixel(viewer, 0.5, 0.8) == close_to(ROAD)
        window.find("[data-class='0']", viewer).click()
        assert window.pixel(viewer, 0.5, 0.8) == close_to(PHOTO)
        assert window.hover(viewer, 0.75, 0.37)["prediction"].split()[2] == "building"
        window.select(viewer, "model", 1)
        assert window.pixel(viewer, 0.75, 0.37) == close_to(CAR)
        cells = "return document.querySelectorAll('.jp-CodeCell').length"
        before = window.script(cells)
        window.find("canvas", viewer).click()
        ActionChains(window.driver, 50).send_keys("t", "d", "d").perform()
        assert window.script(cells) == before  # keys are the viewer's, not the notebook's
