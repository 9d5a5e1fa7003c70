"""The report page of a run: seconds and memory to make it, its size, and seconds until a browser shows it.

    python -m benchmarks.report_page results/vqa-corrupt/0123456789ab

What is asked of the default suite: at most 30 s and 1 GB for 200,000 records, 8 MB, 2 s to open. A browser
(Chromium with its driver, and selenium) is needed for the last; it is opened five times.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from pathlib import Path

from dmsbench.report.page import write_page
from dmsbench.report.run_scores import read_run
from dmsbench.runner.store import RunFolder

OPENED = 5


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="a finished run's folder")
    folder = RunFolder(parser.parse_args().run)
    with tempfile.TemporaryDirectory() as scratch:
        began = time.perf_counter()
        found = read_run(folder, folder.manifest())
        scored = time.perf_counter() - began
        page = write_page(found, Path(scratch))
        whole = time.perf_counter() - began
        records = sum(len(rows.score) for rows in found.rows.values())
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"records         {records:,}")
        print(f"scored in       {scored:.1f} s")
        print(f"page in         {whole:.1f} s (at most 30 for 200,000 records)")
        print(f"memory at most  {memory:.2f} GiB (at most 1)")
        print(f"size            {page.stat().st_size / 1e6:.2f} MB (at most 8)")
        for line in opened(page):
            print(line)


def opened(page: Path) -> list[str]:
    """Seconds from navigation until the page is put together, and until its first chart is drawn."""
    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in programs:
        return ["not opened: no chromium with its driver here"]
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(programs[0])
    for switch in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking"):
        options.add_argument(switch)
    driver = webdriver.Chrome(options=options, service=Service(str(programs[1])))
    try:
        ready = sorted(_open(driver, page, "document.documentElement.dataset.ready") for _ in range(OPENED))
        drawn = sorted(
            _open(
                driver, page, "(document.querySelector('[data-chart=curves]') || {dataset: {}}).dataset.drawn"
            )
            for _ in range(OPENED)
        )
    finally:
        driver.quit()
    middle = OPENED // 2
    return [
        f"ready after     {ready[middle]:.2f} s (median of {OPENED}; at most 2)",
        f"curves after    {drawn[middle]:.2f} s (scrolled to)",
    ]


def _open(driver: object, page: Path, done: str) -> float:
    driver.get("about:blank")  # type: ignore[attr-defined]
    began = time.perf_counter()
    driver.get(page.as_uri())  # type: ignore[attr-defined]
    while time.perf_counter() - began < 60:
        script = f"document.querySelector('#curves')?.scrollIntoView(); return {done}"
        if driver.execute_script(script) == "yes":  # type: ignore[attr-defined]
            return time.perf_counter() - began
        time.sleep(0.01)
    raise RuntimeError("the page was not put together within a minute")


if __name__ == "__main__":
    main()
