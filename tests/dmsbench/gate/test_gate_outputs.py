"""What a gate writes: for reviewers, for CI servers, for other programs; and that text stays text."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from gate_made_up import answers, make_run, worse

from dmsbench.gate import GateConfig, Gated, flips, gate_runs
from dmsbench.report.gate.badge import gate_badge
from dmsbench.report.gate.document import FLIP, flips_sheet, gate_dict, gate_sheet
from dmsbench.report.gate.junit import gate_junit
from dmsbench.report.gate.markdown import FLIPS, flips_markdown, gate_markdown
from dmsbench.report.gate.words import seen, verdict
from dmsbench.report.sheets import to_csv

BEFORE = answers()
SVG = "{http://www.w3.org/2000/svg}"
#: Attributes of each element in the schemas of Ant (Windy Road) and of Jenkins: all, and those required.
JUNIT = {
    "testsuites": (set(), set()),
    "testsuite": (
        {"id", "package", "name", "timestamp", "hostname", "tests", "failures", "errors", "time"},
        {"id", "package", "name", "timestamp", "hostname", "tests", "failures", "errors", "time"},
    ),
    "properties": (set(), set()),
    "property": ({"name", "value"}, {"name", "value"}),
    "testcase": ({"name", "classname", "time"}, {"name", "classname", "time"}),
    "failure": ({"message", "type"}, {"type"}),
    "system-out": (set(), set()),
    "system-err": (set(), set()),
}
#: Children in their order; * any number, ? at most one.
CHILDREN = {
    "testsuites": "testsuite*",
    "testsuite": "properties testcase* system-out system-err",
    "properties": "property*",
    "testcase": "failure?",
}


def check_junit(text: str) -> ElementTree.Element:
    """What both schemas ask, element by element."""
    root = ElementTree.fromstring(text)  # noqa: S314 - our own
    assert root.tag == "testsuites"
    for element in root.iter():
        allowed, required = JUNIT[element.tag]
        assert required <= set(element.attrib) <= allowed, element.tag
        pattern = "".join(
            f"(?:{name.rstrip('*?')} ){name[-1] if name[-1] in '*?' else ''}"
            for name in CHILDREN.get(element.tag, "").split()
        )
        children = "".join(f"{child.tag} " for child in element)
        assert re.fullmatch(pattern, children), (element.tag, children)
    suite = root[0]
    cases = suite.findall("testcase")
    assert int(suite.attrib["tests"]) == len(cases)
    assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
    assert all(one.attrib["name"] for one in suite.iter() if one.tag in ("testcase", "property"))
    return root


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Gated:
    out = tmp_path_factory.mktemp("failing")
    make_run(out, {"old": BEFORE, "new": worse(BEFORE, [3, 4], 0.4)})
    config = GateConfig.model_validate({"floor": 0.6}).named("gate.toml")
    return gate_runs("old", out=out, config=config)


@pytest.fixture(scope="module")
def passing(tmp_path_factory: pytest.TempPathFactory) -> Gated:
    out = tmp_path_factory.mktemp("passing")
    make_run(out, {"old": BEFORE, "new": worse(BEFORE, [3], 0.02)})
    return gate_runs("old", out=out)


def test_the_verdict_is_a_sentence_with_the_drop_and_its_interval(failing: Gated, passing: Gated) -> None:
    said = verdict(failing)
    assert said.startswith("The gate failed: 'new' fails 3 of ")
    assert re.search(r"fog -\d\d\.\d\d points \[-\d\d\.\d\d, -\d\d?\.\d\d\]", said)
    assert verdict(passing) == "The gate passed: none of 7 checks fails 'new' against the reference 'old'."


def test_a_pass_says_what_it_could_have_seen(passing: Gated) -> None:
    said = seen(passing)
    assert re.search(r"overall \d+\.\d, clean \d+\.\d, single corruptions \d+\.\d", said)
    for check in passing.result.checks[:5]:
        assert check.tolerance < check.detectable_80 < check.detectable_90


def test_markdown_has_the_verdict_first_and_the_rest_folded(failing: Gated) -> None:
    found = flips(failing)
    text = gate_markdown(failing, found)
    lines = text.splitlines()
    assert lines[0] == "## Robustness gate: failed"
    assert lines[2].startswith("The gate failed: ")
    order = [
        "### What failed",
        "### Worst conditions",
        "### Flipped answers",
        "checks</summary>",
        "What was compared",
    ]
    places = [text.index(mark) for mark in order]
    assert places == sorted(places)
    assert text.count("<details>") == text.count("</details>") == 3
    assert f"The {FLIPS} of the worst conditions" in text
    assert f"{len(found.lost):,} answers went from right to wrong" in text
    shown = text.split("### Flipped answers")[1].split("</details>")[0]
    assert len(re.findall(r"^\| fog@", shown, flags=re.MULTILINE)) == FLIPS
    for table in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
    assert len(flips_markdown(found.lost).splitlines()) == len(found.lost) + 2


def test_junit_is_what_the_schemas_ask(failing: Gated, passing: Gated) -> None:
    root = check_junit(gate_junit(failing, datetime(2026, 1, 2, 3, 4, 5)))
    suite = root[0]
    assert suite.attrib["timestamp"] == "2026-01-02T03:04:05"
    failed = [case for case in suite.findall("testcase") if len(case)]
    assert [case.attrib["name"] for case in failed] == ["overall", "fog", "fog floor"]
    assert {case.attrib["classname"] for case in failed} == {"dmsbench.gate.score", "dmsbench.gate.floor"}
    failure = failed[1][0]
    assert "more than the tolerance of 0.02" in failure.attrib["message"]
    assert "95 % interval: [" in (failure.text or "")
    properties = {one.attrib["name"]: one.attrib["value"] for one in suite.iter("property")}
    assert properties["config"] == "gate.toml"
    assert properties["pairs"] == "840"
    assert not check_junit(gate_junit(passing)).findall(".//failure")


def test_badges_are_whole_and_name_themselves(failing: Gated, passing: Gated) -> None:
    for gated, message in ((failing, "failed: 3 checks"), (passing, "passed (-")):
        text = gate_badge(gated)
        root = ElementTree.fromstring(text)  # noqa: S314 - our own
        assert root.attrib["role"] == "img"
        (title,) = root.findall(f"{SVG}title")
        assert root.attrib["aria-labelledby"] == title.attrib["id"]
        assert title.text == verdict(gated)
        texts = [one.text or "" for one in root.iter(f"{SVG}text")]
        assert texts[0] == "robustness"
        assert texts[1].startswith(message)
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|<script|href|@import|url\(", text)


def test_json_is_whole(failing: Gated) -> None:
    found = flips(failing)
    document = gate_dict(failing, found, 5)
    assert list(document) == [
        "passed", "verdict", "tolerance", "checks", "notes", "suite", "score", "reference", "candidate",
        "config", "sees", "missing", "worst_conditions", "flips",
    ]  # fmt: skip
    json.dumps(document["checks"], allow_nan=False)
    assert len(document["flips"]["samples"]) == 5
    assert list(document["flips"]["samples"][0]) == list(FLIP)
    assert document["flips"]["right_to_wrong"] == len(found.lost)
    assert gate_dict(failing)["flips"]["samples"] is None
    assert document["reference"]["spec"] == "old-spec"
    assert document["worst_conditions"][0]["condition"].startswith("fog@")
    assert len(to_csv(flips_sheet(found.lost)).splitlines()) == len(found.lost) + 1
    assert len(gate_sheet(failing).rows) == len(failing.result.checks)


HOSTILE = "</title><script>alert(1)</script> ]]> & \"'|<b>\x1b[31m\u202e`*_ [x](http://e.org) =1+1"


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    make_run(
        tmp_path,
        {"old": BEFORE, "new[b]&'": worse(BEFORE, [3, 4], 0.4)},
        suite="s&]]'",
        text=(HOSTILE, HOSTILE, "=cmd|' /C calc'!A0"),
    )
    gated = gate_runs("old", out=tmp_path, config=GateConfig().named(HOSTILE))
    found = flips(gated)
    assert found.lost[0].question == HOSTILE
    root = check_junit(gate_junit(gated))
    badge = ElementTree.fromstring(gate_badge(gated))  # noqa: S314 - our own
    assert [one.tag for one in badge.iter() if "script" in one.tag] == []
    assert "new[b]&'" in (badge.findall(f"{SVG}title")[0].text or "")
    for element in [*root.iter(), *badge.iter()]:
        for text in (element.text or "", *element.attrib.values()):
            assert text.replace("\n", "").isprintable()
    for text in (gate_markdown(gated, found), flips_markdown(found.lost)):
        for line in text.splitlines():
            assert line.isprintable()
            plain = re.sub(r"\\.", "", line)
            assert "<script" not in plain and "<b>" not in plain and "](http" not in plain
        allowed = {"details", "/details", "summary", "/summary"}
        plain = re.sub(r"\\.", "", text)
        assert set(re.findall(r"<([^>]*)>", plain)) <= allowed
    for row in to_csv(flips_sheet(found.lost)).splitlines()[1:]:
        assert "'=cmd" in row
