"""How often the gate fails a model that lost nothing, and how often it catches one that did.

    python -m benchmarks.gate_calibration [--pairs 1000] [--images 128] [--questions 9] [--seed 0]

Two runs of 19 corruptions × 5 severities are drawn from one model of answers: the probability to be right
falls with the severity and hangs on the picture, the question, and on the corruption for that picture; each
run has besides an effect of its own on every picture and on every picture under a corruption, so that the
runs' differences are clustered by image. No run is better than the other: every gate that fails is a false
alarm. Then a drop of known size is made in the second run, in every corruption or in one of them.

The statistics are the gate's own (``scores.permutation``, ``scores.bootstrap``, ``scores.holm``,
``gate.rules``), called on the columns of many simulated pairs at once; ``same_as_the_gate`` compares them
with ``gate.evaluate`` on the records of single pairs.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from dmsbench.gate import GateConfig, Part, Rule, evaluate
from dmsbench.gate.config import Planned
from dmsbench.gate.planning import from_pair, plan_power
from dmsbench.gate.power import Demand, detectable
from dmsbench.gate.rules import not_shown_as_good, regressed, sign_patterns, weights
from dmsbench.scores.bootstrap import group_weights
from dmsbench.scores.holm import holm
from dmsbench.scores.paired import PAIRED_REPLICATES
from dmsbench.scores.permutation import sign_flip_tests
from dmsbench.scores.rows import read_rows
from dmsbench.scores.student import t_quantile

Floats = npt.NDArray[np.float64]

#: The nineteen of ImageNet-C.
CORRUPTIONS = (
    "gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise", "gaussian_blur", "glass_blur",
    "defocus_blur", "motion_blur", "zoom_blur", "fog", "frost", "snow", "spatter", "contrast", "brightness",
    "saturate", "jpeg_compression", "pixelate", "elastic_transform",
)  # fmt: skip
SEVERITIES = (1, 2, 3, 4, 5)
ALPHA = 0.05
AT_ONCE = 25
"""Simulated pairs whose columns are computed together."""


@dataclass(frozen=True, slots=True)
class World:
    """The size of a run, and of what moves answers, in logits."""

    images: int = 128
    questions: int = 9
    ease: float = 2.5
    """Of a clean question."""
    slope: float = 0.35
    """What a severity takes, times 0.5 to 1.5 by the corruption."""
    by_image: float = 1.0
    by_question: float = 1.0
    by_corruption: float = 0.5
    by_run: float = 0.3
    """Of a run on an image: the same over all its questions and conditions."""
    by_run_and_corruption: float = 0.3


@dataclass(frozen=True, slots=True)
class Drawn:
    """Two runs' answers, (images, questions, conditions) of 0 and 1; clean is the first condition."""

    before: npt.NDArray[np.int8]
    after: npt.NDArray[np.int8]


def draw(world: World, rng: np.random.Generator) -> Drawn:
    """Two runs of equal models."""
    g, q, k = world.images, world.questions, len(CORRUPTIONS)
    slopes = world.slope * np.linspace(0.5, 1.5, k)
    logits = world.ease + world.by_image * rng.standard_normal((g, 1, 1, 1))
    logits = logits + world.by_question * rng.standard_normal((g, q, 1, 1))
    own = logits + world.by_corruption * rng.standard_normal((g, 1, k, 1))
    own = own - slopes[:, None] * np.array(SEVERITIES)

    def run() -> npt.NDArray[np.int8]:
        on_image = world.by_run * rng.standard_normal((g, 1, 1, 1))
        on_both = world.by_run_and_corruption * rng.standard_normal((g, 1, k, 1))
        corrupted = (own + on_image + on_both).reshape(g, q, -1)
        shown = np.concatenate([(logits + on_image).reshape(g, q, 1), corrupted], axis=2)
        chance = rng.random(shown.shape, dtype=np.float32)
        return (chance < 1.0 / (1.0 + np.exp(-shown.astype(np.float32)))).astype(np.int8)

    return Drawn(run(), run())


def spoilt(drawn: Drawn, drop: float, corruption: int | None, rng: np.random.Generator) -> Drawn:
    """With so large a drop, on average, in every corruption (None) or in one: right answers made wrong."""
    columns = slice(1, None) if corruption is None else slice(1 + 5 * corruption, 6 + 5 * corruption)
    after = drawn.after.copy()
    part = after[:, :, columns]
    share = min(1.0, drop / max(1e-9, float(part.mean())))
    part[rng.random(part.shape) < share] = 0
    return Drawn(drawn.before, after)


def columns_of(drawn: Drawn) -> Floats:
    """(images, 21): what each image adds to the change of clean, of overall and of every corruption."""
    differences = (drawn.after.astype(np.float64) - drawn.before).sum(axis=1)
    by_corruption = differences[:, 1:].reshape(len(differences), len(CORRUPTIONS), len(SEVERITIES))
    rows = drawn.before.shape[0] * drawn.before.shape[1]
    parts = [differences[:, :1], differences[:, 1:].mean(axis=1, keepdims=True), by_corruption.mean(axis=2)]
    return np.concatenate(parts, axis=1) / rows


def planned(tolerance: float, rule: Rule) -> list[Planned]:
    """The checks of the default configuration, in the order of ``columns_of``."""
    kinds = [(Part.CLEAN, "clean"), (Part.OVERALL, "overall")]
    kinds += [(Part.CORRUPTION, name) for name in CORRUPTIONS]
    return [Planned("score", part, name, tolerance, rule, None) for part, name in kinds]


SHARES = np.array(weights(planned(0.0, Rule.REGRESSION)))
PATTERNS = sign_patterns(SHARES.tolist(), PAIRED_REPLICATES, ALPHA)


@dataclass(frozen=True, slots=True)
class Found:
    """Of S simulated pairs × 21 checks: what the rules go by."""

    change: Floats
    high: Floats
    bound: Floats
    p: Floats

    def failed(self, tolerance: float, *, corrected: str = "all") -> npt.NDArray[np.bool_]:
        """(S, 21) under ``regression``. ``corrected``: ``corruptions`` alone is what the gate once did."""
        if corrected == "all":
            adjusted = np.stack([holm(row, SHARES) for row in self.p])
        else:
            adjusted = np.stack([np.concatenate([row[:2], holm(row[2:])]) for row in self.p])
        return regressed(self.change, self.high, adjusted, tolerance, ALPHA)

    def not_shown(self, tolerance: float) -> npt.NDArray[np.bool_]:
        """(S, 21) under ``non-inferiority``."""
        return not_shown_as_good(self.bound, tolerance)


def find(columns: list[Floats]) -> Found:
    """The gate's statistics of many pairs, (images, 21) columns of each."""
    parts = [_find(columns[at : at + AT_ONCE]) for at in range(0, len(columns), AT_ONCE)]
    return Found(*(np.concatenate(found) for found in zip(*parts, strict=True)))


def _find(columns: list[Floats]) -> tuple[Floats, Floats, Floats, Floats]:
    stacked = np.concatenate(columns, axis=1)
    p = sign_flip_tests(stacked, replicates=PATTERNS, seed=(0, 1))
    # Every image has as many questions: the sum of its weights is the same in every resample.
    means = np.empty((PAIRED_REPLICATES, stacked.shape[1]))
    for batch, drawn in group_weights(len(stacked), PAIRED_REPLICATES, (0, 0)):
        means[batch] = drawn @ stacked
    high, bound = np.quantile(means, [1.0 - ALPHA / 2.0, ALPHA], axis=0)
    shape = (len(columns), -1)
    change = stacked.sum(axis=0)
    bound = np.minimum(bound, change - t_quantile(1.0 - ALPHA, len(stacked) - 1) * errors_of(stacked))
    return change.reshape(shape), high.reshape(shape), bound.reshape(shape), p.reshape(shape)


def errors_of(columns: Floats) -> Floats:
    """The standard error of every column's sum over the images."""
    n = len(columns)
    found: Floats = np.sqrt(n / (n - 1) * np.square(columns - columns.mean(axis=0)).sum(axis=0))
    return found


def detectables(drawn: Drawn, tolerance: float, power: float) -> Floats:
    """(21,): what the gate says of each check that it would have seen, from this one pair."""
    columns = columns_of(drawn)
    n, se = len(columns), errors_of(columns)
    differs = (drawn.after != drawn.before).mean(axis=(0, 1))
    churn = [differs[0], differs[1:].mean(), *differs[1:].reshape(len(CORRUPTIONS), -1).mean(axis=1)]
    return np.array(
        [
            detectable(Demand(Rule.REGRESSION, tolerance, ALPHA, share), s, float(c), n, power, PATTERNS)
            for share, s, c in zip(SHARES, se, churn, strict=True)
        ]
    )


def frames(drawn: Drawn) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The records of a simulated pair."""
    g, q, c = drawn.before.shape
    names = ["clean", *(name for name in CORRUPTIONS for _ in SEVERITIES)]
    severities = [0, *(SEVERITIES * len(CORRUPTIONS))]
    common = {
        "sample_id": np.repeat([f"q{i:05}" for i in range(g * q)], c),
        "group": np.repeat([f"i{i:04}" for i in range(g)], q * c),
        "image_corruption": np.tile(names, g * q),
        "image_severity": np.tile(severities, g * q),
        "text_corruption": "clean",
        "text_severity": 0,
        "status": "ok",
        "changed": np.tile(np.array(severities) > 0, g * q),
    }
    first, second = (
        pd.DataFrame({**common, "score": side.reshape(-1).astype(np.float32)})
        for side in (drawn.before, drawn.after)
    )
    return first, second


def same_as_the_gate(drawn: Drawn, tolerance: float) -> bool:
    """Whether ``gate.evaluate`` fails the very checks that the columns fail, under both rules."""
    found = find([columns_of(drawn)])
    for rule, failed in (
        (Rule.REGRESSION, found.failed(tolerance)),
        (Rule.NON_INFERIORITY, found.not_shown(tolerance)),
    ):
        config = GateConfig(tolerance=tolerance, rule=rule.value)
        result = evaluate(*frames(drawn), config=config, alpha=ALPHA)
        checks = {check.name: not check.passed for check in result.checks[: len(SHARES)]}
        if [checks[one.name] for one in planned(tolerance, rule)] != failed[0].tolist():
            return False
    return True


def shown(hits: int, tries: int) -> str:
    """A share with its 95 % interval (Clopper & Pearson, Biometrika 26 (1934))."""
    from scipy.stats import binomtest

    between = binomtest(hits, tries).proportion_ci(0.95, "exact")
    return f"{hits / tries:7.1%}  [{between.low:.1%}, {between.high:.1%}]  {hits} of {tries}"


def lines(world: World, pairs: int, seed: int) -> Iterator[str]:
    """The figures, as they come."""
    rng = np.random.Generator(np.random.Philox(seed))
    # What the gate says that it sees, from pairs that are in nothing below.
    tolerances = (0.0, 0.02)
    said = {
        tolerance: np.mean([detectables(draw(world, rng), tolerance, 0.9) for _ in range(10)], axis=0)
        for tolerance in tolerances
    }
    columns = []
    right, differ = [], []
    for _ in range(pairs):
        drawn = draw(world, rng)
        columns.append(columns_of(drawn))
        right.append(drawn.before.mean())
        differ.append((drawn.before != drawn.after).mean())
    null = find(columns)
    yield (
        f"{pairs} pairs of runs of {world.images} images × {world.questions} questions × "
        f"{1 + 5 * len(CORRUPTIONS)} conditions; {np.mean(right):.1%} right, {np.mean(differ):.1%} differ"
    )
    yield "\nno change: gates that fail (false alarms; the bar is 5 %)"
    for tolerance in tolerances:
        for corrected, words in (
            ("all", "Holm over all checks, weighted"),
            ("corruptions", "before: Holm over corruptions only"),
        ):
            failed = null.failed(tolerance, corrected=corrected).any(axis=1)
            yield f"  regression, tolerance {tolerance:<5g} {words:36} {shown(int(failed.sum()), pairs)}"
    margin = {tolerance: null.not_shown(tolerance) for tolerance in (0.02, 0.05)}
    for tolerance, failed in margin.items():
        yield (
            f"  non-inferiority, tolerance {tolerance:g}: gates that fail because the data do not show it "
            f"{shown(int(failed.any(axis=1).sum()), pairs)}"
        )
        yield f"    the check overall alone {'':40} {shown(int(failed[:, 1].sum()), pairs)}"
    yield "\na drop that the gate says it sees nine times in ten: checks that fail (the bar is 90 %)"
    some = pairs // 2
    for tolerance in tolerances:
        for corruption in (None, 3, 9, 17):
            check = 1 if corruption is None else 2 + corruption
            drop = float(said[tolerance][check])
            found = find([columns_of(spoilt(draw(world, rng), drop, corruption, rng)) for _ in range(some)])
            name = "overall" if corruption is None else CORRUPTIONS[corruption]
            hits = int(found.failed(tolerance)[:, check].sum())
            yield f"  regression, tolerance {tolerance:<5g} {name:17} by {drop:.4f} {shown(hits, some)}"
    basis = from_pair(*(read_rows(frame) for frame in frames(draw(world, rng))))
    for tolerance in tolerances:
        plan = plan_power(basis, 0.1, tolerance=tolerance)
        for kind, check, corruption in ((0, 1, None), (2, 11, 9)):
            drop = plan.smallest[basis.kinds[kind].name, basis.kinds[kind].churn or 0.0]
            found = find([columns_of(spoilt(draw(world, rng), drop, corruption, rng)) for _ in range(some)])
            hits = int(found.failed(tolerance)[:, check].sum())
            name = basis.kinds[kind].name
            yield f"  dmsbench power, tolerance {tolerance:<5g} {name:13} by {drop:.4f} {shown(hits, some)}"
    yield "\na drop of exactly the tolerance, everywhere: gates that pass (the bar is 5 %)"
    for tolerance in (0.02, 0.05):
        found = find([columns_of(spoilt(draw(world, rng), tolerance, None, rng)) for _ in range(some)])
        passed = ~found.not_shown(tolerance)
        whole = int(passed.all(axis=1).sum())
        yield f"  non-inferiority, tolerance {tolerance:g}: whole gate {shown(whole, some)}"
        yield f"    the check overall alone          {shown(int(passed[:, 1].sum()), some)}"
    checked = [
        spoilt(draw(world, rng), drop, corruption, rng)
        for drop, corruption in ((0.0, None), (0.02, None), (0.1, 4))
    ]
    agree = sum(same_as_the_gate(drawn, tolerance) for drawn in checked for tolerance in tolerances)
    yield f"\ngate.evaluate on the records of {len(checked)} pairs, 2 tolerances, 2 rules: {agree} of 6 agree"


def main() -> None:
    """Simulates and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--questions", type=int, default=9)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    began = time.perf_counter()
    for line in lines(World(given.images, given.questions), given.pairs, given.seed):
        print(line, flush=True)
    print(f"\n{math.ceil(time.perf_counter() - began)} s")


if __name__ == "__main__":
    main()
