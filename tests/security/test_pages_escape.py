"""Whatever names and texts say, a page shows it as text: no element, attribute or script comes of it."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from counted import count
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dmsbench.plain_text import one_line
from dmsbench.report.board.build import build_board
from dmsbench.report.board.html import to_html
from dmsbench.report.board.merge import merge
from dmsbench.report.board.select import selected
from dmsbench.report.leaderboard import ReportInfo
from dmsbench.report.markup import as_html
from dmsbench.report.page import document
from dmsbench.report.run_scores import RunScores, read_run
from dmsbench.runner.store import RunFolder

PIECES = (
    "<script>alert(1)</script>", "</script>", "</SCRIPT\t>", "<!--", "-->", "]]>", '" onload="x',
    "' onclick='x", "<img src=x onerror=alert(1)>", "</title>", "</style>", "&lt;", "&#x3c;script&#x3e;",
    "javascript:alert(1)", "\u2028", "\u2029", "\0", "\x1b[31m", "\u202e", "$title", "${script}", "$$", "<",
    ">", "&", "`", "**", "\\", "[x](javascript:alert(1))", "<svg/onload=alert(1)>", "\ud800", "|", "{{", "%s",
)  # fmt: skip
#: Never empty: a page leaves out what is.
hostile = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=8)), min_size=1, max_size=6).map(
    lambda pieces: "x" + "".join(pieces)
)


class Shape(HTMLParser):
    """The elements of a page with their attributes' names, and the texts in it."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: Counter[tuple[str, tuple[str, ...]]] = Counter()
        self.texts: list[str] = []
        self.values: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag, tuple(sorted(name for name, _ in attrs))] += 1
        self.values += [value or "" for _, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.elements["comment", (data,)] += 1


@pytest.fixture(scope="module")
def scored(tiny_run: Path) -> RunScores:
    folder = RunFolder(tiny_run)
    return read_run(folder, folder.manifest())


@pytest.fixture(scope="module")
def plain_shape(scored: RunScores) -> Shape:
    return Shape(document.page(named(scored, "plain")))


def named(found: RunScores, text: str) -> RunScores:
    """The run with this text in every place that a page takes from names and the manifest."""
    (old,) = found.cards
    manifest = json.loads(json.dumps(found.manifest))
    entry = manifest["models"].pop(old)
    manifest["models"][text] = entry | {"spec": text}
    manifest["suite"]["description"] = text
    manifest["created"] = manifest["dmsbench"] = text
    manifest["dataset"]["licence"] = text
    manifest["identity"]["dataset"]["fingerprint"] = text
    manifest["environment"] = {"python": text}
    info: ReportInfo = replace(
        found.info, suite=text, dataset=text, score=text, fingerprint=text, profile=text, truth=(text,)
    )
    board = replace(
        found.board,
        info=info,
        rows=tuple(replace(row, model=text, worst=text) for row in found.board.rows),
        answer_types=dict(zip([text], found.board.answer_types.values(), strict=False)),
    )
    return replace(
        found,
        manifest=manifest,
        info=info,
        board=board,
        cards={text: found.cards[old]},
        rows={text: found.rows[old]},
    )


@pytest.fixture(scope="module", autouse=True)
def light_page() -> Iterator[None]:
    """Without the charting library and the pictures, which are the same for every text and take a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(document, "_plotly", lambda: b"")
        patch.setattr(document, "source", lambda _manifest: "the data are not here")
        patch.setattr(
            document, "explorer", lambda found, *_: {"asked": found.info.suite, "of": list(found.cards)}
        )
        patch.setattr(document, "charts", lambda found: {"models": list(found.cards)})
        yield


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hostile)
@example("</script><script>alert(1)</script>")
@example('"><img src=x onerror=alert(1)>')
@example("a\u2028b\u2029</title>")
@example("plain")
def test_a_report_has_the_same_elements_whatever_the_names(
    scored: RunScores, plain_shape: Shape, text: str
) -> None:
    page = document.page(named(scored, text))
    shape = Shape(page)
    assert differing(shape, plain_shape) <= {"strong", "code"}
    assert one_line(text) in "".join(shape.texts) or not one_line(text)
    assert page.count("</script>") == 4 and page.encode("utf-8", "replace")
    # What scripts read is letters that mean nothing in HTML, and ASCII when unpacked.
    (packed,) = re.findall(r'id="data">([^<]*)<', page)
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", packed)
    content = gzip.decompress(base64.b64decode(packed)).decode("ascii")
    assert "\u2028" not in content and json.loads(content)["samples"]["asked"] == text
    count("report pages of hostile names")


@given(hostile)
def test_a_line_of_markdown_becomes_no_element_but_bold_and_code(text: str) -> None:
    shape = Shape(as_html(text))
    assert {tag for tag, _ in shape.elements} <= {"strong", "code"}
    count("lines of Markdown as HTML")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hostile)
@example("</h2><script>alert(1)</script>")
def test_a_board_has_the_same_elements_whatever_the_names(board: Callable[[str], Any], text: str) -> None:
    shape, plain = Shape(to_html([board(text)])), Shape(to_html([board("plain")]))
    assert differing(shape, plain) <= {"strong", "code"}
    assert not any(tag == "script" for tag, _ in shape.elements)
    count("leaderboard pages of hostile names")


@pytest.fixture(scope="module")
def board(tiny_run: Path) -> Callable[[str], Any]:
    (group,) = merge(selected([str(tiny_run)], tiny_run, None), by_suite=False).groups
    found = build_board(group)

    def called(text: str) -> Any:
        info = replace(found.leaderboard.info, suite=text, dataset=text, score=text, truth=(text,))
        entries = [
            replace(entry, row=replace(entry.row, model=text, worst=text), spec=text, version=text)
            for entry in found.entries
        ]
        rows = tuple(entry.row for entry in entries)
        leaderboard = replace(found.leaderboard, info=info, rows=rows)
        return replace(found, leaderboard=leaderboard, entries=tuple(entries), licence=text, date=text)

    return called


def differing(one: Shape, other: Shape) -> set[str]:
    """Tags of which the pages have different numbers or with other attributes."""
    return {tag for tag, _ in (one.elements - other.elements) + (other.elements - one.elements)}


def test_a_policy_forbids_whatever_would_get_through(scored: RunScores, board: Callable[[str], Any]) -> None:
    for page in (document.page(scored), to_html([board("plain")])):
        head = page.partition("</head>")[0]
        (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', head)
        assert head.index("Content-Security-Policy") < head.index("<title>")
        assert "default-src 'none'" in policy and "unsafe-eval" not in policy
        assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
        assert not re.search(r'(src|href)="(?!#|data:)', page)
