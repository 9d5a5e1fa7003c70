"""What a run with scheduled models is reported with, from synthetic records and a manifest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from dmsbench.errors import NotComparableError
from dmsbench.grid import Condition, View
from dmsbench.report import ReportInfo
from dmsbench.report.roles import fitted_on, lineups
from dmsbench.report.scheduling import MEASURES, Scheduling, scheduling
from dmsbench.report.scheduling_files import notes, to_json, to_markdown, write
from dmsbench.report.scheduling_tables import scheduling_tables
from dmsbench.scores import compare, scorecard
from dmsbench.scores.headroom import headroom
from dmsbench.scores.rows import Rows, read_rows
from dmsbench.scores.signals import MEASURES as SIGNALS

CONDITIONS = (
    Condition(),
    *(Condition(View(name, s)) for name in ("gaussian_noise", "shot_noise", "fog") for s in (1, 5)),
    Condition(View(), View("keyboard", 3)),
    Condition(View("fog", 5), View("keyboard", 3)),
)
CHECKPOINT = {"weights": "abc", "dtype": "float32", "prompt": ["a", "b"]}
FIXED = {"method": "attention_bias", "scheduler": "fixed"}
MODELS: dict[str, dict[str, Any]] = {
    "static": CHECKPOINT,
    "image": {**CHECKPOINT, "fusion": {**FIXED, "point": "1.0,0.0"}},
    "text": {**CHECKPOINT, "fusion": {**FIXED, "point": "0.0,1.0"}},
    "half": {**CHECKPOINT, "fusion": {**FIXED, "point": "0.5,0.5"}},
    "rule": {**CHECKPOINT, "fusion": {"scheduler": "rule", "alpha": 1.0}},
    "fitted": {**CHECKPOINT, "fusion": {"scheduler": "learned", "fitted_on": ["fog", "keyboard"]}},
    "other": {**CHECKPOINT, "dtype": "float16", "fusion": {"scheduler": "late_fusion"}},
}
N_SAMPLES, N_GROUPS = 60, 20


def manifest(*names: str) -> dict[str, Any]:
    return {"models": {name: {"parts": [], "settings": MODELS[name]} for name in names or MODELS}}


def records(name: str) -> pd.DataFrame:
    """Seeded; some errors, a corruption that leaves samples out, signals where a model is scheduled."""
    rng = np.random.default_rng(list(MODELS).index(name))
    conditions = [condition for _ in range(N_SAMPLES) for condition in CONDITIONS]
    samples = np.repeat(np.arange(N_SAMPLES), len(CONDITIONS))
    n = len(samples)
    severity = np.array([condition.severity for condition in conditions])
    weight = np.clip(0.6 - 0.05 * severity + 0.05 * rng.standard_normal(n), 0.0, 1.0)
    scheduled = name in ("rule", "fitted", "other")
    frame = pd.DataFrame(
        {
            "sample_id": [f"q{i}" for i in samples],
            "group": [f"g{i % N_GROUPS}" for i in samples],
            "image_corruption": [condition.image.corruption for condition in conditions],
            "image_severity": [condition.image.severity for condition in conditions],
            "text_corruption": [condition.text.corruption for condition in conditions],
            "text_severity": [condition.text.severity for condition in conditions],
            "score": (rng.random(n) < 0.8 - 0.05 * severity).astype(float),
            "status": np.where(rng.random(n) < 0.03, "model_error", "ok"),
            "changed": severity > 0,
            "weight_image": weight if scheduled else np.nan,
            "weight_text": 1.0 - weight if scheduled else np.nan,
        }
    )
    for column in MEASURES:
        if column not in frame:
            frame[column] = rng.random(n) + 0.1 * severity if scheduled else np.nan
    left_out = (frame["image_corruption"] == "fog") & (samples % 7 == 0)
    frame.loc[left_out, "status"] = "left_out"
    return frame


FRAMES = {name: records(name) for name in MODELS}
ROWS: dict[str, Rows] = {name: read_rows(frame, MEASURES) for name, frame in FRAMES.items()}


@pytest.fixture(scope="module")
def found() -> dict[str, Scheduling]:
    return {one.model: one for one in scheduling(ROWS, manifest())}


# Roles


def test_roles_come_from_the_settings_alone() -> None:
    one, other = lineups(manifest(), MODELS)
    assert one.static == "static"
    assert one.points == {"image": (1.0, 0.0), "text": (0.0, 1.0), "half": (0.5, 0.5)}
    assert one.scheduled == {"rule": (), "fitted": ("fog", "keyboard")}
    assert (other.static, other.points, other.scheduled) == (None, {}, {"other": ()})
    (alone,) = lineups(manifest(), ("half", "text", "rule"))
    assert (alone.static, alone.points) == ("half", {"text": (0.0, 1.0)})
    assert lineups(manifest(), ("static", "image")) == ()
    assert lineups({"models": {"old": {"parts": []}}}, ("old",)) == ()
    assert fitted_on({"settings": MODELS["fitted"]}) == ("fog", "keyboard")
    assert fitted_on({"settings": MODELS["static"]}) == fitted_on({}) == ()


# Figures


@pytest.mark.parametrize("model", ["rule", "fitted"])
def test_headroom_is_that_of_the_same_rows(found: dict[str, Scheduling], model: str) -> None:
    """Joined by pandas instead of by position, in another order."""
    keys = ["sample_id", "image_corruption", "image_severity", "text_corruption", "text_severity"]
    candidates = ("static", "image", "text", "half")
    table = FRAMES[model].sample(frac=1.0, random_state=1)
    table["own"] = table["score"].where(table["status"] == "ok")
    for name in candidates:
        scores = FRAMES[name].assign(**{name: FRAMES[name]["score"].where(FRAMES[name]["status"] == "ok")})
        table = table.merge(scores[[*keys, name]], on=keys)
    table = table[(table["image_severity"] > 0) | (table["text_severity"] > 0)]
    names = [
        f"{row.image_corruption}@{row.image_severity}+{row.text_corruption}@{row.text_severity}"
        for row in table.itertuples()
    ]
    expected = headroom(
        table[list(candidates)],
        table["own"],
        candidates=candidates,
        conditions=names,
        groups=table["group"].tolist(),
        static="static",
    )
    room = found[model].headroom
    assert room is not None
    for key in ("static", "dms", "best_constant", "oracle", "gain", "available", "over_constant", "closed"):
        one, two = getattr(room, key), getattr(expected, key)
        assert (one.value, one.low, one.high) == pytest.approx((two.value, two.low, two.high)), key
    assert (room.n_rows, room.n_groups) == (expected.n_rows, N_GROUPS)
    assert "clean" not in room.oracle_points and len(room.oracle_points) == len(CONDITIONS) - 1
    assert set(room.oracle_points.values()) <= set(candidates)


def test_headroom_means_are_those_of_the_leaderboard_where_nothing_fails() -> None:
    whole = {name: frame.assign(status="ok") for name, frame in FRAMES.items()}
    rows = {name: read_rows(frame, MEASURES) for name, frame in whole.items()}
    (one,) = (each for each in scheduling(rows, manifest()) if each.model == "fitted")
    assert one.headroom is not None
    for name, value in (("static", one.headroom.static), ("fitted", one.headroom.dms)):
        assert value.value == pytest.approx(scorecard(whole[name], replicates=2).mean.value)


def test_gains_are_those_of_compare(found: dict[str, Scheduling]) -> None:
    whole = compare(FRAMES["static"], FRAMES["fitted"])
    groups = found["fitted"].groups
    assert [group.name for group in groups.by_relation] == ["fitted", "unseen family"]
    assert [group.n_conditions for group in groups.by_relation] == [4, 4]
    families = {group.name: group for group in groups.by_family}
    assert list(families) == [
        "image:noise",
        "image:weather",
        "text:character",
        "image:weather+text:character",
    ]
    by_name = {contrast.name: contrast for contrast in whole.corruptions}
    for family, corruption in (("image:weather", "fog"), ("text:character", "keyboard")):
        for key in ("a", "b", "difference", "ci_low", "ci_high"):
            assert getattr(families[family], key) == getattr(by_name[corruption], key)
    noise = [by_name[name].difference for name in ("gaussian_noise", "shot_noise")]
    assert families["image:noise"].difference == pytest.approx(sum(noise) / 2)
    assert found["rule"].groups.by_relation == ()


def test_without_the_other_models(found: dict[str, Scheduling]) -> None:
    other = found["other"]
    assert (other.static, other.headroom, other.groups.by_family) == (None, None, ())
    assert other.weights is not None and other.signals
    assert any(note.startswith("other: no headroom") for note in notes([other]))
    assert not any("no headroom" in note for note in notes([found["rule"]]))
    (plain,) = scheduling({name: ROWS[name] for name in ("static", "rule")}, manifest())
    assert plain.headroom is None and plain.groups.by_family
    assert scheduling({name: ROWS[name] for name in ("static", "image")}, manifest()) == ()


def test_models_that_were_not_asked_the_same_are_refused() -> None:
    few = FRAMES["image"][FRAMES["image"]["sample_id"] != "q3"]
    with pytest.raises(NotComparableError, match="image lacks 1 of 60 samples"):
        scheduling({**ROWS, "image": read_rows(few, MEASURES)}, manifest())


# Files and tables


def test_files(found: dict[str, Scheduling], info: ReportInfo, tmp_path: Path) -> None:
    paths = write(list(found.values()), info, tmp_path, "60 samples")
    assert [path.name for path in paths] == ["scheduling.md", "scheduling.json", "weights.png", "weights.svg"]
    written = json.loads((tmp_path / "scheduling.json").read_text())
    assert (written["suite"], written["level"]) == ("vqa-corrupt", 0.95)
    models = {entry["model"]: entry for entry in written["models"]}
    fitted, room = models["fitted"], found["fitted"].headroom
    assert room is not None
    assert fitted["headroom"]["gain"]["value"] == round(room.gain.value, 6)
    assert fitted["points"]["image"] == [1.0, 0.0] and fitted["fitted_on"] == ["fog", "keyboard"]
    expected = {"name", "a", "b", "difference", "ci_low", "ci_high", "n_conditions"}
    assert all(set(entry) == expected for entry in (*fitted["by_relation"], *fitted["by_family"]))
    trends = {part["name"]: part["trend"] for part in fitted["weights"]["corruptions"]}
    assert trends == dict.fromkeys(
        ("gaussian_noise", "shot_noise", "fog", "keyboard", "fog+keyboard"), "falls"
    )
    assert [point["severity"] for point in fitted["weights"]["corruptions"][0]["curve"]] == [0, 1, 5]
    overall = [score for score in fitted["signals"] if score["family"] is None]
    assert len(overall) == 6 and all(0.4 < score["auroc"] < 1.0 for score in overall)
    assert models["other"]["headroom"] is None
    again = write(list(found.values()), info, tmp_path / "again", "60 samples")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in paths]
    assert "uniform (50.0 %)" in (tmp_path / "weights.svg").read_text()


def test_markdown_says_what_json_says(found: dict[str, Scheduling], info: ReportInfo) -> None:
    text = to_markdown(list(found.values()), info)
    lines = text.splitlines()
    for heading in ("# Scheduling: vqa-corrupt", "## Headroom", "## Gain by kind of damage"):
        assert heading in lines
    assert "chosen on the rows that it is scored on" in text
    (row,) = (line for line in lines if line.startswith("| fitted | unseen family |"))
    group = found["fitted"].groups.by_relation[1]
    assert f"| 4 | {100 * group.a:.1f} | {100 * group.b:.1f} | {100 * group.difference:+.2f} [" in row
    assert all(line.count("|") in (0, 7, 8, 9) for line in lines), "every row has its table's columns"
    assert "NaN" not in to_json(list(found.values()), info)


def test_what_the_intervals_and_the_weights_leave_open_is_said(
    found: dict[str, Scheduling], info: ReportInfo
) -> None:
    told = " ".join(notes(list(found.values())))
    assert "intervals hold the choice fixed" in told
    assert "without its text all is the image's" in told
    console = Console(width=100, color_system=None, force_terminal=False)
    with console.capture() as capture:
        for table in scheduling_tables(list(found.values())):
            console.print(table)
    shown = " ".join(capture.get().split())
    assert "intervals hold the choice fixed" in shown
    assert "both modalities" not in shown and "a row without one modality counts" in shown


def test_a_model_without_signals_has_no_empty_table(found: dict[str, Scheduling], info: ReportInfo) -> None:
    """The best constant measures nothing."""
    mute = read_rows(FRAMES["rule"].assign(**dict.fromkeys(SIGNALS, np.nan)), MEASURES)
    (one,) = scheduling({"static": ROWS["static"], "rule": mute}, manifest())
    assert "Signals of rule" not in to_markdown([one], info)
    assert "Signals of rule" in to_markdown([found["rule"]], info)


def test_headroom_that_no_row_has_is_not_laid_to_missing_models(info: ReportInfo) -> None:
    status = FRAMES["image"]["status"].replace("ok", "model_error")
    failed = read_rows(FRAMES["image"].assign(status=status), MEASURES)
    rows = {**{name: ROWS[name] for name in ("static", "rule")}, "image": failed}
    (one,) = scheduling(rows, manifest())
    assert one.headroom is None
    (note,) = (note for note in notes([one]) if note.startswith("rule: no headroom"))
    assert note == "rule: no headroom, no corrupted row has a score from static fusion and every fixed point"


@pytest.mark.parametrize("width", [80, 100])
def test_tables_fit_the_terminal(found: dict[str, Scheduling], width: int) -> None:
    console = Console(width=width, color_system=None, force_terminal=False)
    with console.capture() as capture:
        for table in scheduling_tables(list(found.values())):
            console.print(table)
    four = scheduling_tables([*found.values(), found["rule"]])
    assert len(four) == 4 + 1, "weights in two tables"
    lines = [line.rstrip() for line in capture.get().splitlines()]
    assert max(map(len, lines)) <= width and "…" not in capture.get()
    for title in ("headroom over", "gain over static", "the image's weight", "signals: AUROC"):
        assert sum(line.startswith(title) for line in lines) == 1
    (fog,) = (line.split() for line in lines if line.split()[:1] == ["fog"])
    weights = found["fitted"].weights
    assert weights is not None
    ends = (weights.corruptions[0].curve[0].score.value, weights.corruptions[0].curve[-1].score.value)
    assert fog[3:5] == [f"{ends[0]:.3f}→{ends[1]:.3f}", "falls"]
    assert scheduling_tables(()) == []
