"""Figures for papers: every file is there and sound, has the scorecards' numbers, is the same each time."""

from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as Tree
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dmsbench.report.figures import write_figures
from dmsbench.report.figures.latex import tex
from dmsbench.report.figures.names import slug
from dmsbench.report.run_scores import RunScores, read_run
from dmsbench.runner.store import RunFolder

SUFFIXES = (".png", ".svg", ".pdf", ".csv")
INCHES = (3.3, 6.9)


@pytest.fixture(scope="module")
def scores(paged: RunFolder) -> RunScores:
    return read_run(paged, paged.manifest())


@pytest.fixture(scope="module")
def folder(scores: RunScores, tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("figures")
    paths = write_figures(scores, into)
    assert sorted(paths) == sorted(into.iterdir())
    return into


def stems(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.png")}


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def test_every_chart_is_there_in_every_format(folder: Path) -> None:
    assert stems(folder) == {
        "curves",
        "means",
        *(f"heatmap-{model}" for model in ("static", "dms", "third")),
        *(f"heatmap-difference-static-vs-{model}" for model in ("dms", "third")),
        "surface-gaussian_noise+keyboard",
        "weights",
        *(f"reliability-{model}" for model in ("static", "dms", "third")),
        "calibration",
        *(f"gains-static-vs-{model}" for model in ("dms", "third")),
    }
    for stem in stems(folder):
        assert all((folder / f"{stem}{suffix}").stat().st_size > 0 for suffix in SUFFIXES)


def test_pictures_are_of_print_size_and_text_stays_text(folder: Path) -> None:
    for path in folder.glob("*.png"):
        with Image.open(path) as picture:
            assert any(abs(picture.width - 300 * width) <= 1 for width in INCHES), path.name
    for path in folder.glob("*.svg"):
        Tree.fromstring(path.read_bytes())  # noqa: S314 - our own file
    assert "static" in (folder / "curves.svg").read_text()
    for path in folder.glob("*.pdf"):
        content = path.read_bytes()
        assert content.startswith(b"%PDF") and b"/Type3" not in content, path.name


def test_numbers_are_the_scorecards(folder: Path, scores: RunScores) -> None:
    rows = {row["model"]: row for row in read(folder / "means.csv")}
    for model, card in scores.cards.items():
        assert float(rows[model]["mean"]) == pytest.approx(card.mean.value, abs=1e-6)
        assert float(rows[model]["clean_low"]) == pytest.approx(card.clean.low, abs=1e-6)
    gains = read(folder / "gains-static-vs-dms.csv")
    pair = next(one for one in scores.pairs if (one.a, one.b) == ("static", "dms"))
    assert pair.comparison.overall is not None
    assert float(gains[0]["difference"]) == pytest.approx(pair.comparison.overall.difference, abs=1e-6)


def test_tables_are_whole_booktabs(folder: Path) -> None:
    tables = list(folder.glob("*.tex"))
    assert {"table-leaderboard", "table-corruptions", "table-calibration"} <= {path.stem for path in tables}
    for path in tables:
        text = path.read_text()
        assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1
        columns = re.search(r"\\begin{tabular}{([lr]+)}", text)
        assert columns is not None
        for line in text.splitlines():
            if line.endswith(r"\\"):
                assert len(re.findall(r"(?<!\\)&", line)) == len(columns[1]) - 1


def test_the_same_run_gives_the_same_bytes(folder: Path, scores: RunScores, tmp_path: Path) -> None:
    few = replace(scores, calibration={}, pairs=())
    for name in "ab":
        write_figures(few, tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_a_run_without_schedulers_pairs_or_calibration(
    run_of: Callable[..., RunFolder], tmp_path: Path
) -> None:
    folder = run_of(tmp_path, models=("alone",))
    write_figures(read_run(folder, folder.manifest(), full=False), tmp_path / "figures")
    assert stems(tmp_path / "figures") == {
        "curves",
        "means",
        "heatmap-alone",
        "surface-gaussian_noise+keyboard",
    }


@given(st.text())
def test_no_text_breaks_a_table(text: str) -> None:
    found = tex(text)
    plain = re.sub(r"\\[&%$#_{}]", "", found)
    plain = re.sub(
        r"\\(textbackslash|textasciicircum|textasciitilde|textless|textgreater|textbar){}", "", plain
    )
    plain = re.sub(r"\\ifdefined\\Umathchar .*?\\else [^\\]*\\fi{}", "", plain)
    assert not set(plain) & set("&%$#_\\~^\n\r")
    assert plain.count("{") == plain.count("}")


@given(st.text(min_size=1), st.text(min_size=1))
def test_file_names_are_safe_and_differ_where_names_do(a: str, b: str) -> None:
    for name in (slug(a), slug(b)):
        assert re.fullmatch(r"[A-Za-z0-9._+-]+", name) and not name.startswith(".") and len(name) < 120
    assert (slug(a) == slug(b)) == (a == b)
