"""A gate as JSON and as one table, and the list of flipped samples."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dmsbench.report.gate.words import seen, verdict
from dmsbench.report.sheets import Sheet, sheet_of

if TYPE_CHECKING:
    from dmsbench.gate import Flip, Flips, GateCheck, Gated
    from dmsbench.gate.sides import Side

CHECK = (
    "name", "kind", "reference", "candidate", "change", "ci_low", "ci_high", "passed", "message", "score",
    "rule", "tolerance", "bound", "p_value", "p_adjusted", "detectable_80", "detectable_90",
)  # fmt: skip
FLIP = (
    "condition", "sample", "group", "question", "references", "before", "after", "score_before",
    "score_after",
)  # fmt: skip
#: Conditions that the document names; all are in the records.
_WORST = 10


def gate_dict(gated: Gated, found: Flips | None = None, most: int | None = None) -> dict[str, Any]:
    """The stable JSON of ``gate``.

    ``{passed, verdict, tolerance, checks, notes, suite, score, reference, candidate, config, sees, missing,
    worst_conditions, flips}``.

    A check is ``{name, kind, reference, candidate, change, ci_low, ci_high, passed, message, score, rule,
    tolerance, bound, p_value, p_adjusted, detectable_80, detectable_90}``; kind is ``score``, ``floor``,
    ``error rate``, ``conditions`` or ``time``. Scores and rates are shares in [0, 1], conditions their
    number, times seconds an answer (their change is the ratio); what a check does not have, and a drop that
    could not be seen however large, is null. ``worst_conditions``: ``[{condition, change, right_to_wrong,
    wrong_to_right}]``. ``flips``: ``{right_to_wrong, wrong_to_right, note, samples}``, samples null unless
    they were asked for, then at most ``most``.
    """
    result = gated.result
    return {
        "passed": result.passed,
        "verdict": verdict(gated),
        "tolerance": result.tolerance,
        "checks": [_check(check) for check in result.checks],
        "notes": list(result.notes),
        "suite": gated.suite,
        "score": result.score,
        "reference": _side(gated.reference),
        "candidate": _side(gated.candidate),
        "config": result.config.where,
        "sees": seen(gated),
        "missing": [str(condition) for condition in result.missing],
        "worst_conditions": [
            {
                "condition": str(one.condition),
                "change": one.change,
                "right_to_wrong": one.lost,
                "wrong_to_right": one.gained,
            }
            for one in result.flips[:_WORST]
        ],
        "flips": {
            "right_to_wrong": sum(one.lost for one in result.flips),
            "wrong_to_right": sum(one.gained for one in result.flips),
            "note": None if found is None else found.note,
            "samples": None if found is None else [flip_dict(flip) for flip in found.lost[:most]],
        },
    }


def gate_sheet(gated: Gated) -> Sheet:
    """A row a check, as in ``gate_dict``."""
    return sheet_of((_check(check) for check in gated.result.checks), CHECK)


def flip_dict(flip: Flip) -> dict[str, Any]:
    """A flipped sample, as JSON has it."""
    return {name: str(flip.condition) if name == "condition" else getattr(flip, name) for name in FLIP}


def flips_sheet(found: Iterable[Flip]) -> Sheet:
    """A row a sample that went from right to wrong."""
    return sheet_of((flip_dict(flip) for flip in found), FLIP)


def _check(check: GateCheck) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in CHECK:
        value = getattr(check, name)
        if name == "kind" or (name == "rule" and value is not None):
            value = str(value)
        if isinstance(value, float) and not math.isfinite(value):
            value = None
        found[name] = value
    return found


def _side(side: Side) -> dict[str, Any]:
    entry = side.manifest["models"][side.model]
    return {
        "model": side.model,
        "run": str(side.manifest.get("fingerprint")),
        "spec": entry.get("spec"),
        "fingerprint": entry.get("fingerprint"),
        "made_by": side.manifest.get("dmsbench"),
        "created": side.manifest.get("created"),
    }
