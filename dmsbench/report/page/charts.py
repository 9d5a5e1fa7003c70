"""What the page's charts show, as plain data; shares in [0, 1] with five decimals, null where undefined."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import corruptions
from dmsbench.families import condition_family
from dmsbench.grid import Condition
from dmsbench.report.formats import in_catalogue_order
from dmsbench.report.run_scores import PairScores, RunScores
from dmsbench.report.scheduling import Scheduling
from dmsbench.scores import Contrast, CurvePoint, Estimate, GroupContrast, Scorecard
from dmsbench.scores.calibration import Calibration

_DECIMALS = 5


def charts(found: RunScores) -> dict[str, Any]:
    """All charts of a run. Models, conditions and corruptions are named once and meant by their positions."""
    models = list(found.cards)
    conditions = _conditions(found)
    place = {condition: i for i, condition in enumerate(conditions)}
    names = in_catalogue_order(one.corruption for one in conditions if not one.is_clean)
    return {
        "models": models,
        "conditions": [
            {
                "name": str(one),
                "corruption": one.corruption,
                "severity": one.severity,
                "image": [one.image.corruption, one.image.severity],
                "text": [one.text.corruption, one.text.severity],
            }
            for one in conditions
        ],
        "corruptions": [_corruption(name, conditions) for name in names],
        "chance": number(found.chance),
        "scores": [_scores(card, conditions, names) for card in found.cards.values()],
        "pairs": [_pair(pair, models, place, names) for pair in found.pairs],
        "scheduling": [_scheduling(one, models) for one in found.scheduled],
        "calibration": [
            {"model": models.index(model), "sets": [_calibration(one) for one in sets]}
            for model, sets in found.calibration.items()
        ],
    }


def number(value: float | None) -> float | None:
    """Rounded, None where undefined."""
    return None if value is None or not math.isfinite(value) else round(float(value), _DECIMALS) + 0.0


def ends(estimate: Estimate | None) -> list[float | None] | None:
    """``[value, low, high]``, None where the value is undefined."""
    if estimate is None or not estimate.defined:
        return None
    return [number(estimate.value), number(estimate.low), number(estimate.high)]


def _conditions(found: RunScores) -> list[Condition]:
    """Of all models, clean first, corruptions in the catalogue's order."""
    known = {cell.condition for card in found.cards.values() for cell in card.conditions}
    rank = {name: i for i, name in enumerate(in_catalogue_order(one.corruption for one in known))}
    return sorted(
        known,
        key=lambda one: (not one.is_clean, rank[one.corruption], one.image.severity, one.text.severity),
    )


def _corruption(name: str, conditions: Sequence[Condition]) -> dict[str, Any]:
    own = [one for one in conditions if one.corruption == name]
    parts = name.split("+")
    return {
        "name": name,
        "kind": "joint" if len(parts) > 1 else _kind(name),
        "family": condition_family(own[0]) or "",
        "conditions": [conditions.index(one) for one in own],
    }


def _kind(name: str) -> str:
    """Of one that is not known here, or of a package that does not load, ``other``."""
    try:
        return corruptions.get(name).kind
    except corruptions.CorruptionError:
        return "other"


def _scores(card: Scorecard, conditions: Sequence[Condition], names: Sequence[str]) -> dict[str, Any]:
    cells = {cell.condition: cell for cell in card.conditions}
    curves = {one.name: one for one in card.corruptions}

    def cell(condition: Condition) -> dict[str, Any] | None:
        one = cells.get(condition)
        if one is None:
            return None
        return {
            "score": ends(one.score),
            "n": one.n_ok,
            "errors": one.n_errors,
            "left_out": one.n_left_out,
            "unchanged": number(one.unchanged_rate),
        }

    return {
        "clean": ends(card.clean),
        "mean": ends(card.mean),
        "cells": [cell(one) for one in conditions],
        "curves": [_curve(curves[name].curve) if name in curves else None for name in names],
        "means": [ends(curves[name].mean) if name in curves else None for name in names],
        "overall": _curve(card.curve),
    }


def _curve(points: Iterable[CurvePoint]) -> list[list[float | None]]:
    """``[[severity, value, low, high]]``."""
    return [[point.severity, *(ends(point.score) or [None, None, None])] for point in points]


def _pair(
    pair: PairScores, models: list[str], place: dict[Condition, int], names: Sequence[str]
) -> dict[str, Any]:
    found = pair.comparison
    by_name = {contrast.name: contrast for contrast in found.corruptions}
    differences: list[float | None] = [None] * len(place)
    for one in found.conditions:
        differences[place[one.condition]] = number(one.difference)
    return {
        "a": models.index(pair.a),
        "b": models.index(pair.b),
        "overall": None if found.overall is None else _contrast(found.overall),
        "clean": None if found.clean is None else _contrast(found.clean),
        "corruptions": [_contrast(by_name[name]) if name in by_name else None for name in names],
        "differences": differences,
        "relations": [_group(one) for one in pair.groups.by_relation],
        "families": [_group(one) for one in pair.groups.by_family],
        "errors": found.n_error_pairs,
    }


def _contrast(one: Contrast) -> dict[str, Any]:
    """Difference is b − a; the verdict ``A better``, ``B better`` or ``no significant difference``."""
    return {
        "a": number(one.a),
        "b": number(one.b),
        "difference": [number(one.difference), number(one.ci_low), number(one.ci_high)],
        "p": number(one.p_adjusted),
        "verdict": str(one.verdict),
    }


def _group(one: GroupContrast) -> dict[str, Any]:
    return {
        "name": one.name,
        "a": number(one.a),
        "b": number(one.b),
        "difference": [number(one.difference), number(one.ci_low), number(one.ci_high)],
        "conditions": one.n_conditions,
    }


def _scheduling(one: Scheduling, models: list[str]) -> dict[str, Any]:
    room = one.headroom
    headroom: dict[str, Any] | None = None
    if room is not None:
        figures = ("static", "dms", "best_constant", "oracle", "gain", "available", "over_constant", "closed")
        headroom = {name: ends(getattr(room, name)) for name in figures}
        headroom["constant_point"] = room.constant_point
    weights = None
    if one.weights is not None:
        weights = {
            part.name: {
                "trend": str(part.trend),
                "curve": _curve(part.curve),
                "entropy": [number(point.score.value) for point in part.entropy],
            }
            for part in one.weights.corruptions
        }
    return {
        "model": models.index(one.model),
        "static": None if one.static is None else models.index(one.static),
        "fitted_on": list(one.fitted_on),
        "headroom": headroom,
        "weights": weights,
        "weight_clean": None if one.weights is None else ends(one.weights.clean),
        "relations": [_group(group) for group in one.groups.by_relation],
        "signals": [
            {
                "modality": score.modality,
                "signal": score.signal,
                "family": score.family,
                "auroc": number(score.auroc),
                "n": [score.n_corrupted, score.n_clean],
            }
            for score in one.signals
        ],
    }


def _calibration(one: Calibration) -> dict[str, Any]:
    return {
        "name": one.name,
        "score": ends(one.score),
        "confidence": ends(one.confidence),
        "overconfidence": ends(one.overconfidence),
        "ece": ends(one.ece),
        "bins": [[number(b.confidence), number(b.score), b.n_rows] for b in one.bins],
    }
