"""What the page holds: which samples, which pictures, what is said, and that it holds nothing else."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmsbench.report.page.document import page, write_page
from dmsbench.report.page.pictures import SIDE, Album
from dmsbench.report.page.selection import select
from dmsbench.report.page.summary import summary
from dmsbench.report.run_scores import read_run
from dmsbench.runner.store import RunFolder
from dmsbench.scores.rows import read_rows

HOSTILE = "<script>document.title"


def content(text: str) -> dict[str, Any]:
    """The data of a page."""
    found = re.search(r'id="data">([^<]+)<', text)
    assert found is not None
    data: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(found[1])))
    return data


def records(scores: dict[tuple[str, str, int], float | None], changed: bool = True) -> pd.DataFrame:
    """A model's records, from sample, corruption and severity; None is an error."""
    return pd.DataFrame(
        [
            {
                "sample_id": sample,
                "group": sample.split("-")[0],
                "image_corruption": corruption if severity else "clean",
                "image_severity": severity,
                "text_corruption": "clean",
                "text_severity": 0,
                "score": score,
                "status": "ok" if score is not None else "model_error",
                "changed": changed,
            }
            for (sample, corruption, severity), score in scores.items()
        ]
    )


values = st.sampled_from([0.0, 0.3, 0.6, 1.0, None])


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 4), st.integers(1, 9))
def test_every_outcome_that_there_is_is_shown_and_counted(data: Any, models: int, samples: int) -> None:
    cells = [(f"g{i // 2}-{i}", "fog", severity) for i in range(samples) for severity in (0, 3)]
    table = {f"m{i}": {cell: data.draw(values) for cell in cells} for i in range(models)}
    rows = {name: read_rows(records(own)) for name, own in table.items()}
    found = select(rows, seed=1)
    assert len(set(found.picks)) == len(found.picks)
    for c, condition in enumerate(found.conditions):
        own = [cell for cell in cells if cell[2] == condition.severity]
        shown = {found.samples[pick.sample] for pick in found.picks if pick.condition == c}
        for x, first in enumerate(table.values()):
            for y, second in enumerate(table.values()):
                scored = [cell for cell in own if first[cell] is not None and second[cell] is not None]
                ahead = {cell[0]: first[cell] - second[cell] for cell in scored if first[cell] > second[cell]}  # type: ignore[operator]
                assert found.counts["better"][c][x][y] == len(ahead)
                if ahead:
                    most = max(ahead.values())
                    assert any(ahead.get(sample) == most for sample in shown)
        for name, fits in (
            ("right", lambda s: s is not None and s >= 0.5),
            ("wrong", lambda s: s is not None and s < 0.5),
        ):
            members = {cell[0] for cell in own if all(fits(table[model][cell]) for model in table)}
            assert found.counts[name][c] == len(members)
            assert not members or members & shown
        failed = {cell[0] for cell in own if any(table[model][cell] is None for model in table)}
        assert found.counts["errors"][c] == len(failed)
        assert not failed or failed & shown


def test_an_album_takes_each_picture_once_and_stops_at_its_budget() -> None:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(6)]
    album = Album(budget=12_000)
    places = [album.add(str(i), pixels) for i, pixels in enumerate(noise)]
    assert album.add("0", noise[0]) == 0
    kept = [place for place in places if place is not None]
    assert kept == list(range(len(album.pictures))) and 0 < len(kept) < 6
    assert album.turned_away == 6 - len(kept)
    large = Album(budget=10**6)
    large.add("x", np.zeros((50, 3 * SIDE, 3), np.uint8))
    assert large.shrunk and not album.shrunk


def test_the_page_is_the_same_each_time_and_asks_for_nothing(paged: RunFolder, tmp_path: Path) -> None:
    found = read_run(paged, paged.manifest())
    first, second = (write_page(found, tmp_path / name).read_bytes() for name in "ab")
    assert first == second
    text = first.decode()
    assert HOSTILE not in text.replace("&lt;", "<<")
    assert re.findall(r'(?:src|href)="(?!#)[^"]*"', text) == []
    assert "default-src 'none'" in text


def test_pictures_are_those_that_the_models_saw(paged: RunFolder) -> None:
    found = content(page(read_run(paged, paged.manifest())))
    samples = found["samples"]
    assert samples["note"] is None and samples["unlike"] == 0
    kept = [row["picture"] for row in samples["rows"]]
    assert sum(isinstance(picture, int) for picture in kept) > 50
    absent = [row["condition"] for row in samples["rows"] if row["picture"] == "absent"]
    assert absent and all(condition.startswith("drop_image") for condition in absent)
    keyboard = [row for row in samples["rows"] if row["condition"] == "keyboard@5"]
    assert keyboard and all("question" in row and HOSTILE[:1] in row["question"] for row in keyboard)


def test_without_the_data_the_page_says_so(run_of: Callable[..., RunFolder], tmp_path: Path) -> None:
    folder = run_of(tmp_path)
    questions = tmp_path / "data" / "questions.jsonl"
    lines = questions.read_text()
    questions.write_text(lines.replace("over there", "somewhere"))
    found = content(page(read_run(folder, folder.manifest())))
    assert found["samples"]["note"] == "the data have changed since the run"
    assert found["gallery"] == {"samples": [], "note": "the data have changed since the run"}
    assert found["samples"]["rows"] and found["charts"]["pairs"]
    questions.unlink()
    found = content(page(read_run(folder, folder.manifest())))
    assert found["samples"]["note"].startswith("the data cannot be read (")


def test_the_summary_names_the_best_what_it_is_level_with_and_errors(paged: RunFolder) -> None:
    scores = read_run(paged, paged.manifest())
    lines = summary(scores)
    best = scores.board.rows[0].model
    assert lines[0].startswith(f"{best} scores ")
    assert any(line.startswith("dms − static, static fusion of the same checkpoint: +") for line in lines)
    assert "third: " in lines[-1] and "are errors" in lines[-1]
    # Where no test tells models apart the order is not sold as one.
    level = replace(scores, pairs=())
    assert "not told apart from" in summary(level)[0]


def test_a_page_of_one_model_without_schedulers(run_of: Callable[..., RunFolder], tmp_path: Path) -> None:
    folder = run_of(tmp_path, models=("alone",))
    found = content(page(read_run(folder, folder.manifest())))
    assert found["charts"]["pairs"] == [] and found["charts"]["scheduling"] == []
    assert {row["answers"][0]["status"] for row in found["samples"]["rows"]} == {"ok"}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_lines_stand_out_from_the_paper(theme: str) -> None:
    source = (Path(__file__).parents[4] / "dmsbench/report/page/assets/theme.js").read_text()
    palette = re.search(rf"{theme}: \[([^\]]+)\]", source)
    paper = re.search(rf"{theme}: {{[^}}]*paper: '(#\w+)'", source)
    assert palette is not None and paper is not None

    def luminance(colour: str) -> float:
        parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    for colour in re.findall(r"#\w{6}", palette[1]):
        dark, light = sorted([luminance(colour), luminance(paper[1])])
        assert (light + 0.05) / (dark + 0.05) >= 3.0, colour  # WCAG 2.1, 1.4.11
