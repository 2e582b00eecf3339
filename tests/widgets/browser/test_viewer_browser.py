"""Viewer and photo panel in a real JupyterLab: what the canvas shows, pixel by pixel.

Notebook 7 is tried with the same viewer, but only for what could differ there.

Needs Chromium, chromedriver and the extra `browser`; skipped without them, and says so.
"""

import base64
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


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A window for the same viewer in a page of its own, opened from disk."""
    made, names = tmp_path_factory.mktemp("disk"), {}
    exec(VIEWER_CELL, names)
    names["second"].write_page(made / "page.html", HOSTILE)
    with closing(Browser(made / "profile")) as window:
        window.address, window.second = (made / "page.html").as_uri(), names["second"]
        yield window
        assert not [line for line in window.driver.get_log("browser") if line["level"] == "SEVERE"]


@pytest.fixture
def viewer(disk: Browser) -> WebElement:
    """The viewer in that page as it is at first, but with opaque classes."""
    disk.driver.get(disk.address)
    root = disk.shown()
    disk.slide(root, "opacity", 100)
    return root


def blend(color: tuple[int, ...], opacity: float) -> np.ndarray:
    return (1 - opacity) * np.array(PHOTO) + opacity * np.array(color)


def close_to(expected) -> object:
    return pytest.approx(list(expected), abs=2)


RED, BLUE, GOLD = (187, 35, 60), (0, 68, 136), (221, 170, 51)
RIGHT = blend((222, 226, 230), 130 / 255)
UNSURE = blend((141, 37, 96), 211 / 255)  # the heat map's colour of 87 %
ON_CAR, ON_BUILDING, ON_SKY = (0.75, 0.37), (0.25, 0.37), (0.5, 0.15)
ON_ROAD, ON_VOID = (0.5, 0.8), (0.5, 0.01)


@pytest.mark.parametrize(("keys", "seen"), [
    ("", {ON_CAR: BUILDING, ON_ROAD: ROAD}),
    ("t", {ON_CAR: CAR, ON_SKY: SKY, ON_VOID: PHOTO}),  # void stays bare
    ("to", {ON_CAR: PHOTO, (0.25, 0.252): BUILDING, (0.25, 0.248): SKY}),  # sides of borders
    ("e", {ON_CAR: RED, ON_BUILDING: RIGHT, ON_VOID: PHOTO}),
    ("eo", {ON_BUILDING: PHOTO, (0.501, 0.37): RED}), ("c", {ON_CAR: UNSURE, ON_SKY: UNSURE}),
    ("b", {ON_CAR: GOLD, ON_ROAD: RIGHT}), ("bx", {ON_CAR: BLUE, ON_ROAD: RIGHT}),
    ("s", {ON_BUILDING: BUILDING, ON_CAR: BUILDING, (0.2, 0.01): PHOTO}),  # truth on the left
    ("bps", {ON_BUILDING: BUILDING, ON_CAR: CAR}), ("bpsx", {ON_CAR: BUILDING}),
    ("bpss", {(0.75, 0.19): BUILDING, (0.75, 0.69): CAR}),  # one below the other
    ("bpss+++", {(0.6, 0.19): BUILDING, (0.6, 0.69): CAR, (0.5, 0.4): ROAD, (0.5, 0.9): ROAD}),
    ("bess", {(0.75, 0.19): RED, (0.75, 0.69): RIGHT}), ("a", {ON_CAR: PHOTO, ON_ROAD: PHOTO}),
])
def test_each_view_shows_what_it_promises(disk, viewer, keys: str, seen: dict) -> None:
    disk.keys(keys)
    assert [disk.pixel(viewer, *at) for at in seen] == [close_to(color) for color in seen.values()]
    if keys == "bpss+++":
        assert viewer.get_attribute("data-zoom") == "3.38"


def test_shares_and_mistakes_are_told_below_the_picture(disk, viewer) -> None:
    def key() -> str:
        return disk.find("[data-part=key]", viewer).text.replace("\n", " ")

    disk.keys("b")
    shares = "✓ both right 87.1 % A only A right 0.0 % B only B right 12.9 % ✗ both wrong 0.0 %"
    assert key() == shares
    assert disk.find("[data-fact=score]", viewer).text == "mIoU 62.5 | 100.0 %"
    disk.select(viewer, "against", 0)
    disk.keys("e")
    disk.select(viewer, "class", 14)
    assert disk.pixel(viewer, *ON_CAR) == close_to(BLUE)
    assert "missed 100.0 % of car: taken for building 100 %; false none of what" in key()
    disk.select(viewer, "class", 3)
    assert disk.pixel(viewer, *ON_CAR) == close_to(GOLD)
    assert disk.pixel(viewer, *ON_BUILDING) == close_to(RIGHT)
    assert key().endswith("false 50.0 % of what is called building: in truth car 100 %")
    disk.hover(viewer, *ON_SKY)
    disk.keys("k")  # the class that is pointed at
    assert disk.pixel(viewer, *ON_SKY) == close_to(RIGHT)
    assert disk.pixel(viewer, *ON_CAR) == close_to(PHOTO)


def test_overview_is_sorted_filtered_and_opens_scenes(disk, viewer) -> None:
    def cards() -> list[str]:
        disk.settle()
        found = viewer.find_elements("css selector", ".seglib-card")
        return [card.text.split("\n") for card in found]

    disk.keys("g")
    assert cards() == [["first", "mIoU 62.5 %"], [HOSTILE, "mIoU 100.0 %"]]
    disk.wait("arguments[0].querySelector('[data-card=\"1\"] canvas').width > 200", viewer)
    card = disk.find("[data-card='1']", viewer)
    for _ in range(50):
        if (found := disk.page("pixel", card, *ON_ROAD)) == close_to(ROAD):
            break
        time.sleep(0.1)
    assert found == close_to(ROAD)
    disk.select(viewer, "class", 14)
    disk.select(viewer, "sort", 2)
    told = ["car 0.0 % · mIoU 62.5 %", "car 100.0 % · mIoU 100.0 %"]
    assert cards() == [["first", told[0]], [HOSTILE, told[1]]]
    disk.select(viewer, "filter", 2)  # where the network sees a car
    assert [card[0] for card in cards()] == [HOSTILE]
    disk.select(viewer, "filter", 1)
    disk.select(viewer, "against", 2)
    disk.select(viewer, "sort", 3)
    assert cards() == [["first", "12.9 % differ · mIoU 62.5 | 100.0 %"]]
    disk.select(viewer, "sort", 1)
    disk.select(viewer, "against", 0)
    disk.keys(Keys.ARROW_RIGHT, Keys.ENTER)
    disk.wait("arguments[0].dataset.scene === '1'", viewer)
    assert disk.pixel(viewer, *ON_CAR) == close_to(CAR)


def test_confusion_of_two_classes_opens_the_scenes_behind_it(disk, tmp_path) -> None:
    disk.second.show_confusion("car", "building")
    disk.second.write_page(tmp_path / "page.html", "Confusion")
    disk.driver.get((tmp_path / "page.html").as_uri())
    cards = disk.shown().find_elements("css selector", ".seglib-card")
    assert [card.text for card in cards] == ["first\n65,536 pixels · mIoU 62.5 %"]


def test_legend_switches_lights_up_and_counts(disk, viewer) -> None:
    rows = [disk.find(f"[data-class='{key}']", viewer) for key in (0, 10, 13, "void")]
    assert [row.text.split() for row in rows] == [
        ["0", "road", "50.0", "50.0", "100"], ["10", "sky", "21.9", "21.9", "100"],
        ["13", "car", "12.5", "–", "0"], ["–", "void", "3.1", "3.1"],
    ]
    rows[0].click()
    assert disk.pixel(viewer, *ON_ROAD) == close_to(PHOTO)
    assert disk.pixel(viewer, *ON_SKY) == close_to(SKY)
    assert rows[0].get_attribute("aria-pressed") == "false"
    rows[0].click()
    assert disk.pixel(viewer, *ON_ROAD) == close_to(ROAD)  # it is pointed at
    assert disk.pixel(viewer, *ON_SKY) == close_to(blend(SKY, 0.15))
    disk.hover(viewer, *ON_ROAD)
    assert disk.pixel(viewer, *ON_SKY) == close_to(SKY)
    for key, row in (("t", "13"), ("p", "2")):  # of the class that is drawn, also on the right
        disk.keys(key)
        disk.hover(viewer, *ON_CAR)
        assert disk.find(".seglib-pointed", viewer).get_attribute("data-class") == row


def test_photograph_is_blended_lightened_bared_and_fills_the_screen(disk, viewer) -> None:
    canvas = disk.find("canvas", viewer)
    for value in (0, 40):
        disk.slide(viewer, "opacity", value)
        assert disk.pixel(viewer, *ON_BUILDING) == close_to(blend(BUILDING, value / 100))
    disk.keys("l")
    disk.slide(viewer, "brightness", 50)
    assert disk.pixel(viewer, *ON_VOID) == close_to(blend(SKY, .4) - 0.3 * np.array(PHOTO))
    disk.slide(viewer, "contrast", 200)
    hold = ActionChains(disk.driver, 50).key_down("h")
    hold.perform()
    assert disk.pixel(viewer, *ON_ROAD) == close_to((72, 52, 32))
    hold.key_up("h").perform()
    assert disk.pixel(viewer, *ON_ROAD) != close_to((72, 52, 32))
    disk.press(viewer, "full")
    disk.wait("document.fullscreenElement === arguments[0]", viewer)
    disk.settle()
    bottom = disk.script("return arguments[0].getBoundingClientRect().bottom / innerHeight", canvas)
    assert 0.7 < bottom <= 1
    disk.script("document.exitFullscreen()")


def test_divider_pointer_and_zoom_follow_the_mouse(disk, viewer) -> None:
    facts = disk.hover(viewer, *ON_CAR)
    assert [facts[key].split() for key in ("truth", "prediction", "confidence")] == [
        ["truth", "13", "car"], ["prediction", "2", "building"], ["confidence", "87", "%"]]
    assert disk.hover(viewer, *ON_VOID)["truth"].split() == ["truth", "void"]
    canvas = disk.find("canvas", viewer)
    place = -round(0.4 * canvas.size["width"]), -round(0.35 * canvas.size["height"])
    pointer = ActionChains(disk.driver, 50).move_to_element_with_offset(canvas, *place)
    pointer.double_click().perform()
    assert disk.pixel(viewer, 0.5, 0.75) == close_to(BUILDING)
    assert viewer.get_attribute("data-zoom") == "2.00"
    disk.press(viewer, "fit")
    disk.keys("s")
    assert disk.pixel(viewer, *ON_CAR) == close_to(BUILDING)
    far = round(0.4 * canvas.size["width"])
    drag = ActionChains(disk.driver, 50).move_to_element(canvas).click_and_hold()
    drag.move_by_offset(far, 0).release().perform()
    assert disk.pixel(viewer, *ON_CAR) == close_to(CAR)


def test_nothing_is_clipped_at_320_pixels(disk, viewer) -> None:
    width = "arguments[0].parentElement.style.width = arguments[1]"
    disk.script(width, viewer, "1202.6px")  # not a whole number
    disk.settle()
    legend, canvas = (disk.find(x, viewer).location["y"] for x in (".seglib-legend", "canvas"))
    assert legend == canvas  # beside each other
    disk.script(width, viewer, "320px")
    for keys in ("b", "pss", "el?", "g"):
        disk.keys(keys)
        assert disk.page("clipped", viewer) == [], keys


def test_page_from_disk_loads_nothing_and_takes_names_as_text(disk, viewer) -> None:
    disk.select(viewer, "scene", 1)
    chosen = "return arguments[0].querySelector('select').selectedOptions[0].text"
    assert disk.script(chosen, viewer) == HOSTILE
    assert disk.find("h1").text == disk.driver.title == HOSTILE
    disk.slide(viewer, "opacity", 0)
    assert disk.pixel(viewer, *ON_ROAD) == close_to(255 - part for part in PHOTO)
    assert not disk.script("return window.hacked || document.querySelector('img[src=x]')")
    assert disk.script("return performance.getEntriesByType('resource').length") == 0


def test_menus_and_score_agree_with_what_is_compared(disk, viewer) -> None:
    chosen = "return arguments[0].querySelector('[data-control=against]').selectedOptions[0].text"
    disk.select(viewer, "against", 1)  # A itself, which leaves the truth
    assert disk.script(chosen, viewer) == "truth"
    disk.select(viewer, "model", 1)
    disk.select(viewer, "against", 1)
    assert disk.script(chosen, viewer) == "Alpha"
    disk.select(viewer, "scene", 1)  # of which A, now Beta, has no prediction
    assert disk.find(".seglib-score", viewer).text == "mIoU – | 100.0 %"
    assert disk.find(".seglib-missing", viewer).is_displayed()


@pytest.mark.parametrize("keys", ["", "b", "bpss", "no"])
def test_redraw_takes_less_than_a_frame(disk, viewer, keys: str) -> None:
    disk.keys(keys)
    measured = disk.page("measure", viewer, 40)
    assert measured["width"] * measured["height"] >= 1024 * 512
    assert min(measured["redraw"]) < 16  # whatever else the machine does


# --- in a notebook -----------------------------------------------------------------------------


@pytest.fixture
def cell(browser: Browser) -> WebElement:
    """The first viewer in the notebook, with the focus, on its first scene."""
    browser.promise("await jupyterapp.shell.currentWidget.content.scrollToItem(0, 'start')")
    root = browser.shown('[data-windowed-list-index="0"]')  # not the panel's
    browser.script("arguments[0].scrollIntoView()", root)
    browser.find("canvas", root).click()
    browser.select(root, "scene", 0)
    browser.select(root, "model", 0)
    browser.press(root, "prediction")
    browser.slide(root, "opacity", 100)
    browser.find("canvas", root).click()
    return root


def test_keys_steer_the_viewer_and_not_the_notebook(browser, cell) -> None:
    cells = "return document.querySelectorAll('.jp-CodeCell').length"
    before = browser.script(cells)
    browser.keys("t")
    assert browser.pixel(cell, *ON_CAR) == close_to(CAR)
    browser.keys("a")  # in JupyterLab: insert a cell above
    assert browser.pixel(cell, *ON_CAR) == close_to(PHOTO)
    browser.keys("a", "m", "p")  # in JupyterLab m turns the cell into text
    assert browser.find("[data-fact=score]", cell).text == "mIoU 100.0 %"
    browser.keys("d", "d", "b", "x", "g", "g")  # in JupyterLab d d deletes the cell
    assert browser.script(cells) == before


def test_photo_of_15_megabytes_arrives_upright(browser, tmp_path) -> None:
    browser.find("[data-control=example]").send_keys(Keys.ENTER)  # not the notebook's here
    assert browser.told("80×60 pixels").startswith("example: ")
    panel = browser.shown(".seglib-photos")
    browser.slide(panel, "opacity", 100)
    assert browser.pixel(panel, 0.25, 0.5) == close_to(ROAD)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned right by a quarter
    street(3000, 4000, noise=104).save(tmp_path / "large.jpg", quality=99, exif=exif)
    assert (tmp_path / "large.jpg").stat().st_size > 15e6
    browser.upload(tmp_path / "large.jpg")
    line = browser.told("pixels segmented in")
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
    panel = browser.shown(".seglib-photos")
    browser.press(panel, "more")
    assert browser.find("[data-control=fit]", panel).text == "150 %"
    Image.fromarray(255 - np.asarray(street(40, 60))).save(tmp_path / "b.png")
    browser.upload(tmp_path / "<b>a.png", tmp_path / "b.png")
    assert browser.told("2 photographs segmented")
    panel = browser.shown(".seglib-photos")
    assert browser.find("[data-control=fit]", panel).text == "100 %"  # of another photograph
    browser.select(panel, "scene", 1)
    canvas = browser.find("canvas", panel)
    browser.script("arguments[0].focus()", canvas)
    browser.keys("w")
    told = browser.find(".seglib-unseen", panel).get_attribute("textContent")
    assert told == "No scene has a score"
    browser.keys(Keys.ARROW_RIGHT)
    browser.wait("arguments[0].querySelector('[data-control=scene]').selectedIndex === 0", panel)
    browser.select(panel, "scene", 1)
    browser.slide(panel, "opacity", 0)
    assert browser.pixel(panel, 0.2, 0.5) == close_to((105, 255, 255))
    for name, size, line in (("c.jpg", 99, "cannot be read: not an image"), ("d.tif", 9_000_000,
                             "9.0 MB are more than Jupyter takes at once")):
        (tmp_path / name).write_bytes(bytes(size))
        browser.upload(tmp_path / name)
        assert browser.told(line).startswith(f"⚠ {name}: {line}")


def test_saved_are_whole_picture_with_legend_and_label_ids(browser, cell, folder) -> None:
    browser.press(cell, "more")  # what is saved is the whole, nevertheless
    browser.press(cell, "save")
    browser.wait("arguments[0].textContent.includes('Saved at 1024×512')", cell)
    picture, mask = folder / "first-Alpha-prediction.png", folder / "first-Alpha_labelIds.png"
    for _ in range(300):
        if mask.exists() and picture.exists():
            break
        time.sleep(0.1)
    mask, picture = np.asarray(Image.open(mask)), np.asarray(Image.open(picture))
    assert mask.shape == (512, 1024) and mask[::128, 700].tolist() == [23, 11, 7, 7]
    counts = [(picture[:550, 700, :3] == color).all(1).sum() for color in (SKY, BUILDING, ROAD)]
    assert picture.shape[1] == 1024 and counts == [128, 128, 256]
    below = {tuple(color) for color in picture[560:, :, :3].reshape(-1, 3).tolist()}
    assert {SKY, BUILDING, ROAD} < below and CAR not in below  # the legend


def test_save_escape_and_shift_enter_reach_the_notebook(browser, cell) -> None:
    notebook, send = "jupyterapp.shell.currentWidget", ActionChains(browser.driver)
    active = f"return {notebook}.content.activeCellIndex"
    browser.script(f"{notebook}.model.dirty = true")
    canvas = browser.find("canvas", cell)
    canvas.click()
    send.key_down(Keys.CONTROL).send_keys("s").key_up(Keys.CONTROL).perform()
    browser.wait(f"!{notebook}.model.dirty")
    assert browser.script(active) == 0
    send.send_keys(Keys.ESCAPE, Keys.ARROW_DOWN).perform()
    assert browser.script(active) == 1  # the arrow was the notebook's
    canvas.click()
    send.key_down(Keys.SHIFT).send_keys(Keys.ENTER).key_up(Keys.SHIFT).perform()
    browser.wait(f"{notebook}.content.activeCellIndex === 1")


def test_pixel_ratio_is_followed_and_the_panel_not_clipped_at_320_pixels(browser, cell) -> None:
    canvas = browser.find("canvas", cell)
    size = "return [arguments[0].width, arguments[0].clientWidth]"
    width, shown = browser.script(size, canvas)
    metrics = {"width": 0, "height": 0, "deviceScaleFactor": 2, "mobile": False}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.settle()
    assert browser.script(size, canvas) == [2 * width, shown]
    browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.settle()
    assert browser.script(size, canvas) == [width, shown]
    root = browser.find(".seglib-panel")
    browser.script("arguments[0].parentElement.style.width = '320px'", root)
    browser.settle()
    assert browser.page("clipped", root) == []
    browser.script("arguments[0].parentElement.style.width = ''", root)


def test_dead_kernel_is_told_and_reopened_notebook_works(browser, cell, tmp_path) -> None:
    kernel = "jupyterapp.shell.currentWidget.sessionContext"
    browser.hold_all_cells()
    street(50, 70).save(tmp_path / "early.png")
    browser.upload(tmp_path / "early.png")  # so that the panel has a viewer, too
    assert browser.told("early.png: 70×50 pixels segmented in")
    assert browser.page("seen") == [0, 0, 2]  # alive: no picture beside the widgets
    browser.promise(f"await {kernel}.session.kernel.restart()")
    street(50, 70).save(tmp_path / "late.png")
    browser.upload(tmp_path / "late.png")
    line = browser.told("late.png: the kernel")
    assert line.startswith("⚠ ") and "run this cell again" in line
    browser.press(cell, "truth")  # the viewer lives on without it
    assert browser.pixel(cell, *ON_CAR) == close_to(CAR)
    browser.select(cell, "scene", 1)
    assert browser.pixel(cell, 0.5, 0.01) == close_to(255 - part for part in PHOTO)
    browser.promise("await jupyterapp.commands.execute('docmanager:save')")
    browser.promise(f"await {kernel}.shutdown()")
    browser.driver.refresh()
    browser.wait("window.jupyterapp?.shell?.currentWidget?.content?.widgets?.length")
    browser.hold_all_cells()
    # Jupyter gives up looking for the two widgets, and says so where nobody sees it.
    outputs = "[...document.querySelectorAll('.jp-OutputArea-output')]"
    browser.wait(f"{outputs}.filter((each) => each.textContent.includes('not found')).length >= 2")
    assert browser.page("seen") == [2, 0, 0]


def test_viewer_works_in_notebook_7(tmp_path: Path) -> None:
    pytest.importorskip("notebook", "7", reason="Notebook 7 is not installed: '.[browser]'")
    write_notebook(tmp_path / "viewer.ipynb", [VIEWER_CELL])
    with jupyter(tmp_path, "notebook") as address, closing(Browser(tmp_path / "home")) as window:
        window.open_notebook(address, "viewer.ipynb")
        viewer = window.shown()
        window.slide(viewer, "opacity", 100)
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
