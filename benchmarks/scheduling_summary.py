"""The figures of ``benchmarks/scheduling.py``: every seed's records to tables, and a file of all scores."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dmsbench.families import by_family, by_relation
from dmsbench.grid import Condition, View
from dmsbench.report.formats import plain
from dmsbench.runner.find import runs
from dmsbench.scores import Estimate
from dmsbench.scores.headroom import Headroom, headroom

#: Fixed points of the simplex, static among them: what the oracle chooses from.
POINTS = ("static", "image", "w75", "w25", "text")
MAIN = "dms"
#: Static fusion of another checkpoint, trained without modality dropout: it has no part in the headroom.
UNDROPPED = "undropped"
#: Whose gains by kind of damage are printed with their intervals; the others' are in summary.json.
WITH_INTERVAL = ("dms", "dms-paper", "constant")
REPLICATES = 2000
TITLES = {
    "clean": "Checkpoints trained on clean data",
    "augmented": "The same checkpoints, trained on with half of the data corrupted",
}
#: Of Student's t, two-sided 95 %, by degrees of freedom.
T95 = (math.nan, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
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
    folder = runs(results)[0]
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


def _t95(freedom: int) -> float:
    """From 10 degrees of freedom on by Hill's expansion around the normal quantile, right to 0.2 %."""
    if freedom < len(T95):
        return T95[freedom]
    z = 1.959964
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


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
        return _t95(n - 1) * float(np.std(self.values, ddof=1)) / math.sqrt(n)

    def told(self) -> str:
        if math.isnan(self.half):
            return f"{self.mean:+.2f} [n/a]"
        return f"{self.mean:+.2f} [{self.mean - self.half:+.2f}, {self.mean + self.half:+.2f}]"

    def as_dict(self) -> dict[str, Any]:
        return {
            "mean": self.mean,
            "low": self.mean - self.half,
            "high": self.mean + self.half,
            "seeds": self.values,
        }


def summarise(found: Mapping[tuple[str, int], Path], out: Path) -> None:
    """Writes summary.md, summary.json and scores.parquet."""
    out.mkdir(parents=True, exist_ok=True)
    seeds = in_common({key: read(path) for key, path in found.items()})
    regimes = {
        regime: Regime(tuple(seed for (of, _), seed in seeds.items() if of == regime))
        for regime in dict.fromkeys(regime for regime, _ in seeds)
    }
    lines = ["# context-vqa-corrupt: what scheduling is worth", ""]
    for regime, whole in regimes.items():
        lines += [f"## {TITLES[regime]}", ""]
        for part in (whole.scores, whole.headroom, whole.kinds, whole.weights, whole.signals):
            lines += [*part(), ""]
    content: dict[str, Any] = {regime: whole.content for regime, whole in regimes.items()}
    if len(regimes) > 1:
        first, *others = regimes
        for regime in others:
            told, content[f"{regime} − {first}"] = between(regimes[first], regimes[regime], (first, regime))
            lines += [*told, ""]
    (out / "summary.md").write_text("\n".join(lines))
    (out / "summary.json").write_text(json.dumps(plain(content), indent=1, allow_nan=False) + "\n")
    table = pd.concat(
        {key: seed.scores.astype("UInt8") for key, seed in seeds.items()}, names=["regime", "seed"]
    )
    table.reset_index().to_parquet(out / "scores.parquet", compression="zstd", index=False)


def in_common(seeds: Mapping[tuple[str, int], Seed]) -> dict[tuple[str, int], Seed]:
    """The seeds with the rows that all of them have, and the models that all of their regime have."""
    tables = {key: seed.scores for key, seed in seeds.items()}
    rows = functools.reduce(pd.Index.intersection, (table.index for table in tables.values()))
    groups = {sample for _, sample in rows}
    found = {}
    for key, seed in seeds.items():
        peers = [table for (regime, _), table in tables.items() if regime == key[0]]
        found[key] = replace(
            seed,
            scores=seed.scores.loc[rows, [name for name in peers[0] if all(name in peer for peer in peers)]],
            weights=seed.weights.loc[rows],
            groups={sample: group for sample, group in seed.groups.items() if sample in groups},
        )
    return found


#: Whose scores under one regime are set beside the others'.
BETWEEN = ("static", "constant", MAIN)


def between(
    one: Regime, other: Regime, names: tuple[str, str]
) -> tuple[list[str], dict[str, dict[str, dict[str, Any]]]]:
    """Scheduling beside training: both regimes' models, paired with the first's static fusion by seed."""
    every = list(one.every.values())
    columns = {
        "clean": one.clean,
        "mean": one.corrupted,
        **{
            label: [str(condition) for condition in conditions]
            for label, conditions in by_relation(every, one.seeds[0].fitted_on).items()
        },
    }
    lines = [
        f"## {names[1]} beside {names[0]}",
        "",
        f"Points minus those of static fusion on the {names[0]} checkpoint of the same seed. The "
        f"{names[1]} one went on from it for 400 steps: more training and other data at once.",
        "",
        *_header("checkpoint, model", *columns),
    ]
    base = {label: one.means(conditions) for label, conditions in columns.items()}
    table: dict[str, dict[str, dict[str, Any]]] = {}
    for regime, name in zip((one, other), names, strict=True):
        means = {label: regime.means(conditions) for label, conditions in columns.items()}
        for model in BETWEEN:
            gains = {
                label: Spread(
                    tuple(
                        float(a[model] - b["static"]) for a, b in zip(means[label], base[label], strict=True)
                    )
                )
                for label in columns
            }
            table[f"{name}, {model}"] = {label: gain.as_dict() for label, gain in gains.items()}
            if (regime, model) != (one, "static"):
                lines.append(_line((f"{name}, {model}", *(gain.told() for gain in gains.values()))))
    return lines, table


class Regime:
    """The seeds of one regime; each method gives a section's lines and keeps its figures in ``content``."""

    def __init__(self, seeds: Sequence[Seed]) -> None:
        self.seeds = seeds
        self.content: dict[str, Any] = {}
        self.every = seeds[0].conditions
        self.names = list(seeds[0].scores.columns)
        self.corrupted = [text for text, condition in self.every.items() if not condition.is_clean]
        self.clean = [text for text, condition in self.every.items() if condition.is_clean]

    def means(self, conditions: Sequence[str]) -> list[pd.Series]:
        """Points per model and seed: equal weight for every condition."""
        found = []
        for seed in self.seeds:
            chosen = seed.scores[seed.scores.index.get_level_values("condition").isin(conditions)]
            found.append(100 * chosen.groupby(level="condition").mean().mean())
        return found

    def scores(self) -> list[str]:
        questions = self.seeds[0].scores.loc[self.clean[0]].shape[0]
        images = len(set(self.seeds[0].groups.values()))
        lines = [
            f"{len(self.seeds)} seeds, {questions} questions of {images} pictures, {len(self.corrupted)} "
            "corrupted conditions. Points; in brackets 95 % t intervals over seeds of the paired difference "
            "from static.",
            "",
            *_header(
                "model",
                "clean",
                "clean − static",
                "mean over conditions",
                "mean − static",
                "by seed",
                f"{MAIN} − it",
            ),
        ]
        at_clean, mean = self.means(self.clean), self.means(self.corrupted)
        table = self.content["models"] = {}
        for name in self.names:
            own = {
                "clean": _spread(at_clean, name),
                "clean_gain": _spread(at_clean, name, "static"),
                "mean": _spread(mean, name),
                "gain": _spread(mean, name, "static"),
                "main_over_it": Spread(tuple(float(one[MAIN] - one[name]) for one in mean)),
            }
            table[name] = {what: spread.as_dict() for what, spread in own.items()}
            gains = ("", "") if name == "static" else (own["clean_gain"].told(), own["gain"].told())
            by_seed = " ".join(f"{value:+.1f}" for value in own["gain"].values)
            ahead = "" if name == MAIN else own["main_over_it"].told()
            scores = (f"{own['clean'].mean:.1f}", gains[0], f"{own['mean'].mean:.1f}", gains[1])
            cells = (name, *scores, by_seed, ahead)
            lines.append(_line(cells))
        return lines

    def headroom(self) -> list[str]:
        lines = [
            "Headroom: the best fixed point per condition minus static, chosen on the rows that it is scored "
            "on; intervals resample pictures and hold the choice fixed. Scores are the seeds' means.",
            "",
            *_header(
                "model", "gain", "available", "closed (%)", "closed by seed (%)", "over the best constant"
            ),
        ]
        pooled = sum(seed.scores for seed in self.seeds) / len(self.seeds)
        table = self.content["headroom"] = {}
        for name in self.names:
            if name in POINTS or name == UNDROPPED:
                continue
            whole = self._room(pooled, name, REPLICATES)
            closed = [100 * self._room(seed.scores, name, 10).closed.value for seed in self.seeds]
            table[name] = {what: asdict(getattr(whole, what)) for what in ("gain", "available", "closed")}
            table[name] |= {"closed_by_seed": closed, "over_constant": asdict(whole.over_constant)}
            share = "{:.0f} [{:.0f}, {:.0f}]".format(*(100 * value for value in astuple(whole.closed)[:3]))
            over = f"{_told(whole.over_constant)} ({whole.constant_point})"
            by_seed = " ".join(f"{value:.0f}" for value in closed)
            lines.append(_line((name, _told(whole.gain), _told(whole.available), share, by_seed, over)))
        return lines

    def _room(self, scores: pd.DataFrame, name: str, replicates: int) -> Headroom:
        chosen = scores[scores.index.get_level_values("condition").isin(self.corrupted)]
        return headroom(
            chosen[list(POINTS)].to_numpy(),
            chosen[name].to_numpy(),
            candidates=POINTS,
            conditions=chosen.index.get_level_values("condition").tolist(),
            groups=[self.seeds[0].groups[sample] for sample in chosen.index.get_level_values("sample")],
            static="static",
            replicates=replicates,
        )

    def kinds(self) -> list[str]:
        fitted_on = self.seeds[0].fitted_on
        groups = {
            **by_relation(self.every.values(), fitted_on),
            **by_family(self.every.values()),
            **_by_corruption(self.every.values()),
        }
        shown = [name for name in self.names if name not in ("static", "w75", "w25")]
        lines = [
            f"Gain over static by kind of damage; schedulers are fitted on {', '.join(fitted_on)}.",
            "",
            *_header("conditions", "number", "static", *shown),
        ]
        table = self.content["kinds"] = {}
        for label, conditions in groups.items():
            means = self.means([str(condition) for condition in conditions])
            gains = {name: _spread(means, name, "static") for name in shown}
            table[label] = {name: gain.as_dict() for name, gain in gains.items()}
            static = f"{_spread(means, 'static').mean:.1f}"
            cells = [
                gain.told() if name in WITH_INTERVAL else f"{gain.mean:+.1f}" for name, gain in gains.items()
            ]
            lines.append(_line((label, str(len(conditions)), static, *cells)))
        return lines

    def weights(self) -> list[str]:
        means = [seed.weights[MAIN].groupby(level="condition").mean() for seed in self.seeds]

        def mean(text: str) -> float:
            return float(np.mean([found[text] for found in means]))

        table: dict[str, dict[int, float]] = {}
        for text, condition in self.every.items():
            if not condition.is_clean:
                table.setdefault(condition.corruption, {0: mean(self.clean[0])})[condition.severity] = mean(
                    text
                )
        self.content["weights"] = table
        lines = [f"Mean image weight of `{MAIN}` by severity, mean of the seeds.", ""]
        lines += _header("corruption", "clean", "1", "2", "3", "4", "5")
        for name, row in table.items():
            lines.append(_line((f"`{name}`", *(f"{row[severity]:.2f}" for severity in sorted(row)))))
        return lines

    def signals(self) -> list[str]:
        table: dict[str, list[float]] = {}
        for entry in (entry for seed in self.seeds for entry in seed.signals):
            if not entry["family"] and entry["auroc"] is not None:
                table.setdefault(f"{entry['signal']} | {entry['modality']}", []).append(entry["auroc"])
        self.content["signals"] = table
        lines = ['AUROC of each signal against "this modality is corrupted", mean of the seeds.', ""]
        lines += _header("signal", "of", "AUROC")
        return lines + [f"| {name} | {np.mean(values):.3f} |" for name, values in table.items()]


def _spread(means: Sequence[pd.Series], name: str, less: str | None = None) -> Spread:
    return Spread(tuple(float(one[name] - (0.0 if less is None else one[less])) for one in means))


def _by_corruption(conditions: Iterable[Condition]) -> dict[str, tuple[Condition, ...]]:
    found: dict[str, list[Condition]] = {}
    for condition in conditions:
        if not condition.is_clean:
            found.setdefault(f"`{condition.corruption}`", []).append(condition)
    return {name: tuple(members) for name, members in found.items()}


def _told(estimate: Estimate) -> str:
    return "{:+.2f} [{:+.2f}, {:+.2f}]".format(*(100 * value for value in astuple(estimate)[:3]))


def _header(first: str, *others: str) -> list[str]:
    return [_line((first, *others)), _line((":--", *("--:" for _ in others)))]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
