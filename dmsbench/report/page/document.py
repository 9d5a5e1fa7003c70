"""The page itself: head and leaderboard as HTML, everything else as compressed data that its scripts show."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from dmsbench import __version__
from dmsbench.files import write_atomically
from dmsbench.plain_text import one_line
from dmsbench.report.formats import UNDEFINED, rate, signed_points, with_interval
from dmsbench.report.leaderboard import LeaderboardRow, notes
from dmsbench.report.markup import as_html
from dmsbench.report.page.charts import charts
from dmsbench.report.page.gallery import gallery
from dmsbench.report.page.pictures import Album
from dmsbench.report.page.samples import explorer
from dmsbench.report.page.selection import select
from dmsbench.report.page.source import Source, source
from dmsbench.report.page.summary import summary
from dmsbench.report.run_scores import RunScores

NAME = "report.html"
SCRIPTS = (
    "base",
    "theme",
    "plots",
    "curves",
    "grid",
    "paired",
    "scheduling",
    "calibration",
    "gallery",
    "samples",
    "main",
)
"""The page's scripts, joined in this order."""
GALLERY_BYTES, SAMPLES_BYTES = 1_200_000, 1_900_000
"""Of pictures, before they are written as text, which takes a third more."""


def write_page(found: RunScores, folder: Path) -> Path:
    """Writes ``report.html`` into the folder; its path. The same run and data give the same bytes.

    Raises OSError where it cannot be written.
    """
    path = folder / NAME
    write_atomically(path, page(found).encode("utf-8", "replace"))
    return path


def page(found: RunScores) -> str:
    """The page, one self-contained document: it asks for nothing from anywhere."""
    data = source(found.manifest)
    chosen = select(found.rows, seed=found.info.seed)
    album = Album(GALLERY_BYTES)
    shown: object = []
    if isinstance(data, Source):
        shown = gallery(data, chosen.conditions, chosen.samples, album)
    album.budget = album.spent + SAMPLES_BYTES
    content = {
        "about": _about(found),
        "charts": charts(found),
        "gallery": {"samples": shown, "note": data if isinstance(data, str) else None},
        "samples": explorer(found, chosen, data, album),
        "shrunk": album.shrunk,
    }
    script = "\n".join(_asset(f"{name}.js") for name in SCRIPTS)
    script = f"(() => {{\n'use strict';\n{script}\n}})();"
    return Template(_asset("page.html")).substitute(
        title=_text(f"{found.info.suite}: robustness report"),
        suite=_text(found.info.suite),
        description=_text(str(found.manifest["suite"].get("description", ""))),
        subtitle=_text(found.subtitle),
        summary="\n".join(f"<li>{_text(line)}</li>" for line in summary(found)),
        leaderboard=_leaderboard(found),
        notes="\n".join(f"<li>{as_html(line)}</li>" for line in notes(found.board)),
        provenance=_provenance(found),
        style=_asset("page.css"),
        policy=_policy(script),
        plotly=_packed(_plotly()),
        pictures="\n".join(album.pictures),
        data=_packed(json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()),
        script=script,
    )


def _policy(script: str) -> str:
    """What the browser may do: run this very script and what it brings, show pictures of the page."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}' 'strict-dynamic'; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _asset(name: str) -> str:
    return (resources.files("dmsbench.report.page") / "assets" / name).read_text(encoding="utf-8")


def _plotly() -> bytes:
    """The charting library, from its package; the package itself, which is slow to import, is not run."""
    return (resources.files("plotly") / "package_data" / "plotly.min.js").read_bytes()


def _packed(content: bytes) -> str:
    """Compressed, as letters that mean nothing in HTML."""
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode("ascii")


def _text(text: str) -> str:
    return escape(one_line(text))


def _about(found: RunScores) -> dict[str, Any]:
    return {
        "suite": found.info.suite,
        "task": found.manifest["identity"]["task"],
        "score": found.score_name,
        "level": found.board.level,
        "graded": _graded(found),
    }


def _graded(found: RunScores) -> bool:
    """Whether scores lie between 0 and 1 too, so that answers are better or worse and not right or wrong."""
    return any(bool(((own.score > 0.0) & (own.score < 1.0)).any()) for own in found.rows.values())


_COLUMNS = (
    ("#", "rank by the mean"),
    ("model", ""),
    ("mean", "equal-weight mean over all corrupted conditions"),
    ("clean", "without corruption"),
    ("mean − best", "paired difference to the first model, with its interval"),
    ("retention", "mean / clean, in per cent"),
    ("above chance", "(mean − chance) / (clean − chance), in per cent"),
    ("area under curve", "under score against severity"),
    ("worst condition", "the lowest cell of the grid"),
    ("errors", "failed records; they are in no score"),
)


def _leaderboard(found: RunScores) -> str:
    head = "".join(f'<th scope="col" title="{escape(why)}">{escape(name)}</th>' for name, why in _COLUMNS)
    best = found.board.rows[0].model
    body = "\n".join(_row(found, row, best) for row in found.board.rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"


def _row(found: RunScores, row: LeaderboardRow, best: str) -> str:
    worst = UNDEFINED
    if row.worst is not None:
        worst = f"{_text(row.worst)} {_figure(with_interval(row.worst_score))}"
    cells = [
        UNDEFINED if row.rank is None else str(row.rank),
        None,
        _figure(with_interval(row.mean)),
        _figure(with_interval(row.clean)),
        _figure(_behind(found, best, row.model)),
        _figure(with_interval(row.retention)),
        _figure(with_interval(row.above_chance_retention)),
        _figure(with_interval(row.ausc)),
        worst,
        rate(row.error_rate),
    ]
    return "<tr>{}</tr>".format(
        "".join(
            f'<th scope="row">{_text(row.model)}</th>' if cell is None else f"<td>{cell}</td>"
            for cell in cells
        )
    )


def _figure(text: str) -> str:
    """A value, its interval smaller behind it."""
    value, blank, rest = text.partition(" ")
    return f"{escape(value)}{blank}<small>{escape(rest)}</small>" if rest else escape(value)


def _behind(found: RunScores, best: str, model: str) -> str:
    for pair in found.pairs:
        overall = pair.comparison.overall
        if overall is None or {pair.a, pair.b} != {best, model}:
            continue
        if pair.b == model:
            difference, low, high = overall.difference, overall.ci_low, overall.ci_high
        else:
            difference, low, high = -overall.difference, -overall.ci_high, -overall.ci_low
        return f"{signed_points(difference)} [{signed_points(low)}, {signed_points(high)}]"
    return "–"


def _fingerprint(manifest: Mapping[str, Any]) -> str:
    return str(manifest["identity"]["dataset"]["fingerprint"])


def _provenance(found: RunScores) -> str:
    manifest, info = found.manifest, found.info
    environment = manifest.get("environment", {})
    data = manifest["dataset"]
    entries = [
        ("Score", info.score),
        ("Suite fingerprint", info.fingerprint),
        ("Data", f"{info.dataset}, fingerprint {_fingerprint(manifest)}, {data.get('licence', '')}"),
        ("Severity profile", info.profile),
        ("Run made", f"{manifest.get('created')}, dmsbench {manifest['dmsbench']}; page by {__version__}"),
        ("Environment", ", ".join(f"{name} {version}" for name, version in environment.items())),
        *((f"Model {name}", str(manifest["models"][name].get("spec", ""))) for name in found.cards),
    ]
    return "\n".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in entries if value)
