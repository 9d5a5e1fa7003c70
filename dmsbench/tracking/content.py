"""What a tracker is told of a run: made from its manifest and scorecards alone."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dmsbench.runner.store import digest
from dmsbench.scores import Scorecard

#: Files of a run that go along, where they are there.
FILES = ("leaderboard.json", "leaderboard.md", "report.html", "curves.png")
#: Characters of one parameter: what trackers show, and less than any of them takes.
LONGEST_VALUE = 500
_FIGURES = ("clean", "mean", "retention", "above_chance_retention", "ausc")


@dataclass(frozen=True, slots=True)
class Tracked:
    """One model of a run, which is one run of a tracker."""

    #: The same for the same model on the same suite, data and seed: telling it again replaces.
    key: str
    name: str
    #: What the models of one run have in common.
    group: str
    suite: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    #: Shares in [0, 1], ratios and counts, by name; what is undefined is not among them.
    metrics: Mapping[str, float]
    #: Of each corruption and of all, the score by severity, 0 being clean.
    curves: Mapping[str, Mapping[int, float]]
    files: tuple[Path, ...]


def tracked(
    folder: Path, manifest: Mapping[str, Any], cards: Mapping[str, Scorecard], models: Iterable[str]
) -> tuple[Tracked, ...]:
    """What is told of these models of the run in a folder; models without a scorecard are left out."""
    files = tuple(folder / name for name in FILES if (folder / name).is_file())
    return tuple(_one(folder, manifest, name, cards[name], files) for name in models if name in cards)


def _one(
    folder: Path, manifest: Mapping[str, Any], name: str, card: Scorecard, files: tuple[Path, ...]
) -> Tracked:
    identity, data, entry = manifest["identity"], manifest["dataset"], manifest["models"][name]
    params = {
        "suite": identity["suite"],
        "task": identity["task"],
        "score": identity["score"],
        "dataset": f"{data['name']}/{data['split']}",
        "dataset.fingerprint": data["fingerprint"],
        "samples": data["samples"],
        "seed": identity["seed"],
        "profile": identity["profile"],
        "conditions": len(identity["conditions"]),
        "corruptions": ", ".join(identity["corruptions"]),
        "model": name,
        "model.spec": entry["spec"],
        "model.fingerprint": entry["fingerprint"],
        **{f"model.{key}": value for key, value in entry["settings"].items()},
    }
    tags = {
        "dmsbench.version": manifest["dmsbench"],
        "dmsbench.run": folder.name,
        "dmsbench.fingerprint": manifest["fingerprint"],
        **{f"version.{key}": value for key, value in entry["environment"].items()},
    }
    return Tracked(
        digest([manifest["fingerprint"], name, entry["fingerprint"]]),
        name,
        f"{identity['suite']}-{folder.name}",
        identity["suite"],
        {key: _text(value) for key, value in params.items()},
        {key: _text(value) for key, value in tags.items()},
        _metrics(card),
        _curves(card),
        files,
    )


def metric_name(corruption: str) -> str:
    """A corruption in the name of a metric: MLflow takes no plus sign."""
    return corruption.replace("+", "_with_")


def _metrics(card: Scorecard) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in _FIGURES:
        one = getattr(card, name)
        found |= {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high}
    if card.worst is not None:
        found["worst"] = card.worst.score.value
    for corruption in card.corruptions:
        place = f"corruption/{metric_name(corruption.name)}"
        found |= {
            f"{place}/mean": corruption.mean.value,
            f"{place}/retention": corruption.retention.value,
            f"{place}/auc": corruption.auc.value,
        }
    found |= {
        "error_rate": card.error_rate,
        "samples": float(card.n_samples),
        "errors": float(card.n_errors),
        "left_out": float(card.n_left_out),
    }
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _curves(card: Scorecard) -> dict[str, dict[int, float]]:
    found = {"curve/all": card.curve} | {
        f"curve/{metric_name(one.name)}": one.curve for one in card.corruptions
    }
    values = {
        name: {point.severity: point.score.value for point in points if math.isfinite(point.score.value)}
        for name, points in found.items()
    }
    return {name: points for name, points in values.items() if points}


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"
