"""Configurations of gates: what is read, what holds for which check, and what is refused."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from gate_made_up import GRID
from hypothesis import given
from hypothesis import strategies as st

from dmsbench.errors import DmsbenchError
from dmsbench.gate import GateConfig, Part, load_config
from dmsbench.gate.config import Planned, plan
from dmsbench.grid import Condition, View

CONDITIONS = sorted(Condition(View(a, b), View(c, d)) for a, b, c, d in GRID)
JOINT = [*CONDITIONS, Condition(View("fog", 1), View("keyboard", 1))]


def read(tmp_path: Path, text: str, name: str = "gate.toml") -> GateConfig:
    (tmp_path / name).write_text(text)
    return load_config(tmp_path / name)


def planned(
    config: GateConfig, score: str = "exact_match", conditions: Any = CONDITIONS
) -> dict[str, Planned]:
    return {one.name: one for one in plan(config, score, conditions, conditions)}


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    config = load_config(folder=tmp_path)
    assert config == GateConfig()
    found = plan(config, "exact_match", CONDITIONS, CONDITIONS)
    assert [one.name for one in found] == ["clean", "overall", "fog", "gaussian_blur", "keyboard"]
    assert {(one.tolerance, str(one.rule), one.floor) for one in found} == {(0.02, "regression", None)}


def test_the_folder_s_own_file_is_found_and_gate_toml_before_the_project_s(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')
    assert load_config(folder=tmp_path) == GateConfig()
    (tmp_path / "pyproject.toml").write_text("[tool.dmsbench.gate]\ntolerance = 0.3\n")
    assert load_config(folder=tmp_path).tolerance == 0.3
    (tmp_path / "gate.toml").write_text("tolerance = 0\n")
    found = load_config(folder=tmp_path)
    assert found.tolerance == 0.0
    assert found.where == str(tmp_path / "gate.toml")


def test_the_more_specific_wins_key_by_key(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        """
        tolerance = 0.05
        floor = 0.1
        clean.tolerance = 0.01
        overall.rule = "non-inferiority"
        family."image:blur" = {tolerance = 0.06, floor = 0.2}
        corruption.gaussian_blur.tolerance = 0.07
        score.exact_match.tolerance = 0.04
        score.vqa_v2_official.corruption.fog.floor = 0.3
        """,
    )
    own = planned(config)
    assert (own["overall"].tolerance, str(own["overall"].rule)) == (0.04, "non-inferiority")
    # A score's own general setting is more specific than what another block says of all scores.
    assert own["clean"].tolerance == own["gaussian_blur"].tolerance == 0.04
    assert own["gaussian_blur"].floor == own["image:blur"].floor == 0.2
    other = planned(config, "vqa_v2_official")
    assert (other["clean"].tolerance, other["gaussian_blur"].tolerance) == (0.01, 0.07)
    assert (other["image:blur"].tolerance, other["image:blur"].part) == (0.06, Part.FAMILY)
    assert (other["fog"].floor, other["fog"].tolerance, other["keyboard"].floor) == (0.3, 0.05, 0.1)


TOLERANCES = st.none() | st.integers(0, 9).map(lambda n: n / 10)


@given(st.lists(TOLERANCES, min_size=6, max_size=6))
def test_a_setting_is_the_first_that_is_there_in_the_order_of_the_docs(found: list[float | None]) -> None:
    names = ("check", "family", "score")
    settings = dict(zip(itertools.product(("own", "general"), names), found, strict=True))

    def block(whose: str) -> dict[str, Any]:
        made: dict[str, Any] = {
            "corruption": {"gaussian_blur": {"tolerance": settings[whose, "check"]}},
            "family": {"image:blur": {"tolerance": settings[whose, "family"]}},
        }
        if settings[whose, "score"] is not None:
            made["tolerance"] = settings[whose, "score"]
        return made

    config = GateConfig.model_validate({**block("general"), "score": {"exact_match": block("own")}})
    wanted = next((one for one in found if one is not None), 0.02)
    assert planned(config)["gaussian_blur"].tolerance == wanted


def test_checks_say_which_are_made_and_a_block_makes_its_own(tmp_path: Path) -> None:
    assert list(planned(read(tmp_path, 'checks = ["overall"]\n'))) == ["overall"]
    every = planned(read(tmp_path, 'checks = ["families"]\n'), conditions=JOINT)
    assert list(every) == ["image:blur", "image:weather", "text:character", "image:weather+text:character"]
    named = planned(read(tmp_path, "checks = []\ncorruption.fog.floor = 0.5\n"))
    assert list(named) == ["fog"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tolerence = 0.1", "tolerence: unknown key 'tolerence': did you mean 'tolerance'?"),
        (
            "[limits]\nerror_rte = 0.1",
            "limits.error_rte: unknown key 'error_rte': did you mean 'error_rate'?",
        ),
        ("[corruption.fog]\nflor = 1", "corruption.fog.flor: unknown key 'flor': did you mean 'floor'?"),
        ("[score.exact_match]\ncorruptoin = 1", "score.exact_match.corruptoin: unknown key"),
        ("[score.exact_mach]\nfloor = 1", "score: unknown score 'exact_mach': did you mean 'exact_match'?"),
        ('tolerance = "0.02"', "tolerance: input should be a valid number, not '0.02'"),
        ("tolerance = true", "tolerance: input should be a valid number, not True"),
        ("tolerance = nan", "tolerance: input should be"),
        ("tolerance = 2", "tolerance: input should be less than or equal to 1, not 2"),
        ("floor = -0.1", "floor: input should be greater than or equal to 0"),
        ('rule = "regresion"', "rule: input should be 'regression' or 'non-inferiority', not 'regresion'"),
        ('checks = ["all"]', "checks.0: input should be"),
        ("[limits]\nmissing_conditions = 1.5", "limits.missing_conditions: input should be a valid integer"),
        ("[limits]\ntime_ratio = 0", "limits.time_ratio: input should be greater than 0"),
        ("corruption = 3", "corruption: input should be a valid dictionary"),
        ("tolerance =", "not valid TOML"),
        ("a = 1\na = 2", "not valid TOML"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DmsbenchError) as raised:
        read(tmp_path, text)
    assert str(raised.value).startswith(f"{tmp_path / 'gate.toml'}: ")
    assert message in str(raised.value)
    (tmp_path / "pyproject.toml").write_text("")
    with pytest.raises(DmsbenchError, match=r"it has no table \[tool.dmsbench.gate\]"):
        load_config(tmp_path / "pyproject.toml")


def test_keys_of_a_project_file_are_named_whole(tmp_path: Path) -> None:
    with pytest.raises(DmsbenchError, match=r"tool\.dmsbench\.gate\.limits\.x: unknown key"):
        read(tmp_path, "[tool.dmsbench.gate.limits]\nx = 1\n", "pyproject.toml")
    with pytest.raises(DmsbenchError, match="cannot be read"):
        load_config(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(DmsbenchError, match="not UTF-8"):
        load_config(tmp_path / "bytes.toml")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"corruption": {"fogg": {}}},
            "corruption: unknown corruption of the reference's run 'fogg': did you",
        ),
        ({"family": {"image:bluer": {}}}, "family: .* did you mean 'image:blur'"),
        ({"score": {"chrf": {"corruption": {"snow": {}}}}}, "score.chrf.corruption: unknown corruption"),
    ],
)
def test_names_that_the_reference_does_not_have_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(DmsbenchError, match=message):
        plan(GateConfig.model_validate(settings), "exact_match", CONDITIONS, CONDITIONS)
