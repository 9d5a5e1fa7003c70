"""The leaderboard: models by their mean over the corrupted conditions, as Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dmsbench.files import write_atomically
from dmsbench.plain_text import csv_text, one_line
from dmsbench.report import retrieval as by_direction
from dmsbench.report.answer_types import entries, section, telling
from dmsbench.report.formats import DECIMALS, escaped, percent, plain, rate, with_interval
from dmsbench.report.unchanged import Unchanged, unchanged_conditions, unchanged_note

if TYPE_CHECKING:
    from dmsbench.scores import Estimate, Scorecard
    from dmsbench.scores.answer_types import AnswerTypeScore
    from dmsbench.scores.retrieval import RetrievalScores

_FIGURES = ("clean", "mean", "retention", "above_chance_retention", "ausc")
_ROUNDING = 1e-12  # of a mean over conditions: equal sums may differ in their last bits
_TITLES = ("clean", "mean", "retention", "above-chance retention", "area under curve")


@dataclass(frozen=True, slots=True)
class ReportInfo:
    """What was run; stands at the head of every report."""

    suite: str
    dataset: str
    n_samples: int
    """Samples asked under every condition."""
    seed: int
    score: str
    """The score's signature: name, normalisation, version."""
    fingerprint: str
    """Of the suite: data, grid and settings. Reports of equal fingerprints may be set side by side."""
    profile: str = "auto"
    """The severity profile; `auto`: the published tables, by each picture's size."""
    truth: tuple[str, ...] = ()
    """What is left out because a corruption would make its answer wrong, what is not though it would, and
    what the suite sets for single corruptions; one line each."""


@dataclass(frozen=True, slots=True)
class LeaderboardRow:
    """One model. Scores and rates are shares in [0, 1], ratios as in ``scores.Scorecard``; NaN: undefined."""

    rank: int | None
    """From 1 by ``mean``; equal means share a rank. None where the mean is undefined."""
    model: str
    clean: Estimate
    mean: Estimate
    """Equal-weight mean over all corrupted conditions."""
    retention: Estimate
    above_chance_retention: Estimate
    ausc: Estimate
    """Area under the severity curve."""
    worst: str | None
    """The condition with the lowest score (``fog@5``); None where no corrupted condition has one."""
    worst_score: Estimate | None
    error_rate: float
    """Errors / rows, over all conditions; errors are in no score."""
    n_samples: int
    n_errors: int
    n_missing: int
    """(sample, condition) pairs without a row: above 0, the run is incomplete."""
    n_unscored: int
    """Conditions with nothing but errors: in no mean."""
    n_left_out: int
    """(sample, condition) pairs not asked, because the corruption would make the answer wrong: no errors."""


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """Rows by rank, those without a mean last."""

    info: ReportInfo
    rows: tuple[LeaderboardRow, ...]
    chance: float | None
    level: float
    """Of the intervals, in (0, 1)."""
    unchanged: tuple[Unchanged, ...] = ()
    """Conditions that left samples as they were, worst first."""
    answer_types: Mapping[str, Sequence[AnswerTypeScore]] = field(default_factory=dict)
    """Scores by answer type, of each model in the rows' order; empty where all questions are of one type."""
    retrieval: Mapping[str, RetrievalScores] = field(default_factory=dict)
    """Scores of retrieval, of each model in the rows' order; empty for another task."""


def build(
    scorecards: Mapping[str, Scorecard],
    info: ReportInfo,
    answer_types: Mapping[str, Sequence[AnswerTypeScore]] | None = None,
    retrieval: Mapping[str, RetrievalScores] | None = None,
) -> Leaderboard:
    """The leaderboard of models by name; equal means keep the order given.

    ``answer_types`` has the scores by answer type of the same models, ``retrieval`` those of retrieval.

    Raises ValueError without a scorecard, or where they differ in chance or in the level of their intervals.
    """
    if not scorecards:
        raise ValueError("a leaderboard needs at least one scorecard")
    settings = {(card.chance, card.level) for card in scorecards.values()}
    if len(settings) > 1:
        raise ValueError("the scorecards differ in chance or level: score them alike")
    ((chance, level),) = settings
    means = [card.mean.value for card in scorecards.values()]
    rows = [
        LeaderboardRow(
            rank=None
            if math.isnan(card.mean.value)
            else 1 + sum(m > card.mean.value + _ROUNDING for m in means),
            model=name,
            clean=card.clean,
            mean=card.mean,
            retention=card.retention,
            above_chance_retention=card.above_chance_retention,
            ausc=card.ausc,
            worst=str(card.worst.condition) if card.worst else None,
            worst_score=card.worst.score if card.worst else None,
            error_rate=card.error_rate,
            n_samples=card.n_samples,
            n_errors=card.n_errors,
            n_missing=card.n_missing,
            n_unscored=len(card.unscored),
            n_left_out=card.n_left_out,
        )
        for name, card in scorecards.items()
    ]
    ordered = sorted(rows, key=lambda row: len(rows) + 1 if row.rank is None else row.rank)
    unchanged = unchanged_conditions(scorecards.values())
    by_type = {row.model: answer_types[row.model] for row in ordered} if answer_types else {}
    searched = {row.model: retrieval[row.model] for row in ordered} if retrieval else {}
    return Leaderboard(info, tuple(ordered), chance, level, unchanged, telling(by_type), searched)


def to_json(leaderboard: Leaderboard) -> str:
    """A JSON object ``{suite, …, chance, level, unchanged, rows}``: six decimals, null for NaN.

    ``answer_types`` and ``retrieval`` are beside them where there are any.
    """
    content = {
        **asdict(leaderboard.info),
        "chance": leaderboard.chance,
        "level": leaderboard.level,
        "unchanged": [asdict(unchanged) for unchanged in leaderboard.unchanged],
        "rows": [asdict(row) for row in leaderboard.rows],
    }
    if leaderboard.answer_types:
        content["answer_types"] = entries(leaderboard.answer_types)
    if leaderboard.retrieval:
        content["retrieval"] = by_direction.entries(leaderboard.retrieval)
    return json.dumps(plain(content), indent=2, allow_nan=False) + "\n"


def to_csv(leaderboard: Leaderboard) -> str:
    """One line a model: shares with six decimals, estimates with ``_low`` and ``_high``; empty for NaN."""
    out = io.StringIO()
    estimates = [f"{name}{end}" for name in _FIGURES for end in ("", "_low", "_high")]
    worst = ["worst", "worst_score", "worst_score_low", "worst_score_high"]
    counts = ["error_rate", "n_samples", "n_errors", "n_missing", "n_unscored", "n_left_out"]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["rank", "model", *estimates, *worst, *counts])
    for row in leaderboard.rows:
        figures = [number for name in _FIGURES for number in ends(getattr(row, name))]
        writer.writerow(
            [
                "" if row.rank is None else row.rank,
                csv_text(row.model),
                *figures,
                csv_text(row.worst or ""),
                *ends(row.worst_score),
                *ends_of(row.error_rate),
                *(getattr(row, name) for name in counts[1:]),
            ]
        )
    return out.getvalue()


def ends(estimate: Estimate | None) -> list[str]:
    """Value, low and high as CSV has them."""
    return [""] * 3 if estimate is None else ends_of(estimate.value, estimate.low, estimate.high)


def ends_of(*numbers: float) -> list[str]:
    """Numbers as CSV has them: six decimals, empty for NaN."""
    return ["" if math.isnan(number) else f"{number + 0.0:.{DECIMALS}f}" for number in numbers]


def to_markdown(leaderboard: Leaderboard) -> str:
    """A heading, what was run, the table with scores in points, and what each column means."""
    info = leaderboard.info
    lines = [
        f"# Leaderboard: {escaped(info.suite)}",
        "",
        f"- dataset: {escaped(info.dataset)}, {info.n_samples} samples",
        f"- seed: {info.seed}",
        f"- severity profile: {code(info.profile)}",
        f"- score: {code(info.score)}",
        f"- suite fingerprint: {code(info.fingerprint)}",
        "",
        line_of(["#", "model", *_TITLES, "worst condition", "errors", "samples"]),
        line_of(["--:", ":--", *(["--:"] * len(_TITLES)), ":--", "--:", "--:"]),
    ]
    for row in leaderboard.rows:
        worst = f"{cell_code(row.worst)} {with_interval(row.worst_score)}" if row.worst else "n/a"
        figures = [with_interval(getattr(row, name)) for name in _FIGURES]
        rank = "n/a" if row.rank is None else str(row.rank)
        counts = [rate(row.error_rate), str(row.n_samples)]
        lines.append(line_of([rank, escaped(row.model), *figures, worst, *counts]))
    lines += ["", *(f"- {note}" for note in notes(leaderboard))]
    if leaderboard.answer_types:
        lines += ["", *section(leaderboard.answer_types)]
    if leaderboard.retrieval:
        lines += ["", *by_direction.section(leaderboard.retrieval)]
    return "\n".join(lines) + "\n"


def line_of(cells: list[str]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def code(text: str) -> str:
    """Text as code in Markdown."""
    return "`" + one_line(text).replace("`", "'") + "`"


def cell_code(text: str) -> str:
    """As ``code``, in a table's cell."""
    return code(text).replace("|", "\\|")  # a table cell ends at a bar, in code too


def notes(leaderboard: Leaderboard) -> list[str]:
    """What each column means, and why values are undefined or a run is incomplete; one line each."""
    return [*columns_explained(leaderboard).values(), *circumstances(leaderboard)]


def columns_explained(leaderboard: Leaderboard) -> dict[str, str]:
    """What each column means, one line each; ``points`` is on all, ``pairs`` on what they do not show."""
    level, chance = percent(leaderboard.level), leaderboard.chance
    known = "unknown here" if chance is None else f"{100 * chance:.1f} here"
    return {
        "points": f"Scores are in points (100 is perfect), in brackets the {level} interval from a bootstrap "
        "clustered by image.",
        "clean": "**clean**: mean score without corruption.",
        "mean": "**mean**: equal-weight mean over all corrupted conditions; the ranking goes by it.",
        "retention": "**retention**: mean / clean, in per cent (RR); it flatters models near chance.",
        "above_chance_retention": "**above-chance retention**: (mean - chance) / (clean - chance), in per "
        f"cent; chance is {known}.",
        "ausc": "**area under curve**: area under score against severity (0 to the largest), mean over "
        "corruptions.",
        "worst": "**worst condition**: the corruption@severity with the lowest score; its interval is not "
        "corrected for having been picked.",
        "errors": "**errors**: share of the records that are errors; they are left out of every score.",
        "pairs": "Whether the intervals of two models overlap says nothing about their paired difference: "
        "use `dmsbench compare`.",
    }


def circumstances(leaderboard: Leaderboard, *, area: bool = True) -> list[str]:
    """What is left out, undefined, unchanged or missing; one line each. ``area``: whether the area under
    the curve is shown."""
    found = []
    if any(row.n_left_out for row in leaderboard.rows):
        found.append(
            "Samples whose own answer a corruption makes wrong are left out of its conditions: **retention** "
            "and **area under curve** compare with clean on the samples that are kept, **above-chance "
            "retention** is over the corruptions that leave out none."
        )
    found += [f"{escaped(line)}." for line in leaderboard.info.truth]
    found += [f"n/a: {reason}" for reason in _reasons(leaderboard, area=area)]
    note = unchanged_note(leaderboard.unchanged)
    if note is not None:
        found.append(f"{escaped(note)}.")
    for row in leaderboard.rows:
        if row.n_missing:
            found.append(f"{escaped(row.model)} is incomplete; records missing: {row.n_missing}.")
        if row.n_unscored:
            found.append(f"{escaped(row.model)}; conditions with only errors, in no mean: {row.n_unscored}.")
    return found


def _reasons(leaderboard: Leaderboard, *, area: bool) -> list[str]:
    rows = leaderboard.rows
    found = []
    if any(not row.clean.defined for row in rows):
        found.append("**clean** needs the clean condition with at least one record that is not an error.")
    if any(not row.mean.defined for row in rows):
        found.append("**mean** and **worst condition** need a corrupted condition with scores.")
    if any(not row.retention.defined for row in rows):
        found.append("**retention** needs a mean and a clean score above 0.")
    if any(not row.above_chance_retention.defined for row in rows):
        found.append(
            "**above-chance retention** needs a chance that is known for this data set and score."
            if leaderboard.chance is None
            else "**above-chance retention** needs a mean and a clean score above chance."
        )
    if area and any(not row.ausc.defined for row in rows):
        found.append("**area under curve** needs a clean score and a corrupted condition with scores.")
    shown = [getattr(row, name) for row in rows for name in (*_FIGURES, "worst_score")]
    if any(e is not None and e.defined and math.isnan(e.low) for e in shown):
        found.append("an interval needs two images or more, and a value defined in nearly all its resamples.")
    return found


def write(leaderboard: Leaderboard, folder: Path) -> list[Path]:
    """Write leaderboard.md, .csv and .json into the folder, made where it is not there; their paths.

    Each file is replaced as a whole. Raises OSError where it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    contents = {"md": to_markdown(leaderboard), "csv": to_csv(leaderboard), "json": to_json(leaderboard)}
    paths = []
    for suffix, content in contents.items():
        path = folder / f"leaderboard.{suffix}"
        write_atomically(path, content.encode())
        paths.append(path)
    return paths
