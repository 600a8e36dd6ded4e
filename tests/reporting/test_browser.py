"""Reports in a real browser that can reach nothing: drawn, readable on a phone, dark, on paper."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from automl import reporting
from automl.rundir import RunDir

pytestmark = pytest.mark.slow
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DARK, WHITE = "rgb(17, 21, 28)", "rgb(255, 255, 255)"
_DRAWN = """
return [...document.querySelectorAll("section.figure")].map((section) => {
  const shown = [...section.querySelectorAll("svg")].filter((svg) => svg.checkVisibility());
  const boxes = shown.map((svg) => svg.getBoundingClientRect());
  const shapes = shown.flatMap((svg) => [...svg.querySelectorAll("circle, rect, path")]);
  return {
    name: section.id,
    svgs: section.querySelectorAll("svg").length,
    sizes: boxes.map((box) => [box.width, box.height]),
    shapes: shapes.filter((one) => one.getBBox().width + one.getBBox().height > 0).length,
  };
});
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless browser whose every request to a network is refused."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    if found is None or driver is None:
        pytest.skip("no Chromium here: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = found
    for argument in ("--headless=new", "--disable-gpu", "--window-size=1100,900"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    started.execute_cdp_cmd("Network.enable", {})
    started.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["http*", "ws*", "ftp*"]})
    yield started
    started.quit()


@pytest.fixture(scope="module")
def pages(
    many: RunDir, two: RunDir, one: RunDir, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    runs = {"many": many, "two": two, "one": one}
    return {name: reporting.write(run, folder / f"{name}.html") for name, run in runs.items()}


def look(
    browser: Any, path: Path, width: int = 1100, *, dark: bool = False, media: str = ""
) -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"media": media or "screen", "features": [scheme]}
    )
    browser.get_log("performance")
    browser.get(path.as_uri())


def background(browser: Any) -> str:
    found: str = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    return found


@pytest.mark.parametrize("width", [1100, 375])
@pytest.mark.parametrize("name", ["many", "two", "one"])
def test_every_figure_is_drawn_once_and_nothing_is_complained_of(browser, pages, name, width):
    look(browser, pages[name], width)
    figures = browser.execute_script(_DRAWN)
    assert len(figures) >= 4
    for figure in figures:
        if figure["svgs"]:
            assert len(figure["sizes"]) == 1, figure
            assert min(figure["sizes"][0]) > 50, figure
            assert figure["sizes"][0][0] <= width
            assert figure["shapes"] > 0, figure
    assert browser.get_log("browser") == []
    scrolled = browser.execute_script("return document.documentElement.scrollWidth")
    assert scrolled <= width
    asked = [
        json.loads(entry["message"])["message"]["params"]["request"]["url"]
        for entry in browser.get_log("performance")
        if '"Network.requestWillBeSent"' in entry["message"]
    ]
    assert all(url.startswith(("file:", "data:")) for url in asked), asked


def test_colours_follow_the_reader_and_paper_is_white(browser, pages):
    look(browser, pages["many"])
    assert background(browser) == WHITE
    look(browser, pages["many"], dark=True)
    assert background(browser) == DARK
    look(browser, pages["many"], dark=True, media="print")
    assert background(browser) == WHITE
    assert not browser.find_element("css selector", "nav").is_displayed()


def test_trials_are_sorted_filtered_and_lit(browser, pages):
    look(browser, pages["many"])
    rows = "[...document.querySelectorAll('#trials tbody tr:not([hidden])')]"
    numbers = f"return {rows}.map((row) => Number(row.dataset.t))"
    values = f"return {rows}.map((row) => row.cells[2].dataset.v).filter(Boolean).map(Number)"
    browser.find_elements("css selector", "#trials th button")[2].click()
    assert browser.execute_script(values) == sorted(browser.execute_script(values))
    browser.find_elements("css selector", "#trials th button")[2].click()
    found = browser.execute_script(values)
    assert found == sorted(found, reverse=True)
    assert browser.execute_script(numbers)[-1] in (5, 14, 23)  # without a value: last either way
    browser.find_element("css selector", ".filter input").send_keys("failed script")
    assert sorted(browser.execute_script(numbers)) == [5, 14, 23]
    assert browser.find_element("css selector", ".filter output").text == "3 of 24"
    row = browser.find_element("css selector", "#trials tbody tr:not([hidden])")
    browser.execute_script(
        "arguments[0].dispatchEvent(new PointerEvent('pointerover', {bubbles: true}))", row
    )
    lit = browser.execute_script("return document.querySelectorAll('svg .lit').length")
    assert lit > 0
    assert browser.get_log("browser") == []


def test_without_scripts_the_page_says_the_same(browser, pages):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        look(browser, pages["many"])
        assert len(browser.find_elements("css selector", "#trials tbody tr")) == 24
        assert not browser.find_element("css selector", ".filter").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
