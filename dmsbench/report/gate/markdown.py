"""A gate's result for a pull request: the verdict first, then what failed, then the rest, folded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from dmsbench.report.formats import escaped, shortened, signed_points
from dmsbench.report.gate.words import TITLES, figures, legend, seen, verdict

if TYPE_CHECKING:
    from dmsbench.gate import Flip, Flips, GateCheck, Gated
    from dmsbench.gate.sides import Side

#: Rows of the shorter tables: a reviewer reads, a file has them all.
WORST, FLIPS = 5, 20
#: Characters of a question or an answer.
_LONG = 120


def gate_markdown(gated: Gated, found: Flips | None = None) -> str:
    """The whole page, newline at the end. ``found``: the flipped samples, of which some are shown."""
    result = gated.result
    blocks = [
        [f"## Robustness gate: {'passed' if result.passed else 'failed'}"],
        [escaped(verdict(gated))],
        [escaped(seen(gated))] if seen(gated) else [],
    ]
    if result.failures:
        blocks += [["### What failed"], list(_checks(gated, result.failures)), _reasons(gated)]
    if result.notes:
        blocks.append([f"- note: {escaped(note)}" for note in result.notes])
    blocks += _worst(gated)
    if found is not None:
        blocks += _flipped(found)
    blocks += _folded(
        f"All {len(result.checks)} checks", [*_checks(gated, result.checks), "", _escaped_legend(gated)]
    )
    blocks += _folded("What was compared", list(_compared(gated)))
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def flips_markdown(found: Iterable[Flip]) -> str:
    """All flipped samples as one table."""
    return "\n".join(_flip_lines(found)) + "\n"


def _checks(gated: Gated, checks: Sequence[GateCheck]) -> Iterator[str]:
    yield _line(TITLES)
    yield _line([":--", *["--:"] * (len(TITLES) - 2), ":--"])
    for check in checks:
        cells = (gated.result.title(check), *figures(check))
        yield _line([*map(escaped, cells), "pass" if check.passed else "**FAIL**"])


def _reasons(gated: Gated) -> list[str]:
    return [
        f"- **{escaped(gated.result.title(check))}**: {escaped(check.message)}"
        for check in gated.result.failures
    ]


def _worst(gated: Gated) -> list[list[str]]:
    worst = [one for one in gated.result.flips if one.change < 0.0][:WORST]
    if not worst:
        return []
    lines = [
        _line(("condition", "change", "right → wrong", "wrong → right")),
        _line((":--", "--:", "--:", "--:")),
    ]
    lines += [
        _line((escaped(str(one.condition)), signed_points(one.change), str(one.lost), str(one.gained)))
        for one in worst
    ]
    return [["### Worst conditions"], lines]


def _flipped(found: Flips) -> list[list[str]]:
    head = f"{len(found.lost):,} answers went from right to wrong, {found.gained:,} from wrong to right."
    notes = [] if found.note is None else [escaped(found.note[0].upper() + found.note[1:] + ".")]
    if not found.lost:
        return [["### Flipped answers"], [head], notes]
    shown = found.lost[:FLIPS]
    title = f"The {len(shown)} of the worst conditions" if len(shown) < len(found.lost) else "All of them"
    return [["### Flipped answers"], [head], notes, *_folded(title, list(_flip_lines(shown)))]


def _flip_lines(found: Iterable[Flip]) -> Iterator[str]:
    yield _line(("condition", "sample", "question", "right answer", "before", "after"))
    yield _line([":--"] * 6)
    for flip in found:
        before = "?" if flip.before is None else flip.before
        cells = (
            str(flip.condition),
            flip.sample,
            flip.question,
            ", ".join(flip.references),
            before,
            flip.after,
        )
        yield _line(escaped(shortened(cell, _LONG)) for cell in cells)


def _compared(gated: Gated) -> Iterator[str]:
    result, identity = gated.result, gated.identity
    comparison, data = result.comparison, identity["dataset"]
    yield _line(("", "reference", "candidate"))
    yield _line((":--", ":--", ":--"))
    for word, of in (
        ("model", lambda side: side.model),
        ("specification", lambda side: _entry(side, "spec")),
        ("settings", lambda side: _entry(side, "fingerprint")),
        ("made by dmsbench", lambda side: str(side.manifest.get("dmsbench"))),
        ("on", lambda side: str(side.manifest.get("created"))),
    ):
        yield _line(
            (word, *(escaped(shortened(of(side), _LONG)) for side in (gated.reference, gated.candidate)))
        )
    yield ""
    yield escaped(
        f"Suite {gated.suite}, data {data.get('name')}/{data.get('split')}, seed {identity.get('seed')}, "
        f"score {result.score}: {comparison.n_pairs:,} pairs of {comparison.n_samples:,} samples and "
        f"{comparison.n_groups:,} images. Settings of the gate: {result.config.where}."
    )


def _entry(side: Side, key: str) -> str:
    return str(side.manifest["models"][side.model].get(key))


def _escaped_legend(gated: Gated) -> str:
    text = legend(gated.result.checks)
    return escaped(f"{text[0].upper()}{text[1:]}.")


def _folded(title: str, lines: Sequence[str]) -> list[list[str]]:
    return [["<details>", f"<summary>{title}</summary>"], list(lines), ["</details>"]]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
