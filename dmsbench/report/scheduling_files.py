"""What scheduling did in a run, as JSON and Markdown, and the picture of the weights."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dmsbench.files import write_atomically
from dmsbench.report.curves import draw_curves
from dmsbench.report.formats import (
    UNDEFINED,
    escaped,
    in_catalogue_order,
    interval,
    percent,
    plain,
    points,
    signed_points,
    with_interval,
)
from dmsbench.report.groups import RELATION_NOTE, entries
from dmsbench.report.leaderboard import ReportInfo
from dmsbench.report.scheduling import Scheduling
from dmsbench.scores import Estimate, GroupContrast
from dmsbench.scores.bootstrap import LEVEL
from dmsbench.scores.signals import KINDS, SIGNALS
from dmsbench.scores.weights import WeightResponse

SEVERITIES = 5


def to_json(found: Sequence[Scheduling], info: ReportInfo) -> str:
    """A JSON object ``{suite, …, level, notes, models}``: shares in [0, 1], six decimals, null for NaN."""
    content = {
        **asdict(info),
        "level": LEVEL,
        "notes": notes(found),
        "models": [_model(one) for one in found],
    }
    return json.dumps(plain(content), indent=2, allow_nan=False) + "\n"


def to_markdown(found: Sequence[Scheduling], info: ReportInfo) -> str:
    """Headroom, gains by kind of damage, weights by severity and signals, a table each, and notes."""
    parts = [
        [f"# Scheduling: {escaped(info.suite)}", "", *(f"- {escaped(note)}" for note in notes(found))],
        _headrooms(found),
        _gains(found),
        *(_weights(one.model, one.weights) for one in found if one.weights is not None),
        *(_signals(one) for one in found if one.signals),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def write(found: Sequence[Scheduling], info: ReportInfo, folder: Path, subtitle: str = "") -> list[Path]:
    """Write scheduling.json and .md, and weights.png and .svg where weights were scheduled; their paths.

    Raises OSError where a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for suffix, content in {"md": to_markdown(found, info), "json": to_json(found, info)}.items():
        path = folder / f"scheduling.{suffix}"
        write_atomically(path, content.encode())
        paths.append(path)
    responses = {one.model: one.weights for one in found if one.weights is not None}
    if any(response.corruptions for response in responses.values()):
        paths += draw_curves(
            responses,
            title=f"{info.suite}: the image's weight against severity",
            subtitle=subtitle,
            chance=0.5,
            chance_name="uniform",
            score_name="image weight",
            folder=folder,
            file="weights",
        )
    return paths


def notes(found: Sequence[Scheduling]) -> list[str]:
    """What the figures mean and what is missing, one line each; plain text."""
    lines = [
        f"Scores and weights are in points, in brackets the {percent(LEVEL)} interval from a bootstrap "
        "clustered by image; means give every corrupted condition equal weight, clean is not among them.",
        "available: the best fixed point per condition (static fusion among them) minus static fusion. It is "
        "chosen on the rows that it is scored on, so it is optimistic, and what is closed of it pessimistic; "
        "so is the best constant point; intervals hold the choice fixed. Rows without a score from static "
        "fusion, every fixed point and the scheduled model are left out.",
        "A gain by kind of damage is paired by sample, scheduled minus static.",
    ]
    if any(one.groups.by_relation for one in found):
        lines.append(f"{RELATION_NOTE}.")
    lines += [
        "Of a row without its image all weight is the text's, without its text all is the image's, whatever "
        "the scheduler: such rows count, with entropy 0. Falls and rises are said of the means, from clean "
        "to the largest severity. Entropy is H(w)/ln 2, 100 where weights are uniform.",
        "AUROC: the probability that a signal is higher where the modality is corrupted than where it is "
        "clean; 0.5 knows nothing, below 0.5 it falls. Rows that a corruption left as they were are neither.",
    ]
    for one in found:
        if one.headroom is None and one.static is not None and one.points:
            lines.append(
                f"{one.model}: no headroom, no corrupted row has a score from static fusion and every fixed "
                "point"
            )
        elif one.headroom is None:
            lines.append(
                f"{one.model}: no headroom without static fusion and models at fixed points of the same "
                "checkpoint; add fusion=image and fusion=text"
            )
    return lines


def _model(one: Scheduling) -> dict[str, Any]:
    return {
        "model": one.model,
        "static": one.static,
        "points": dict(one.points),
        "fitted_on": one.fitted_on,
        "headroom": None if one.headroom is None else asdict(one.headroom),
        "by_relation": entries(one.groups.by_relation),
        "by_family": entries(one.groups.by_family),
        "weights": None if one.weights is None else _response(one.weights),
        "signals": [asdict(score) for score in one.signals],
    }


def _response(found: WeightResponse) -> dict[str, Any]:
    whole = asdict(found)
    whole["corruptions"] = [
        {
            "name": part.name,
            "trend": str(part.trend),
            "curve": [
                {"severity": image.severity, "image": asdict(image.score), "entropy": asdict(spread.score)}
                for image, spread in zip(part.curve, part.entropy, strict=True)
            ],
        }
        for part in found.corruptions
    ]
    return whole


def _table(heading: str, columns: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> list[str]:
    """Lines of a section; the first ``left`` columns are words, the others figures."""
    aligned = [":--"] * left + ["--:"] * (len(columns) - left)
    body = [f"| {' | '.join(cells)} |" for cells in (columns, aligned, *rows)]
    return [f"## {heading}", "", *body]


def _headrooms(found: Sequence[Scheduling]) -> list[str]:
    columns = ("model", "static", "best constant", "gain", "available", "closed (%)", "over best constant")
    rows = []
    for one in found:
        room = one.headroom
        if room is None or one.static is None:
            continue
        rows.append(
            (
                escaped(one.model),
                f"{escaped(one.static)} {with_interval(room.static)}",
                f"{escaped(room.constant_point)} {with_interval(room.best_constant)}",
                signed(room.gain),
                signed(room.available),
                with_interval(room.closed),
                signed(room.over_constant),
            )
        )
    return _table("Headroom", columns, rows, left=3) if rows else []


def _gains(found: Sequence[Scheduling]) -> list[str]:
    rows = [
        (
            escaped(one.model),
            escaped(group.name),
            str(group.n_conditions),
            points(group.a),
            points(group.b),
            gain(group),
        )
        for one in found
        for group in (*one.groups.by_relation, *one.groups.by_family)
    ]
    columns = ("model", "conditions", "number", "static", "scheduled", "gain")
    return _table("Gain by kind of damage", columns, rows, left=2) if rows else []


def _weights(model: str, found: WeightResponse) -> list[str]:
    by_name = {part.name: part for part in found.corruptions}
    rows = []
    for name in in_catalogue_order(by_name):
        at = {point.severity: with_interval(point.score) for point in by_name[name].curve}
        cells = [at.get(severity, "") for severity in range(SEVERITIES + 1)]
        rows.append((name, str(by_name[name].trend), *cells))
    columns = ("corruption", "trend", "clean", *(str(severity) for severity in range(1, SEVERITIES + 1)))
    weight, spread = (
        f"{with_interval(clean)} when clean, {with_interval(mean)} over conditions"
        for clean, mean in ((found.clean, found.mean), (found.entropy_clean, found.entropy_mean))
    )
    section = _table(f"Image weight of {escaped(model)} by severity", columns, rows, left=2)
    return [*section, "", f"Image weight: {weight}; entropy of the weights: {spread}."]


def _signals(one: Scheduling) -> list[str]:
    rows = []
    for modality, signals in SIGNALS.items():
        of_modality = [score for score in one.signals if score.modality == modality]
        for family in dict.fromkeys(score.family for score in of_modality):
            by_signal = {score.signal: score for score in of_modality if score.family == family}
            values = (share(by_signal[signal].auroc) for signal in signals)
            counts = next(iter(by_signal.values()))
            if not counts.n_corrupted:
                continue  # an absent modality has no signals
            rows.append(
                (f"{family or f'{modality}: all'}", *values, f"{counts.n_corrupted:,}", f"{counts.n_clean:,}")
            )
    columns = ("damage", *KINDS, "corrupted rows", "clean rows")
    return _table(f"Signals of {escaped(one.model)}: AUROC", columns, rows) if rows else []


def signed(estimate: Estimate) -> str:
    """``+1.25 [+0.20, +3.00]`` in points."""
    between = interval(estimate.low, estimate.high, signed=True)
    return f"{signed_points(estimate.value)} {between}" if estimate.defined else UNDEFINED


def gain(group: GroupContrast) -> str:
    """``signed`` of a group's difference."""
    return signed(Estimate(group.difference, group.ci_low, group.ci_high))


def share(value: float) -> str:
    """A share with three decimals; ``n/a`` for NaN."""
    return UNDEFINED if value != value else f"{value:.3f}"
