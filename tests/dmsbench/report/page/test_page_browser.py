"""The page in a real browser: drawn, asked, filtered, reached by keys, and safe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import browser, draw_all, opened, requests, wait
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from dmsbench.report.page import write_page
from dmsbench.report.run_scores import read_run
from dmsbench.runner.store import RunFolder

pytestmark = pytest.mark.browser

CHARTS = {
    "curves",
    "curves-all",
    "heat",
    "joint-surface",
    "joint-map",
    "paired",
    "weights",
    "weights-map",
    "reliability",
    "calibration",
}
CONTRAST = Path(__file__).with_name("contrast.js").read_text()


@pytest.fixture(scope="module")
def page(paged: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(read_run(paged, paged.manifest()), tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    with browser() as found:
        yield found


def select(driver: webdriver.Chrome, section: str, title: str) -> Select:
    for label in driver.find_elements(By.CSS_SELECTOR, f"#{section} label"):
        if label.text.startswith(title):
            return Select(label.find_element(By.TAG_NAME, "select"))
    raise AssertionError(f"no choice '{title}' in {section}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_chart_is_drawn_without_an_error_or_a_request(
    driver: webdriver.Chrome, page: Path, scheme: str, width: int
) -> None:
    opened(driver, page, scheme=scheme, width=width)
    assert set(draw_all(driver)) == CHARTS
    # Advice on speed is of level WARNING; errors and breaches of the page's own policy are SEVERE.
    assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []
    assert requests(driver) == [page.as_uri()]
    assert driver.execute_script("return document.documentElement.dataset.theme") == scheme
    # Nothing is wider than the screen but what scrolls by itself.
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(driver: webdriver.Chrome, page: Path, scheme: str) -> None:
    opened(driver, page, scheme=scheme)
    draw_all(driver)
    driver.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    wait(driver, "return document.querySelectorAll('#curves details table').length === 2")
    assert driver.execute_script(CONTRAST) == []


def test_text_of_the_data_is_text(driver: webdriver.Chrome, page: Path) -> None:
    opened(driver, page)
    draw_all(driver)
    select(driver, "samples", "Outcome").select_by_visible_text("any")
    assert "paged" in driver.title
    assert driver.find_elements(By.CSS_SELECTOR, "main script, main img[src='x'], main b, main i") == []
    for place in ("#samples", "#gallery", "header", "#reading"):
        assert "<script>document.title" in driver.find_element(By.CSS_SELECTOR, place).text, place


def test_hovering_tells_values_and_dragging_zooms(driver: webdriver.Chrome, page: Path) -> None:
    opened(driver, page)
    draw_all(driver)
    chart = driver.find_element(By.CSS_SELECTOR, "[data-chart=curves]")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", chart)
    plot = chart.find_element(By.CSS_SELECTOR, ".nsewdrag")
    # Severity 3 lies half a step right of the middle.
    step = plot.size["width"] / 5.4
    ActionChains(driver).move_to_element_with_offset(plot, int(step / 2), 0).perform()
    told = wait(
        driver,
        "return [...arguments[0].querySelectorAll('.hoverlayer text')].map(t => t.textContent).join(' ')",
        chart,
    )
    assert re.search(r"\d+\.\d \[\d+\.\d, \d+\.\d\]", told), told
    before = driver.execute_script("return arguments[0]._fullLayout.xaxis.range.slice()", chart)
    ActionChains(driver).move_to_element_with_offset(plot, -100, -40).click_and_hold().move_by_offset(
        160, 70
    ).release().perform()
    wait(
        driver,
        "const [low, high] = arguments[0]._fullLayout.xaxis.range; return high - low < arguments[1]",
        chart,
        0.6 * (before[1] - before[0]),
    )


def test_models_and_corruptions_can_be_switched(driver: webdriver.Chrome, page: Path) -> None:
    opened(driver, page)
    draw_all(driver)
    names = "return document.querySelector('[data-chart=curves]').data.map(t => t.name).filter(Boolean)"
    assert driver.execute_script(names) == ["chance", "static", "dms", "third"]
    driver.execute_script("scrollTo(0, 0)")
    driver.find_element(By.XPATH, "//fieldset[@id='models']//label[contains(., 'third')]/input").click()
    chart = driver.find_element(By.CSS_SELECTOR, "[data-chart=curves]")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", chart)
    wait(driver, f"return (() => {{ {names} }})().length === 3")
    picked = select(driver, "curves", "Corruption")
    picked.select_by_visible_text("fog")
    wait(driver, "return arguments[0].getAttribute('aria-label').includes('fog')", chart)
    driver.find_element(By.XPATH, "//section[@id='curves']//button[contains(., 'next')]").click()
    assert select(driver, "curves", "Corruption").first_selected_option.text != "fog"
    heat = select(driver, "heat", "Show")
    heat.select_by_visible_text("difference: dms − static")
    chart = driver.find_element(By.CSS_SELECTOR, "[data-chart=heat]")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", chart)
    wait(driver, "return arguments[0].getAttribute('aria-label').includes('dms − static')", chart)
    assert driver.execute_script(
        "return arguments[0].data[0].zmin < 0 && arguments[0].data[0].zmax > 0", chart
    )


def test_samples_are_filtered_by_condition_and_outcome(
    driver: webdriver.Chrome, page: Path, paged: RunFolder
) -> None:
    opened(driver, page)
    count = driver.find_element(By.ID, "samples-count")
    frames = {name: paged.records(name) for name in ("static", "dms")}
    key = ["sample_id", "image_corruption", "image_severity", "text_corruption", "text_severity"]
    both = frames["static"].merge(frames["dms"], on=key)
    for outcome, wanted in (
        ("static right, dms wrong", (both.score_x > both.score_y)),
        ("dms right, static wrong", (both.score_y > both.score_x)),
    ):
        select(driver, "samples", "Outcome").select_by_visible_text(outcome)
        assert f"of {int(wanted.sum())} such rows in the run" in count.text
        for card in driver.find_elements(By.CSS_SELECTOR, "#samples .card"):
            right, wrong = outcome.replace(",", "").split(" right ")[0], outcome.split(", ")[1].split()[0]
            cells = {row.text.split()[0]: row.text for row in card.find_elements(By.CSS_SELECTOR, "tbody tr")}
            assert "✓ right" in cells[right] and "✗ wrong" in cells[wrong]
    select(driver, "samples", "Outcome").select_by_visible_text("a model failed")
    assert count.text == "1–6 of 6 shown here, of 6 such rows in the run."
    card = driver.find_element(By.CSS_SELECTOR, "#samples .card")
    assert "out of <i>luck</i>" in card.text
    select(driver, "samples", "Outcome").select_by_visible_text("any")
    select(driver, "samples", "Corruption").select_by_visible_text("drop_image")
    select(driver, "samples", "Severity").select_by_visible_text("3")
    heads = [head.text for head in driver.find_elements(By.CSS_SELECTOR, "#samples .card h3")]
    assert heads and all(head.startswith("drop_image@3 · ") for head in heads)
    assert "no picture was given" in driver.find_element(By.CSS_SELECTOR, "#samples .cards").text
    select(driver, "samples", "Corruption").select_by_visible_text("gaussian_noise+keyboard")
    shown = driver.find_element(By.CSS_SELECTOR, "#samples .card .picture img")
    wait(driver, "return arguments[0].complete && arguments[0].naturalWidth === 48", shown)


def test_all_controls_are_reached_and_used_by_keys(driver: webdriver.Chrome, page: Path) -> None:
    opened(driver, page)
    draw_all(driver)
    driver.execute_script("scrollTo(0, 0); document.body.tabIndex = -1; document.body.focus();")
    wanted = driver.execute_script(
        "window.wanted = [...document.querySelectorAll('select, input, summary, a[href], button')]"
        ".filter(e => e.getClientRects().length && !e.disabled); return window.wanted.length"
    )
    found = set()
    for _ in range(4 * wanted):
        driver.switch_to.active_element.send_keys(Keys.TAB)
        place, outline = driver.execute_script(
            "const e = document.activeElement;"
            "return [window.wanted.indexOf(e), getComputedStyle(e).outlineStyle]"
        )
        if place >= 0:
            found.add(place)
            assert outline != "none"
        if len(found) == wanted:
            break
    lost = driver.execute_script(
        "return window.wanted.filter((_, i) => !arguments[0].includes(i)).map(e => e.outerHTML.slice(0, 80))",
        sorted(found),
    )
    assert lost == []
    picked = select(driver, "curves", "Corruption")
    element = driver.execute_script("return document.querySelector('#curves select')")
    driver.execute_script("arguments[0].focus()", element)
    element.send_keys(Keys.ARROW_DOWN)
    assert picked.first_selected_option.text == "gaussian_noise"
    numbers = driver.find_element(By.CSS_SELECTOR, "#curves summary")
    driver.execute_script("arguments[0].focus()", numbers)
    numbers.send_keys(Keys.ENTER)
    wait(driver, "return document.querySelectorAll('#curves details[open] tbody tr').length > 0")


def test_light_and_dark_can_be_chosen(driver: webdriver.Chrome, page: Path) -> None:
    opened(driver, page, scheme="light")
    Select(driver.find_element(By.ID, "theme")).select_by_visible_text("dark")
    assert (
        driver.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 28)"
    )
    draw_all(driver)
    paper = "return document.querySelector('[data-chart=curves]')._fullLayout.paper_bgcolor"
    wait(driver, f"return (() => {{ {paper} }})() === '#14171c'")
