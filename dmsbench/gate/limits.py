"""Checks of what no score shows: errors, missing conditions, time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dmsbench.gate.checks import CheckKind, GateCheck
from dmsbench.gate.config import Limits
from dmsbench.gate.rules import ROUNDING
from dmsbench.grid import Condition
from dmsbench.scores.paired import Comparison
from dmsbench.scores.pairing import listed


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of the model per answer, in both runs; ``unlike`` says why they may not be compared."""

    reference: float = float("nan")
    candidate: float = float("nan")
    unlike: str | None = None

    @classmethod
    def of(cls, reference: Mapping[str, Any], candidate: Mapping[str, Any]) -> Timing:
        """From the two models' entries in their manifests."""
        times: list[Mapping[str, Any]] = []
        for entry, whose in ((reference, "reference"), (candidate, "candidate")):
            time = entry.get("timing")
            if not isinstance(time, dict) or not time.get("answered") or not time.get("model_seconds"):
                return cls(unlike=f"the {whose}'s run took no times (nothing was asked anew)")
            times.append(time)
        before, after = (float(time["model_seconds"]) / float(time["answered"]) for time in times)
        return cls(before, after, _unlike(*times))


def _unlike(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    machines = [time.get("machine") for time in (before, after)]
    if not all(isinstance(machine, dict) for machine in machines):
        return "a run does not say what machine it ran on"
    if machines[0] != machines[1]:
        said = [", ".join(map(str, (machine or {}).values())) for machine in machines]
        return f"they ran on different machines ({said[0]}; {said[1]})"
    if before.get("batch_size") != after.get("batch_size"):
        return f"they ran in batches of {before.get('batch_size')} and {after.get('batch_size')}"
    return None


def limit_checks(
    limits: Limits,
    comparison: Comparison,
    n_reference: int,
    absent: tuple[Condition, ...],
    timing: Timing | None,
) -> tuple[tuple[GateCheck, ...], tuple[str, ...]]:
    """The checks, and notes on those that could not be made.

    - ``error rate``: fails where the candidate's, over the shared conditions, lies more than
      ``error_rate_rise`` above the reference's: errors are left out of scores and must not hide a drop.
    - ``error rate limit``, where ``error_rate`` is set: fails where the candidate's is above.
    - ``conditions``: fails where more than ``missing_conditions`` of the reference's conditions are lacking,
      or have nothing but errors where the reference has scores.
    - ``time``, where ``time_ratio`` is set: fails where an answer takes the candidate more than that many
      times as long; only where both ran on machines of a kind and in batches of a size.
    """
    before, after = comparison.error_rate_a, comparison.error_rate_b
    rise = limits.error_rate_rise
    passed = after - before <= rise + ROUNDING
    checks = [
        GateCheck(
            name="error rate",
            kind=CheckKind.ERROR_RATE,
            reference=before,
            candidate=after,
            change=after - before,
            tolerance=rise,
            passed=passed,
            message="within the tolerance"
            if passed
            else f"rose from {before:.2%} to {after:.2%} of the records",
        )
    ]
    if limits.error_rate is not None:
        passed = after <= limits.error_rate + ROUNDING
        checks.append(
            GateCheck(
                name="error rate limit",
                kind=CheckKind.ERROR_RATE,
                reference=before,
                candidate=after,
                change=after - before,
                tolerance=limits.error_rate,
                passed=passed,
                message="within the limit" if passed else f"{after:.2%}, more than {limits.error_rate:.2%}",
            )
        )
    checks.append(_condition_check(n_reference, absent, limits.missing_conditions))
    notes = []
    if absent and len(absent) <= limits.missing_conditions:
        notes.append(f"the candidate has no scores for {listed(absent)}, which the limits allow")
    if limits.time_ratio is not None and timing is not None:
        if timing.unlike is not None:
            notes.append(f"times are not compared: {timing.unlike}")
        else:
            checks.append(_time_check(timing, limits.time_ratio))
    return tuple(checks), tuple(notes)


def _condition_check(n_reference: int, absent: tuple[Condition, ...], allowed: int) -> GateCheck:
    n_candidate = n_reference - len(absent)
    return GateCheck(
        name="conditions",
        kind=CheckKind.CONDITIONS,
        reference=float(n_reference),
        candidate=float(n_candidate),
        change=float(n_candidate - n_reference),
        tolerance=float(allowed),
        passed=len(absent) <= allowed,
        message=f"the candidate has no scores for {len(absent)} of {n_reference} conditions: {listed(absent)}"
        if absent
        else "all there",
    )


def _time_check(timing: Timing, most: float) -> GateCheck:
    ratio = timing.candidate / timing.reference
    passed = ratio <= most + ROUNDING
    return GateCheck(
        name="time",
        kind=CheckKind.TIME,
        reference=timing.reference,
        candidate=timing.candidate,
        change=ratio,
        tolerance=most,
        passed=passed,
        message=f"an answer takes {ratio:.2f} times as long, {'within' if passed else 'more than'} "
        f"the limit of {most:g}",
    )
