"""What a gate found, in sentences and in a check's figures: the same in every output."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from dmsbench.plain_text import one_line
from dmsbench.report.formats import UNDEFINED, interval, points, rate, signed_points

if TYPE_CHECKING:
    from dmsbench.gate import GateCheck, Gated

#: Failures that the verdict names; the others are counted.
_NAMED = 4


def verdict(gated: Gated) -> str:
    """One sentence for a reviewer: whether it passed, and what fell by how much."""
    from dmsbench.gate import CheckKind

    result = gated.result
    before, after = one_line(gated.reference.model), one_line(gated.candidate.model)
    n = len(result.checks)
    if result.passed:
        return f"The gate passed: none of {n} checks fails '{after}' against the reference '{before}'."
    failed = result.failures
    fell = [check for check in failed if check.kind is CheckKind.SCORE and check.rule is not None]
    named = [_named(gated, check) for check in (fell or failed)[:_NAMED]]
    left = len(failed) - len(named)
    more = f" and {left} more" if left else ""
    lead = f"The gate failed: '{after}' fails {len(failed)} of {n} checks against the reference '{before}'"
    return f"{lead}: {'; '.join(named)}{more}."


def _named(gated: Gated, check: GateCheck) -> str:
    from dmsbench.gate import CheckKind

    title = gated.result.title(check)
    if check.kind is CheckKind.SCORE:
        between = interval(check.ci_low, check.ci_high, signed=True)
        return f"{title} {signed_points(check.change)} points {between}"
    return f"{title}: {check.message}"


def seen(gated: Gated) -> str:
    """What the gate could have seen: a pass on too little data says so."""
    from dmsbench.gate import CheckKind, Part, Rule

    checks = [check for check in gated.result.checks if check.kind is CheckKind.SCORE]
    parts = []
    for rule, lead in (
        (Rule.REGRESSION, "Smallest drops that would fail nine times in ten (points): "),
        (Rule.NON_INFERIORITY, "Smallest tolerances that a model without loss passes nine times in ten: "),
    ):
        own = [check for check in checks if check.rule is rule]
        said = [
            f"{words} {_span(check.detectable_90 for check in own if check.part is part)}"
            for part, words in (
                (Part.OVERALL, "overall"),
                (Part.CLEAN, "clean"),
                (Part.FAMILY, "families"),
                (Part.CORRUPTION, "single corruptions"),
            )
            if any(check.part is part for check in own)
        ]
        if said:
            parts.append(f"{lead}{', '.join(said)}.")
    return " ".join(parts)


def _span(values: Iterable[float]) -> str:
    found = sorted(values)
    ends = list(dict.fromkeys(detectable(value) for value in (found[0], found[-1])))
    return " to ".join(ends)


def detectable(value: float) -> str:
    """A drop in points; that none could be seen in words."""
    if math.isnan(value):
        return ""
    return "none" if math.isinf(value) else points(value)


def figures(check: GateCheck) -> tuple[str, str, str, str, str, str]:
    """Reference, candidate, change, interval, what is allowed, what would be seen."""
    from dmsbench.gate import CheckKind, Rule

    if check.kind is CheckKind.CONDITIONS:
        allowed = f"-{check.tolerance:.0f}" if check.tolerance else "0"
        return f"{check.reference:.0f}", f"{check.candidate:.0f}", f"{check.change:+.0f}", "", allowed, ""
    if check.kind is CheckKind.TIME:
        before, after = (f"{1000.0 * value:.2f} ms" for value in (check.reference, check.candidate))
        return before, after, f"×{check.change:.2f}", "", f"×{check.tolerance:g}", ""
    if check.kind is CheckKind.ERROR_RATE:
        allowed = rate(check.tolerance) if check.name == "error rate limit" else f"+{points(check.tolerance)}"
        return rate(check.reference), rate(check.candidate), signed_points(check.change), "", allowed, ""
    both = points(check.reference), points(check.candidate), signed_points(check.change)
    if check.kind is CheckKind.FLOOR:
        return *both, "", f"≥ {points(check.tolerance)}", ""
    if check.rule is Rule.NON_INFERIORITY:
        between = f"> {signed_points(check.bound)}" if not math.isnan(check.bound) else f"[{UNDEFINED}]"
    else:
        between = interval(check.ci_low, check.ci_high, signed=True)
    return (
        *both,
        between,
        f"{-100.0 * check.tolerance:g}" if check.tolerance else "0",
        detectable(check.detectable_90),
    )


TITLES = ("check", "reference", "candidate", "change", "95 % interval", "allowed", "sees", "result")


def legend(checks: Sequence[GateCheck]) -> str:
    """What the columns say."""
    from dmsbench.gate import Rule

    text = (
        "points, with 95 % intervals clustered by image; sees: the smallest drop that would have failed nine "
        "times in ten; conditions are counts"
    )
    if any(check.rule is Rule.NON_INFERIORITY for check in checks):
        text += (
            "; where the rule is non-inferiority the interval is the lower bound (one-sided 95 %), sees the "
            "smallest tolerance that a model without loss would have passed"
        )
    return text
