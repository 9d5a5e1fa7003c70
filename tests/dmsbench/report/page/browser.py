"""A headless browser for the page's tests."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

PROGRAMS = {"chromium": ("chromium", "chromium-browser", "google-chrome"), "chromedriver": ("chromedriver",)}
#: Software rendering also of what needs WebGL, and nothing that calls home.
SWITCHES = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1280,1000",
)


@contextmanager
def browser() -> Iterator[webdriver.Chrome]:
    """Skips the test where no browser is installed, but fails it under ``DMSBENCH_BROWSER=required``."""
    found = {
        name: next(filter(None, map(shutil.which, programs)), None) for name, programs in PROGRAMS.items()
    }
    missing = [name for name, path in found.items() if path is None]
    if missing:
        message = f"no {' and no '.join(missing)}: apt-get install chromium chromium-driver"
        if os.environ.get("DMSBENCH_BROWSER") == "required":
            pytest.fail(message)
        pytest.skip(message)
    options = webdriver.ChromeOptions()
    options.binary_location = str(found["chromium"])
    for switch in SWITCHES:
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(found["chromedriver"])))
    try:
        yield driver
    finally:
        driver.quit()


def opened(driver: webdriver.Chrome, page: Path, *, scheme: str = "light", width: int = 1280) -> None:
    """Opens a page at a width and waits until it is put together."""
    driver.get_log("browser")
    driver.get_log("performance")
    driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    driver.get(page.as_uri())
    wait(driver, "return document.documentElement.dataset.ready === 'yes'")


def wait(driver: webdriver.Chrome, script: str, *arguments: object, seconds: float = 30.0) -> Any:
    """What the script returns, once that is true."""
    last = time.monotonic() + seconds
    while time.monotonic() < last:
        found = driver.execute_script(script, *arguments)
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"never true: {script}")


def draw_all(driver: webdriver.Chrome) -> list[str]:
    """Scrolls to every chart until it is drawn; their names."""
    charts = driver.execute_script(
        "return [...document.querySelectorAll('.chart')].filter(c => !c.hidden).map(c => c.dataset.chart)"
    )
    for name in charts:
        driver.execute_script(
            "document.querySelector(`[data-chart=${arguments[0]}]`).scrollIntoView({block: 'center'})", name
        )
        wait(
            driver,
            "const c = document.querySelector(`[data-chart=${arguments[0]}]`);"
            "return c.hidden || (c.dataset.drawn === 'yes' && c.querySelector('svg, canvas') !== null)",
            name,
        )
    return list(charts)


def requests(driver: webdriver.Chrome) -> list[str]:
    """Addresses asked for since the page was opened, pictures within the page aside."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    return [url for url in asked if not url.startswith("data:")]
