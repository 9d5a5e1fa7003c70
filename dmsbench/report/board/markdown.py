"""Boards as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from dmsbench.report import retrieval
from dmsbench.report.answer_types import section
from dmsbench.report.board.build import Behind, Board, Entry
from dmsbench.report.formats import UNDEFINED, escaped, interval, percent, rate, signed_points, with_interval
from dmsbench.report.leaderboard import cell_code, circumstances, code, columns_explained, line_of

COLUMNS = (
    "rank",
    "model",
    "mean",
    "minus the best",
    "clean",
    "retention",
    "above-chance retention",
    "worst condition",
    "errors",
    "samples",
)


def to_markdown(boards: Sequence[Board], command: str = "dmsbench leaderboard") -> str:
    """A section a suite; the head says what was run, by which score, and which command shows it."""
    parts = ["# Leaderboard", "", f"Made by {code(command)} from the records of the runs."]
    for board in boards:
        parts += ["", *_section(board)]
    return "\n".join(parts) + "\n"


def head(board: Board) -> list[tuple[str, str]]:
    """What was run: names and values, plain text."""
    info = board.leaderboard.info
    found = [
        ("data", f"{info.dataset}, {info.n_samples} samples, fingerprint {board.data_fingerprint[:12]}"),
        ("licence of the data", board.licence),
        ("seed", str(info.seed)),
        ("severity profile", info.profile),
        ("score", info.score),
        ("suite fingerprint", info.fingerprint),
        ("newest run", board.date),
    ]
    return [(name, value) for name, value in found if value]


def notes(board: Board) -> list[str]:
    """What ranks and columns mean, and what is missing; Markdown, one line each."""
    explained = columns_explained(board.leaderboard)
    level = percent(board.leaderboard.level)
    found = [
        "**rank**: the places that a model may hold, from paired tests of all models with each other, "
        "clustered by image and corrected after Holm: 1 + the number of models shown to be better, to the "
        "number of models less those shown to be worse. The intervals of single models do not decide it.",
        f"**minus the best**: paired difference of the means, in points, with its own {level} interval.",
        explained["points"],
        "**mean**: equal-weight mean over all corrupted conditions; models are ordered by it.",
        *(text for key, text in explained.items() if key not in ("points", "pairs", "mean", "ausc")),
    ]
    if any(entry.tied for entry in board.entries):
        found.append("**=**: another model has the same mean.")
    if any(entry.row.n_errors for entry in board.entries):
        found.append("Two models are tested on the rows that both answered; a mean is over all its own.")
    if not board.resolvable:
        found.append("There are too few images for any difference to be found, however large.")
    found += [escaped(line) for line in repeated(board)]
    return found + circumstances(board.leaderboard, area=False)


def repeated(board: Board) -> list[str]:
    """Which models stand for several runs, plain text."""
    return [
        f"{label}: {count} more {'run holds' if count == 1 else 'runs hold'} the same records."
        for label, count in board.dropped.items()
    ]


def behind(found: Behind | None) -> str:
    """``-1.25 [-2.00, -0.50]`` in points; a dash for the best."""
    if found is None:
        return "–"
    if found.difference != found.difference:
        return UNDEFINED
    return f"{signed_points(found.difference)} {interval(found.low, found.high, signed=True)}"


def cells(entry: Entry) -> list[str]:
    """What stands in the columns of a model, plain text."""
    row = entry.row
    worst = UNDEFINED if row.worst is None else f"{row.worst} {with_interval(row.worst_score)}"
    return [
        UNDEFINED if entry.ranks is None else f"{entry.ranks}{' =' if entry.tied else ''}",
        row.model,
        with_interval(row.mean),
        behind(entry.behind),
        with_interval(row.clean),
        with_interval(row.retention),
        with_interval(row.above_chance_retention),
        worst,
        rate(row.error_rate),
        str(row.n_samples),
    ]


def _section(board: Board) -> list[str]:
    lines = [
        f"## {escaped(board.leaderboard.info.suite)}",
        "",
        *(f"- {name}: {code(value)}" for name, value in head(board)),
        "",
        line_of(list(COLUMNS)),
        line_of(["--:", ":--", *["--:"] * 5, ":--", "--:", "--:"]),
    ]
    for entry in board.entries:
        own = cells(entry)
        row = entry.row
        own[1] = escaped(own[1])
        if row.worst is not None:
            own[7] = f"{cell_code(row.worst)} {with_interval(row.worst_score)}"
        lines.append(line_of(own))
    lines += ["", *(f"- {note}" for note in notes(board)), "", "Models:", ""]
    for one in board.entries:
        lines.append(
            f"- {escaped(one.row.model)}: {code(one.spec)}, asked by dmsbench {escaped(one.version)}"
        )
    if board.leaderboard.answer_types:
        lines += ["", *(_lower(line) for line in section(board.leaderboard.answer_types))]
    if board.leaderboard.retrieval:
        lines += ["", *(_lower(line) for line in retrieval.section(board.leaderboard.retrieval))]
    return lines


def _lower(line: str) -> str:
    """A heading of a section one level down."""
    return f"#{line}" if line.startswith("#") else line
