"""The figures of ``benchmarks.scheduling``: every seed's records to tables, and a file of all scores."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dmsbench.families import by_family, by_relation
from dmsbench.grid import Condition, View
from dmsbench.runner.find import runs
from dmsbench.scores.headroom import headroom

#: Fixed points of the simplex, static among them: what the oracle chooses from.
POINTS = ("static", "image", "w75", "w25", "text")
MAIN = "dms"
#: Of Student's t, two-sided 95 %, by degrees of freedom.
T95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}
KEYS = ["condition", "sample"]


@dataclass(frozen=True)
class Seed:
    """One checkpoint's scores: rows are (condition, sample), columns models; NaN where not ok."""

    scores: pd.DataFrame
    groups: dict[str, str]
    weights: pd.DataFrame
    fitted_on: tuple[str, ...]
    signals: list[dict[str, Any]]
    conditions: dict[str, Condition]


def read(results: Path) -> Seed:
    """The newest run in a results folder."""
    (folder,) = runs(results)
    manifest = folder.manifest()
    scores, weights = {}, {}
    groups: dict[str, str] = {}
    conditions: dict[str, Condition] = {}
    for name in manifest["models"]:
        frame = folder.records(name)
        found = [_condition(row) for row in frame.itertuples()]
        frame["condition"] = [str(condition) for condition in found]
        conditions.update((str(condition), condition) for condition in found)
        frame = frame.rename(columns={"sample_id": "sample"}).set_index(KEYS).sort_index()
        scores[name] = frame["score"].where(frame["status"] == "ok")
        weights[name] = frame["weight_image"]
        groups.update(zip(frame.index.get_level_values("sample"), frame["group"].astype(str), strict=True))
    report = json.loads((folder.path / "scheduling.json").read_text())
    (main,) = (entry for entry in report["models"] if entry["model"] == MAIN)
    return Seed(
        pd.DataFrame(scores).dropna(),
        groups,
        pd.DataFrame(weights),
        tuple(main["fitted_on"]),
        main["signals"],
        conditions,
    )


def _condition(row: Any) -> Condition:
    return Condition(
        View(row.image_corruption, row.image_severity), View(row.text_corruption, row.text_severity)
    )


@dataclass(frozen=True)
class Spread:
    """A figure of every seed: their mean, and its 95 % t interval over seeds."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return float(np.mean(self.values))

    @property
    def half(self) -> float:
        n = len(self.values)
        if n < 2:
            return math.nan
        return T95[n - 1] * float(np.std(self.values, ddof=1)) / math.sqrt(n)

    def told(self, signed: bool = False) -> str:
        sign = "+" if signed else ""
        return f"{self.mean:{sign}.2f} [{self.mean - self.half:{sign}.2f}, {self.mean + self.half:{sign}.2f}]"

    def as_dict(self) -> dict[str, Any]:
        return {
            "mean": self.mean,
            "low": self.mean - self.half,
            "high": self.mean + self.half,
            "seeds": self.values,
        }


def _means(seed: Seed, conditions: Sequence[str]) -> pd.Series:
    """Points: equal weight for every condition."""
    chosen = seed.scores[seed.scores.index.get_level_values("condition").isin(conditions)]
    return 100 * chosen.groupby(level="condition").mean().mean()


def summarise(found: Mapping[tuple[str, int], Path], out: Path) -> None:
    """Writes summary.md, summary.json and scores.parquet."""
    out.mkdir(parents=True, exist_ok=True)
    seeds = {key: read(path) for key, path in found.items()}
    lines = ["# context-vqa-corrupt: what scheduling is worth", ""]
    content: dict[str, Any] = {}
    for regime in dict.fromkeys(regime for regime, _ in seeds):
        own = [seed for (of, _), seed in seeds.items() if of == regime]
        content[regime] = _regime(regime, own, lines)
    (out / "summary.md").write_text("\n".join(lines) + "\n")
    (out / "summary.json").write_text(json.dumps(content, indent=1) + "\n")
    whole = pd.concat(
        {key: seed.scores.astype("uint8") for key, seed in seeds.items()}, names=["regime", "seed"]
    )
    whole.reset_index().to_parquet(out / "scores.parquet", compression="zstd", index=False)


def _regime(regime: str, seeds: Sequence[Seed], lines: list[str]) -> dict[str, Any]:
    names = list(seeds[0].scores.columns)
    every = seeds[0].conditions
    corrupted = [text for text, condition in every.items() if not condition.is_clean]
    clean = [text for text, condition in every.items() if condition.is_clean]
    questions = seeds[0].scores.loc[clean[0]].shape[0]
    images = len(set(seeds[0].groups.values()))
    lines += [
        f"## Checkpoints trained on {'clean data' if regime == 'clean' else 'half corrupted data'}",
        "",
        f"{len(seeds)} seeds, {questions} questions of {images} pictures, {len(corrupted)} corrupted "
        "conditions. Points; in brackets 95 % t intervals over seeds of the paired difference from static.",
        "",
        "| model | clean | clean − static | mean over conditions | mean − static | by seed |",
        "|:--|--:|--:|--:|--:|:--|",
    ]
    table: dict[str, Any] = {}
    for name in names:
        at_clean, mean = ([_means(seed, which) for seed in seeds] for which in (clean, corrupted))
        gains = Spread(tuple(float(one[name] - one["static"]) for one in mean))
        losses = Spread(tuple(float(one[name] - one["static"]) for one in at_clean))
        scores = [Spread(tuple(float(one[name]) for one in part)) for part in (at_clean, mean)]
        table[name] = {
            "clean": scores[0].as_dict(),
            "mean": scores[1].as_dict(),
            "clean_gain": losses.as_dict(),
            "gain": gains.as_dict(),
        }
        by_seed = " ".join(f"{value:+.1f}" for value in gains.values)
        at_clean_gain, gain = ("", "") if name == "static" else (losses.told(True), gains.told(True))
        cells = (name, f"{scores[0].mean:.1f}", at_clean_gain, f"{scores[1].mean:.1f}", gain, by_seed)
        lines.append(f"| {' | '.join(cells)} |")
    rooms = {name: _rooms(seeds, name, corrupted) for name in names if name not in POINTS}
    lines += [
        "",
        "Headroom: the best fixed point per condition minus static, chosen on the rows that it is scored on. "
        "Scores are the seeds' means; intervals resample pictures.",
        "",
        "| model | gain | available | closed (%) | closed by seed (%) | over the best constant point |",
        "|:--|--:|--:|--:|:--|--:|",
    ]
    for name, (pooled, closed) in rooms.items():
        by_seed = " ".join(f"{100 * value:.0f}" for value in closed)
        share = (
            f"{100 * pooled.closed.value:.0f} [{100 * pooled.closed.low:.0f}, {100 * pooled.closed.high:.0f}]"
        )
        lines.append(
            f"| {name} | {_told(pooled.gain)} | {_told(pooled.available)} | {share} | {by_seed} | "
            f"{_told(pooled.over_constant)} ({pooled.constant_point}) |"
        )
    groups = {
        **by_relation(every.values(), seeds[0].fitted_on),
        **by_family(every.values()),
        **_by_corruption(every.values()),
    }
    shown = [name for name in names if name not in ("static", "w75", "w25")]
    lines += [
        "",
        f"Gain over static by kind of damage; fitted on {', '.join(seeds[0].fitted_on)}.",
        "",
        f"| conditions | number | static | {' | '.join(shown)} |",
        f"|:--|--:|--:|{'--:|' * len(shown)}",
    ]
    kinds: dict[str, Any] = {}
    for label, conditions in groups.items():
        wanted = [str(condition) for condition in conditions]
        means = [_means(seed, wanted) for seed in seeds]
        gains = {name: Spread(tuple(float(one[name] - one["static"]) for one in means)) for name in shown}
        kinds[label] = {name: gain.as_dict() for name, gain in gains.items()}
        static = float(np.mean([one["static"] for one in means]))
        cells = [
            gain.told(True) if name in ("dms", "dms-paper") else f"{gain.mean:+.1f}"
            for name, gain in gains.items()
        ]
        lines.append(f"| {label} | {len(wanted)} | {static:.1f} | {' | '.join(cells)} |")
    weights = _weights(seeds, every)
    lines += ["", f"Mean image weight of `{MAIN}` by severity, mean of the seeds.", ""]
    lines += ["| corruption | clean | 1 | 2 | 3 | 4 | 5 |", "|:--|--:|--:|--:|--:|--:|--:|"]
    lines += [f"| {name} | {' | '.join(f'{value:.2f}' for value in row)} |" for name, row in weights.items()]
    signals = _signals(seeds)
    lines += ["", 'AUROC of each signal against "this modality is corrupted", mean of the seeds.', ""]
    lines += ["| signal | of | AUROC |", "|:--|:--|--:|"]
    lines += [f"| {signal} | {modality} | {value:.3f} |" for (signal, modality), value in signals.items()]
    lines.append("")
    return {
        "models": table,
        "kinds": kinds,
        "weights": weights,
        "headroom": {
            name: {
                "closed": pooled.closed.value,
                "low": pooled.closed.low,
                "high": pooled.closed.high,
                "seeds": closed,
            }
            for name, (pooled, closed) in rooms.items()
        },
        "signals": {f"{signal} of {modality}": value for (signal, modality), value in signals.items()},
    }


def _told(estimate: Any) -> str:
    value, low, high = (100 * number for number in (estimate.value, estimate.low, estimate.high))
    return f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"


def _by_corruption(conditions: Any) -> dict[str, tuple[Condition, ...]]:
    found: dict[str, list[Condition]] = {}
    for condition in conditions:
        if not condition.is_clean:
            found.setdefault(f"`{condition.corruption}`", []).append(condition)
    return {name: tuple(members) for name, members in found.items()}


def _rooms(seeds: Sequence[Seed], name: str, corrupted: Sequence[str]) -> tuple[Any, list[float]]:
    def room(scores: pd.DataFrame, replicates: int) -> Any:
        chosen = scores[scores.index.get_level_values("condition").isin(corrupted)]
        return headroom(
            chosen[list(POINTS)].to_numpy(),
            chosen[name].to_numpy(),
            candidates=POINTS,
            conditions=chosen.index.get_level_values("condition").tolist(),
            groups=[seeds[0].groups[sample] for sample in chosen.index.get_level_values("sample")],
            static="static",
            replicates=replicates,
        )

    pooled = sum(seed.scores for seed in seeds[1:]) + seeds[0].scores if len(seeds) > 1 else seeds[0].scores
    return room(pooled / len(seeds), 2000), [float(room(seed.scores, 10).closed.value) for seed in seeds]


def _weights(seeds: Sequence[Seed], every: Mapping[str, Condition]) -> dict[str, list[float]]:
    means = [seed.weights[MAIN].groupby(level="condition").mean() for seed in seeds]
    clean = [text for text, condition in every.items() if condition.is_clean]
    found: dict[str, dict[int, float]] = {}
    for text, condition in every.items():
        value = float(np.mean([mean[text] for mean in means]))
        if not condition.is_clean:
            found.setdefault(condition.corruption, {0: float(np.mean([mean[clean[0]] for mean in means]))})
            found[condition.corruption][condition.severity] = value
    return {name: [row[severity] for severity in sorted(row)] for name, row in found.items()}


def _signals(seeds: Sequence[Seed]) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], list[float]] = {}
    for seed in seeds:
        for entry in seed.signals:
            if not entry["family"] and entry["auroc"] is not None:
                found.setdefault((entry["signal"], entry["modality"]), []).append(entry["auroc"])
    return {key: float(np.mean(values)) for key, values in found.items()}
