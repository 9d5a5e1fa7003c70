"""A comparison as JSON, CSV or Markdown, and its verdict as one sentence."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from typing import Any

from dmsbench.plain_text import csv_text
from dmsbench.report.formats import escaped, interval, number_or_none, p_value, points, rate, signed_points
from dmsbench.report.groups import Groups, entries
from dmsbench.scores import Comparison, Contrast, Verdict

_NUMBERS = ("a", "b", "difference", "ci_low", "ci_high", "p_value", "p_adjusted")
_COLUMNS = ("name", *_NUMBERS, "n_left_out", "verdict")


def as_dict(
    result: Comparison,
    suite: str,
    a: str,
    b: str,
    truth: Sequence[str] = (),
    groups: Groups | None = None,
) -> dict[str, Any]:
    """The stable JSON of ``compare``: difference is b − a, scores in [0, 1], undefined numbers null.

    ``error_pairs`` are out for an error in A or B, shares ``error_rate_a`` and ``error_rate_b`` of the pairs;
    ``n_left_out`` because the corruption would make the answer wrong; ``truth`` says which and what the suite
    sets, a line each. ``by_relation`` is empty where neither model was fitted.
    """
    groups = groups or Groups()
    return {
        "suite": suite,
        "a": a,
        "b": b,
        "overall": None if result.overall is None else _contrast(result.overall),
        "clean": None if result.clean is None else _contrast(result.clean),
        "by_corruption": [_contrast(contrast) for contrast in result.corruptions],
        "by_relation": entries(groups.by_relation),
        "by_family": entries(groups.by_family),
        "samples": result.n_samples,
        "images": result.n_groups,
        "pairs": result.n_pairs,
        "error_pairs": result.n_error_pairs,
        **_error_rates(result),
        "n_left_out": result.n_left_out,
        "truth": list(truth),
        "replicates": result.replicates,
        "seed": result.seed,
    }


def as_json(
    result: Comparison,
    suite: str,
    a: str,
    b: str,
    truth: Sequence[str] = (),
    groups: Groups | None = None,
) -> str:
    """``as_dict`` as text."""
    return json.dumps(as_dict(result, suite, a, b, truth, groups), indent=1, allow_nan=False)


def as_rows(
    result: Comparison,
    a: str,
    b: str,
    *,
    markdown: bool,
    truth: Sequence[str] = (),
    groups: Groups | None = None,
) -> str:
    """One line a contrast (overall, clean, corruptions) as CSV or Markdown, newline at the end.

    Groups of conditions follow, without p and verdict. Every CSV line has both models' error rates; below a
    Markdown table they stand with the lines of ``truth``.
    """
    groups = groups or Groups()
    together = (*groups.by_relation, *groups.by_family)
    contrasts = [c for c in (result.overall, result.clean, *result.corruptions) if c is not None]
    if not markdown:
        sink = io.StringIO()
        columns = [*_COLUMNS, *_error_rates(result)]
        writer = csv.DictWriter(sink, columns, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        for contrast in contrasts:
            writer.writerow({**_contrast(contrast), **_error_rates(result), "name": csv_text(contrast.name)})
        for entry, group in zip(entries(together), together, strict=True):
            named = {"name": csv_text(group.name), "n_left_out": group.n_left_out}
            writer.writerow({**entry, **named, **_error_rates(result)})
        return sink.getvalue()
    first, second = escaped(a), escaped(b)
    lines = [
        f"| condition | {first} | {second} | difference (points) | Holm p | verdict |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for contrast in contrasts:
        lines.append(
            f"| {escaped(contrast.name)} | {points(contrast.a)} | {points(contrast.b)} | "
            f"{signed_points(contrast.difference)} "
            f"{interval(contrast.ci_low, contrast.ci_high, signed=True)} | "
            f"{p_value(contrast.p_adjusted)} | {_named(contrast.verdict, first, second)} |"
        )
    for group in together:
        lines.append(
            f"| {escaped(group.name)} ({group.n_conditions}) | {points(group.a)} | {points(group.b)} | "
            f"{signed_points(group.difference)} {interval(group.ci_low, group.ci_high, signed=True)} | | |"
        )
    notes = [errors_note(result, a, b), *truth]
    lines += ["", *(f"- {escaped(line)}" for line in notes)]
    return "\n".join(lines) + "\n"


def errors_note(result: Comparison, a: str, b: str) -> str:
    """Both models' error rates: what they failed on is in no score."""
    rates = f"{a} {rate(result.error_rate_a)}, {b} {rate(result.error_rate_b)}"
    return f"errors: {rates}; {result.n_error_pairs:,} pairs left out for an error in either"


def _error_rates(result: Comparison) -> dict[str, float]:
    return {"error_rate_a": round(result.error_rate_a, 6), "error_rate_b": round(result.error_rate_b, 6)}


def verdict_line(result: Comparison, a: str, b: str) -> str:
    """The verdict over all conditions in one sentence, with its interval."""
    overall = result.overall
    if overall is None or math.isnan(overall.difference):
        return "nothing to compare: no corrupted condition has rows that are ok in both"
    better = [c.name for c in result.corruptions if c.verdict is Verdict.B_BETTER]
    worse = [c.name for c in result.corruptions if c.verdict is Verdict.A_BETTER]
    text = (
        f"mean over conditions: {_named(overall.verdict, a, b)}; {b} - {a} = "
        f"{signed_points(overall.difference)} points "
        f"{interval(overall.ci_low, overall.ci_high, signed=True)}, p = {p_value(overall.p_value)}"
    )
    if better:
        text += f"; {b} better on {', '.join(better)}"
    if worse:
        text += f"; {a} better on {', '.join(worse)}"
    return text


def _named(verdict: Verdict, a: str, b: str) -> str:
    return {Verdict.A_BETTER: f"{a} better", Verdict.B_BETTER: f"{b} better"}.get(verdict, str(verdict))


def _contrast(contrast: Contrast) -> dict[str, Any]:
    return {
        "name": contrast.name,
        **{key: number_or_none(getattr(contrast, key)) for key in _NUMBERS},
        "n_pairs": contrast.n_pairs,
        "n_left_out": contrast.n_left_out,
        "verdict": str(contrast.verdict),
    }
